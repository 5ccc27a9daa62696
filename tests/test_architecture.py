"""The house: modules import only what stands to their left, registries know every module, the wheel claims no other name."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

LIBRARY = REPOSITORY / "amodalsynth"

# From left to right; a module may import those of an earlier row, and those of its own row in its own package.
ROWS = [
    {"errors", "types", "rng", "files"},
    {"imagefiles", "workers", "settings"},
    {"assets", "builtin", "masks", "drawing"},
    {"cutouts", "textures", "orders", "presets", "segmentation"},
    {"scenes"},
    {"compositing"},
    {"prepared", "annotation"},
    {"pool_sources", "coco_scan"},
    {"coco_index"},
    {"pool", "points", "labelled"},
    {"records"},
    {"stats", "evaluation", "derive"},
    {"exporters", "importers"},
    {"validate"},
    {"card", "doctor", "report"},
    {"generate"},
    {"estimate", "recipes"},
    {"baselines"},
]


def modules():
    return sorted(path for path in LIBRARY.rglob("*.py") if path.parent != LIBRARY or path.name != "__init__.py")


def row_of(name: str) -> int:
    return next(i for i, row in enumerate(ROWS) if name in row)


def package_of(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The modules of the library that a file imports, also within functions, but not for type checking only."""
    names = set()
    tree = ast.parse(path.read_text())
    typing_only = {
        child for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) for child in ast.walk(node)
    }
    for node in set(ast.walk(tree)) - typing_only:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("amodalsynth"):
            names |= {node.module.split(".")[1]} if "." in node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("amodalsynth.")}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_a_module_imports_only_what_stands_to_its_left(path):
    own = package_of(path)
    wrong = {name for name in imports(path) if name != own and row_of(name) >= row_of(own)}
    assert not wrong, f"{own} must not import {wrong}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_the_library_neither_prints_nor_knows_click(path):
    tree = ast.parse(path.read_text())
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"]
    assert "import click" not in path.read_text() and len(path.read_text().splitlines()) <= 400


def test_every_command_and_preset_is_registered():
    from amodalsynth_cli.main import COMMANDS, module_of

    from amodalsynth.presets import PRESETS

    files = {path.stem for path in (REPOSITORY / "cli").glob("*.py")} - {"__init__", "__main__", "main", "options"}
    assert files == set(map(module_of, COMMANDS))
    files = {path.stem for path in (LIBRARY / "presets").glob("*.py")} - {"__init__", "preset", "settings"}
    assert files == {name.replace("-", "_") for name in PRESETS}


def test_the_packages_of_the_wheel_are_the_folders():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {"amodalsynth", *(f"amodalsynth.{path.parent.name}" for path in LIBRARY.glob("*/__init__.py"))}
    assert set(settings["packages"]) == folders | set(settings["package-dir"])
    assert {str(path) for path in settings["package-dir"].values()} == {"cli", "assets_manifest"}


def test_constraints_pin_what_is_required():
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if "==" in line}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *(r for group in project["optional-dependencies"].values() for r in group)]
    assert {requirement.split(">=")[0].lower() for requirement in required} <= pinned


@pytest.mark.parametrize("code", ["import amodalsynth", "import amodalsynth_cli.main", "import amodalsynth; amodalsynth.__all__"])
def test_importing_loads_nothing_heavy(code):
    heavy = ("torch", "cv2", "numpy", "skimage", "shapely", "scipy", "PIL", "pooch")
    check = f"{code}; import sys; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented():
    import amodalsynth

    for name in amodalsynth.__all__:
        assert getattr(amodalsynth, name) is not None and (name == "PRESETS" or getattr(amodalsynth, name).__doc__), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        amodalsynth.nothing  # noqa: B018 - reading it is the test


def test_help_and_a_wrong_command(run_cli):
    from amodalsynth_cli.main import COMMANDS

    overview = run_cli("--help").stdout
    assert all(name in overview for name in COMMANDS)
    for name in COMMANDS:
        assert "Usage:" in run_cli(name, "--help").stdout
    assert "Did you mean 'generate'?" in run_cli("generat", status=2).stderr
    assert "amodalsynth, version" in run_cli("--version").stdout
    for group in ((), ("assets",), ("presets",)):
        assert "Commands:\n" in run_cli(*group, status=2).stdout
