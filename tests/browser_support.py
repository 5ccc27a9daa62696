"""A real Chromium for the tests of the report: Debian's, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

# Without these, Chromium asks Google's hosts for updates, and cannot start as root.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str:
    """The path of Chromium; the test is skipped where it is absent, but fails where `.ci/run` has required it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        reason = "needs Chromium (on Debian: apt-get install chromium)"
        if os.environ.get("AMODALSYNTH_CHROMIUM") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """A browser, one for each process of tests."""
    executable = find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def browser_page(chromium) -> Iterator[object]:
    """A fresh page. At the end of the test it must have logged no error or warning, thrown nothing, and asked for nothing beyond file:, data:, blob:,
    127.0.0.1 and *.test, which tests answer themselves."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}") if is_complaint(message) else None)
    page.on("pageerror", lambda error: wrong.append(f"thrown: {error}"))
    page.on("request", lambda request: None if is_local(request.url) else wrong.append(f"request: {request.url}"))
    yield page
    context.close()
    assert not wrong, "\n".join(wrong)


def is_complaint(message) -> bool:
    """Whether Chromium finds fault with the page; that tests read back a canvas is none of its faults."""
    return message.type in ("error", "warning") and "willReadFrequently" not in message.text


def is_local(url: str) -> bool:
    scheme, _, rest = url.partition(":")
    host = rest.removeprefix("//").split("/")[0].split(":")[0]
    return scheme in ("file", "data", "blob", "about") or (scheme == "http" and (host == "127.0.0.1" or host.endswith(".test")))
