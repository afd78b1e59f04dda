"""The card's part on what the model was made from, and what that changed."""

from collections.abc import Iterator

from pipeline.package.manifest import Manifest, Origin, Parent
from pipeline.package.markdown import plain, table
from pipeline.report import wording
from pipeline.report.document import Reading, Unavailable


def made_from(manifest: Manifest) -> Iterator[str]:
    """Paragraphs: the recipe, the tools, and the dense model beside this one."""
    origin = manifest.origin
    if origin is None:
        yield "It is not known what it was made from."
        return
    yield (
        f"From the dense model of the recipe {plain(origin.recipe)}, for the device "
        f"{plain(origin.device)}, with {_tools(origin)}."
    )
    if origin.parent is None:
        yield "The dense model was not measured on this runtime, so nothing can be compared."
    else:
        yield table(("", "dense", "this model"), _beside(manifest, origin.parent))
        yield plain(f"The dense model's sha256 is {origin.parent.sha256}.")


def changed(manifest: Manifest, metric: str) -> Iterator[str]:
    """Paragraphs: what each class gained or lost."""
    parent = manifest.origin.parent if manifest.origin else None
    before = parent.per_class if parent else {}
    shared = [name for name in manifest.per_class if name in before]
    if not shared:
        yield "No metric by class was measured for both models."
        return
    rows = [
        _class(name, before[name], manifest.per_class[name], metric)
        for name in sorted(shared, key=_in_order)
    ]
    yield table((f"class: {plain(metric)}", "dense", "this model", "change"), rows)


def _tools(origin: Origin) -> str:
    return plain(", ".join(f"{name} {version}" for name, version in sorted(origin.tools.items())))


def _beside(manifest: Manifest, parent: Parent) -> list[tuple[str, ...]]:
    sizes = (str(wording.size(one)) for one in (parent.size_bytes, manifest.model.size_bytes))
    scores = [
        (plain(name), *(str(wording.score(one, name)) for one in (parent.metrics[name], here)))
        for name, here in manifest.metrics.items()
        if name in parent.metrics
    ]
    return [("size", *sizes), *scores]


def _class(name: str, before: Reading, after: Reading, metric: str) -> tuple[str, ...]:
    told = [str(wording.score(one, metric)) for one in (before, after)]
    if isinstance(before, Unavailable) or isinstance(after, Unavailable):
        return (plain(name), *told, wording.NO_READING)
    return (plain(name), *told, str(wording.change(after - before, metric)))


def _in_order(name: str) -> tuple[int, int | str]:
    """Numbers by size, before names."""
    return (0, int(name)) if name.isdecimal() else (1, name)
