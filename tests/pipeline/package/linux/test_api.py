"""The Python API, and the service behind it, in processes that know nothing of edgesmith."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from pipeline.package.contents import Delivery
from pipeline.package.golden import npy
from pipeline.package.linux.shipped import model as shipped
from pipeline.processing.after import DecodeBoxes, Postprocess, Softmax, TopK
from pipeline.processing.before import Normalize, Preprocess, Scale
from pipeline.processing.finish import softmax, top_k
from pipeline.processing.prepare import prepare
from pipeline.processing.sources import Source, Values

CALL = """
import sys
import numpy as np

sys.path.insert(0, sys.argv[1])
assert not any(name.startswith(("pipeline", "targets", "pydantic")) for name in sys.modules)
from digits_model import DigitsModel

model = DigitsModel.create()
{code}
assert not any(name.startswith(("pipeline", "targets", "pydantic")) for name in sys.modules)
"""
CREATE = """
import sys
from pathlib import Path
import numpy as np

sys.path.insert(0, sys.argv[1])
from digits_model import DigitsModel

model = DigitsModel.create(Path(sys.argv[2]))
print(len(model.run(np.zeros(4, np.uint8)).output))
"""
SHOWN = "print([(each.index, each.score, each.label) for each in result.output])"


def call(root: Path, code: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-c", CALL.format(code=code), str(root)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def declared(delivery: Delivery, after: tuple[Postprocess, ...]) -> Delivery:
    """Bytes are scaled and normalized before the model, and its output becomes classes."""
    (entry,), (left,) = delivery.interface.inputs, delivery.interface.outputs
    before = (Scale(factor=1 / 255), Normalize(mean=(0.5,), std=(0.25,)))
    source = Values(shape=(4,), dtype="uint8")
    entry = entry.model_copy(update={"source": source, "preprocess": before})
    left = left.model_copy(update={"postprocess": after})
    interface = delivery.interface.model_copy(update={"inputs": (entry,), "outputs": (left,)})
    sources = (np.arange(32, dtype=np.uint8).reshape(8, 4),)
    golden = replace(delivery.golden, sources=sources)
    return replace(delivery, interface=interface, golden=golden)


@pytest.fixture
def classes(made, deliver) -> Delivery:
    return declared(deliver(made), (Softmax(), TopK(k=2, labels=("a", "b", "c"))))


def test_it_knows_every_operation_there_is():
    for known, union in (
        (shipped.SOURCES, Source),
        (shipped.BEFORE, Preprocess),
        (shipped.AFTER, Postprocess),
    ):
        kinds = get_args(get_args(union)[0])
        key = "source" if known is shipped.SOURCES else "op"
        assert known == {one.model_fields[key].default: one for one in kinds}


def test_an_app_gets_what_the_reference_computes(classes, unpacked: Callable[[Delivery], Path]):
    sample = np.array([200, 0, 129, 255], np.uint8)
    done = call(
        unpacked(classes),
        f"result = model.run(np.array({sample.tolist()}, np.uint8))\n{SHOWN}",
    )
    assert done.returncode == 0, done.stderr
    entry = classes.interface.inputs[0]
    values = prepare(sample[np.newaxis], entry.source, entry.preprocess)
    spec = classes.artifact.inputs[0]
    raw = np.maximum(spec.encode(values), -3)  # the model is a ReLU, of which -3 is the zero
    ranked = top_k(softmax(spec.decode(raw), -1), 2)
    found = eval(done.stdout, {"__builtins__": {}})
    assert [one[0] for one in found] == ranked.indices[0].tolist() == [3, 0]
    np.testing.assert_allclose([one[1] for one in found], ranked.scores[0], rtol=1e-6)
    assert [one[2] for one in found] == [None, "a"]


def test_the_example_runs_a_golden_sample(any_made, deliver, unpacked):
    root = unpacked(deliver(any_made))
    command = [sys.executable, "-I", root / "examples/example.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("output: [")


def test_boxes_become_objects(made, deliver, unpacked):
    rule = DecodeBoxes(form="xyxy", score_threshold=0.1, labels=("thing",))
    detections = shipped._detections(
        type("Found", (), {"boxes": np.eye(4)[:1], "scores": np.ones(1), "classes": np.zeros(1)}),
        rule.labels,
    )
    assert [(one.left, one.bottom, one.score, one.label) for one in detections] == [
        (1.0, 0.0, 1.0, "thing")
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("np.zeros(5, np.uint8)", "found uint8 of shape (5,); takes uint8 of shape (4)"),
        ("np.zeros((1, 4), np.uint8)", "found uint8 of shape (1, 4)"),
        ("np.zeros(4)", "found float64 of shape (4,); takes uint8"),
        ("np.array(['a'] * 4)", "found <U1"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(classes, unpacked, given: str, told: str):
    done = call(unpacked(classes), f"model.run({given})")
    assert done.returncode == 1
    assert f"ValueError: input: {told}" in done.stderr


def test_a_damaged_package_is_not_loaded(classes, unpacked):
    root = unpacked(classes)
    (root / "LICENSE").write_text("none")
    done = call(root, "")
    assert "Failure: LICENSE is damaged" in done.stderr


@pytest.mark.parametrize("way", ["relative", "through a link"])
def test_the_folder_may_be_given_in_any_way(classes, unpacked, tmp_path: Path, way: str):
    root = unpacked(classes)
    link = tmp_path / "current"
    link.symlink_to(root.name)
    (tmp_path / "elsewhere").mkdir()
    given = f"../{root.name}" if way == "relative" else str(link)
    command = [sys.executable, "-I", "-c", CREATE, str(root), given]
    done = subprocess.run(
        command, cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2\n"


@pytest.fixture
def service(classes, unpacked, tmp_path: Path) -> Iterator[Path]:
    """The socket of a running service."""
    root, place = unpacked(classes), tmp_path / "s"
    process = subprocess.Popen(
        [sys.executable, "-E", "-s", "-m", "digits_model.serve", str(place)], cwd=root
    )
    for _ in range(300):
        if place.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    yield place
    process.terminate()
    process.wait(10)


def ask(place: Path, content: bytes) -> dict:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(place))
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        return json.load(connection.makefile("r"))


def test_the_service_answers_and_outlives_bad_requests(service: Path):
    huge = npy(np.zeros(4, np.uint8)).replace(b"(4,), ", b"(4000000000,), ")[:90] + bytes(60)
    objects = npy(np.zeros(4, np.uint8)).replace(b"'|u1'", b"'|O' ")
    unclosed = npy(np.zeros(4, np.uint8)).replace(b"(4,), }", b"(((((((")
    text = b"GET / HTTP/1.1\r\n\r\n"
    for content in (text, bytes(200), huge, objects, b"\x93NUMPY", unclosed):
        assert ask(service, content)["error"]
    assert "takes uint8 of shape (4)" in ask(service, npy(np.zeros(3, np.uint8)))["error"]
    good = npy(np.array([200, 0, 129, 255], np.uint8))
    assert ask(service, good + good)["error"] == "found 2 inputs; takes 1"
    assert ask(service, b"")["error"] == "found 0 inputs; takes 1"
    (first, second) = ask(service, good)["output"]
    assert (first["index"], second["index"], second["label"]) == (3, 0, "a")
