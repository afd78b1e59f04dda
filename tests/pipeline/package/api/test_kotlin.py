"""The generated Kotlin compiles, and on a JVM it does what the reference in numpy does."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.package.android.library import library
from pipeline.package.golden import npy
from pipeline.processing.boxes import Detections
from pipeline.processing.finish import Mask, Ranked, finish
from pipeline.processing.prepare import prepare

pytestmark = pytest.mark.slow  # the compiler takes its time

STUBS = Path(__file__).parent / "stubs"
STANDARD_LIBRARY = Path("/usr/share/java/kotlin-stdlib.jar")
MODEL = b"model"
"""What conftest.py takes the digest of."""
CLOSE = 1e-5
"""Of the largest value: some hundred and sixty roundings to float32, of 2 ** -24 each."""
NAMES = (
    "photos", "pages", "fields", "voices", "hums", "waves", "streets", "lanes", "squares", "words",
    "sums",
)  # fmt: skip


@dataclass(frozen=True)
class Jvm:
    """Compiled Kotlin."""

    jar: Path
    library: Path

    def run(self, folder: Path, *arguments: str, **facts: object) -> subprocess.CompletedProcess:
        stated = [f"-D{name}={value}" for name, value in facts.items()]
        return subprocess.run(
            ["java", "-Xshare:auto", "-cp", f"{self.jar}:{self.library}", f"-Dreplay={folder}",
             *stated, "stub.DriveKt", *arguments],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def results(self, done: subprocess.CompletedProcess) -> dict[str, object]:
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [line.partition(" ") for line in done.stdout.splitlines()]
        return {name[0].lower() + name[1:]: json.loads(told) for name, _, told in lines}


@pytest.fixture(scope="session")
def compile_kotlin(tmp_path_factory):
    """Compiles .kt files, given by path, together with the stubs."""
    if shutil.which("kotlinc") is None or shutil.which("java") is None:
        pytest.skip("no kotlinc on the PATH; apt-get install kotlin")

    def compiled(files: dict[str, bytes]) -> Jvm:
        folder = tmp_path_factory.mktemp("kotlin")
        sources = sorted(STUBS.glob("*.kt"))
        for path, content in files.items():
            if path.endswith(".kt"):
                sources.append(folder / path)
                sources[-1].parent.mkdir(parents=True, exist_ok=True)
                sources[-1].write_bytes(content)
        done = subprocess.run(
            ["kotlinc", "-d", str(folder / "out.jar"), *map(str, sources)],
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        warnings = [line for line in done.stderr.splitlines() if f"{folder}" in line]
        assert not warnings, warnings  # of the stubs it may warn
        return Jvm(folder / "out.jar", STANDARD_LIBRARY)

    return compiled


@pytest.fixture(scope="module")
def jvm(cases, compile_kotlin):
    """Every case's module compiled with the stubs of Android and of the runtimes."""
    files = {}
    for name, case in cases.items():
        made = library(case.delivery, case.mobile, "models/x")
        files |= {f"{name}/{path}": content for path, content in made.items()}
    return compile_kotlin(files)


def run(jvm, case, folder: Path, given=None):
    """One sample through the generated API; raw outputs come from the folder."""
    (folder / "models").mkdir()
    (folder / "models" / "x").write_bytes(MODEL)
    paths = []
    pairs = zip(case.interface.inputs, given or case.given, strict=True)
    for index, (port, array) in enumerate(pairs):
        paths.append(folder / f"given{index}")
        size = (
            np.array(array.shape[1::-1], "<i4").tobytes() if port.source.source == "image" else b""
        )
        paths[-1].write_bytes(size + array.tobytes())
    name = case.interface.class_name
    facts = {"inputs": len(case.artifact.inputs), "outputs": len(case.artifact.outputs)}
    arguments = ("run", f"edgesmith.{name.lower()}.{name}", *map(str, paths))
    return jvm.run(folder, *arguments, assets=folder, **facts)


def raw_outputs(case, folder: Path) -> list[np.ndarray]:
    """Random raw outputs, for the stubs to answer with; returns them."""
    random, made = np.random.default_rng(8), []
    for index, spec in enumerate(case.artifact.outputs):
        real = random.normal(size=spec.shape, scale=2)
        made.append((real * 3).astype(spec.dtype) if spec.dtype != "float32" else np.float32(real))
        (folder / f"0.output.{index}").write_bytes(made[-1].tobytes())
    return made


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_prepared_as_the_reference_does(name: str, jvm, cases, tmp_path: Path):
    case = cases[name]
    raw_outputs(case, tmp_path)
    done = run(jvm, case, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    ends = zip(case.interface.inputs, case.artifact.inputs, case.given, strict=True)
    for index, (port, spec, array) in enumerate(ends):
        expected = spec.encode(prepare(array[None], port.source, port.preprocess))
        found = np.frombuffer((tmp_path / f"0.input.{index}").read_bytes(), spec.dtype)
        assert_close(found, expected.reshape(-1), exact=not port.preprocess)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_finished_as_the_reference_does(name: str, jvm, cases, tmp_path: Path):
    case = cases[name]
    raw = raw_outputs(case, tmp_path)
    values = [spec.decode(one) for spec, one in zip(case.artifact.outputs, raw, strict=True)]
    expected = finish(values, [port.postprocess for port in case.interface.outputs])
    found = jvm.results(run(jvm, case, tmp_path))
    wanted = {
        port.field: (port, one)
        for port, one in zip(case.interface.outputs, expected, strict=True)
        if one is not None
    }
    assert found.keys() == wanted.keys()
    for field, (port, one) in wanted.items():
        assert_same(found[field], one, port.postprocess)


def assert_same(found, expected, operations) -> None:
    labels = getattr(operations[-1], "labels", ()) if operations else ()
    if isinstance(expected, Ranked):
        assert [one["index"] for one in found] == expected.indices[0].tolist()
        assert_close([one["score"] for one in found], expected.scores[0])
        assert_labels(found, labels)
    elif isinstance(expected, Mask):
        assert (found["height"], found["width"]) == expected.classes.shape[1:]
        assert found["classes"] == expected.classes.reshape(-1).tolist()
        assert found["labels"] == list(labels)
    elif isinstance(expected, tuple):
        assert_detected(found, expected[0], labels)
    else:
        assert_close(found, expected.reshape(-1), exact=not operations)


def assert_detected(found, expected: Detections, labels) -> None:
    edges = [[one[name] for name in ("left", "top", "right", "bottom")] for one in found]
    assert len(found) == len(expected.scores) > 1
    assert_close(edges, expected.boxes)
    assert_close([one["score"] for one in found], expected.scores)
    assert [one["index"] for one in found] == expected.classes.tolist()
    assert_labels(found, labels)


def assert_labels(found, labels) -> None:
    for one in found:
        assert one["label"] == (labels[one["index"]] if one["index"] < len(labels) else None)


def assert_close(found, expected, exact: bool = False) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    if exact and expected.dtype.kind != "f":
        assert found.tolist() == expected.tolist()
        return
    far = np.abs(found.astype(np.float64) - expected.astype(np.float64)).max(initial=0)
    if expected.dtype.kind in "iu":
        assert far <= 1  # what lies in the middle of two levels may go either way
    else:
        assert far <= CLOSE * max(1.0, np.abs(expected).max(initial=0))


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_test_gives_the_model_the_golden_inputs(name: str, jvm, cases, tmp_path: Path):
    case, golden = cases[name], cases[name].delivery.golden
    put_golden(case, tmp_path)
    done = golden_test(jvm, case, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    prepared = any(
        port.preprocess or port.source.source != "values" for port in case.interface.inputs
    )
    assert done.stdout.count("passed") == 2 + prepared
    for index, (spec, array) in enumerate(zip(case.artifact.inputs, golden.inputs, strict=True)):
        for sample in range(2):
            found = (tmp_path / f"{sample}.input.{index}").read_bytes()
            assert found == spec.encode(array[sample]).tobytes()


def test_the_golden_test_fails_where_an_output_differs(jvm, cases, tmp_path: Path):
    put_golden(cases["voices"], tmp_path, off=2)
    done = golden_test(jvm, cases["voices"], tmp_path)
    assert done.returncode == 1
    assert "AssertionError: found0[0] is" in done.stdout


def test_the_golden_test_fails_where_a_source_is_prepared_otherwise(jvm, cases, tmp_path: Path):
    case = cases["photos"]
    put_golden(case, tmp_path)
    (tmp_path / "golden" / "source-0.npy").write_bytes(npy(case.delivery.golden.sources[0] // 2))
    done = golden_test(jvm, case, tmp_path)
    assert done.returncode == 1
    assert "AssertionError: given0[0] is" in done.stdout


def test_the_golden_test_fails_for_another_model(jvm, cases, tmp_path: Path):
    put_golden(cases["voices"], tmp_path)
    (tmp_path / "models" / "x").write_bytes(b"another")
    done = golden_test(jvm, cases["voices"], tmp_path)
    assert done.returncode == 1
    assert cases["voices"].artifact.sha256 in done.stdout


def put_golden(case, folder: Path, off: int = 0) -> None:
    """The model, the golden vectors, and the runtime's answers: these are `off` levels away."""
    for name in ("models", "golden"):
        (folder / name).mkdir()
    (folder / "models" / "x").write_bytes(MODEL)
    golden, artifact = case.delivery.golden, case.artifact
    kinds = {"source": golden.sources, "input": golden.inputs, "output": golden.outputs}
    for kind, arrays in kinds.items():
        for index, array in enumerate(arrays):
            (folder / "golden" / f"{kind}-{index}.npy").write_bytes(npy(array))
    for index, (spec, array) in enumerate(zip(artifact.outputs, golden.outputs, strict=True)):
        for sample in range(2):
            raw = spec.encode(array[sample])
            (folder / f"{sample}.output.{index}").write_bytes(
                (raw + off).astype(spec.dtype).tobytes()
            )


def golden_test(jvm, case, folder: Path):
    name = case.interface.class_name
    facts = {"inputs": len(case.artifact.inputs), "outputs": len(case.artifact.outputs)}
    return jvm.run(
        folder, "golden", f"edgesmith.{name.lower()}.{name}GoldenTest", assets=folder, **facts
    )


def test_another_size_is_refused(jvm, cases, tmp_path: Path):
    case = cases["pages"]
    wrong = run(jvm, case, tmp_path, [np.zeros((9, 6, 1), np.float32)])
    assert wrong.returncode == 1
    assert "found an image of 6 x 9 pixels; the model takes 6 x 8" in wrong.stdout


def test_too_few_values_are_refused(jvm, cases, tmp_path: Path):
    wrong = run(jvm, cases["squares"], tmp_path, [np.zeros(2, np.float32)])
    assert wrong.returncode == 1
    assert "found 2 values; the model takes 3, of shape 3" in wrong.stdout


@pytest.mark.parametrize(
    ("color", "pixels"),
    [
        ("rgb", [0x10, 0x20, 0x30, -2, -128, 1]),
        ("bgr", [0x30, 0x20, 0x10, 1, -128, -2]),
        ("rgba", [0x10, 0x20, 0x30, 0x40, -2, -128, 1, 0]),
        ("gray", [29, -105]),  # 0.299 R + 0.587 G + 0.114 B: 29.04 and 151.2, as signed bytes
    ],
)
def test_pixels_come_from_bitmaps(color: str, pixels: list[int], jvm, tmp_path: Path):
    done = jvm.run(tmp_path, color, "edgesmith.photosmodel.Pixels")
    assert json.loads(done.stdout)["values"] == pixels, done.stderr
