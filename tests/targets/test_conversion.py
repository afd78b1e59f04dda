"""What the exporters share: silence, refusals, and files that appear whole."""

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from targets.conversion import converting, publish, refusal, silence
from targets.errors import ConversionError, EnvironmentFault


def test_silence_covers_python_and_native_code(capfd) -> None:
    handlers = logging.getLogger().handlers[:]
    with silence():
        sys.stdout.write("python")
        os.write(1, b"native")
        os.write(2, b"native")
        subprocess.run([sys.executable, "-c", "print('child')"], check=True)
        warnings.warn("a warning", stacklevel=1)
        logging.warning("a log")
        logging.getLogger().addHandler(logging.StreamHandler())
    sys.stdout.write("after\n")
    assert logging.getLogger().handlers == handlers
    assert capfd.readouterr() == ("after\n", "")


def test_silence_ends_with_an_error(capfd) -> None:
    with pytest.raises(ZeroDivisionError), silence():
        raise ZeroDivisionError
    os.write(1, b"heard")
    assert capfd.readouterr().out == "heard"


def test_a_refusal_names_the_operator_and_drops_the_trace() -> None:
    try:
        try:
            raise RuntimeError("Lowering not found: aten.cumprod.default\n\nWhile executing %x")
        except RuntimeError as inner:
            raise ValueError("conversion failed\nTraceback (most recent call last):") from inner
    except ValueError as outer:
        said = str(refusal("TFLite", outer))
    assert said == (
        "TFLite can't take the model at operator aten.cumprod.default: "
        "Lowering not found: aten.cumprod.default conversion failed"
    )


def test_a_long_refusal_is_shortened() -> None:
    assert len(str(refusal("TFLite", ValueError("word " * 1000)))) < 350


def test_an_empty_error_is_named_by_its_class() -> None:
    assert "KeyError" in str(refusal("TFLite", KeyError()))


def test_what_a_converter_raises_becomes_a_refusal() -> None:
    with pytest.raises(ConversionError, match="unsupported"), converting("TFLite"):
        raise AssertionError("unsupported")
    with pytest.raises(MemoryError), converting("TFLite"):
        raise MemoryError


def test_files_appear_whole(tmp_path: Path) -> None:
    first, second = tmp_path / "new" / "m.xml", tmp_path / "new" / "m.bin"
    publish({first: b"1", second: b"2"})
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    assert sorted(each.name for each in first.parent.iterdir()) == ["m.bin", "m.xml"]


def test_the_first_file_is_missing_when_another_fails(tmp_path: Path) -> None:
    (tmp_path / "m.bin").mkdir()
    with pytest.raises(EnvironmentFault, match=r"m\.bin"):
        publish({tmp_path / "m.xml": b"1", tmp_path / "m.bin": b"2"})
    assert [each.name for each in tmp_path.iterdir()] == ["m.bin"]
