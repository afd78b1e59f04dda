"""The command line's model files: measuring one, and judging it."""

from pipeline.boundary import leave_with
from pipeline.cli_options import (
    Annotate,
    Baseline,
    BudgetFile,
    Confidence,
    Data,
    Device,
    Fleet,
    Json,
    Junit,
    Limits,
    Markdown,
    MaxRegression,
    Model,
    Processes,
    Samples,
    Sarif,
    Shapes,
    Sustained,
)


def measure(
    model: Model,
    device: Device = None,
    processes: Processes = None,
    samples: Samples = None,
    sustained: Sustained = None,
    shape: Shapes = None,
    as_json: Json = False,
) -> None:
    """Measures a model file on a device."""

    def door() -> int:
        from pipeline import check as checking
        from pipeline.given import Given
        from targets.sign_test import asked_rule

        rule, given = asked_rule(processes, samples), Given.read(tuple(shape or ()), None)
        if sustained is not None:
            from pipeline import sustain

            return sustain.show(model, device or "host", sustained, rule, as_json, given=given)
        return checking.measure(model, device or "host", as_json, rule, given)

    leave_with(door, as_json)


def check(
    model: Model,
    device: Fleet = None,
    limit: Limits = None,
    budget: BudgetFile = None,
    processes: Processes = None,
    samples: Samples = None,
    confidence: Confidence = None,
    sustained: Sustained = None,
    baseline: Baseline = None,
    max_regression: MaxRegression = None,
    junit: Junit = None,
    markdown: Markdown = None,
    sarif: Sarif = None,
    annotate: Annotate = False,
    shape: Shapes = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Judges a model file, ours or not, against limits on a device, or beside a run's artifact.

    Before anything is measured it says why the file will be slow there, and what to do about it.
    """

    def door() -> int:
        from pipeline.ci import door as gate
        from pipeline.ci.files import Files
        from pipeline.ci.gating import Gate
        from pipeline.given import Given
        from targets.sign_test import asked_rule

        rule = asked_rule(processes, samples, confidence)
        order = gate.Order(
            model,
            tuple((device or "host").split(",")),
            tuple(limit or ()),
            budget,
            rule,
            Gate.read(baseline, tuple(max_regression or ())),
            Files(junit, markdown, sarif),
            annotate,
            Given.read(tuple(shape or ()), data),
        )
        if sustained is not None:
            return gate.sustain(order, sustained, as_json)
        return gate.check(order, as_json)

    leave_with(door, as_json)
