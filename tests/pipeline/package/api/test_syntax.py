"""All that is generated parses: Swift, Kotlin and Gradle's Kotlin."""

from pathlib import PurePath

import pytest

from pipeline.package.android.kotlin import Kotlin
from pipeline.package.android.library import library
from pipeline.package.api.language import Language
from pipeline.package.api.words import comment
from pipeline.package.ios.sources import sources
from pipeline.package.ios.swift import Swift
from pipeline.package.mobile import PINNED, Mobile
from targets.errors import ConversionError

NAMES = (
    "photos",
    "pages",
    "fields",
    "voices",
    "hums",
    "waves",
    "streets",
    "lanes",
    "squares",
    "sums",
)
HOSTILE = 'a"b\\c${x}\\(y)\n*/ /* \u2028 \x00 😀'


@pytest.fixture(scope="session")
def faults():
    """Finds where a source file does not parse."""
    tree_sitter = pytest.importorskip("tree_sitter", reason="no tree-sitter; pip install it")
    kotlin = pytest.importorskip("tree_sitter_kotlin", reason="no Kotlin grammar").language()
    swift = pytest.importorskip("tree_sitter_swift", reason="no Swift grammar").language()
    languages = {".kt": kotlin, ".kts": kotlin, ".swift": swift}

    def found(path: str, content: bytes) -> list[str]:
        language = tree_sitter.Language(languages[PurePath(path).suffix])
        root = tree_sitter.Parser(language).parse(content).root_node
        lines = content.decode().splitlines()
        return [f"{path}: {lines[row]}" for row in wrong(root)]

    return found


def wrong(node):
    """The rows of what the grammar has no place for."""
    if node.type == "ERROR" or node.is_missing:
        yield node.start_point.row
    for child in node.children:
        yield from wrong(child)


def swift_of(case) -> dict[str, bytes]:
    on_phone = Mobile(case.runtime, PINNED["ios"][case.runtime], "")
    return sources(case.delivery, on_phone)


def test_a_mistake_is_found(faults):
    assert faults("a.swift", b"func run( -> Int {") and faults("a.kt", b"fun run(: Int = {")


@pytest.mark.parametrize("name", NAMES)
def test_swift_parses(name: str, cases, faults):
    files = {path: made for path, made in swift_of(cases[name]).items() if path.endswith(".swift")}
    assert "Package.swift" in files
    assert [told for path, made in files.items() for told in faults(path, made)] == []


@pytest.mark.parametrize("name", (*NAMES, "words"))
def test_kotlin_and_gradle_parse(name: str, cases, faults):
    case = cases[name]
    made = library(case.delivery, case.mobile, "models/x")
    files = {path: each for path, each in made.items() if path.endswith((".kt", ".kts"))}
    assert "build.gradle.kts" in files
    assert [told for path, each in files.items() for told in faults(path, each)] == []


def test_audio_of_16_bits_is_divided_where_no_operation_follows(cases):
    kotlin = library(cases["waves"].delivery, cases["waves"].mobile, "models/x")
    for files, model in ((kotlin, "WavesModel.kt"), (swift_of(cases["waves"]), "WavesModel.swift")):
        (made,) = (each.decode() for path, each in files.items() if path.endswith(f"/{model}"))
        assert "audio(given0, 30).scaled(3.0517578e-05" in made
        (golden,) = (each.decode() for path, each in files.items() if "GoldenTest" in path)
        assert "source0" in golden and "source1" in golden


def test_swift_divides_colors_by_their_opacity(cases):
    files = swift_of(cases["photos"])
    (made,) = (each.decode() for path, each in files.items() if path.endswith("/Pixels.swift"))
    assert "premultipliedLast" in made and "return done ? straight(colors) : nil" in made


def test_text_from_outside_stays_text(faults):
    for language, suffix, form in (
        (Kotlin(), "kt", "val x = {}"),
        (Swift(), "swift", "let x = {}"),
    ):
        source = f"{form.format(language.text(HOSTILE))} // {comment(HOSTILE)}\n"
        assert source.count("\n") == 1
        assert faults(f"a.{suffix}", source.encode()) == []
    assert "*/" not in comment(HOSTILE) and "/*" not in comment(HOSTILE)


@pytest.mark.parametrize("language", [Kotlin(), Swift()])
def test_numbers_are_exact(language: Language):
    assert language.float32(0.1).rstrip("f") == "0.1"
    assert float(language.float32(1 / 3).rstrip("f")) == pytest.approx(1 / 3, abs=2**-26)
    assert language.float64(0.1) == "0.1"


def test_a_tensor_that_swift_cannot_carry_is_refused(cases):
    with pytest.raises(ConversionError, match=r"'in:1' is bool, which ONNX Runtime's Swift API"):
        swift_of(cases["words"])


def test_the_manifest_of_the_swift_package_names_what_it_needs(cases):
    told = swift_of(cases["pages"])["Package.swift"].decode()
    assert told.startswith("// swift-tools-version: 5.9\n")
    assert 'exact: "1.24.2"' in told
    assert "https://github.com/microsoft/onnxruntime-swift-package-manager" in told
    assert '.product(name: "onnxruntime", package: "onnxruntime-swift-package-manager")' in told
    told = swift_of(cases["photos"])["Package.swift"].decode()
    assert '"https://github.com/google-ai-edge/LiteRT", branch: "release/2.3.0"' in told
    for kind, folder in (("Sources", ""), ("Tests", "Tests")):
        assert any(
            path.startswith(f"{kind}/PhotosModelKit{folder}/") for path in swift_of(cases["photos"])
        )
