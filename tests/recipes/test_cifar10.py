"""The CIFAR-10-JPEG recipe, on archives of a few images each."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline.task import load
from targets.errors import TaskError

FOLDER = Path(__file__).parents[2] / "recipes" / "cifar10"
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SPLITS = ("train", "calibration", "validation")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def jpeg(level, size=(32, 32)):
    pixels = np.full((*size[::-1], 3), level, np.uint8)
    pixels[:4] = 255 - level  # up is not down
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def write(file, count, classes=CLASSES, content=None):
    with zipfile.ZipFile(file, "w") as archive:
        for label, name in enumerate(classes):
            for index in range(count):
                level = 20 * label + index
                archive.writestr(f"{name}/{index:04}.jpg", content or jpeg(level))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write(folder / "train.zip", 10)
    write(folder / "test.zip", 2)
    with pytest.raises(TaskError, match="lacks resnet20"):
        task(folder)
    (folder / "resnet20.safetensors").touch()
    with pytest.raises(TaskError, match=r"resnet20\.safetensors: no weights of this network"):
        task(folder)
    torch.manual_seed(0)
    net = network()
    save_file(net.state_dict(), folder / "resnet20.safetensors")
    return folder


def network():
    """The recipe's network, untrained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        from importlib import util

        spec = util.spec_from_file_location("untrained", FOLDER / "model.py")
        module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.ResNet20()


def copy(data, folder):
    for file in data.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())


def task(folder, splits=SPLITS, **params):
    return load(FOLDER, "task.py", {"data": str(folder), **params}, splits)


def images_of(task, split):
    return torch.cat([images for (images,), _ in task.batches(split)])


def labels_of(task, split):
    return torch.cat([labels for _, labels in task.batches(split)])


def test_an_image_in_ten_scores_out(data):
    loaded = task(data)
    (x,) = loaded.example_inputs()
    assert x.shape == (1, 3, 32, 32)
    net = loaded.build()
    assert net(x).shape == (1, 10)
    assert sum(one.numel() for one in net.parameters()) == 269_722  # He et al. 2016: 0.27 million


def test_parts_of_the_training_archive_are_apart(data):
    loaded = task(data)
    sizes = {split: len(labels_of(loaded, split)) for split in SPLITS}
    assert sizes == {"train": 60, "calibration": 20, "validation": 20}
    parts = vars(loaded._module)["train_part"]
    rows = [part.numpy().tobytes() for split in SPLITS for part in parts(split)[0]]
    assert len(set(rows)) == 100


def test_an_app_has_bytes_and_gets_names(data):
    loaded = task(data)
    (pixels,), (images,) = next(loaded.sources("validation"))
    assert pixels.dtype == torch.uint8
    mean, std = (torch.tensor(one) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = ((pixels.float() / 255 - mean) / std).permute(0, 3, 1, 2)
    assert torch.allclose(images, expected, atol=1e-6)
    assert loaded.declared.outputs[0].operations[-1].labels == CLASSES


def test_labels_are_in_the_order_of_the_classes(data):
    loaded = task(data)
    images, labels = images_of(loaded, "validation"), labels_of(loaded, "validation")
    # An image's lower half has the level 20 x label + index, from 0 to 255, up to JPEG's rounding.
    level = (images[:, 0, 16:].mean(dim=(1, 2)) * 0.229 + 0.485) * 255
    assert torch.equal((level / 20 + 0.05).long(), labels)


def test_the_test_archive_judges_only_when_it_is_asked_for(data):
    for validation, count in (("train", 20), ("test", 20)):
        loaded = task(data, validation=validation)
        assert len(labels_of(loaded, "validation")) == count
    assert (labels_of(loaded, "validation").bincount() == 2).all()
    assert len(labels_of(loaded, "train")) == 60
    with pytest.raises(TaskError, match="found 'all'; allowed: train, test"):
        task(data, validation="all")


def test_training_images_move_and_others_do_not(data):
    loaded = task(data)
    torch.manual_seed(1)
    first = images_of(loaded, "train")
    assert not torch.equal(first, images_of(loaded, "train"))
    torch.manual_seed(1)
    assert torch.equal(first, images_of(task(data), "train"))
    assert torch.equal(images_of(loaded, "validation"), images_of(loaded, "validation"))


def test_images_are_decoded_once(data, cache, capsys):
    first = images_of(task(data), "validation")
    (kept,) = (cache / "cifar10-jpeg").iterdir()
    stamp = kept.stat().st_mtime_ns
    assert torch.equal(first, images_of(task(data), "validation"))
    assert kept.stat().st_mtime_ns == stamp
    kept.write_bytes(b"damaged")
    assert torch.equal(first, images_of(task(data), "validation"))
    assert kept.stat().st_size > 1000
    assert capsys.readouterr().err == ""


def test_another_archive_is_decoded_anew(data, cache, tmp_path):
    copy(data, tmp_path)
    images_of(task(tmp_path), "validation")
    write(tmp_path / "train.zip", 8)
    assert len(labels_of(task(tmp_path), "train")) == 48


def test_a_cache_that_cannot_be_written_is_told(data, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(labels_of(task(data), "train")) == 60
    assert "decoded images can't be kept" in capsys.readouterr().err


def test_without_data_it_says_what_to_give(tmp_path):
    with pytest.raises(TaskError, match=r"params\.data is null; .* --set params\.data=FOLDER"):
        load(FOLDER, "task.py", {"data": None})
    with pytest.raises(TaskError, match=r"lacks train\.zip, test\.zip, resnet20"):
        task(tmp_path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda file: file.write_bytes(b"no zip"), "not a zip file"),
        (
            lambda file: write(file, 10, CLASSES[:3]),
            "the folders airplane, automobile, bird; allowed: one per class, airplane",
        ),
        (lambda file: write(file, 10, content=b"no image"), "no image that can be read"),
        (lambda file: write(file, 10, content=jpeg(1)[:400]), "no image that can be read"),
        (lambda file: write(file, 10, content=jpeg(1, (32, 31))), r"\(32, 31\) pixels"),
        (lambda file: write(file, 1, content=b"x" * 200_000), "larger than 100,000 bytes"),
    ],
    ids=["zip", "classes", "bytes", "cut off", "size", "large"],
)
def test_a_damaged_archive_is_named(data, tmp_path, damage, told):
    copy(data, tmp_path)
    damage(tmp_path / "train.zip")
    with pytest.raises(TaskError, match=told):
        task(tmp_path)


def test_it_is_pruned_and_recovered(data, shrunk):
    dense, kept, done = shrunk(task(data))
    assert 0.5 < kept / dense < 0.7
    assert done.graph.dynamic_batch
    assert done.training.batches == 1
    assert "activations relu_6, relu_12, relu_18" in done.training.distilled
