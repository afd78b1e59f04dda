"""A runtime on a device without Python: the vendor's benchmark program, put there by the user.

TFLite's benchmark_model and ONNX Runtime's onnxruntime_perf_test. What they print is read into raw
samples and marked as theirs; what they do not tell is unavailable.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from targets.artifact import Artifact
from targets.errors import ConversionError, DeviceUnreachable, EnvironmentFault
from targets.link.contract import Completed
from targets.link.scripts import own
from targets.measurement import MemoryPhases, ProcessSamples, TimingRule, unavailable
from targets.occupancy import occupied
from targets.target import Description, Target

_WARMUP_RUNS = 3  # more than one, so that the lines of warming up tell themselves apart
_SLOWEST_START_S = 5.0
_NO_REFERENCE_NS = 1
"""Before and after: the program runs no reference kernel, which the conditions say."""

_TFLITE_COUNT = re.compile(r"count=1 curr=([0-9.e+]+)")
_TFLITE_TIMES = re.compile(
    r"Inference timings in us: Init: ([0-9.e+]+), First inference: ([0-9.e+]+)"
)
_ORT_ROW = re.compile(r"[^,\n]*,([0-9.e+-]+),\d+,\d+,\d+")
_ORT_CREATED = re.compile(r"Session creation time cost: ([0-9.e+-]+) s")
_ORT_FIRST = re.compile(r"First inference time cost: ([0-9.e+-]+) ms")
_VERSION = re.compile(r"(?:version|git)[: ]+v?([0-9][0-9A-Za-z.+-]*)", re.IGNORECASE)


class Times(NamedTuple):
    """What a program told, in nanoseconds; 0 where it did not."""

    samples_ns: list[int]
    load_ns: int
    first_ns: int


def read_benchmark_model(text: str) -> Times:
    """Reads the runs of TFLite's benchmark_model, each started for a single inference.

    It keeps sums and extremes alone (TensorFlow, stats_calculator.h), so that only a run of one
    inference tells a time. Microseconds.
    """
    samples = [_ns(each, 1e3) for each in _TFLITE_COUNT.findall(text)]
    times = _TFLITE_TIMES.findall(text)
    load, first = times[0] if times else ("0", "0")
    return Times(samples, _ns(load, 1e3), _ns(first, 1e3))


def read_perf_test(text: str) -> Times:
    """Reads onnxruntime_perf_test's output and its result file, a row per inference.

    `MODEL,SECONDS,PEAK,CPU,RUN` (ONNX Runtime, test/perftest/performance_runner.cc).
    """
    samples = [_ns(each, 1e9) for each in _ORT_ROW.findall(text)]
    created, first = _ORT_CREATED.search(text), _ORT_FIRST.search(text)
    return Times(
        samples, _ns(created[1], 1e9) if created else 0, _ns(first[1], 1e6) if first else 0
    )


def _ns(number: str, factor: float) -> int:
    return round(float(number) * factor)


def _benchmark_model(program: str, model: str, threads: int, count: int) -> str:
    start = (
        f"{program} --graph={model} --num_threads={threads} --num_runs=1 --min_secs=0"
        f" --warmup_runs={_WARMUP_RUNS} --warmup_min_secs=0"
    )
    return (
        f"i=0; while [ $i -lt {count} ]; do {start} > out 2>&1 || {{ cat out >&2; exit 1; }};"
        " grep -e count=1 -e timings out; i=$((i+1)); done; rm -f out"
    )


def _perf_test(program: str, model: str, threads: int, count: int) -> str:
    runs = f"-m times -r {count + _WARMUP_RUNS} -x {threads} -y 1 -e cpu -I"
    return f"rm -f rows; {program} {runs} {model} rows >&1 && cat rows; c=$?; rm -f rows; exit $c"


@dataclass(frozen=True)
class _Tool:
    name: str
    script: Callable[[str, str, int, int], str]
    read: Callable[[str], Times]


_TOOLS = {
    "tflite": _Tool("benchmark_model", _benchmark_model, read_benchmark_model),
    "onnxruntime": _Tool("onnxruntime_perf_test", _perf_test, read_perf_test),
}


@dataclass(frozen=True)
class VendorTarget(Target):
    """A target whose times come from the vendor's program; `here` describes files on this machine.

    Raises what a Target raises, and EnvironmentFault for what no such program can tell.
    """

    here: Target | None = None

    def describe(self, path: Path) -> Description:
        """As this machine's runtime sees the file, since the program tells of no tensors."""
        if self.here is None:
            raise self._unable("tell a model's tensors")
        found = self.here.describe(path)
        note = f"described on this machine; times are those of {self._tool.name}"
        return Description(found.artifact, found.executed, self._version(), (*found.notes, note))

    def identify(self) -> tuple[dict[str, str], str]:
        """The device by its name: the program tells nothing of it."""
        return {"name": self.device.name, "arch": self.device.arch}, self._version()

    def throttling(self) -> str:
        """The program does not tell."""
        return unavailable(f"{self._tool.name} does not tell")

    def sample(self, artifact: Artifact, rule: TimingRule, seed: int = 0) -> ProcessSamples:
        """As many inferences as the rule asks for at least, each timed by the program itself."""
        script = self._tool.script(
            self._program, own(self._placed(artifact)), self.threads, rule.min_samples
        )
        timeout_s = _SLOWEST_START_S * rule.min_samples + rule.max_seconds
        done = self._run(script, artifact, timeout_s)
        times = self._tool.read(done.stdout.decode(errors="replace"))
        kept = times.samples_ns[-rule.min_samples :]
        if not kept or min(*kept, times.load_ns, times.first_ns) <= 0:
            raise DeviceUnreachable(
                f"{self._program} on device '{self.device.name}' does not tell the times of "
                f"loading and of inferences; is it a {self._tool.name} of these years?"
            )
        return ProcessSamples(
            latency_ns=tuple(kept),
            load_ns=times.load_ns,
            first_inference_ns=times.first_ns,
            reference_ns_before=_NO_REFERENCE_NS,
            reference_ns_after=_NO_REFERENCE_NS,
            warmup_iterations=_WARMUP_RUNS,
            conditions=self._conditions(),
        )

    def memory(self, artifact: Artifact, seed: int = 0) -> MemoryPhases:
        """Unavailable: the program's own peak holds the program."""
        return MemoryPhases(reason=f"{self._tool.name} tells no phases")

    def sample_in_turns(
        self, artifacts: Sequence[Artifact], rule: TimingRule, seed: int = 0, rounds: int = 5
    ) -> tuple[ProcessSamples, ...]:
        """One after the other: the program takes one model."""
        return tuple(self.sample(artifact, rule, seed) for artifact in artifacts)

    def infer(self, artifact: Artifact, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Raises EnvironmentFault: the program gives no outputs."""
        raise self._unable("give a model's outputs")

    @property
    def _tool(self) -> _Tool:
        return _TOOLS[self.runtime]

    @property
    def _program(self) -> str:
        named = {str(name): tool.program for name, tool in self.device.vendor.items()}
        return own(named[self.runtime])

    def _version(self) -> str:
        try:
            with occupied(self.device.seat):
                done = self.link.run(
                    (self._program, "--help"), stdin=b"", environment={}, timeout_s=60.0
                )
        except TimeoutError as error:
            raise DeviceUnreachable(
                f"{self._program} --help on device '{self.device.name}' gave {error}; "
                f"is it a {self._tool.name}?"
            ) from error
        found = _VERSION.search((done.stdout + done.stderr).decode(errors="replace"))
        return f"{self._tool.name} {found[1] if found else 'of unknown version'}"

    def _run(self, script: str, artifact: Artifact, timeout_s: float) -> Completed:
        with occupied(self.device.seat):
            try:
                done = self.link.run(
                    ("sh", "-c", script), stdin=b"", environment={}, timeout_s=timeout_s
                )
            except TimeoutError as error:
                raise ConversionError(f"{artifact.path}: {self._tool.name} gave {error}") from error
        if done.code != 0:
            told = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            raise ConversionError(
                f"{artifact.path}: {self._tool.name} can't run it: "
                f"{told[-1][:400] if told else f'exit status {done.code}'}"
            )
        return done

    def _conditions(self) -> dict[str, str]:
        return {
            "runtime": self._tool.name,
            "measured_by": f"the vendor's {self._tool.name}, {self._program}",
            "threads": str(self.threads),
            "reference_kernel": unavailable("the vendor's program runs none"),
        }

    def _unable(self, what: str) -> EnvironmentFault:
        return EnvironmentFault(
            f"{self._tool.name} on device '{self.device.name}' can't {what}; "
            "a Python with the runtime there can"
        )
