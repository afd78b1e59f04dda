"""The command line's packages: making them of a run, and verifying them."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.boundary import leave_with
from pipeline.cli_options import Json


def package(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder.")],
    platform: Annotated[
        str, typer.Option("--for", metavar="PLATFORM", help="android, ios, linux or mcu.")
    ],
    runtime: Annotated[
        str | None,
        typer.Option(help="Whose artifact; without it, the platform's first that the run has."),
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(metavar="KEY", help="Sign it with this Ed25519 key, a PEM file."),
    ] = None,
    not_after: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The signature's last day, YYYY-MM-DD."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Without it, the run's packages/."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="For mcu: whose limits judge it; without it, cortex-m."),
    ] = None,
    ai_pack: Annotated[
        bool, typer.Option("--ai-pack", help="For android: the model as a Play AI pack.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Makes what an app team can ship of a finished run: a package for one platform."""

    def door() -> int:
        from pipeline import packaging

        order = packaging.Order(run, platform, runtime, sign, not_after, out, device, ai_pack)
        return packaging.package(order, as_json)

    leave_with(door, as_json)


def verify(
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="A .zip, .tar.gz or .deb that `package` made.")
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="PUBLIC", help="It has to be signed by this Ed25519 public key, a PEM file."
        ),
    ] = None,
    require_signature: Annotated[
        bool, typer.Option("--require-signature", help="An unsigned package fails.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tells whether a package is whole, whose it is, and does what it says."""

    def door() -> int:
        from pipeline import verify as verifying

        return verifying.verify(package, key, require_signature, as_json)

    leave_with(door, as_json)


def replay(
    archive: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="A .zip, .tar.gz or .deb of edgesmith.")
    ],
    recipe: Annotated[
        Path, typer.Option(help="The recipe's folder or file, whose task is the code that runs.")
    ],
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="The task's data: --set params.data=DATA.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Overrides a param: params.width=2"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep finished steps here, and go on from them."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Makes a package's artifact again from its plans and settings, and compares the bytes."""

    def door() -> int:
        from pipeline import replay as replaying

        order = replaying.Order(archive, recipe, data, tuple(overrides or ()), out)
        return replaying.replay(order, as_json)

    leave_with(door, as_json)
