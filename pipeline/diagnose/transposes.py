"""Rules on changes of layout."""

from collections.abc import Iterator, Mapping
from typing import Literal

from pipeline.diagnose.case import Case, counted, named
from pipeline.diagnose.finding import Finding, Severity
from targets.workload import Operator

KINDS = ("TRANSPOSE", "Transpose")
POINTWISE = (
    *("Relu", "LeakyRelu", "Sigmoid", "Tanh", "Clip", "HardSigmoid", "HardSwish", "Gelu", "Elu"),
    *("QuantizeLinear", "DequantizeLinear", "Cast", "Identity", "Abs", "Exp", "Neg", "Sqrt"),
    *("RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "GELU", "ELU", "QUANTIZE"),
    *("DEQUANTIZE", "CAST", "ABS", "EXP", "NEG", "SQRT"),
    *("ReLU", "Clamp", "Swish", "HSwish", "Convert", "FakeQuantize"),
)
"""Operators that do not care in which order axes are, in the words of the three formats."""

Place = Literal["still", "cancels", "input", "output", "flattened", "inside"]
WHAT: Mapping[Place, tuple[str, str]] = {
    "still": (
        "transposes that only move axes of size 1, which copies the tensor as it is",
        "use a reshape (torch: unsqueeze and squeeze)",
    ),
    "cancels": (
        "transposes that undo an earlier one, with nothing between that minds the order of axes",
        "remove both: permute once, or keep one layout through this part of the model",
    ),
    "input": (
        "transposes that turn the model's own input",
        "take the input in the layout that the runtime computes in (TFLite: channels last, "
        "litert_torch.to_channel_last_io; the app's image is so already)",
    ),
    "output": (
        "transposes that turn the model's own output",
        "give the output in the layout that it is computed in, and read it so in the app",
    ),
    "flattened": (
        "transposes that turn an image only for it to be flattened or reduced",
        "a mean over height and width needs no turn, and a linear layer takes its inputs in any "
        "order: order its weights so",
    ),
    "inside": (
        "transposes that turn a tensor inside the model",
        "fewer are needed where neighbouring parts share one layout; those between the heads of "
        "attention have to be",
    ),
}
CHANNELS_FIRST, CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
FLATTENING = (
    *("RESHAPE", "MEAN", "SUM", "REDUCE_MAX", "Reshape", "Flatten", "ReduceMean", "ReduceSum"),
    *("ReduceMax", "GlobalAveragePool", "Squeeze"),
)
"""Operators behind which nobody sees in which order an image's axes were."""


def find(case: Case) -> Iterator[Finding]:
    """Transposes of the file that are executed, by what they do; and those of the runtime."""
    makers = {key: one for one in case.operators for key in one.outputs}
    found: dict[Place, list[Operator]] = {}
    for one in _kept(case):
        found.setdefault(_place(case, one, makers), []).append(one)
    for place, (what, cure) in WHAT.items():
        if ones := found.get(place):
            names = tuple(one.name or one.type for one in ones)
            moved = sum(case.tensor(key).size_bytes for one in ones for key in one.outputs)
            told = f"{what}: {named(names)}, {moved / 1e3:.3g} kB in all"
            severity: Severity = "note" if place == "inside" else "warning"
            yield Finding("transposes", severity, told, cure, names)
    yield from _inserted(case)


def _kept(case: Case) -> list[Operator]:
    """Those that the runtime executes, of which it keeps the names; all where it was not asked."""
    ours = [one for one in case.operators if one.type in KINDS]
    if case.description is None:
        return ours
    executed = {one.name for one in case.executed if one.role == "transposes"}
    return [one for one in ours if one.name in executed]


def _place(case: Case, one: Operator, makers: Mapping[str, Operator]) -> Place:
    shape = case.tensor(one.inputs[0]).shape if one.inputs else None
    if one.permutation and shape and len(shape) == len(one.permutation):
        large = [axis for axis in one.permutation if shape[axis] != 1]
        if large == sorted(large):
            return "still"
    earlier = _earlier(case, one, makers)
    if earlier and one.permutation and _undoes(one.permutation, earlier.permutation):
        return "cancels"
    inputs, outputs = (case.work.inputs, case.work.outputs) if case.work else ((), ())
    if one.inputs and one.inputs[0] in inputs:
        return "input"
    if set(one.outputs) & set(outputs):
        return "output"
    return "flattened" if _is_flattened(case, one) else "inside"


def _is_flattened(case: Case, one: Operator) -> bool:
    """Whether all that reads the turned image loses its order."""
    readers = [each.type for each in case.operators if set(one.outputs) & set(each.inputs)]
    turns = one.permutation in (CHANNELS_FIRST, CHANNELS_LAST)
    return turns and bool(readers) and set(readers) <= set(FLATTENING)


def _earlier(case: Case, one: Operator, makers: Mapping[str, Operator]) -> Operator | None:
    """The transpose that this one's data comes from, through operators that keep axes alone."""
    passed = set[int]()
    maker = makers.get(one.inputs[0]) if one.inputs else None
    while maker is not None and maker.type in POINTWISE and id(maker) not in passed:
        passed.add(id(maker))
        computed = [key for key in maker.inputs if not case.tensor(key).constant]
        maker = makers.get(computed[0]) if len(computed) == 1 else None
    return maker if maker is not None and maker.type in KINDS else None


def _undoes(last: tuple[int, ...], first: tuple[int, ...]) -> bool:
    """Whether both together leave every axis in its place."""
    if len(last) != len(first) or sorted(last) != list(range(len(last))):
        return False
    return [first[axis] for axis in last] == list(range(len(first)))


def _inserted(case: Case) -> Iterator[Finding]:
    """Layouts that the runtime changes beyond one for each input and output."""
    ours = {one.name for one in case.operators if one.type in KINDS}
    theirs = [one for one in case.executed if one.role == "transposes" and one.name not in ours]
    if case.description is None:
        return
    artifact = case.description.artifact
    if len(theirs) > len(artifact.inputs) + len(artifact.outputs):
        kinds = counted(one.type for one in theirs)
        found = f"the runtime put in {len(theirs)} changes of layout of its own: {kinds}"
        cure = (
            "operators between convolutions that its blocked layout does not know split it: use "
            "ones that it knows (ReLU, add, pooling), and channels in multiples of 8 or 16"
        )
        yield Finding("inserted-layouts", "note", found, cure, tuple(one.name for one in theirs))
