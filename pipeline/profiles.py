"""`edgesmith devices`: the profiles, as a table or as JSON."""

from rich.table import Table

from pipeline.printing import print_json
from pipeline.terminal import Terminal
from targets import device


def print_all(as_json: bool) -> int:
    """Prints every profile, a line each."""
    profiles = [device.load(name) for name in device.names()]
    if as_json:
        print_json([profile.model_dump(mode="json") for profile in profiles])
        return 0
    table = Table("name", "link", "arch", "runtimes", "description", box=None, pad_edge=False)
    for one in profiles:
        table.add_row(one.name, one.link, one.arch, ", ".join(one.runtimes), one.description)
    Terminal().print(table)
    return 0


def print_one(name: str, as_json: bool) -> int:
    """Prints one profile, whole. Raises UsageError for an unknown name."""
    profile = device.load(name).model_dump(mode="json")
    if as_json:
        print_json(profile)
        return 0
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in profile.items():
        table.add_row(key, str(value))
    Terminal().print(table)
    return 0
