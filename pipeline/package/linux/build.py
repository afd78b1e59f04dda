"""Builds the Linux package of one artifact: a deterministic .tar.gz that checks itself."""

from collections.abc import Sequence
from importlib.resources import files as resources

from pipeline.package.archive import tar_gz
from pipeline.package.contents import Delivery, Signer, common, installed, sealed
from pipeline.package.manifest import Runtime
from pipeline.package.sbom import Library

DISTRIBUTIONS = {"tflite": "ai-edge-litert", "openvino": "openvino", "onnxruntime": "onnxruntime"}
SHIPPED = {"run.py": "run.py", "install.sh": "install.sh.j2"}


def build(delivery: Delivery, signer: Signer | None) -> dict[str, bytes]:
    """TITLE.tar.gz, by its name.

    The same delivery and the same installed versions give the same bytes.

    Raises:
        ArtifactError: the artifact's files are missing or have changed.
        UsageError: the golden vectors do not fit the artifact.
        EnvironmentFault: the runtime is not installed.
    """
    runtime = _runtime(delivery.artifact.runtime)
    libraries = [_library(name) for name in ("numpy", runtime.distribution)]
    files = {**common(delivery, libraries), **_shipped(), "requirements.txt": _pinned(libraries)}
    whole = sealed(
        delivery, files, platform="linux", runtime=runtime, usage=_usage(runtime), signer=signer
    )
    return {f"{delivery.title}.tar.gz": tar_gz(delivery.title, whole)}


def _runtime(runtime: str) -> Runtime:
    distribution = DISTRIBUTIONS[runtime]
    return Runtime(name=runtime, distribution=distribution, least_version=installed(distribution))


def _library(distribution: str) -> Library:
    return Library("pypi", distribution, installed(distribution))


def _shipped() -> dict[str, bytes]:
    here = resources("pipeline.package.linux")
    return {name: here.joinpath(source).read_bytes() for name, source in SHIPPED.items()}


def _pinned(libraries: Sequence[Library]) -> bytes:
    lines = [f"{one.name}=={one.version}\n" for one in sorted(libraries)]
    return "".join(["# The versions that the golden vectors were made with.\n", *lines]).encode()


def _usage(runtime: Runtime) -> str:
    return (
        f"`sh install.sh` sets up {runtime.distribution} {runtime.least_version} or newer beside "
        "it; `python run.py --self-test` compares every file with manifest.json and then runs the "
        "golden vectors. What is fed and read as real values, `run.py` encodes and decodes by the "
        "table above."
    )
