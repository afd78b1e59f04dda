"""SARIF 2.1.0 (OASIS, March 2020), as code scanning reads it: what is not met, at the model's file.

A model has no lines of text, so that each result lies at the first one, which readers ask for.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from pipeline.ci.findings import Finding, findings
from pipeline.fleet import Outcome
from pipeline.tools import versions

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
VERSION = "2.1.0"


def sarif(model: Path, outcomes: Sequence[Outcome]) -> str:
    """The document: one run, a rule for each limit and kind of error that has a result."""
    found = findings(outcomes)
    rules = list(dict.fromkeys(one.rule for one in found))
    driver = {
        "name": "edgesmith",
        "semanticVersion": versions()["edgesmith"].split()[0],
        "rules": [
            {"id": rule, "shortDescription": {"text": f"edgesmith check: {rule}"}} for rule in rules
        ],
    }
    results = [_result(model, one, rules.index(one.rule)) for one in found]
    document = {
        "$schema": SCHEMA,
        "version": VERSION,
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(document, indent=2) + "\n"


def _result(model: Path, one: Finding, rule: int) -> dict[str, object]:
    place = {"artifactLocation": {"uri": _uri(model)}, "region": {"startLine": 1}}
    return {
        "ruleId": one.rule,
        "ruleIndex": rule,
        "level": one.level,
        "message": {"text": f"{model.name} on {one.device}: {one.message}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"edgesmith/v1": f"{one.device}/{one.rule}"},
    }


def _uri(model: Path) -> str:
    """Relative to the present folder where the model lies below it, as RFC 3986 writes it."""
    absolute = model.absolute()
    if absolute.is_relative_to(Path.cwd()):
        return quote(os.fsencode(absolute.relative_to(Path.cwd())))
    return "file://" + quote(os.fsencode(absolute))
