"""How Swift writes values and types."""

from collections.abc import Sequence

import numpy as np

ELEMENTS = {
    "float32": "Float",
    "int8": "Int8",
    "uint8": "UInt8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "bool": "Bool",
}
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Swift:
    """A `Language`; the type of a number follows from where it stands."""

    def float32(self, value: float) -> str:
        """A float32, exactly."""
        return str(np.float32(value))

    def float64(self, value: float) -> str:
        """A float64, exactly."""
        return repr(float(value))

    def floats(self, values: Sequence[float]) -> str:
        """An array of float32."""
        return f"[{', '.join(self.float32(one) for one in values)}]"

    def sizes(self, values: Sequence[int]) -> str:
        """An array of whole numbers."""
        return f"[{', '.join(str(one) for one in values)}]"

    def text(self, value: str) -> str:
        """A string, escaped."""
        return f'"{"".join(_escaped(one) for one in value)}"'

    def array(self, dtype: str) -> str:
        """The type of an array of these."""
        return f"[{ELEMENTS[dtype]}]"

    def list_of(self, type_name: str) -> str:
        """The type of a list of these objects."""
        return f"[{type_name}]"


def _escaped(character: str) -> str:
    if character in ESCAPES:
        return ESCAPES[character]
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"
