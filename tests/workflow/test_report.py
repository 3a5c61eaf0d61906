"""The report of a finished study in a browser: at the width of a desk and of a phone, without a network."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no chromium or google-chrome on the PATH (apt-get install chromium)"
)
REPORT = "results/small/report.html"
HEIGHT = 900
# A window of a browser is never as narrow as a phone; a frame is.
FRAME = """<body style="margin:0"><iframe id="frame" style="border:0;width:%dpx;height:%dpx"></iframe><script>
const frame = document.getElementById("frame"), shown = name => getComputedStyle(frame.contentDocument.querySelector(name)).display
frame.onload = () => {
  const page = frame.contentDocument, images = [...page.images], first = page.querySelector("table").getBoundingClientRect()
  document.body.dataset.found = JSON.stringify({
    width: frame.contentWindow.innerWidth, scrolls: page.documentElement.scrollWidth, images: images.length,
    broken: images.filter(image => !image.complete || !image.naturalWidth).map(image => image.alt),
    wide: images.filter(image => image.getBoundingClientRect().right > page.documentElement.clientWidth).map(image => image.alt),
    fetched: frame.contentWindow.performance.getEntriesByType("resource").map(entry => entry.name),
    top: first.top, side: shown(".side"), inline: shown(".inline"),
  })
}
frame.srcdoc = %s
</script>"""


def opened(page: Path, width: int, folder: Path) -> dict:
    """What a browser finds of a page that it shows `width` pixels wide."""
    text = json.dumps(page.read_text(encoding="utf-8")).replace("<", "\\u003c")
    (folder / "frame.html").write_text(FRAME % (width, HEIGHT, text), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=10000"]
    address = (folder / "frame.html").as_uri()
    done = subprocess.run(
        [BROWSER, *flags, f"--user-data-dir={folder}/browser", f"--window-size=1300,{HEIGHT}", "--dump-dom", address],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(html.unescape(re.search(r'data-found="([^"]+)"', done.stdout)[1]))


@needs_browser
@pytest.mark.parametrize("width", [1200, 800, 390])
def test_it_is_read_without_scrolling_sideways_and_without_a_network(finished: Project, tmp_path, width):
    found = opened(finished.folder / REPORT, width, tmp_path)
    assert found["width"] == found["scrolls"] == width and found["wide"] == []
    assert found["images"] > 30 and found["broken"] == [] and found["fetched"] == []
    assert 0 < found["top"] < HEIGHT / 2, "the first screen holds the table's head"
    assert (found["side"], found["inline"]) == (("block", "none") if width == 1200 else ("none", "block"))


def test_it_is_small_and_has_every_part_of_the_study(finished: Project):
    path = finished.folder / REPORT
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 10_000_000 and not re.search(r"https?://", text)
    headings = re.findall(r"<h2>([^<]+)", text)
    assert headings[:2] == ["What was found", "Faces"] and headings[-1] == "How to make it again"
    assert {"Ladder", "Calibration", "Quality", "Table", "Verification", "Attributes", "Leakage"} < set(headings)
    assert "Fairness" not in headings  # of which the study has nothing
    assert "nowhere/lfw.bin not found" in text and "10 at least are needed" in text
    assert "fingerprint of its code" in text and "train_recognizer" in text
