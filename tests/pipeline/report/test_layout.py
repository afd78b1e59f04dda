"""The page in a real browser: nothing sticks out sideways, on a desk or on a phone."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.report.document import Report
from pipeline.report.page import render
from pipeline.report.storage import latencies_ms

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
LONG = "a_module_with_a_name.that.never.ends." * 4


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_the_page_is_no_wider_than_its_window(document: dict, samples, tmp_path: Path, width: int):
    final = document["candidates"][0]
    changed = final | {
        "channels": [{"name": LONG, "kept": 3, "size": 8}],
        "pinned": [{"name": LONG, "reason": LONG}],
        "lineage": [LONG],
    }
    candidates = [changed, *document["candidates"][1:]]
    report = Report.model_validate(document | {"candidates": candidates, "recipe": LONG})
    page = html.escape(render(report, latencies_ms(samples)))
    measure = "this.parentNode.title = this.contentDocument.documentElement.scrollWidth"
    frame = f'<iframe srcdoc="{page}" style="border:0;width:{width}px" onload="{measure}"></iframe>'
    (tmp_path / "frame.html").write_text(f"<body style='margin:0'>{frame}</body>")
    assert scroll_width(tmp_path) == width


def scroll_width(folder: Path) -> int:
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
        *(f"--user-data-dir={folder}/profile", "--virtual-time-budget=5000", "--hide-scrollbars"),
        f"file://{folder}/frame.html",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<body[^>]* title="(\d+)"', done.stdout)
    assert found, done.stderr[-500:]
    return int(found[1])
