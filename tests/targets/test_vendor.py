"""The vendors' own benchmark programs, played by scripts that print what the real ones print."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from targets.artifact import SUFFIX_OF_FORMAT, Artifact
from targets.device import DeviceProfile
from targets.errors import ConversionError, DeviceUnreachable, EnvironmentFault
from targets.link.contract import Completed
from targets.link.local import Local
from targets.measurement import TimingRule
from targets.target import Target, find
from targets.vendor import VendorTarget, read_benchmark_model, read_perf_test

BENCHMARK_MODEL = """\
INFO: STARTING!
INFO: Loaded model /data/local/tmp/model.tflite
INFO: Running benchmark for at least 3 iterations and at least 0 seconds but terminate if exceeding
INFO: count=3 first=52162 curr=49785 min=49088 max=686105 avg=63743.2 std=60716 p5=4 median=5 p95=6

INFO: Running benchmark for at least 1 iterations and at least 0 seconds but terminate if exceeding
INFO: count=1 curr=4706 p5=4706 median=4706 p95=4706

INFO: Inference timings in us: Init: 1195, First inference: 87112, Warmup (avg): 5.8e+04, \
Inference (avg): 4706
"""
PERF_TEST = """\
Session creation time cost: 0.0123 s
First inference time cost: 4 ms
Total inference time cost: 0.02 s
Average inference time cost: 1.5 ms
"""
ROWS = "".join(f"model.onnx,{0.001 + run / 1e5},34000000,99,{run}\n" for run in range(40))
RULE = TimingRule(min_samples=20)


def test_a_benchmark_model_tells_one_time_a_start() -> None:
    times = read_benchmark_model(BENCHMARK_MODEL * 2)
    assert times.samples_ns == [4_706_000] * 2
    assert (times.load_ns, times.first_ns) == (1_195_000, 87_112_000)
    assert read_benchmark_model("count=1 curr=1.3576e+06").samples_ns == [1_357_600_000]


def test_a_perf_test_tells_every_time() -> None:
    times = read_perf_test(PERF_TEST + ROWS)
    assert len(times.samples_ns) == 40
    assert times.samples_ns[:2] == [1_000_000, 1_010_000]
    assert (times.load_ns, times.first_ns) == (12_300_000, 4_000_000)


def program(folder: Path, text: str, code: int = 0) -> Path:
    """A program that writes this text, and the last of its arguments where that is `rows`."""
    path = folder / "program"
    (folder / "text").write_text(text)
    (folder / "given").write_text(ROWS)
    path.write_text(
        f'#!/bin/sh\nfor last; do :; done\n[ "$last" = rows ] && cat {folder}/given > rows\n'
        f"cat {folder}/text\nexit {code}\n"
    )
    path.chmod(0o755)
    return path


def target(folder: Path, runtime: str, text: str, code: int = 0) -> Target:
    tool = {runtime: {"program": str(program(folder, text, code))}}
    return find(DeviceProfile(name="phone", runtimes=(runtime,), vendor=tool), runtime)


def artifact_of(folder: Path, kind: str) -> Artifact:
    """A file of a model's name: the program that plays the vendor's does not look at it."""
    path = folder / f"model{SUFFIX_OF_FORMAT[kind]}"
    path.write_bytes(b"x")
    return Artifact(path, kind, hashlib.sha256(b"x").hexdigest(), 1, (), ())


@pytest.mark.parametrize(
    ("runtime", "kind", "text", "middle_ns"),
    [
        ("tflite", "tflite", BENCHMARK_MODEL, 4_706_000),
        ("onnxruntime", "onnx", PERF_TEST, 1_300_000),
    ],
)
def test_times_are_theirs_and_marked_so(
    tmp_path: Path, runtime: str, kind: str, text: str, middle_ns: int
) -> None:
    measured = target(tmp_path, runtime, text)
    assert isinstance(measured, VendorTarget)
    artifact = artifact_of(tmp_path, kind)
    found = measured.sample(artifact, RULE)
    assert len(found.latency_ns) == 20
    assert sorted(found.latency_ns)[10] == middle_ns
    assert found.conditions["measured_by"].startswith("the vendor's")
    assert measured.memory(artifact).above_import_bytes() is None
    with pytest.raises(EnvironmentFault, match="give a model's outputs"):
        measured.infer(artifact, [])


@pytest.mark.parametrize(
    ("text", "code", "kind", "told"),
    [
        ("hello", 1, ConversionError, "can't run it: hello"),
        ("nothing of use", 0, DeviceUnreachable, "is it a benchmark_model"),
        ("count=1 curr=5", 0, DeviceUnreachable, "is it a benchmark_model"),
    ],
)
def test_a_program_that_is_not_it_is_told(
    tmp_path: Path, text: str, code: int, kind: type[Exception], told: str
) -> None:
    measured = target(tmp_path, "tflite", text, code)
    artifact = artifact_of(tmp_path, "tflite")
    with pytest.raises(kind, match=told):
        measured.sample(artifact, RULE)


class Hanging(Local):
    """A link to a device on which nothing comes to its end."""

    def run(self, *_: object, timeout_s: float, **__: object) -> Completed:
        raise TimeoutError(f"no answer in {timeout_s:g} s")


def test_a_program_that_tells_no_version_in_time_is_told(tmp_path: Path) -> None:
    measured = replace(target(tmp_path, "tflite", BENCHMARK_MODEL), link=Hanging())
    with pytest.raises(DeviceUnreachable, match=r"--help .* in 60 s; is it a benchmark_model\?"):
        measured.identify()


def test_over_a_link_it_is_the_same(device, tmp_path: Path) -> None:
    tool = {"tflite": {"program": str(program(tmp_path, BENCHMARK_MODEL))}}
    document = device.profile.model_dump(mode="json", exclude_defaults=True)
    profile = DeviceProfile.model_validate({**document, "vendor": tool, "python": "/no/python"})
    measured = find(profile, "tflite")
    artifact = artifact_of(tmp_path, "tflite")
    assert set(measured.sample(artifact, RULE).latency_ns) == {4_706_000}
