"""Names that no field of a generated API has."""

_WORDS = """
and any as assert async auto await bool break byte case catch char class const context continue def
default defer del delete do double elif else enum environment except extension extern false final
finally float for found from fun func global goto guard if import in init inline inout input inputs
int interface internal is label lambda let lock long model new nil none nonlocal not null object
open operator options or output outputs package pass private protected protocol public raise raw
register repeat result results return run sample self session short signed sizeof static string
struct subscript super switch template tensors this throw throws true try type typealias typedef
typename typeof union unsigned using val value values var virtual void volatile wanted when where
while with yield
"""

RESERVED = frozenset(_WORDS.split())
"""Words of Kotlin, Swift, Python, C or C++, and names that the APIs use themselves."""
