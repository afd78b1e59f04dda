"""No field of a generated API has the name of something that the API calls."""

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest

from pipeline.package.reserved import RESERVED

FREE = re.compile(r"^(?:internal )?func? (\w+)[(<]", re.MULTILINE)
"""A function of its own, of no class, that other files may call; `fun` in Kotlin."""
WRITTEN = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
CALLED = re.compile(r"(?<![\w.])(?<!func )([a-z]\w*)\(")


def templates(room: str, suffix: str) -> Iterator[tuple[str, str]]:
    for path in files(f"pipeline.package.{room}").joinpath("templates").iterdir():
        if path.name.endswith(suffix):
            yield path.name, path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("room", "suffix"), [("ios", ".swift.j2"), ("android", ".kt.j2")])
def test_the_functions_of_the_templates_are_reserved(room: str, suffix: str):
    found = {name for _, text in templates(room, suffix) for name in FREE.findall(text)}
    assert {"audio", "real", "int8Of", "detections"} <= found
    assert found - RESERVED == set()


def test_swift_calls_the_methods_beside_a_field_by_self():
    """A parameter hides a method, too. In the golden tests fields are labels alone."""
    found = {
        name: set(CALLED.findall(WRITTEN.sub("", text)))
        for name, text in templates("ios", ".swift.j2")
        if "port.field" in text and name != "GoldenTests.swift.j2"
    }
    assert {"Model.swift.j2", "tflite.swift.j2", "onnxruntime.swift.j2"} <= found.keys()
    assert {call for calls in found.values() for call in calls} - RESERVED == set()
