"""The groups as a table on a terminal."""

from collections.abc import Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.groups_view.document import Group, Groups

_TOLD = 3  # modules told of each group; the page and --json have every dimension


def summary(groups: Groups) -> Iterator[str]:
    """What the model is made of, in a few lines."""
    loose = [one for one in groups.groups if one.reason is None]
    channels = sum(one.size for one in loose)
    yield f"{groups.recipe}: {groups.macs:,} MACs, {groups.parameters:,} parameters"
    yield f"{len(loose)} of {len(groups.groups)} groups may be pruned, {channels:,} channels in all"
    yield (
        f"pinned whatever goes: {groups.macs_pinned_share:.1%} of the MACs, "
        f"{groups.parameters_pinned_share:.1%} of the parameters"
    )


def table(groups: Groups) -> Table:
    """A line for each group: its name, width, shares, and the modules it holds, and why it stays.

    Text from outside is shown as it is: markup in a name is not acted upon.
    """
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("group", overflow="fold")
    for name in ("width", "least", "MACs", "params"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("holds together", overflow="fold")
    for one in groups.groups:
        shares = (f"{one.macs_share:.1%}", f"{one.parameters_share:.1%}")
        shown.add_row(Text(one.name), str(one.size), str(one.least), *shares, _told(one))
    return shown


def blocks(groups: Groups) -> Table:
    """A line for each block: its shares, and why it stays where it can't go whole."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("block", overflow="fold")
    shown.add_column("MACs", justify="right", no_wrap=True)
    shown.add_column("params", justify="right", no_wrap=True)
    shown.add_column("stays because it")
    for one in groups.blocks:
        shares = (f"{one.macs_share:.1%}", f"{one.parameters_share:.1%}")
        shown.add_row(Text(one.name), *shares, Text(one.reason or ""))
    return shown


def pinned(groups: Groups) -> Table:
    """A line for each pinned dimension: the share of the MACs that it holds, and why."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("pinned", overflow="fold")
    shown.add_column("holds MACs", justify="right", no_wrap=True)
    shown.add_column("why")
    for one in groups.pinned:
        shown.add_row(Text(one.name), f"{one.macs_share:.1%}", Text(one.reason))
    return shown


def _told(group: Group) -> Text:
    names = list(
        dict.fromkeys(one.partition("[")[0].rpartition(".")[0] for one in group.parameters)
    )
    told = [name or "the model" for name in names[:_TOLD]]
    if len(names) > _TOLD:
        told.append(f"{len(names) - _TOLD} more")
    text = Text(", ".join(told))
    if group.reason:
        text.append(f"\nstays: {group.reason}", style="dim")
    return text
