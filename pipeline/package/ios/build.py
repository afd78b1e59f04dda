"""Builds the iOS package of one artifact: a Swift package at the archive's root."""

from pydantic import JsonValue

from pipeline.package.api.examples import swift_call
from pipeline.package.archive import zipped
from pipeline.package.contents import Delivery, Signer, common, sealed
from pipeline.package.ios.sources import module, sources
from pipeline.package.mobile import Mobile, mobile
from pipeline.package.mobile_extras import extras


def build(delivery: Delivery, signer: Signer | None) -> dict[str, bytes]:
    """TITLE-ios.zip, by its name.

    The same delivery and the same installed versions give the same bytes.

    Raises:
        ArtifactError: the artifact's files are missing or have changed.
        UsageError: iOS has no such runtime, or the golden vectors do not fit the artifact.
        ConversionError: the runtime's Swift API can't carry an input or output.
        EnvironmentFault: the runtime is not installed here.
    """
    on_phone = mobile(delivery, "ios")
    files = common(delivery, [on_phone.library])
    files |= _package(delivery, on_phone, files)
    further, told = extras(delivery)
    details: dict[str, JsonValue] = {
        "module": module(delivery.interface.class_name),
        "dependency": f"https://{on_phone.library.name} {on_phone.library.version}",
        "golden_vectors_made_with": on_phone.desk,
        **told,
    }
    whole = sealed(
        delivery,
        {**files, **further},
        platform="ios",
        runtime=on_phone.runtime,
        usage=_usage(delivery, on_phone),
        details=details,
        signer=signer,
    )
    return {f"{delivery.title}-ios.zip": zipped(whole, delivery.title)}


def _package(delivery: Delivery, on_phone: Mobile, files: dict[str, bytes]) -> dict[str, bytes]:
    name, suffix = module(delivery.interface.class_name), delivery.artifact.path.suffix
    golden = {path: files[path] for path in files if path.startswith("golden/")}
    return {
        **sources(delivery, on_phone),
        f"Sources/{name}/Models/{delivery.title}{suffix}": files[f"model/model{suffix}"],
        **{
            f"Tests/{name}Tests/Golden/{path.removeprefix('golden/')}": content
            for path, content in golden.items()
        },
    }


def _usage(delivery: Delivery, on_phone: Mobile) -> str:
    name = module(delivery.interface.class_name)
    return (
        "In Xcode, *File > Add Package Dependencies > Add Local* and this folder; or in the app's "
        f'Package.swift `.package(path: "PATH/{delivery.title}")` and the product `{name}`.\n\n'
        f"```swift\nimport {name}\n\n{swift_call(delivery.interface)}\n```\n\n"
        f"`xcodebuild test -scheme {name} -destination 'platform=iOS Simulator,name=iPhone 16'` "
        f"runs the golden vectors. {on_phone.checked}"
    )
