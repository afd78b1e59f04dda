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

_FUNCTIONS = """
audio boolAsBool descending detections int32AsInt32 int32AsInt64 int64AsInt32 int64AsInt64
int8AsInt32 int8AsInt64 int8Bytes int8Numbers int8Of int8Values labelOf np print real realOfInt8
realOfUint8 requireCount sys uint8AsInt32 uint8AsInt64 uint8Bytes uint8Numbers uint8Of uint8Values
"""

RESERVED = frozenset((*_WORDS.split(), *_FUNCTIONS.split()))
"""Words of Kotlin, Swift, Python, C or C++, and names that the APIs use themselves: in Swift a
parameter hides a function of its name."""
