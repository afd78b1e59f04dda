from dataclasses import replace

import ai_edge_litert.schema_py_generated as schema
import flatbuffers
import pytest

from pipeline.package.golden import Golden
from pipeline.package.mcu.arena import Interpreted, interpreted
from pipeline.package.mcu.gate import Gate, gate
from pipeline.package.mcu.model_file import read
from targets import device as devices
from targets.budget import Budget
from targets.device import DeviceProfile


@pytest.fixture(scope="module")
def device() -> DeviceProfile:
    return devices.load("cortex-m")


@pytest.fixture(scope="module")
def seen(relu) -> Interpreted:
    return interpreted(*relu)


def failed(judged: Gate) -> list[str]:
    return [line.requirement for line in judged.lines if line.status == "FAIL"]


def test_a_small_int8_net_fits(relu, seen, device):
    judged = gate(*relu, seen, device)
    assert judged.status == "PASS"
    assert {line.status for line in judged.lines} == {"PASS"}
    assert not any(line.cure for line in judged.lines)


def test_floats_are_found_and_the_cure_is_told(float_relu, device):
    judged = gate(*float_relu, interpreted(*float_relu), device)
    assert judged.status == "FAIL"
    assert failed(judged) == ["inputs and outputs", "floating-point tensors"]
    line = judged.lines[0]
    assert (line.found, line.allowed) == ("FLOAT32", "int8 only")
    assert "io: int8" in line.cure


def test_dynamic_shapes_and_unknown_operators_are_found(relu, seen, device):
    file = replace(seen.file, dynamic=("x", ""), operators=("RELU", "CUSTOM mine"))
    judged = gate(*relu, replace(seen, file=file), device)
    assert failed(judged) == ["tensors without a fixed shape", "operators that the resolver lacks"]
    assert [line.found for line in judged.lines[2:4]] == ["x, (unnamed)", "CUSTOM mine"]


def test_a_symbolic_shape_is_read_from_the_file(relu):
    model = schema.ModelT.InitFromPackedBuf(relu[0].path.read_bytes(), 0)
    model.subgraphs[0].tensors[0].shapeSignature = [-1, 4]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    assert read(bytes(builder.Output())).dynamic == ("x",)


def test_outputs_that_differ_fail(relu, seen, device):
    artifact, golden = relu
    other = Golden(golden.inputs, (golden.outputs[0] + 0.11,))
    judged = gate(artifact, other, seen, device)
    assert failed(judged) == ["LiteRT's outputs, output 0"]
    assert judged.lines[4].found == "within 0.11; 0 of 32 are the same"


def test_a_step_of_difference_is_told_and_allowed(relu, seen, device):
    artifact, golden = relu
    moved = golden.outputs[0].copy()
    moved[0, 0] += 0.05
    line = gate(artifact, Golden(golden.inputs, (moved,)), seen, device).lines[4]
    assert (line.status, line.found) == ("PASS", "within 0.05; 31 of 32 are the same")


def test_arena_and_flash_are_held_against_the_profile(relu, seen, device):
    small = device.model_copy(update={"budget": Budget(peak_memory_mb=0.001, size_kb=0.3)})
    judged = gate(*relu, seen, small)
    arena, flash = judged.lines[-2:]
    assert judged.status == "FAIL"
    assert (arena.allowed, arena.found) == ("1000 bytes", f"{seen.recommended_bytes} bytes")
    assert (flash.allowed, flash.found) == ("300 bytes", f"{relu[0].size_bytes} bytes")


def test_what_the_profile_does_not_limit_is_not_passed(relu, seen):
    judged = gate(*relu, seen, devices.load("host"))
    assert judged.status == "UNVERIFIED"
    assert [line.status for line in judged.lines[-2:]] == ["UNVERIFIED", "UNVERIFIED"]
