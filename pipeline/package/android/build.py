"""Builds the Android package of one artifact: an AAR, and a Gradle module with a Kotlin API."""

from collections.abc import Mapping

from pydantic import JsonValue

from pipeline.package.android.aar import aar
from pipeline.package.android.kotlin import Kotlin
from pipeline.package.android.library import library, namespace
from pipeline.package.api.examples import kotlin_call
from pipeline.package.api.templates import environment
from pipeline.package.archive import zipped
from pipeline.package.contents import Delivery, Signer, common, sealed
from pipeline.package.mobile import Mobile, mobile
from pipeline.package.mobile_extras import extras

MODULE, AI_PACK = "library", "ai-pack"


def build(delivery: Delivery, signer: Signer | None, ai_pack: bool = False) -> dict[str, bytes]:
    """TITLE-android.zip, by its name.

    The same delivery and the same installed versions give the same bytes.

    Args:
        delivery: what is packaged.
        signer: signs the manifest.
        ai_pack: the model comes with a Play AI pack, and not with the module.

    Raises:
        ArtifactError: the artifact's files are missing or have changed.
        UsageError: Android has no such runtime, or the golden vectors do not fit the artifact.
        ConversionError: the runtime's Kotlin API can't carry an input or output.
        EnvironmentFault: the runtime is not installed here.
    """
    on_phone = mobile(delivery, "android")
    suffix = delivery.artifact.path.suffix
    files = common(delivery, [on_phone.library])
    asset = f"models/{delivery.title}{suffix}"
    files |= _module(delivery, on_phone, files, asset, ai_pack)
    further, told = extras(delivery)
    files |= further
    details = {**_details(delivery, on_phone, asset, ai_pack), **told}
    whole = sealed(
        delivery,
        files,
        platform="android",
        runtime=on_phone.runtime,
        usage=_usage(delivery, on_phone, ai_pack),
        details=details,
        signer=signer,
    )
    return {f"{delivery.title}-android.zip": zipped(whole, delivery.title)}


def _module(
    delivery: Delivery, on_phone: Mobile, files: Mapping[str, bytes], asset: str, ai_pack: bool
) -> dict[str, bytes]:
    """The AAR and the module with the model, or the module and the AI pack with it."""
    model = files[f"model/model{delivery.artifact.path.suffix}"]
    tests = f"{MODULE}/src/androidTest/assets"
    made = {
        f"{MODULE}/{path}": content for path, content in library(delivery, on_phone, asset).items()
    }
    made |= {f"{tests}/{path}": files[path] for path in files if path.startswith("golden/")}
    if ai_pack:
        pack = _render("ai-pack.gradle.kts", pack=_pack(delivery))
        return made | {
            f"{AI_PACK}/build.gradle.kts": pack,
            f"{AI_PACK}/src/main/assets/{asset}": model,
            f"{tests}/{asset}": model,
        }
    space = f"{namespace(delivery.interface.class_name)}.model"
    manifest = _render("AndroidManifest.xml", package=space)
    return made | {
        f"{MODULE}/src/main/assets/{asset}": model,
        f"{delivery.title}.aar": aar(manifest, asset, model),
    }


def _render(name: str, **facts: object) -> bytes:
    templates = environment("pipeline.package.android", Kotlin())
    return templates.get_template(f"{name}.j2").render(**facts).encode()


def _pack(delivery: Delivery) -> str:
    """The AI pack's name: letters, digits and underscores."""
    return delivery.interface.class_name.lower()


def _details(
    delivery: Delivery, on_phone: Mobile, asset: str, ai_pack: bool
) -> dict[str, JsonValue]:
    holder = AI_PACK if ai_pack else MODULE
    return {
        "namespace": namespace(delivery.interface.class_name),
        "dependency": f"{on_phone.library.name.replace('/', ':')}:{on_phone.library.version}",
        "asset": f"{holder}/src/main/assets/{asset}",
        "aar": None if ai_pack else f"{delivery.title}.aar",
        "golden_vectors_made_with": on_phone.desk,
    }


def _usage(delivery: Delivery, on_phone: Mobile, ai_pack: bool) -> str:
    name, suffix = _pack(delivery), delivery.artifact.path.suffix
    holder = (
        f"The model is in `{AI_PACK}/`, a Play AI pack: include it as a project too, and add it to "
        f'the app: `assetPacks += ":{AI_PACK}"`.'
        if ai_pack
        else f"`{delivery.title}.aar` has the model alone, for an app with code of its own."
    )
    return (
        f'In the app\'s settings.gradle.kts:\n\n```kotlin\ninclude(":{name}")\n'
        f'project(":{name}").projectDir = file("PATH/{delivery.title}/{MODULE}")\n```\n\n'
        f"In its build.gradle.kts, so that the model is mapped and not copied:\n\n```kotlin\n"
        f'android {{ androidResources {{ noCompress += "{suffix[1:]}" }} }}\n'
        f'dependencies {{ implementation(project(":{name}")) }}\n```\n\n'
        f"In the app:\n\n```kotlin\nimport {namespace(delivery.interface.class_name)}.*\n\n"
        f"{kotlin_call(delivery.interface)}\n```\n\n{holder}\n\n"
        f"`gradlew :{name}:connectedAndroidTest` runs the golden vectors on a device. "
        f"{on_phone.checked}"
    )
