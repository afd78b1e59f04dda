"""`edgesmith cost`: what a recipe's model costs on a device, probed once and kept."""

from collections.abc import Iterator

from rich import box
from rich.table import Table

from pipeline.console import Console
from pipeline.cost.building import build, kept_table, table_path
from pipeline.cost.document import Cost, CostReport, cost_of
from pipeline.cost.setting_up import bench_for
from pipeline.doors import Order
from pipeline.graph import trace
from pipeline.printing import print_json
from pipeline.task import load_for
from pipeline.terminal import Terminal
from targets import device as devices
from targets import target as targets
from targets.errors import ConversionError


def show(order: Order, minutes: float, as_json: bool) -> int:
    """Probes the order's model on its runtimes, or finds what was probed before; exit code 6 where
    a runtime can't take the model.

    Raises:
        RecipeError, TaskError: the recipe or its task is wrong.
        MeasurementInvalid: the device drifts.
    """
    with Console() as console:
        report = _probed(order, minutes, console)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _print(report)
    return ConversionError.exit_code if report.failures else 0


def _probed(order: Order, minutes: float, console: Console) -> CostReport:
    loaded = order.loaded()
    device = devices.load(loaded.recipe.device)
    chosen = [targets.find(device, name) for name in loaded.recipe.runtimes]
    console.step(f"{loaded.name}: tracing the model")
    task = load_for(loaded)
    graph = trace(task.build(), task.example_inputs())
    step = loaded.recipe.step("quantize")
    costs, failures = [], {}
    for target in chosen:
        bench = bench_for(
            graph, task.batches("calibration"), device, target,
            step.quantize if step else None, console.progress,
        )  # fmt: skip
        console.step(f"{target.runtime} {bench.key.precision}: probing for {minutes:g} minutes")
        path = table_path(bench.folder, bench.key)
        reused = kept_table(bench.folder, bench.key) is not None
        try:
            costs.append(cost_of(build(bench, minutes), path, reused))
        except ConversionError as error:
            failures[target.runtime] = str(error)
            console.remark(str(error))
    return CostReport(recipe=loaded.name, device=device.name, costs=tuple(costs), failures=failures)


def _print(report: CostReport) -> None:
    console = Terminal()
    for cost in report.costs:
        for line in _lines(cost):
            console.print(line, highlight=False, soft_wrap=True)
        if cost.error is not None:
            console.print(_errors(cost))
    for runtime, why in report.failures.items():
        console.print(f"{runtime}: {why}", highlight=False)


def _lines(cost: Cost) -> Iterator[str]:
    key = cost.key
    yield (
        f"{key.runtime} ({key.runtime_version}) {key.precision}, {key.threads} "
        f"{'thread' if key.threads == 1 else 'threads'}, on {key.device.get('cpu', 'the device')}"
    )
    source = "found from before" if cost.reused else f"probed in {cost.minutes:.1f} minutes"
    yield f"  {source}: {cost.models} models and {cost.windows} windows; {cost.ended}"
    ratio = "" if cost.p95_over_p50 is None else f", p95 {cost.p95_over_p50:.2f} times that"
    memory = cost.dense_memory_mb
    told = f"{memory:.1f} MB" if isinstance(memory, float) else memory
    yield f"  dense: p50 {cost.dense_ms:.4g} ms{ratio}; {cost.dense_kb:,.0f} kB; memory {told}"
    yield f"  energy: {cost.energy_mj}"
    for stairs in cost.staircases:
        ends = ", ".join(map(str, stairs.ends)) if stairs.ends else stairs.reason
        yield f"  plateaus where {stairs.like} end at: {ends}"
    for one in cost.refused:
        yield f"  no number for {one.name}: {one.reason}"
    if (error := cost.error) is None:
        yield "  its own error is unavailable: no model was kept from the fit"
    else:
        yield (
            f"  {len(error.models)} models that the fit never saw: off by {error.median:.1%} in "
            f"the median, {error.largest:.1%} at most; one artifact repeats within "
            f"{error.repeat:.1%}"
        )
    yield f"  the table is {cost.path}"


def _errors(cost: Cost) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("never seen")
    for name in ("predicted ms", "measured ms", "off by"):
        shown.add_column(name, justify="right", no_wrap=True)
    for one in cost.error.models if cost.error else ():
        off = one.predicted_ms / one.measured_ms - 1
        shown.add_row(one.name, f"{one.predicted_ms:.4g}", f"{one.measured_ms:.4g}", f"{off:+.1%}")
    return shown
