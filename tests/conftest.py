"""What several test modules share: where the real assets lie, and a home of one's own for caches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def shared_assets() -> Path:
    """The folder of real fruit, textures and objects; the test is skipped where it is absent, but fails in CI."""
    folder = SHARED / "assets"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the shared assets, and {folder} is absent")
        pytest.skip(f"needs the real assets in {folder}")
    return folder


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder shared by the tests of one run, so that nothing reads or writes the user's own."""
    folder = tmp_path_factory.mktemp("home")
    os.environ["AMODALSYNTH_HOME"] = str(folder)
    return folder
