"""What could stay float for speed, and whether it did: names and counts alone."""

from pathlib import Path
from types import SimpleNamespace

from pipeline import placing
from pipeline.placing import MOST_PLACES, Placement, places, undone
from pipeline.quantize.layout import Part
from pipeline.quantize.regions import Region
from pipeline.recipe import Quantize
from pipeline.workspace import Workspace
from targets.device import DeviceProfile
from targets.execution import Execution
from targets.measurement import ExecutedOp


def block(number, into):
    """norm (float), two linear layers with gelu (float) between them, and a residual sum."""
    at = f"blocks.{number}"
    rows = [
        (f"norm_{number}", "layer_norm", "float", f"{at}.norm", [into], False),
        (f"wide_{number}", "linear", "computes", f"{at}.wide", [f"norm_{number}"], True),
        (f"gelu_{number}", "gelu", "float", f"{at}.act", [f"wide_{number}"], False),
        (f"narrow_{number}", "linear", "computes", f"{at}.narrow", [f"gelu_{number}"], True),
        (f"add_{number}", "add", "computes", at, [into, f"narrow_{number}"], False),
    ]
    return rows, f"add_{number}"


def transformer(count=2):
    rows, last = [("patch", "conv2d", "computes", "patch", ["x"], True)], "patch"
    for number in range(count):
        more, last = block(number, last)
        rows += more
    rows += [("head", "linear", "computes", "head", [last], True)]
    parts = {"x": Part("x", "", "float", "", (), ("patch",), 0, weighted=False)}
    users = {
        name: tuple(row[0] for row in rows if name in row[4]) for name in [row[0] for row in rows]
    }
    for name, operator, role, module, inputs, weighted in rows:
        parts[name] = Part(
            name, operator, role, module, tuple(inputs), users[name], 0, weighted=weighted
        )
    return parts


def region(name, *nodes):
    return Region(name, nodes, 0)


def test_numbered_siblings_stay_float_together():
    found = places(
        transformer(),
        [region("layer blocks.0.wide", "wide_0"), region("layer blocks.1.wide", "wide_1")],
    )
    assert list(found) == ["layer blocks.*.wide"]
    assert {"wide_0", "wide_1"} <= set(found["layer blocks.*.wide"])


def test_what_is_far_from_doubtful_operators_is_not_tried():
    parts = transformer()
    assert "patch" not in "".join(places(parts, [region("layer head", "head")]))


def test_the_whole_model_is_no_candidate():
    parts = transformer()
    whole = tuple(name for name, part in parts.items() if part.role == "computes")
    assert places(parts, [region("block blocks.0", *whole)]) == {}


def test_kinds_go_before_blocks_and_blocks_before_layers():
    parts = transformer(12)
    layers = [region(f"layer one{n}.wide", f"wide_{n}") for n in range(12)]
    found = places(
        parts,
        [*layers, region("block blocks.3", "wide_3", "narrow_3"), region("all add", "add_5")],
    )
    assert len(found) == MOST_PLACES
    assert [name.split()[0] for name in found][:3] == ["all", "block", "layer"]


def execution(floats, share):
    leftovers = tuple(ExecutedOp(f"op{n}", "Gelu", "float32") for n in range(floats))
    return Execution(100, share, leftovers, None, (), 0, 0)


def test_what_a_runtime_made_int8_again_is_told():
    before = execution(2, 0.9)
    assert undone(before, execution(3, 0.9)) is None
    assert undone(before, execution(2, 0.5)) is None
    assert "as many as without it" in undone(before, execution(2, 0.9))


def test_drafts_of_other_types_are_timed_anew(tmp_path, monkeypatch):
    timed = []

    def place(desk, folder, settings, runtime):
        timed.append((settings.activations, settings.io))
        return Placement(())

    monkeypatch.setattr(placing, "_place", place)
    device = DeviceProfile(name="d", runtimes=("onnxruntime",))
    with Workspace.open(tmp_path / "run", "recipe") as workspace:
        desk = SimpleNamespace(device=device, workspace=workspace)
        for kind, io in [("int8", "int8"), ("uint8", "int8"), ("uint8", "float32")] * 2:
            settings = Quantize(activations=kind, io=io)
            placing.place(desk, Path("plan"), settings, "onnxruntime")
    assert timed == [("int8", "int8"), ("uint8", "int8"), ("uint8", "float32")]
