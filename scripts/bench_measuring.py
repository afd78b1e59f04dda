"""Our figures beside others' of the same file: p50 of an inference, and peak memory.

p50 stands beside the benchmark tool in TFLite's wheel, OpenVINO's benchmark_app and a plain ONNX
Runtime loop; all with one thread, fresh processes in turns (ours, theirs, theirs, ours). Peak
memory stands beside `/usr/bin/time -v` of the very process that tells it. The files take more than
1 ms, as TFLite's tool and benchmark_app round to 0.01 ms.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench_rows import Row, show

from targets import device
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT, Artifact
from targets.link.contract import Completed
from targets.link.local import Local
from targets.measurement import TimingRule, median, order_statistic
from targets.target import Target, find

MOST_APART = 0.05
MOST_MEMORY_APART = 0.10
LEAST_MS = 1.0
ROUNDS, QUICK_ROUNDS = 6, 2
SECONDS = 3.0
TIME = Path("/usr/bin/time")

_HERE = Path(__file__).parent
_LITERT = Path("ai_edge_litert") / "tools" / "benchmark_litert_model.py"
_BENCHMARK_APP = "from openvino.tools.benchmark.main import main; main()"
_PLAIN_LOOP = """
import sys, time, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
entered = session.get_inputs()[0]
fed = {entered.name: numpy.random.default_rng(0).standard_normal(entered.shape, numpy.float32)}
end, times = time.perf_counter() + float(sys.argv[2]), []
for _ in range(50):
    session.run(None, fed)
while time.perf_counter() < end:
    start = time.perf_counter_ns()
    session.run(None, fed)
    times.append(time.perf_counter_ns() - start)
print(sorted(times)[len(times) // 2] / 1e6)
"""


def main() -> int:
    """Prints a table or rows. 3 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="a row per target")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds")
    parser.add_argument("--models", type=Path, help="a folder with net.tflite, net.xml, net.onnx")
    asked = parser.parse_args()
    if not TIME.is_file():
        raise SystemExit(f"{TIME} is missing: install the package 'time' (GNU time)")
    rounds = QUICK_ROUNDS if asked.quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        models = asked.models or made(Path(folder))
        rows = (row for runtime in PEERS for row in beside(runtime, models, rounds))
        return show(rows, _told, as_json=asked.json)


def made(folder: Path) -> Path:
    """The folder with the models in it."""
    subprocess.run([sys.executable, str(_HERE / "measuring_models.py"), str(folder)], check=True)
    return folder


def beside(runtime: str, models: Path, rounds: int) -> Iterator[Row]:
    """The rows of one runtime."""
    target = find(device.load("host"), runtime)
    path = models / f"net{SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[runtime]]}"
    artifact = target.describe(path).artifact
    yield latency_row(target, artifact, rounds)
    yield memory_row(target, artifact)


def latency_row(target: Target, artifact: Artifact, rounds: int) -> Row:
    """Our p50 against the other tool's, in turns; the median over rounds of their ratio."""
    ours, theirs = list[float](), list[float]()
    measures: tuple[Callable[[], None], Callable[[], None]] = (
        lambda: ours.append(own_p50_ms(target, artifact)),
        lambda: theirs.append(PEERS[target.runtime](artifact.path)),
    )
    for i in range(rounds):
        for measure in measures if i % 2 == 0 else measures[::-1]:
            measure()
    apart = median([mine / other for mine, other in zip(ours, theirs, strict=True)]) - 1
    return {
        "name": f"{target.runtime}: p50 against {PEER_NAMES[target.runtime]}",
        "target": f"within {MOST_APART:.0%}, of at least {LEAST_MS:g} ms",
        "observed": apart,
        "ours_ms": median(ours),
        "theirs_ms": median(theirs),
        "rounds": rounds,
        "met": abs(apart) <= MOST_APART and median(ours) >= LEAST_MS,
    }


def own_p50_ms(target: Target, artifact: Artifact) -> float:
    """The p50 of one fresh process of ours."""
    found = target.sample(artifact, TimingRule(min_seconds=SECONDS))
    return order_statistic(found.latency_ns, 0.5) / 1e6


def memory_row(target: Target, artifact: Artifact) -> Row:
    """The largest of our phases' peaks against what `time -v` says of the process."""
    with tempfile.TemporaryDirectory() as folder:
        link = Timed(Path(folder) / "time.txt")
        phases = Target(target.device, target.runtime, link).memory(artifact)
        theirs_mb = link.peak_mb()
    each = (phases.import_bytes, phases.load_bytes, phases.prepare_bytes, phases.infer_bytes)
    ours_mb = max((one for one in each if one is not None), default=0) / 1e6
    apart = ours_mb / theirs_mb - 1
    return {
        "name": f"{target.runtime}: peak memory against /usr/bin/time -v",
        "target": f"within {MOST_MEMORY_APART:.0%}",
        "observed": apart,
        "ours_mb": ours_mb,
        "theirs_mb": theirs_mb,
        "met": abs(apart) <= MOST_MEMORY_APART,
    }


class Timed(Local):
    """This machine, where `time -v` watches each process."""

    def __init__(self, told: Path) -> None:
        super().__init__()
        self._told = told

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: bytes,
        environment: Mapping[str, str],
        timeout_s: float,
    ) -> Completed:
        """As Local's, under `time -v`."""
        watched = (str(TIME), "-v", "-o", str(self._told), *command)
        return super().run(watched, stdin=stdin, environment=environment, timeout_s=timeout_s)

    def peak_mb(self) -> float:
        """The largest resident set of the last process, in MB."""
        found = re.search(r"Maximum resident set size \(kbytes\): (\d+)", self._told.read_text())
        assert found is not None
        return int(found.group(1)) * 1024 / 1e6


def litert_ms(model: Path) -> float:
    """The median of TFLite's own tool."""
    tool = next(Path(one) / _LITERT for one in sys.path if (Path(one) / _LITERT).is_file())
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "result.json"
        _output(sys.executable, tool, f"--model={model}", "--num_threads=1", "--warmup_runs=50",
                "--num_runs=1000", f"--result_json={told}")  # fmt: skip
        document = json.loads(told.read_text())
    return float(document["latency"]["median_ms"])


def benchmark_app_ms(model: Path) -> float:
    """The median of OpenVINO's benchmark_app."""
    told = _output(sys.executable, "-c", _BENCHMARK_APP, "-m", model, "-d", "CPU",
                   "-api", "sync", "-hint", "none", "-nthreads", "1", "-nstreams", "1",
                   "-infer_precision", "f32", "-t", str(int(SECONDS)))  # fmt: skip
    found = re.search(r"Median:\s+([0-9.]+) ms", told)
    if found is None:
        raise SystemExit(f"benchmark_app told no median: {told[-500:]}")
    return float(found.group(1))


def plain_loop_ms(model: Path) -> float:
    """The median of a plain loop over ONNX Runtime."""
    return float(_output(sys.executable, "-c", _PLAIN_LOOP, model, str(SECONDS)))


PEERS: Mapping[str, Callable[[Path], float]] = {
    "tflite": litert_ms,
    "openvino": benchmark_app_ms,
    "onnxruntime": plain_loop_ms,
}
PEER_NAMES = {
    "tflite": "TFLite's benchmark tool",
    "openvino": "OpenVINO's benchmark_app",
    "onnxruntime": "a plain ONNX Runtime loop",
}


def _output(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[1]} failed: {done.stderr[-500:]}")
    return done.stdout


def _told(row: Row) -> str:
    missed = "" if row["met"] else "  MISSED"
    unit = "ms" if "ours_ms" in row else "MB"
    ours, theirs = (row[f"{who}_{unit.lower()}"] for who in ("ours", "theirs"))
    figures = f"ours {ours:.4g} {unit}, theirs {theirs:.4g} {unit}"
    return f"{row['name']}: {row['observed']:+.1%} ({figures}; {row['target']}){missed}"


if __name__ == "__main__":
    sys.exit(main())
