"""A finding: one thing in a model file that costs time on a device, and what to do about it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
"""It can't run or be measured as it is; it costs time; it is worth knowing."""
ORDER: tuple[Severity, ...] = ("error", "warning", "note")

RULES: Mapping[str, str] = {
    "missing-operator": "the device's runtime has no kernel for an operator",
    "dynamic-sizes": "sizes other than the batch are open, so that nothing can be planned ahead",
    "dynamic-batch": "the batch is open, so that memory is planned anew while it runs",
    "dynamic-inside": "sizes inside the model depend on data",
    "newer-than-runtime": "the file asks for a newer runtime than the device has",
    "newer-than-mobile": "the file asks for more than mobile runtimes are known to take",
    "outside-partition": "operators run outside the delegate, which splits what it runs",
    "float-operator": "operators of a quantized model compute in float",
    "dynamic-quantization": "ranges are found anew at every inference",
    "float-model": "nothing is quantized, though the device has instructions for 8 bits",
    "slow-int8": "the device has no instructions that make 8 bits fast in this runtime",
    "signed-activations": "the runtime is slower with signed activations on this processor",
    "conversions": "operators that only change a type",
    "transposes": "operators that only change a layout, and need not be there",
    "inserted-layouts": "changes of layout that the runtime put in itself",
    "external-data": "the weights are in other files, which have to travel with the model",
    "unread": "the file's own graph can't be read here",
}
"""What each rule looks for."""


@dataclass(frozen=True)
class Finding:
    """What was found by a rule.

    Attributes:
        rule: one of RULES.
        severity: how bad it is.
        found: what is there, in a sentence.
        cure: what to change, in a sentence.
        names: what it is about: operators, inputs or files, as the runtime or the file calls them.
    """

    rule: str
    severity: Severity
    found: str
    cure: str
    names: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "names": list(self.names)}
