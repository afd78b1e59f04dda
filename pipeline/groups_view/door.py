"""`edgesmith groups`: what hangs together in a recipe's model, and what is pinned and why."""

from pathlib import Path

from pipeline.console import Console
from pipeline.disk import atomic_write, environment_faults
from pipeline.doors import Order
from pipeline.graph import trace
from pipeline.groups_view.document import Groups, examine
from pipeline.groups_view.page import render
from pipeline.groups_view.table import blocks, pinned, summary, table
from pipeline.printing import print_json
from pipeline.task import load_for
from pipeline.terminal import Terminal


def show(order: Order, html: Path | None, as_json: bool) -> int:
    """Prints the groups of a recipe's model, and writes them as a page where one is asked for.

    Raises:
        RecipeError, TaskError: the recipe or its task is wrong.
        EnvironmentFault: the page can't be written.
    """
    found = _examined(order)
    if html is not None:
        with environment_faults(html):
            atomic_write(html, render(found))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return 0
    _print(found, html)
    return 0


def _examined(order: Order) -> Groups:
    loaded = order.loaded()
    with Console() as console:
        console.step(f"{loaded.name}: tracing the model")
        task = load_for(loaded)
        step = loaded.recipe.step("prune")
        graph = trace(task.build(), task.example_inputs())
        return examine(loaded.name, graph, step.prune if step else None)


def _print(found: Groups, html: Path | None) -> None:
    console = Terminal()
    for line in summary(found):
        console.print(line, highlight=False)
    console.print(table(found))
    if found.blocks:
        console.print(blocks(found))
    if found.pinned:
        console.print(pinned(found))
    if html is not None:
        console.print(f"the page is {html}")
