"""Builds the Linux package of one artifact: a .tar.gz and a .deb that check themselves."""

from collections.abc import Mapping
from importlib.resources import files as resources

from pipeline.package.archive import epoch, tar_gz
from pipeline.package.contents import Delivery, Signer, common, installed, sealed
from pipeline.package.linux.c_example import c_example
from pipeline.package.linux.deb import deb
from pipeline.package.linux.requirements import Requirements, requirements
from pipeline.package.linux.shipping import environment, programs
from pipeline.package.manifest import Runtime
from pipeline.package.sbom import EDGESMITH

DISTRIBUTIONS = {"tflite": "ai-edge-litert", "openvino": "openvino", "onnxruntime": "onnxruntime"}
CONTROL = "debian/control"
HOME = "opt/edgesmith"
LEAST_PYTHON = "3.11"
"""What there are wheels of the pinned versions for, at least."""


def build(delivery: Delivery, signer: Signer | None) -> dict[str, bytes]:
    """TITLE.tar.gz and TITLE.deb, by their names, with the same files in them.

    The same delivery and the same installed versions give the same bytes.

    Raises:
        ArtifactError: the artifact's files are missing or have changed.
        UsageError: the golden vectors do not fit the artifact.
        EnvironmentFault: the runtime is not installed.
    """
    runtime = _runtime(delivery.artifact.runtime)
    needed = requirements(runtime.distribution)
    files = {
        **common(delivery, needed.libraries),
        **programs(delivery),
        **c_example(delivery),
        "install.sh": resources("pipeline.package.linux").joinpath("install.sh.j2").read_bytes(),
        "requirements.txt": needed.text,
    }
    files |= _debian(delivery, runtime, files)
    whole = sealed(
        delivery, files, platform="linux", runtime=runtime, usage=_usage(delivery, runtime, needed),
        details={"requirements": needed.details}, signer=signer,
    )  # fmt: skip
    return {
        f"{delivery.title}.tar.gz": tar_gz(delivery.title, whole),
        f"{delivery.title}.deb": deb(whole[CONTROL], _installed(delivery, whole)),
    }


def _runtime(runtime: str) -> Runtime:
    distribution = DISTRIBUTIONS[runtime]
    return Runtime(name=runtime, distribution=distribution, least_version=installed(distribution))


def package_name(delivery: Delivery) -> str:
    """What dpkg and systemd call it (Debian policy, 5.6.1): small letters, digits, dots, dashes."""
    return f"{EDGESMITH}-{delivery.title.lower()}"


def _debian(delivery: Delivery, runtime: Runtime, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What the .deb is described by, and the service: both are copied from the package's folder."""
    package = package_name(delivery)
    version = f"{installed(EDGESMITH)}+{epoch()}.{delivery.artifact.sha256[:12]}"
    facts = {
        "package": package,
        "version": version,
        "title": delivery.title,
        "distribution": runtime.distribution,
        "home": f"/{HOME}/{delivery.title}",
        "module": delivery.interface.module,
        "python": LEAST_PYTHON,
        "size_kib": -(-sum(len(one) for one in files.values()) // 1024),
    }
    templates = environment()
    return {
        CONTROL: templates.get_template("control.j2").render(**facts).encode(),
        f"{package}.service": templates.get_template("service.j2").render(**facts).encode(),
    }


def _installed(delivery: Delivery, whole: Mapping[str, bytes]) -> dict[str, bytes]:
    """Where the files lie on a device; beside the package's folder there are only copies."""
    package = package_name(delivery)
    service = f"{package}.service"
    return {
        **{f"{HOME}/{delivery.title}/{path}": content for path, content in whole.items()},
        f"usr/lib/systemd/system/{service}": whole[service],
        f"usr/share/doc/{package}/copyright": whole["LICENSE"],
    }


def _usage(delivery: Delivery, runtime: Runtime, needed: Requirements) -> str:
    interface, package = delivery.interface, package_name(delivery)
    hashes = (
        f"No hashes are pinned: {needed.unavailable}."
        if needed.unavailable
        else "pip refuses every wheel but those whose hashes requirements.txt pins "
        f"(Python {', '.join(needed.pythons)} on {' and '.join(needed.machines)})."
    )
    return (
        f"`sh install.sh` sets up {runtime.distribution} {runtime.least_version} beside it. "
        f"{hashes} `python run.py --self-test` compares every file with manifest.json and then "
        "runs the golden vectors; `python run.py --input x.npy` takes and gives the model's own "
        "values, encoded and decoded by the table above.\n\n"
        f"From Python: `from {interface.module} import {interface.class_name}`, then "
        f"`{interface.class_name}.create().run(...)`, which does the pre- and post-processing that "
        "the manifest states; examples/example.py is complete. From C: examples/example.c, which "
        "its first lines tell how to compile.\n\n"
        f"The .deb installs to /{HOME}/{delivery.title}, with a service that answers on a Unix "
        f"socket: run install.sh there, then `systemctl enable --now {package}`."
    )
