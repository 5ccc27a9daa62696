"""The wheel, built from the repository and installed beside another package called `cli`."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    import setuptools.build_meta

    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in files:
        if name and (REPOSITORY / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((REPOSITORY / name).read_bytes())
    build = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, str(folder)], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert setuptools.build_meta
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_what_it_should(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"amodalsynth", "amodalsynth_cli"}
    assert {"amodalsynth/assets_manifest/dtd.toml", "amodalsynth_cli/main.py", "amodalsynth/presets/acom.py"} <= set(names)
    assert not [name for name in names if "tests" in name or "shared" in name]


def test_it_runs_beside_another_cli(wheel, tmp_path, drawn_assets):
    venv.create(tmp_path / "env", with_pip=False)
    site = next((tmp_path / "env").glob("lib/python*/site-packages"))
    (site / "cli").mkdir()
    (site / "cli" / "__init__.py").write_text("raise RuntimeError('the wrong cli')\n")
    zipfile.ZipFile(wheel).extractall(site)
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "dependencies.pth").write_text(ours + "\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(tmp_path / "env/bin/python"), "-m", "amodalsynth_cli", "generate", "--dataset", "intra-afruit", "--num-images", "4"]
    sources = ["--foregrounds", str(drawn_assets[0]), "--backgrounds", str(drawn_assets[1])]
    done = subprocess.run([*command, *sources], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    where = [
        str(tmp_path / "env/bin/python"),
        "-c",
        "import amodalsynth, amodalsynth_cli; print(amodalsynth.__file__, amodalsynth_cli.__file__)",
    ]
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, env=environment, check=True).stdout
    assert found.count(str(site)) == 2
    assert (site / "cli" / "__init__.py").read_text().startswith("raise")
