"""The model card tells what the manifest holds, and nothing of it acts as Markdown."""

import pytest

from pipeline.package.card import model_card
from pipeline.package.contents import Delivery, Notes, common, sealed
from pipeline.package.manifest import Manifest, Origin, Parent, Runtime, Signed
from pipeline.processing.after import Softmax, TopK
from pipeline.processing.before import Layout, Scale
from pipeline.processing.sources import Image

HOSTILE = "<b>|`x`\n# [a](b)"
PARENT = Parent(
    name="dense",
    sha256="a" * 64,
    size_bytes=4000,
    metrics={"accuracy": 0.99},
    per_class={"10": 1.0, "2": 0.98, HOSTILE: 0.5},
)


@pytest.fixture
def manifest(made, deliver) -> Manifest:
    """Of a package whose origin is known."""
    origin = Origin(recipe=HOSTILE, device="pi5", tools={"torch": "2.13"}, parent=PARENT)
    notes = Notes(
        metrics={"accuracy": 0.97},
        per_class={"10": 0.95, "2": 0.99, HOSTILE: {"unavailable": "none"}},
        origin=origin,
    )
    return of(deliver(made, notes=notes))


def of(delivery: Delivery) -> Manifest:
    runtime = Runtime(name="onnxruntime", distribution="onnxruntime", least_version="1")
    files = sealed(delivery, common(delivery, []), platform="linux", runtime=runtime, usage="Use.")
    return Manifest.model_validate_json(files["manifest.json"])


def test_the_dense_model_stands_beside_this_one(manifest: Manifest):
    card = model_card(manifest, "accuracy", "Use.")
    assert "for the device pi5, with torch 2.13." in card
    assert "| size | 4.0 kB | " in card
    assert "| accuracy | 99.00% | 97.00% |" in card
    assert "a" * 64 in card


def test_classes_tell_what_they_lost_in_their_order(manifest: Manifest):
    card = model_card(manifest, "accuracy", "Use.")
    two = card.index("| 2 | 98.00% | 99.00% | +1.00 pt |")
    ten = card.index("| 10 | 100.00% | 95.00% | \N{MINUS SIGN}5.00 pt |")
    assert two < ten
    assert "| 50.00% | n/a | n/a |" in card


def test_text_from_outside_is_escaped(manifest: Manifest):
    card = model_card(manifest, "accuracy", "Use.")
    assert "<b>" not in card.replace("\\<b\\>", "")
    assert "\n# [a]" not in card


def test_what_is_not_known_is_said_to_be_so(made, deliver):
    card = model_card(of(deliver(made)), "accuracy", "Use.")
    assert "It is not known what it was made from." in card
    assert "No metric by class was measured for both models." in card
    assert "not signed: its checksums find damage, not forgery" in card
    assert "What becomes of" not in card


def test_operations_are_told_in_order(made, deliver):
    delivery = deliver(made)
    (entry,), (leaving,) = delivery.interface.inputs, delivery.interface.outputs
    entry = entry.model_copy(
        update={
            "source": Image(color="gray", height=2, width=2),
            "preprocess": (Scale(factor=1 / 16),),
            "folded": (Layout(to="CHW", fold=True),),
        }
    )
    labels = tuple(f"class {index}" for index in range(30))
    steps = (Softmax(), TopK(k=3, labels=labels))
    leaving = leaving.model_copy(update={"postprocess": steps})
    changed = {"inputs": (entry,), "outputs": (leaving,)}
    card = model_card(
        of(deliver(made, interface=delivery.interface.model_copy(update=changed))), "accuracy", ""
    )
    assert "1. image: color gray, height 2, width 2\n2. scale: factor 0.0625" in card
    assert "After that the model itself does:\n\n1. layout: to CHW" in card
    assert "1. softmax\n2. top\\_k: k 3, labels class 0, " in card
    assert "class 19 and 10 more" in card


def test_a_signature_is_told(manifest: Manifest):
    signed = manifest.model_copy(
        update={"signature": Signed(key_id="b" * 64, not_after="2030-01-01")}
    )
    card = model_card(signed, "accuracy", "")
    assert f"signed with the key {'b' * 64} until 2030-01-01" in card
