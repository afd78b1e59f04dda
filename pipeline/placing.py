"""Which operators stay float on a runtime since it is faster so, or since accuracy asks for it.

An operator without an int8 kernel splits what a runtime would run as one, and conversions around
it can cost more than int8 saves. Nobody knows where but the device: candidates are exported and
timed in turns beside the model without them, and what is faster with 95 % confidence stays.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline import activations, evidence, quantizing, stages
from pipeline import candidate as candidates
from pipeline.desk import Desk
from pipeline.ladder import Priced
from pipeline.quantize.layout import Layout, layout
from pipeline.quantize.plan import QuantPlan
from pipeline.quantize.regions import Region, closed, regions
from pipeline.quantize.sensitivity import float_gains
from pipeline.recipe import Quantize
from pipeline.workspace import atomic_write
from targets.artifact import Artifact
from targets.errors import ConversionError
from targets.execution import Execution, execution
from targets.measurement import TimingRule, median
from targets.ratios import LEAST_PAIRS, paired_ratio

DOUBTFUL = frozenset(
    {
        "avg_pool2d",
        "bmm",
        "elu",
        "gelu",
        "group_norm",
        "hardswish",
        "layer_norm",
        "leaky_relu",
        "matmul",
        "prelu",
        "scaled_dot_product_attention",
        "softmax",
    }
)
"""Kinds of operators whose int8 kernels are missing or slow on some runtime."""
MOST_PLACES = 8
"""Candidates for a runtime, at most."""
MOST_PRICED = 6
"""Regions that are priced for accuracy, at most."""
SAMPLES = 64
"""Calibration samples that tell regions apart."""
BASE = "int8"
OUTLETS = "what float operators alone read"
"""The values, by which it is tried whether operators with weights leave them in float32."""
TURNS = replace(TimingRule.quick(), min_samples=50, min_seconds=0.3, warmup_max_s=1.0)
NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")

Times = Mapping[str, tuple[float, ...]]
"""Each artifact's median latency in ms, by process; processes stand side by side."""


@dataclass(frozen=True)
class Placement:
    """What stays float on one runtime: operators, and what operators with weights leave to float
    ones alone; and why, in words."""

    nodes: tuple[str, ...]
    told: str = ""
    float_outlets: bool = False


def applied(desk: Desk, folder: Path, placement: Placement) -> Path:
    """The candidate with its plan, left as float as the placement says."""
    outlets = placement.float_outlets
    return quantizing.keep(desk, folder, placement.nodes, float_outlets=outlets)


def is_doubtful(desk: Desk, folder: Path) -> bool:
    """Whether a candidate has operators that int8 may be slower with somewhere; a step."""

    def work(into: Path) -> None:
        parts = layout(candidates.load(folder, desk.dense).graph)
        found = sorted({part.operator for part in parts.values()} & DOUBTFUL)
        atomic_write(into / "doubtful.json", json.dumps(found) + "\n")

    step = desk.workspace.step("doubtful", {"parent": folder.name}, work)
    return bool(json.loads((step / "doubtful.json").read_text()))


def places(parts: Layout, found: Sequence[Region]) -> dict[str, tuple[str, ...]]:
    """What could stay float together for speed, by name: regions that hold or border on a doubtful
    operator, all numbered siblings of one name as one. Kinds first, blocks next, layers last."""
    siblings: dict[str, set[str]] = {}
    for region in found:
        siblings.setdefault(NUMBER.sub("*", region.name), set()).update(region.nodes)
    whole = {part.name for part in parts.values() if part.weighted}
    grown = {name: closed(parts, nodes) for name, nodes in siblings.items()}
    near = {
        nodes: name
        for name, nodes in sorted(grown.items(), key=lambda one: _order(one[0]), reverse=True)
        if not whole <= set(nodes) and _is_near(parts, nodes)
    }
    return {name: nodes for nodes, name in list(near.items())[::-1][:MOST_PLACES]}


def _order(name: str) -> int:
    return ("all", "block", "layer").index(name.split(maxsplit=1)[0])


def _is_near(parts: Layout, nodes: Sequence[str]) -> bool:
    around = {other for name in nodes for other in (*parts[name].inputs, *parts[name].users)}
    return any(parts[name].operator in DOUBTFUL for name in around.union(nodes))


def place(desk: Desk, folder: Path, settings: Quantize, runtime: str) -> Placement:
    """What stays float on the runtime, of a candidate with its plan."""

    def work(into: Path) -> None:
        chosen = _place(desk, folder, settings, runtime)
        atomic_write(into / "placement.json", json.dumps(asdict(chosen)) + "\n")

    inputs = {
        "parent": folder.name,
        "device": desk.device.model_dump(mode="json"),
        "activations": activations.chosen(desk, runtime, settings),  # what the drafts were of
        "io": settings.io,
    }
    step = desk.workspace.step(f"place-{runtime}", inputs, work)
    found = json.loads((step / "placement.json").read_text())
    return Placement(tuple(found["nodes"]), found["told"], found["float_outlets"])


def _place(desk: Desk, folder: Path, settings: Quantize, runtime: str) -> Placement:
    if not is_doubtful(desk, folder):
        return Placement((), "no operator is in the way of int8")
    graph = candidates.load(folder, desk.dense).graph
    parts = layout(graph)
    tried = {OUTLETS: (), **places(parts, regions(graph))}
    times = timed(desk, folder, settings, runtime, tried)
    faster = [name for name in tried if _is_faster(times, name)]
    if not faster:
        return Placement((), f"none of {', '.join(tried)} is faster in float")
    union = {name: tried[name] for name in faster}
    if len(faster) > 1:
        union[" and ".join(faster)] = closed(parts, {one for name in faster for one in tried[name]})
        times = timed(desk, folder, settings, runtime, union)
    name = min((one for one in union if one in times), key=lambda one: median(times[one]))
    share = median(times[name]) / median(times[BASE])
    told = f"{name} in float: {share:.0%} of the time"
    return Placement(union[name], told, name.startswith(OUTLETS))


def _is_faster(times: Times, name: str) -> bool:
    return name in times and paired_ratio(times[BASE], times[name]).below


def priced(desk: Desk, folder: Path, settings: Quantize, runtime: str) -> tuple[Priced, ...]:
    """The regions that regain most for their work, and what each costs on the runtime."""
    gains = _gains(desk, folder)[:MOST_PRICED]
    nodes = {region.name: region.nodes for region, _ in gains}
    times = timed(desk, folder, settings, runtime, nodes)
    base = median(times[BASE])
    return tuple(
        Priced(region.name, region.nodes, gain_db, median(times[region.name]) - base)
        for region, gain_db in gains
        if region.name in times
    )


def _gains(desk: Desk, folder: Path) -> list[tuple[Region, float]]:
    """What regions regain at the outputs, those first that regain most for their share of work."""

    def work(into: Path) -> None:
        graph = candidates.load(folder, desk.dense).graph
        plan, tell = QuantPlan.load(folder / quantizing.PLAN), desk.console.progress
        inputs = quantizing.held(desk, SAMPLES)
        found = float_gains(graph, plan, inputs, tell=tell)
        document = [
            [one.region.name, one.region.nodes, one.region.macs, one.gain_db] for one in found
        ]
        atomic_write(into / "gains.json", json.dumps(document) + "\n")

    step = stages.computed(desk, "float-gains", {"parent": folder.name}, work)
    document = json.loads((step / "gains.json").read_text())
    found = [(Region(name, tuple(nodes), macs), gain) for name, nodes, macs, gain in document]
    total = max((region.macs for region, _ in found), default=0) or 1
    gaining = [one for one in found if one[1] > 0]
    return sorted(gaining, key=lambda one: -one[1] / (0.05 + one[0].macs / total))


def timed(
    desk: Desk,
    folder: Path,
    settings: Quantize,
    runtime: str,
    tried: Mapping[str, Sequence[str]],
) -> Times:
    """The int8 model and one for each group of operators in float, timed in turns; a group that the
    runtime can't take, or makes int8 again, is left out and told.

    Raises ConversionError where the int8 model itself can't be made.
    """
    whole, before = drafted(desk, folder, settings, runtime)
    artifacts = {BASE: whole}
    for name, nodes in tried.items():
        try:
            outlets = name.startswith(OUTLETS)
            kept = quantizing.keep(desk, folder, tuple(nodes), float_outlets=outlets)
            made, after = drafted(desk, kept, settings, runtime)
        except ConversionError as error:
            desk.console.remark(f"{runtime}: {name} in float: {error}")
            continue
        if made.sha256 == whole.sha256:
            continue
        if not outlets and (why := undone(before, after)) is not None:
            desk.console.remark(f"{runtime}: {name} did not stay float: {why}")
            continue
        artifacts[name] = made
    return _sat(desk, runtime, artifacts)


def drafted(
    desk: Desk, folder: Path, settings: Quantize, runtime: str
) -> tuple[Artifact, Execution]:
    """A candidate's artifact by the plan beside it, and what runs in it. Raises ConversionError
    where the runtime can't take it."""
    exported = stages.draft(desk, folder, settings, (runtime,))
    if (why := exported.failures.get(runtime)) is not None:
        raise ConversionError(why)
    described = evidence.describe(desk, runtime, exported.files[runtime])
    return described.artifact, execution(described.executed, runtime)


def undone(before: Execution, after: Execution) -> str | None:
    """Why an artifact doesn't compute more in float than the one before it; None where it does."""
    more = len(after.float_leftovers) - len(before.float_leftovers)
    if more > 0:
        return None
    share = (before.int8_macs_share or 0.0) - (after.int8_macs_share or 0.0)
    if share > 0:
        return None
    return f"{len(after.float_leftovers)} operators compute in float, as many as without it"


def _sat(desk: Desk, runtime: str, artifacts: Mapping[str, Artifact]) -> Times:
    def work(into: Path) -> None:
        target = desk.targets[runtime]
        found: dict[str, list[float]] = {name: [] for name in artifacts}
        for number in range(LEAST_PAIRS):
            desk.console.progress(f"{runtime}: timing float operators", number / LEAST_PAIRS)
            samples = target.sample_in_turns(tuple(artifacts.values()), TURNS, seed=number)
            for name, one in zip(artifacts, samples, strict=True):
                found[name].append(median(one.latency_ns) / 1e6)
        atomic_write(into / "times.json", json.dumps(found) + "\n")

    inputs = {
        "artifacts": {name: one.sha256 for name, one in artifacts.items()},
        "device": desk.device.model_dump(mode="json"),
    }
    step = desk.workspace.step(f"turns-{runtime}", inputs, work)
    return {
        name: tuple(times) for name, times in json.loads((step / "times.json").read_text()).items()
    }
