"""What a task declares of its inputs and outputs, done to its batches and seen by its metrics."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from pipeline.metrics import Accuracy, Metric
from pipeline.processing.after import ArgmaxMask, TopK
from pipeline.processing.declared import NOTHING, Declared, DeclaredInput, Fault, inputs, outputs
from pipeline.processing.finish import Mask, Ranked, Result, finish
from pipeline.processing.flow import ANY, Misfit
from pipeline.processing.prepare import prepare
from pipeline.task_metrics import OwnMetric
from targets.errors import TaskError

Tensors = tuple[Tensor, ...]
Raw = Tensor | list[Tensor]
"""An input of a batch: samples on dimension 0, or one by one where their sizes differ."""


def read(
    known: Mapping[str, object], module: nn.Module, example: Tensors, found: object, file: str
) -> Declared:
    """What the task's `preprocess` and `postprocess` say.

    Args:
        known: the task's names.
        module: its model; forward's parameters name the inputs.
        example: the model's example inputs.
        found: what the model gave for them.
        file: the task's file, for messages.

    Raises TaskError.
    """
    before, after = known.get("preprocess"), known.get("postprocess")
    if before is None and after is None:
        return NOTHING
    shapes = dict(zip(_names(module, len(example)), map(_shape, example), strict=True))
    leaves = [_shape(leaf) for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
    try:
        return Declared(
            inputs=() if before is None else inputs(before, shapes),
            outputs=() if after is None else outputs(after, leaves),
        )
    except Fault as fault:
        raise TaskError(f"{file}: {fault}") from None


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape[1:])


def _names(module: nn.Module, count: int) -> list[str]:
    """The inputs' names: forward's parameters, or input0, input1 where it takes any number."""
    taken = [
        one.name
        for one in inspect.signature(module.forward).parameters.values()
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    return [*taken, *(f"input{index}" for index in range(len(taken), count))][:count]


def prepared(item: object, declared: Declared, place: str) -> object:
    """An item of the task's batches with its inputs as the model takes them.

    What is no pair of as many inputs is left for the check of batches to tell. TaskError for
    inputs that are not what the task declares.
    """
    if not any(declared.inputs) or not _is_pair(item):
        return item
    first, target = item
    found = _split(first, declared)
    if len(found) != len(declared.inputs):
        return found, target
    made = [
        raw if one is None else _prepared(raw, one, f"{place}: input {index}")
        for index, (raw, one) in enumerate(zip(found, declared.inputs, strict=True))
    ]
    return tuple(made), target


def sources(item: object, declared: Declared) -> Iterator[Tensors]:
    """The inputs of an item as the task has them: whole, or sample by sample where they are of
    several sizes."""
    if not _is_pair(item):
        return
    found = _split(item[0], declared)
    samples = next((len(one) for one in found if isinstance(one, list)), 0)
    for index in range(samples):
        yield tuple(
            one[index][None] if isinstance(one, list) else one[index : index + 1] for one in found
        )
    if not samples:
        yield tuple(one for one in found if isinstance(one, Tensor))


def _is_pair(item: object) -> TypeGuard[Sequence[object]]:
    return isinstance(item, tuple | list) and len(item) == 2


def _split(first: object, declared: Declared) -> tuple[Raw, ...]:
    """The inputs of an item one by one. A list of the only one's samples is one input."""
    if isinstance(first, list) and len(declared.inputs) == 1 and (one := declared.inputs[0]):
        sample = first[0] if first else None
        if isinstance(sample, Tensor) and sample.dim() == len(one.source.shape):
            return (first,)
    return tuple(first) if isinstance(first, tuple | list) else (cast("Raw", first),)


def _prepared(raw: Raw, one: DeclaredInput, place: str) -> Tensor:
    """One input, as the model takes it."""
    if isinstance(raw, list):
        return torch.cat([_prepared(sample[None], one, place) for sample in raw])
    source, wanted = one.source, ", ".join(_size(size) for size in one.source.shape)
    allowed = f"allowed: {source.dtype} [N, {wanted}], as preprocess says"
    if not isinstance(raw, Tensor):
        raise TaskError(f"{place}: found {type(raw).__name__}; {allowed}")
    kind = str(raw.dtype).removeprefix("torch.")
    fits = raw.dim() == 1 + len(source.shape) and all(
        b in (ANY, a) for a, b in zip(raw.shape[1:], source.shape, strict=True)
    )
    if kind != source.dtype or not fits:
        raise TaskError(f"{place}: found {kind} {list(raw.shape)}; {allowed}")
    try:
        return torch.from_numpy(prepare(raw.numpy(), source, one.operations))
    except Misfit as misfit:
        raise TaskError(f"{place}: preprocess: item {misfit.index + 1}: {misfit}") from None


def _size(size: int) -> str:
    return "any" if size == ANY else str(size)


def measuring(metric: Metric, declared: Declared) -> Metric:
    """The metric, seeing what an app would get where that is what it takes."""
    if isinstance(metric, OwnMetric) and metric.takes == "results":
        return OfResults(metric, declared)
    if type(metric) is Accuracy and _is_one_class(declared):
        return Accuracy(lambda scores: _chosen(scores, declared))
    return metric


def _is_one_class(declared: Declared) -> bool:
    """Whether the only output comes to one class, of classes that are on dimension 1."""
    if len(declared.outputs) != 1 or not declared.outputs[0].operations:
        return False
    last = declared.outputs[0].operations[-1]
    return isinstance(last, TopK) or (isinstance(last, ArgmaxMask) and last.axis == 0)


class OfResults:
    """A metric of the user's, whose update() takes what `postprocess` makes of the outputs."""

    def __init__(self, metric: OwnMetric, declared: Declared) -> None:
        """Hands the metric results; its name and direction stay."""
        self.name, self.higher_is_better = metric.name, metric.higher_is_better
        self.compute, self.per_class = metric.compute, metric.per_class
        self._metric, self._declared = metric, declared

    def update(self, outputs: object, target: object) -> None:
        """Takes in one batch: a result, or a tuple of them where the model has several outputs."""
        found = results(outputs, self._declared)
        self._metric.update(found[0] if len(found) == 1 else found, target)


def results(outputs: object, declared: Declared) -> tuple[Result | None, ...]:
    """What an app would get for a batch of outputs, for each of them.

    Args:
        outputs: a pytree of tensors, samples on dimension 0.
        declared: what is done to them; without a declaration, nothing.
    """
    arrays = [_array(one) for one in tree_leaves(outputs) if isinstance(one, Tensor)]
    chains = [one.operations for one in declared.outputs]
    return finish(arrays, chains or [()] * len(arrays))


def _array(tensor: Tensor) -> np.ndarray:
    """What a runtime would hand over: float32 for what is half or double."""
    real = tensor.detach()
    array: np.ndarray = (real.float() if real.is_floating_point() else real).numpy()
    return array


def _chosen(scores: Tensor, declared: Declared) -> Tensor:
    """The one class that an app would get of each sample, or at each place."""
    (result,) = results(scores, declared)
    match result:
        case Ranked():
            return torch.from_numpy(result.indices[:, 0])
        case Mask():
            return torch.from_numpy(result.classes)
    raise AssertionError("asked of rankings and masks only")
