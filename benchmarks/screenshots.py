"""`make screenshots`: the README's pictures of the report, drawn by Chromium.

    python -m benchmarks.screenshots DATA DOCS

DATA holds two data sets, `fruit` and `more-fruit`, each a test split; the predictions are perturbed ground truth, as of a good model.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from amodalsynth.evaluation import write_results
from amodalsynth.report.build import open_report
from amodalsynth.report.write import write_report
from benchmarks.formats import detections
from tests.browser_support import FLAGS, find_chromium

_VIEWPORT = {"width": 1280, "height": 860}
_QUALITY = 88  # of JPEG


def main() -> None:
    data, docs = map(Path, sys.argv[1:])
    fruit = data / "fruit"
    results = data / "model.json"
    write_results(results, detections(fruit / "annotations" / "instances_test.json"))
    for name, options in {"report": {"results": results}, "compared": {"against": data / "more-fruit"}}.items():
        with open_report(fruit, **options) as report:
            write_report(report, data / f"{name}.html")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS)) as browser:
        page = browser.new_page(viewport=_VIEWPORT, color_scheme="light")
        for name, view in {"overview": "overview", "gallery": "gallery", "predictions": "predictions"}.items():
            shoot(page, f"{(data / 'report.html').resolve().as_uri()}#{view}", docs / f"report-{name}.jpg")
        shoot(page, f"{(data / 'compared.html').resolve().as_uri()}#compare", docs / "report-compare.jpg")
        page.set_viewport_size({"width": 1280, "height": 1180})
        page.goto(f"{(data / 'compared.html').resolve().as_uri()}#image/test/1")
        page.wait_for_selector("#view-image canvas[aria-label]")
        page.get_by_label("Layers peeled").fill("1")
        page.get_by_label("invisible masks").check()
        page.locator("#view-image .graph .node").nth(1).hover()
        page.wait_for_selector("#view-image canvas:not([aria-busy])")
        page.screenshot(path=docs / "report-viewer.jpg", quality=_QUALITY)
    print(f"drawn: {docs}/report-*.jpg")


def shoot(page: Page, url: str, to: Path) -> None:
    """A picture of the page at `url`, with all that is in sight loaded."""
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    page.screenshot(path=to, quality=_QUALITY)


if __name__ == "__main__":
    main()
