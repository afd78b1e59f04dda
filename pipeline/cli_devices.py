"""The command line's `devices`: the profiles that there are, and the user's own."""

from typing import Annotated

import typer

from pipeline.boundary import leave_with
from pipeline.cli_options import Json

devices = typer.Typer(
    help="The device profiles.", invoke_without_command=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(help="a-z, 0-9 and dashes, 63 at most.")]


@devices.callback()
def devices_all(context: typer.Context, as_json: Json = False) -> None:
    """The device profiles; without a command, lists them."""
    if context.invoked_subcommand is None:
        devices_list(as_json)


@devices.command("list")
def devices_list(as_json: Json = False) -> None:
    """Lists the device profiles."""

    def door() -> int:
        from pipeline import profiles

        return profiles.print_all(as_json)

    leave_with(door, as_json)


@devices.command("show")
def devices_show(name: Name, as_json: Json = False) -> None:
    """Shows one device profile, whole."""

    def door() -> int:
        from pipeline import profiles

        return profiles.print_one(name, as_json)

    leave_with(door, as_json)


@devices.command("add")
def devices_add(
    name: Name,
    ssh: Annotated[str | None, typer.Option(metavar="USER@HOST[:PORT]")] = None,
    adb: Annotated[
        str | None, typer.Option(metavar="SERIAL", help="As `adb devices` has it.")
    ] = None,
    like: Annotated[str | None, typer.Option(metavar="PROFILE", help="What kind it is.")] = None,
    key: Annotated[str | None, typer.Option(metavar="FILE", help="A private key for SSH.")] = None,
    jump: Annotated[
        str | None, typer.Option(metavar="USER@HOST[:PORT]", help="An SSH server to go through.")
    ] = None,
    folder: Annotated[
        str | None, typer.Option(help="Where edgesmith makes its folder there.")
    ] = None,
    python: Annotated[str | None, typer.Option(help="The Python on the device.")] = None,
    as_json: Json = False,
) -> None:
    """Asks a device what it is, and writes a profile for it."""

    def door() -> int:
        from pipeline import device_setup as setting

        asked = setting.Asked(name, ssh, adb, like, key, jump, folder, python)
        return setting.add(asked, as_json)

    leave_with(door, as_json)


@devices.command("probe")
def devices_probe(name: Name, as_json: Json = False) -> None:
    """Asks a device what it is, and prints that."""

    def door() -> int:
        from pipeline import device_setup as setting

        return setting.ask(name, as_json)

    leave_with(door, as_json)


@devices.command("remove")
def devices_remove(name: Name, as_json: Json = False) -> None:
    """Removes a profile of yours, and what edgesmith kept on the device."""

    def door() -> int:
        from pipeline import device_setup as setting

        return setting.remove(name, as_json)

    leave_with(door, as_json)
