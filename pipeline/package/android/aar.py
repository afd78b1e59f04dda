"""The AAR: the model among an Android library's assets, without code."""

from pipeline.package.archive import zipped

NO_CLASSES = {"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\r\n\r\n"}
METADATA = b"aarFormatVersion=1.0\naarMetadataVersion=1.0\nminCompileSdk=1\n"
"""The Android Gradle plugin's own; without it every app would be told of a missing file."""


def aar(manifest: bytes, asset: str, model: bytes) -> bytes:
    """An AAR (developer.android.com, "Anatomy of an AAR file") of one asset.

    Args:
        manifest: AndroidManifest.xml.
        asset: the model's path among the assets.
        model: its content.
    """
    return zipped(
        {
            "AndroidManifest.xml": manifest,
            "META-INF/com/android/build/gradle/aar-metadata.properties": METADATA,
            "R.txt": b"",
            f"assets/{asset}": model,
            "classes.jar": zipped(NO_CLASSES),
        }
    )
