"""JUnit XML: a suite per device, a case per limit, as CI servers read test results.

The form is the one that Jenkins and GitLab read (the Ant task's junitreport): a missed limit is a
failure, a limit that was not decided and a device that could not be checked are errors. None is
ever skipped: what was not decided must not look green.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from pipeline.ci.findings import told
from pipeline.fleet import Outcome
from targets.budget import Line
from targets.errors import EdgesmithError

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold, not even escaped (section 2.2)."""


def junit(model: Path, outcomes: Sequence[Outcome]) -> str:
    """The document, in UTF-8 once it is encoded."""
    root = ElementTree.Element("testsuites", name="edgesmith check")
    for outcome in outcomes:
        root.append(_suite(model, outcome))
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(model: Path, outcome: Outcome) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", name=_clean(f"{model} on {outcome.device}"))
    found = outcome.found
    if isinstance(found, EdgesmithError):
        suite.append(_broken(model, outcome.device, found))
    else:
        suite.extend(_case(model, outcome.device, line) for line in found.verdict.lines)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", "0")
    return suite


def _case(model: Path, device: str, line: Line) -> ElementTree.Element:
    case = _named(model, device, line.limit)
    message = _clean(told(line))
    if line.status == "PASS":
        ElementTree.SubElement(case, "system-out").text = message
        return case
    kind = "failure" if line.status == "FAIL" else "error"
    ElementTree.SubElement(case, kind, type=line.status, message=message).text = message
    return case


def _broken(model: Path, device: str, error: EdgesmithError) -> ElementTree.Element:
    case = _named(model, device, "check")
    message = _clean(str(error))
    ElementTree.SubElement(case, "error", type=type(error).__name__, message=message).text = message
    return case


def _named(model: Path, device: str, name: str) -> ElementTree.Element:
    classname = f"edgesmith.{device}.{model.name}"
    return ElementTree.Element("testcase", classname=_clean(classname), name=_clean(name))


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
