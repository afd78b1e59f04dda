"""Which operators of an .onnx the ONNX Runtime of this machine has no kernel for.

The runtime itself names the first one only, when it refuses the file.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import onnx
from onnxruntime.capi import onnxruntime_pybind11_state as binding

_STANDARD = "ai.onnx"
"""Another name of the domain "", as messages have it."""

Kernels = Mapping[tuple[str, str], list[tuple[int, int]]]


def lacking(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names such as "elsewhere.Nowhere" or "ai.onnx.Attention-24", sorted.

    An operator that the file or the standard defines by others needs no kernel of its own.
    """
    opsets = {one.domain: one.version for one in model.opset_import}
    own = {(one.domain, one.name) for one in model.functions}
    used = {(one.domain, one.op_type) for one in model.graph.node} - own
    kernels = _kernels()
    return tuple(sorted(_name(*kind, opsets) for kind in used if not _runs(kind, opsets, kernels)))


def _kernels() -> Kernels:
    """The first and the last version that each kernel on the CPU takes, by domain and kind."""
    found = defaultdict(list)
    for one in binding.get_all_opkernel_def():
        if one.provider == "CPUExecutionProvider":
            found[one.domain, one.op_name].append(one.version_range)
    return found


def _runs(kind: tuple[str, str], opsets: Mapping[str, int], kernels: Kernels) -> bool:
    domain, name = kind
    plain = "" if domain == _STANDARD else domain
    version = opsets.get(plain, opsets.get(domain, 1))
    ranges = kernels.get((plain, name), [])
    return _takes(ranges, version) or _is_composed(plain, name, version)


def _takes(ranges: Iterable[tuple[int, int]], version: int) -> bool:
    return any(first <= version <= last for first, last in ranges)


def _is_composed(domain: str, name: str, version: int) -> bool:
    """Whether the standard says of which other operators it is made."""
    try:
        schema = onnx.defs.get_schema(name, version, domain)
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)


def _name(domain: str, name: str, opsets: Mapping[str, int]) -> str:
    if domain in ("", _STANDARD):
        return f"{_STANDARD}.{name}-{opsets.get('', opsets.get(_STANDARD, 1))}"
    return f"{domain}.{name}"
