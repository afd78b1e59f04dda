"""How Kotlin writes values and types."""

from collections.abc import Sequence

import numpy as np

ARRAYS = {
    "float32": "FloatArray",
    "int8": "ByteArray",
    "uint8": "ByteArray",
    "int16": "ShortArray",
    "int32": "IntArray",
    "int64": "LongArray",
    "bool": "BooleanArray",
}
ESCAPES = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Kotlin:
    """A `Language`; bytes are `ByteArray`, whether they have a sign or not."""

    def float32(self, value: float) -> str:
        """A float32, exactly."""
        return f"{np.float32(value)!s}f"

    def float64(self, value: float) -> str:
        """A float64, exactly."""
        return repr(float(value))

    def floats(self, values: Sequence[float]) -> str:
        """An array of float32."""
        return f"floatArrayOf({', '.join(self.float32(one) for one in values)})"

    def sizes(self, values: Sequence[int]) -> str:
        """An array of whole numbers."""
        return f"intArrayOf({', '.join(str(one) for one in values)})"

    def text(self, value: str) -> str:
        """A string, escaped."""
        return f'"{"".join(_escaped(one) for one in value)}"'

    def array(self, dtype: str) -> str:
        """The type of an array of these."""
        return ARRAYS[dtype]

    def list_of(self, type_name: str) -> str:
        """The type of a list of these objects."""
        return f"List<{type_name}>"


def _escaped(character: str) -> str:
    if character in ESCAPES:
        return ESCAPES[character]
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", errors="surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
