"""The modules of the report's page, one by one, in a real Chromium: tests/js/<module>.test.js."""

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

TESTS = sorted((REPOSITORY / "tests" / "js").glob("*.test.js"))
ORIGIN = "http://modules.test"
FOLDERS = {"page": REPOSITORY / "amodalsynth" / "report" / "page", "tests": REPOSITORY / "tests" / "js"}
RUN = """async (name) => { const harness = await import("/tests/harness.js"); await import(`/tests/${name}`); return harness.run(); }"""


def serve(route):
    """Answer for `ORIGIN`: /page/<module> and /tests/<file> from their folders, anything else with an empty document."""
    _, folder, name = (route.request.url.removeprefix(ORIGIN) + "/").split("/")[:3]
    if folder in FOLDERS:
        route.fulfill(path=FOLDERS[folder] / name, content_type="text/javascript; charset=utf-8")
    else:
        route.fulfill(body="<!doctype html><title>modules</title>", content_type="text/html")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_module(path: Path, browser_page):
    browser_page.route(f"{ORIGIN}/**", serve)
    browser_page.goto(f"{ORIGIN}/start/")
    outcome = browser_page.evaluate(RUN, path.name)
    assert outcome, f"{path.name} has no test"
    failed = [f"{test['name']}: {test['error']}" for test in outcome if test["error"]]
    assert not failed, "\n".join(failed)
