"""What several test modules share: where the real assets lie, and a home of one's own for caches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["tests.browser_support"]

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
    base = tmp_path_factory.getbasetemp()
    shared_by_workers = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared_by_workers / "home"
    folder.mkdir(exist_ok=True)
    os.environ["AMODALSYNTH_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def drawn_assets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of drawn cutouts (two categories, train and test) and textures, as somebody's own."""
    from PIL import Image

    from tests.strategies import disc, texture

    root = tmp_path_factory.mktemp("drawn")
    for split, sizes in {"train": (40, 56, 33, 48), "test": (44, 37)}.items():
        for category, color in {"plum": (150, 40, 120), "lime": (90, 200, 40)}.items():
            folder = root / "foregrounds" / split / category
            folder.mkdir(parents=True)
            for i, size in enumerate(sizes):
                Image.fromarray(disc(size, size + 9 * i, color)).save(folder / f"{category}_{i}.png")
    for category, level in {"dark": 30, "light": 190}.items():
        folder = root / "backgrounds" / category
        folder.mkdir(parents=True)
        for i in range(3):
            Image.fromarray(texture(level + 10 * i, (50, 70))).save(folder / f"{category}_{i}.png")
    return root / "foregrounds", root / "backgrounds"


@pytest.fixture
def run_cli():
    """Run the command line in a process of its own: run_cli("generate", ..., status=0) -> CompletedProcess with text."""

    def run(*args: object, status: int = 0, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "amodalsynth_cli", *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)
        assert done.returncode == status, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    return run
