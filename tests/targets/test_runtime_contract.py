"""What every runtime promises through a target; each runtime inherits the whole suite."""

import math
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from targets import device
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT
from targets.errors import ArtifactError, ConversionError, EdgesmithError
from targets.measurement import TimingRule
from targets.target import Target, find

EIGHT_BIT = ("int8", "uint8")
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "Convolution", "QLinearConv", "Conv")
SHAPE = (1, 3, 16, 16)
MACS = 8 * 64 * 27 + 8 * 64 * 9 + 8 * 5
"""Of the small net: two convolutions on 8 channels of 8 by 8, and a linear layer."""
CONDITIONS = {
    *("cpu", "arch", "kernel", "python", "affinity", "governor", "temperature", "load_average"),
    *("runtime", "threads", "precision", "batch", "preemptions"),
    *("throttling", "waiting_for_a_core"),
}


class Contract:
    runtime = ""
    fills_blocks = False
    """Whether float convolutions are run on a whole block of channels, filled up with zeros."""

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls) -> Target:
        return find(device.load("host"), cls.runtime)

    @property
    def suffix(self) -> str:
        return SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[self.runtime]]

    def file(self, models: Path, name: str) -> Path:
        return models / f"{name}{self.suffix}"

    def copied(self, models: Path, name: str, folder: Path) -> Path:
        for file in models.glob(f"{name}.*"):
            shutil.copy(file, folder)
        return folder / f"{name}{self.suffix}"

    def test_a_float_model_is_described(self, target: Target, models: Path) -> None:
        told = target.describe(self.file(models, "net"))
        (entered,), (left,) = told.artifact.inputs, told.artifact.outputs
        assert (entered.shape, entered.dtype, entered.quantization) == (SHAPE, "float32", None)
        assert (left.shape, left.dtype) == ((1, 5), "float32")
        assert told.notes == ()
        assert any(character.isdigit() for character in told.runtime_version)
        assert {op.dtype for op in told.executed if op.type in CONVOLUTIONS} == {"float32"}

    def test_a_quantized_model_really_runs_8_bit(self, target: Target, models: Path) -> None:
        executed = target.describe(self.file(models, "int8")).executed
        found = [op for op in executed if op.type in CONVOLUTIONS]
        assert len(found) == 2
        assert all(op.dtype in EIGHT_BIT for op in found)

    def test_every_multiplication_is_counted(self, target: Target, models: Path) -> None:
        plain = target.describe(self.file(models, "net")).execution
        assert plain.int8_macs_share == 0.0
        assert plain.macs == MACS or (self.fills_blocks and plain.macs > MACS)
        quantized = target.describe(self.file(models, "int8")).execution
        assert (quantized.macs, quantized.int8_macs_share) == (MACS, 1.0)
        assert not [op for op in quantized.float_leftovers if op.macs]

    def test_float_outputs_are_torchs(self, target: Target, models: Path) -> None:
        reference = np.load(models / "reference.npz", allow_pickle=False)
        artifact = target.describe(self.file(models, "net")).artifact
        (outputs,) = target.infer(artifact, [reference["inputs"]])
        # At most 27 products of order 1 per sum, four layers: 4 * 27 * 2^-24 < 1e-5.
        np.testing.assert_allclose(outputs, reference["outputs"], atol=1e-5)

    def test_quantized_outputs_are_close(self, target: Target, models: Path) -> None:
        reference = np.load(models / "reference.npz", allow_pickle=False)
        artifact = target.describe(self.file(models, "int8")).artifact
        (outputs,) = target.infer(artifact, [reference["inputs"]])
        noise = np.linalg.norm(outputs - reference["outputs"])
        # Five tensors of 8 bits, each with noise of about 1/256 of its range: far below a tenth.
        assert noise < 0.1 * np.linalg.norm(reference["outputs"])
        assert outputs.dtype == np.float32

    def test_samples_do_not_depend_on_each_other(self, target: Target, models: Path) -> None:
        inputs = np.load(models / "reference.npz", allow_pickle=False)["inputs"]
        artifact = target.describe(self.file(models, "int8")).artifact
        (together,) = target.infer(artifact, [inputs[:4]])
        (alone,) = target.infer(artifact, [inputs[2:3]])
        np.testing.assert_array_equal(together[2:3], alone)

    def test_inputs_that_do_not_fit_are_told(self, target: Target, models: Path) -> None:
        artifact = target.describe(self.file(models, "net")).artifact
        with pytest.raises(ArtifactError, match=r"has the shape \(1, 3, 16, 16\), found"):
            target.infer(artifact, [np.zeros((2, 3, 8, 8), np.float32)])
        with pytest.raises(ArtifactError, match="takes 1 inputs, found 2"):
            target.infer(artifact, [np.zeros((2, 3, 16, 16), np.float32)] * 2)

    def test_a_process_is_timed_by_the_rule(self, target: Target, models: Path) -> None:
        artifact = target.describe(self.file(models, "net")).artifact
        rule = TimingRule.quick()
        samples = target.sample(artifact, rule)
        assert len(samples.latency_ns) >= rule.min_samples
        assert sum(samples.latency_ns) <= rule.max_seconds * 1e9
        assert samples.warmup_iterations >= rule.warmup_min_iterations
        assert set(samples.conditions) == CONDITIONS
        assert all(samples.conditions.values())
        assert samples.conditions["threads"] == "1"

    def test_memory_is_read_in_phases(self, target: Target, models: Path) -> None:
        artifact = target.describe(self.file(models, "net")).artifact
        found = target.memory(artifact)
        if found.reason:
            assert found.above_import_bytes() is None
        else:
            above = found.above_import_bytes()
            assert above is not None
            assert 0 < above < 500e6

    def test_a_symbolic_batch_becomes_1_and_is_told(self, target: Target, models: Path) -> None:
        told = target.describe(self.file(models, "batch"))
        assert told.artifact.inputs[0].shape[0] == 1
        assert any("fixed to 1" in note for note in told.notes)
        shape = told.artifact.inputs[0].shape[1:]
        (outputs,) = target.infer(told.artifact, [np.ones((3, *shape), np.float32)])
        assert outputs.shape[0] == 3

    def test_other_symbolic_sizes_are_declined(self, target: Target, models: Path) -> None:
        with pytest.raises(ArtifactError, match="export the model with fixed sizes"):
            target.describe(self.file(models, "sizes"))

    def test_an_unknown_operator_is_a_conversion_error(self, target: Target, models: Path) -> None:
        with pytest.raises(ConversionError, match="Nowhere"):
            target.describe(self.file(models, "unknown"))

    @pytest.mark.parametrize(
        "content", [b"", bytes(64), b"no model"], ids=["empty", "zeros", "text"]
    )
    def test_what_is_no_model_is_told(self, target: Target, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / f"broken{self.suffix}"
        file.write_bytes(content)
        file.with_suffix(".bin").write_bytes(b"")
        with pytest.raises(ArtifactError) as caught:
            target.describe(file)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_damaged_files_never_harm_this_process(
        self, target: Target, models: Path, tmp_path: Path
    ) -> None:
        file = self.copied(models, "int8", tmp_path)
        whole = file.read_bytes()
        generator = random.Random(7)
        for _ in range(6):
            damaged = bytearray(whole)
            for _ in range(3):
                damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
            file.write_bytes(damaged)
            try:
                target.describe(file)
            except EdgesmithError as error:
                assert isinstance(error, (ArtifactError, ConversionError)), error

    def test_a_file_of_another_runtime_is_told(self, target: Target, models: Path) -> None:
        others = [each for each in SUFFIX_OF_FORMAT.values() if each != self.suffix]
        with pytest.raises(ArtifactError, match="does not run the format"):
            target.describe(models / f"net{others[0]}")

    def test_a_file_that_changed_is_not_measured(
        self, target: Target, models: Path, tmp_path: Path
    ) -> None:
        file = self.copied(models, "net", tmp_path)
        fresh = find(target.device, self.runtime)
        bare = fresh._bare(file)
        file.write_bytes(file.read_bytes() + b" ")
        with pytest.raises(ArtifactError, match="changed"):
            fresh.memory(bare)

    def test_a_missing_file_is_told(self, target: Target, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match="no such file"):
            target.describe(tmp_path / f"none{self.suffix}")


class TestTFLite(Contract):
    runtime = "tflite"

    def test_one_partition_runs_it_all(self, target: Target, models: Path) -> None:
        for name in ("net", "int8"):
            found = target.describe(self.file(models, name)).execution
            assert found.partitions == 1
            assert found.outside == ()

    def test_inputs_and_outputs_are_int8(self, target: Target, models: Path) -> None:
        artifact = target.describe(self.file(models, "int8")).artifact
        for spec in (*artifact.inputs, *artifact.outputs):
            assert spec.dtype == "int8"
            assert spec.quantization is not None
            assert math.isfinite(spec.quantization.scale)


class TestOpenVINO(Contract):
    runtime = "openvino"

    def test_the_missing_half_is_told(self, target: Target, models: Path, tmp_path: Path) -> None:
        shutil.copy(models / "net.xml", tmp_path)
        with pytest.raises(ArtifactError, match=r"net\.bin: no such file"):
            target.describe(tmp_path / "net.xml")


class TestONNXRuntime(Contract):
    runtime = "onnxruntime"
    fills_blocks = True

    def test_weights_beside_the_file_belong_to_it(
        self, target: Target, models: Path, tmp_path: Path
    ) -> None:
        import onnx

        model = onnx.load(models / "net.onnx")
        onnx.save(
            model,
            tmp_path / "net.onnx",
            save_as_external_data=True,
            location="net.onnx.data",
            size_threshold=100,
        )
        whole = target.describe(models / "net.onnx").artifact
        split = target.describe(tmp_path / "net.onnx").artifact
        assert split.size_bytes > (tmp_path / "net.onnx").stat().st_size
        x = np.ones(SHAPE, np.float32)
        np.testing.assert_array_equal(target.infer(split, [x])[0], target.infer(whole, [x])[0])

    def test_a_file_that_asks_for_too_much_memory(self, target: Target, tmp_path: Path) -> None:
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        shape = numpy_helper.from_array(np.array([2**31], np.int64), "shape")
        node = helper.make_node("Expand", ["x", "shape"], ["y"])
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2**31])
        graph = helper.make_graph([node], "g", [x], [y], [shape])
        opsets = [helper.make_opsetid("", 18)]
        onnx.save(
            helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "m.onnx"
        )
        with pytest.raises(ArtifactError, match="memory"):
            target.describe(tmp_path / "m.onnx")
