"""In CI every tool is installed: a test that is skipped there has failed. No property is timed:
tests run beside whatever else the machine does. And no test loads OpenVINO's telemetry, whichever
imports OpenVINO first in its process: it forks to reach a server."""

import os
import sys

import pytest
from hypothesis import settings

sys.modules.setdefault("openvino_telemetry", None)

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report
