"""Names that no field of a generated API has."""

_WORDS = """
and any as assert async auto await bool break byte case catch char class const context continue def
default defer del delete do double elif else enum except extension extern false final finally float
for from fun func global goto guard if import in init inline inout input int interface internal is
label lambda let long new nil none nonlocal not null object open operator or output package pass
private protected protocol public raise register repeat result return run self short signed sizeof
static string struct subscript super switch template this throw throws true try type typealias
typedef typename typeof union unsigned using val value values var virtual void volatile when where
while with yield
"""

RESERVED = frozenset(_WORDS.split())
"""Words of Kotlin, Swift, Python, C or C++, and names that the APIs use themselves."""
