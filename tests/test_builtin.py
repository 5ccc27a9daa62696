"""The built-in pack: every category drawn in every split, real cutouts with soft edges, the same bytes every time, nothing half made."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from amodalsynth.builtin import PACK_VERSION, about, builtin_folders, pack
from amodalsynth.builtin.noise import noise_at, smooth_lattice
from amodalsynth.builtin.outlines import ball
from amodalsynth.builtin.recipe import Between, Loft, OneOf, Part, Shared, resolve
from amodalsynth.builtin.renderer import VIEW_SIDE, make_pieces, render_object
from amodalsynth.builtin.shapes import SHAPES
from amodalsynth.builtin.surface import dense_points, loft_mesh
from amodalsynth.builtin.textures import PATTERNS, TEXTURE_SIDE, pattern
from amodalsynth.rng import SPLITS, asset_rng

INTRA_AFRUIT = "golden pear pink_lady red_delicious zucchini carrot cabbage eggplant cucumber1 cucumber3".split()
ACOM = "anise biscuit bottle candy conch donut fire_extinguisher hammer hat toothpaste".split()


@pytest.fixture(scope="session")
def folders(home: Path) -> tuple[Path, Path]:
    """The whole pack, made once for all tests of the session."""
    return builtin_folders(home)


def _hashes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.png"))}


def _rgba(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "RGBA"
        return np.asarray(image)


def _holes(alpha: np.ndarray) -> np.ndarray:
    """The pixels of alpha 0 that the object encloses."""
    return ndimage.binary_fill_holes(alpha > 0) & (alpha == 0)


def test_every_category_has_several_objects_with_many_views_and_no_object_is_in_two_splits(folders):
    foregrounds, _ = folders
    assert sorted(path.name for path in foregrounds.iterdir()) == sorted(SPLITS)
    for category in INTRA_AFRUIT + ACOM:
        objects = {split: {path.name for path in (foregrounds / split / category).iterdir()} for split in SPLITS}
        assert (len(objects["train"]), len(objects["val"]), len(objects["test"])) == (5, 1, 2)
        assert len(set.union(*objects.values())) == 8
        for split in SPLITS:
            assert all(len(list((foregrounds / split / category / name).glob("*.png"))) == pack.NUM_VIEWS for name in objects[split])
    assert sorted(path.name for path in (foregrounds / "train").iterdir()) == sorted(SHAPES) == sorted(INTRA_AFRUIT + ACOM)
    hashes = _hashes(foregrounds)
    assert len(set(hashes.values())) == len(hashes) == 20 * 8 * pack.NUM_VIEWS


@pytest.mark.parametrize("category", SHAPES)
def test_cutouts_are_cropped_have_soft_edges_and_are_black_outside(folders, category):
    for path in sorted((folders[0] / "test" / category).rglob("0[0-3].png")):
        rgba = _rgba(path)
        alpha = rgba[:, :, 3]
        assert 180 <= max(alpha.shape) <= 220, path
        assert not rgba[alpha == 0].any(), path
        assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])), path
        assert 0.05 < (alpha > 0).mean() < 0.97, path
        outline = np.count_nonzero(ndimage.binary_dilation(alpha == 0) & (alpha > 0))
        assert np.count_nonzero((alpha > 0) & (alpha < 255)) > outline > 100, path
        assert len(np.unique(alpha)) > 10, path
        opaque = rgba[alpha == 255][:, :3].astype(float)
        assert opaque.std(0).max() > 10, f"{path}: flat colour"


def test_objects_of_a_category_differ_in_colour_or_form(folders):
    def look(path: Path) -> np.ndarray:
        rgba = _rgba(path)
        return rgba[rgba[:, :, 3] == 255][:, :3].mean(0)

    for category in SHAPES:
        looks = [look(folder / "00.png") for folder in sorted((folders[0] / "train" / category).iterdir())]
        assert max(np.abs(a - b).max() for a in looks for b in looks) > 4, category


def test_the_donut_has_a_hole_and_the_apple_has_none(folders):
    pierced = [_holes(_rgba(path)[:, :, 3]).sum() > 100 for path in (folders[0] / "train" / "donut").rglob("*.png")]
    assert 0.3 < np.mean(pierced) < 0.95  # seen from the side, the hole is closed
    assert not any(_holes(_rgba(path)[:, :, 3]).any() for path in (folders[0] / "train" / "golden").rglob("*.png"))


def test_textures_are_many_square_and_opaque(folders):
    paths = sorted(folders[1].rglob("*.png"))
    assert len(paths) >= 40
    assert len({path.parent.name for path in paths}) >= 5
    assert {"brick_photo", "grass_photo", "gravel_photo"} <= {path.parent.name for path in paths}
    assert len(set(_hashes(folders[1]).values())) == len(paths)
    for path in paths:
        assert path.parent.parent == folders[1]
        with Image.open(path) as image:
            assert (image.mode, image.size) == ("RGB", (TEXTURE_SIDE, TEXTURE_SIDE))
            assert np.asarray(image).std() > 5, path


def test_the_bytes_repeat_whatever_the_number_of_workers(folders, tmp_path):
    calls: list[tuple[int, int]] = []
    few = {"categories": ("carrot", "donut"), "num_views": 2}
    pack.make_pack(tmp_path / "one", num_workers=1, **few)
    pack.make_pack(tmp_path / "two", num_workers=2, progress=lambda done, total: calls.append((done, total)), **few)
    one = _hashes(tmp_path / "one")
    assert one == _hashes(tmp_path / "two")
    assert calls[-1] == (len(one), len(one))
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert _hashes(tmp_path / "one" / "backgrounds") == _hashes(folders[1])


def test_a_pack_that_is_there_is_not_made_again(folders, home, monkeypatch):
    monkeypatch.setattr(pack, "make_pack", lambda *args, **kwargs: pytest.fail("made again"))
    assert builtin_folders(home) == folders


def test_a_failure_leaves_nothing_that_looks_finished(tmp_path, monkeypatch):
    def break_off(folder: Path, **_: object) -> None:
        (folder / "foregrounds").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(pack, "make_pack", break_off)
    with pytest.raises(KeyboardInterrupt):
        builtin_folders(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"builtin-v{PACK_VERSION}.lock"]


def test_after_a_kill_no_worker_lives_on_and_the_next_run_cleans_up(tmp_path, monkeypatch):
    code = (
        f"from pathlib import Path; from amodalsynth.builtin import builtin_folders\n"
        f"if __name__ == '__main__': builtin_folders(Path({str(tmp_path)!r}), num_workers=2)"
    )
    script = tmp_path / "make.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, script])
    end = time.monotonic() + 60
    while not list(tmp_path.rglob("*.png")) and time.monotonic() < end:
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert children and not alive
    finished = tmp_path / f"builtin-v{PACK_VERSION}"
    assert list(tmp_path.rglob("*.png")) and not finished.exists()

    monkeypatch.setattr(pack, "make_pack", lambda folder, **_: (folder / "foregrounds").mkdir(parents=True))
    builtin_folders(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {finished.name, f"{finished.name}.lock", script.name}
    assert not list(tmp_path.rglob("*.png"))


def test_two_at_once_make_the_pack_once(tmp_path, monkeypatch):
    made: list[Path] = []

    def make(folder: Path, **_: object) -> None:
        made.append(folder)
        time.sleep(0.2)
        (folder / "foregrounds").mkdir(parents=True)

    monkeypatch.setattr(pack, "make_pack", make)
    threads = [threading.Thread(target=builtin_folders, args=(tmp_path,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


@pytest.mark.parametrize("kind", ["foregrounds", "backgrounds"])
def test_the_licence_is_stated_and_the_callers_copy_is_their_own(kind):
    assert about(kind)["licence"].startswith("Apache-2.0")
    about(kind)["licence"] = "none"
    assert about(kind)["licence"] != "none"


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, amodalsynth.builtin; print([m for m in ('PIL', 'skimage', 'amodalsynth.builtin.renderer') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def _signed_volume(position: np.ndarray, normal: np.ndarray) -> float:
    """Three times the volume by the divergence theorem: positive where the normals of a closed surface point outward."""
    across = position[:, :-1, 1:] - position[:, :-1, :-1]
    down = position[:, 1:, :-1] - position[:, :-1, :-1]
    area = np.sqrt((np.cross(across, down, axis=0) ** 2).sum(0))
    centre = position.reshape(3, -1).mean(1)[:, None, None]
    return float((((position - centre)[:, :-1, :-1] * normal[:, :-1, :-1]).sum(0) * area).sum())


@pytest.mark.parametrize("category", SHAPES)
def test_no_surface_is_inside_out_and_normals_have_length_one(category):
    for piece in make_pieces(SHAPES[category], asset_rng(0, 7)):
        np.testing.assert_allclose((piece.mesh.normal**2).sum(0), 1, atol=1e-6)
        assert _signed_volume(piece.mesh.position, piece.mesh.normal) > 0


def test_a_ball_shows_as_a_gapless_disc():
    (view,) = render_object((Part(Loft(ball(1, 1), grid=(24, 32)), (200, 100, 50)),), 1, asset_rng(0, 8))
    height, width = view.shape[:2]
    assert abs(height - VIEW_SIDE) <= 3 and abs(width - VIEW_SIDE) <= 3
    y, x = np.indices((height, width))
    distance = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2)
    assert (view[:, :, 3][distance < VIEW_SIDE / 2 - 3] == 255).all()
    assert not view[:, :, 3][distance > VIEW_SIDE / 2 + 2].any()


@settings(deadline=None, max_examples=20)
@given(radius=st.floats(0.2, 2), height=st.floats(0.2, 2), spacing=st.floats(0.02, 0.3))
def test_points_lie_on_the_surface_and_close_together(radius, height, spacing):
    mesh = loft_mesh(Loft(((radius, height), (radius, -height)), sharp=True, grid=(5, 40)), (0, 0, 0))
    points = dense_points(mesh, spacing)
    x, y, z = points.position
    assert np.abs(np.hypot(x, y) - radius).max() < 0.01 * radius
    assert np.abs(z).max() <= height
    assert len(x) >= 2 * height / spacing * 6.2 * radius / spacing
    assert points.along.min() >= 0 and points.along.max() <= 1 and points.around.min() >= 0 and points.around.max() <= 1
    np.testing.assert_allclose(points.normal[:2] * radius, points.position[:2], atol=0.01 * radius)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_resolve_leaves_nothing_to_draw_and_shares_what_is_shared(seed):
    color = Shared("c", Between((0, 10, 20), (100, 110, 120)))
    parts = (Part(Loft(Between(((0, 1), (1, 2)), ((0, 3), (2, 6)))), color, gloss=OneOf((0.1, 0.9))), Part(Loft(ball(1, 1)), color))
    first, second = resolve(parts, asset_rng(seed, 9), {})
    assert first.color == second.color
    red, green, blue = first.color
    assert 0 <= red < 100 and green == pytest.approx(red + 10) and blue == pytest.approx(red + 20)
    (_, low), (radius, high) = first.loft.profile
    assert 1 <= low <= 3 and radius == pytest.approx(1 + (low - 1) / 2) and high == pytest.approx(2 * low)
    assert first.gloss in (0.1, 0.9)


def test_noise_is_smooth_periodic_and_fills_its_range():
    place = np.linspace(0, 16, 4001, dtype=np.float32)  # one period at frequency 1
    line = noise_at(np.stack([place, place * 0, place * 0]), (1.0, 1.0, 1.0), (0.1, 0.2, 0.3))
    assert line[0] == line[-1]
    assert np.abs(np.diff(line)).max() < 0.3
    block = noise_at(np.stack(np.indices((32, 32, 32))).astype(np.float32) / 2, (1.0, 1.0, 1.0), (0, 0, 0))
    assert block.min() < 0.05 and block.max() > 0.95 and abs(block.mean() - 0.5) < 0.05


def test_smooth_lattice_keeps_constants_and_the_mean():
    lattice = asset_rng(0, 10).random((4, 5)).astype(np.float32)
    fine = smooth_lattice(lattice, 8)
    assert fine.shape == (32, 40) and fine.dtype == np.float32
    assert fine.mean() == pytest.approx(lattice.mean(), abs=1e-5)
    np.testing.assert_allclose(smooth_lattice(np.full((3, 3), 0.25, np.float32), 4), 0.25, rtol=1e-6)


@pytest.mark.parametrize("category", PATTERNS)
def test_a_pattern_follows_from_its_generator_alone(category):
    first, again, other = (pattern(category, asset_rng(0, 11, k)) for k in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
