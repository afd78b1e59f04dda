"""Which release of ONNX Runtime takes which opset and IR version.

Sources: onnxruntime.ai/docs/reference/compatibility.html up to 1.20; ONNX Runtime's pull requests
24449 (ONNX 1.18) and 26202 (ONNX 1.19.1) for what came later.
"""

from collections.abc import Mapping

RELEASE_OF_OPSET: Mapping[int, str] = {
    13: "1.6", 14: "1.8", 15: "1.9", 16: "1.11", 17: "1.12", 18: "1.14", 19: "1.15", 20: "1.17",
    21: "1.18",
}  # fmt: skip
"""The first release that takes it, as far as the documentation goes."""
RELEASE_OF_IR: Mapping[int, str] = {8: "1.12", 9: "1.15", 10: "1.18"}
MOBILE_RELEASE = "1.24"
"""The newest that every mobile package has: iOS's Swift package is behind the others."""
MOBILE_OPSET, MOBILE_IR = 24, 12
"""Of ONNX 1.19.1, which that release was made with at least."""


def release_of(opset: int) -> str | None:
    """The first release that takes the opset; None for one that is newer than the table.

    Opsets before 13 are taken by every release that an app still uses.
    """
    return RELEASE_OF_OPSET.get(opset, "1.6" if opset < min(RELEASE_OF_OPSET) else None)
