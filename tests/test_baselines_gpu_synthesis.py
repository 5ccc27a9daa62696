"""The device's compositor: what the CPU's paints, the annotations of the same bits, and batches that depend on the seed alone."""

import functools
import itertools
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.annotation import Annotation, map_instances
from amodalsynth.compositing import compose, draw_appearances
from amodalsynth.errors import ConfigurationError
from amodalsynth.generate import generate_sample
from amodalsynth.masks import pack_masks
from amodalsynth.points import draw_points
from amodalsynth.pool import load_pool
from amodalsynth.pool_sources import with_folders
from amodalsynth.rng import points_rng, scene_rng
from amodalsynth.scenes import sample_scene
from tests.strategies import SMALL, DrawnPool, amodal_masks

torch = pytest.importorskip("torch", reason="needs the extra amodalsynth[train]")

from amodalsynth.baselines import gpu_annotation  # noqa: E402 - after the check for torch
from amodalsynth.baselines.batch import EMPTY, Batch  # noqa: E402
from amodalsynth.baselines.gpu_assets import DeviceAssets  # noqa: E402
from amodalsynth.baselines.gpu_compositing import composite  # noqa: E402
from amodalsynth.baselines.gpu_packing import MAX_SLOTS, pack_scenes  # noqa: E402
from amodalsynth.baselines.gpu_synthesis import GpuScenes  # noqa: E402

POOL = DrawnPool()
PRESET = replace(SMALL, name="drawn", image_size=(64, 64), foregrounds="folder", backgrounds="folder", categories=POOL.categories)
EVERY_LEVEL = replace(PRESET, instances=(1, 6), instance_weights=(), scale=(0.03, 1.6), center=(-0.1, 1.1), flip=0.5, one_category=False)


def gpu_scenes(preset=PRESET, pool=POOL, **options):
    return GpuScenes(preset, pool, "train", **({"seed": 0, "batch_size": 8, "device": "cpu", "num_workers": 0} | options))


def take(count, **options):
    return list(itertools.islice(gpu_scenes(**options), count))


def same(first: Batch, second: Batch) -> bool:
    return all(torch.equal(getattr(first, spec.name), getattr(second, spec.name)) for spec in fields(Batch))


def join(parts: list[Batch]) -> Batch:
    """The batch of which process r has every image from the r-th on, at steps of the number of processes."""
    return Batch(*(torch.stack([getattr(part, spec.name) for part in parts], dim=1).flatten(0, 1) for spec in fields(Batch)))


def check_against_cpu(preset, pool, count):
    """Composite `count` scenes in both ways and hold the device's to the tolerance in gpu_compositing."""
    scenes = [sample_scene(preset, pool, scene_rng(3, "train", index, 0)) for index in range(count)]
    assets, slots = DeviceAssets.from_pool(pool), preset.instances[1] + 1
    made = composite(assets, pack_scenes(scenes, assets.table, num_slots=slots))
    derived = gpu_annotation.annotate(made.instance_map, slots)
    difference, wrong_bits, all_bits = [], 0, 0
    for k, scene in enumerate(scenes):
        appearances, instances = draw_appearances(scene, pool), slice(len(scene.placements))
        image = compose(pool.background(scene.background_id), appearances).image
        difference.append(np.abs(made.image[k].permute(1, 2, 0).numpy().astype(int) - image))
        instance_map = map_instances(appearances, scene.size_hw)
        expected = Annotation.from_instance_map(np.ones(len(appearances), np.int64), instance_map)
        wrong_bits += int(np.bitwise_count(made.instance_map[k].numpy() ^ instance_map.astype(np.int64)).sum())
        all_bits += int(expected.amodal_area.sum())
        assert np.abs(derived.amodal_box[k, instances].numpy() - expected.amodal_box).max() <= 1
        overlap = expected.scan.overlap_area
        if not ((overlap > 0) & (overlap < 4)).any():  # so few pixels may fall on either side of the threshold
            assert (derived.occlusion_order[k, instances, instances].numpy() == expected.occlusion_order).all()
            assert (derived.layer_order[k, instances].numpy() == expected.layer_order).all()
    assert np.mean(difference) < 0.1 and np.max(difference) <= 8
    assert wrong_bits <= 0.001 * all_bits and all_bits > 1000


def test_the_same_pixels_as_on_the_cpu():
    check_against_cpu(EVERY_LEVEL, POOL, 80)


def test_the_same_pixels_of_real_fruit(shared_assets, tmp_path):
    for kind, source in {"fruit": "fruits-360-original-size/Training", "textures": "dtd/images"}.items():
        for folder in sorted((shared_assets / source).iterdir())[:3]:
            (tmp_path / kind / folder.name).mkdir(parents=True)
            for photo in sorted(folder.iterdir())[:4]:
                shutil.copy(photo, tmp_path / kind / folder.name)
    sources = {"foregrounds": tmp_path / "fruit", "backgrounds": tmp_path / "textures"}
    preset = replace(with_folders(SMALL, **sources), image_size=(128, 128), split_fractions=(1.0, 0.0, 0.0))
    check_against_cpu(preset, load_pool(preset, "train", **sources), 20)


def test_every_pixel_of_the_pool_is_on_the_device():
    assets = DeviceAssets.from_pool(POOL)
    for asset_id, row in assets.table.cutout_row.items():
        for level, start, (height, width) in zip(POOL.cutout(asset_id).levels, assets.table.start[row], assets.table.level_hw[row]):
            assert (assets.pixels[start : start + height * width].view(torch.uint8).view(height, width, 4).numpy() == level).all()
    for asset_id, row in assets.table.texture_row.items():
        assert (assets.textures[row].numpy() == POOL.background(asset_id)).all()
    assert assets.table.num_bytes == assets.pixels.nbytes + assets.textures.nbytes


@settings(deadline=None)
@given(amodal_masks(), st.integers(1, 3), st.integers(0, 2**32))
def test_annotations_of_the_same_bits(masks, num_empty, seed):
    count, num_slots = len(masks), len(masks) + num_empty
    bits = torch.from_numpy(pack_masks(masks).astype(np.int64))[None]
    bits = torch.cat([bits, torch.zeros_like(bits)])  # a second image, without instances
    expected, derived = Annotation.from_masks(np.ones(count, np.int64), masks), gpu_annotation.annotate(bits, num_slots)
    for name in ("amodal_box", "amodal_area", "visible_area", "layer_order"):
        got = getattr(derived, name)
        assert (got[0, :count].numpy() == getattr(expected, name)).all() and not got[0, count:].any() and not got[1].any(), name
    assert (derived.occlusion_order[0, :count, :count].numpy() == expected.occlusion_order).all()
    assert derived.occlusion_order.sum() == expected.occlusion_order.sum()
    for unpack, name in ((gpu_annotation.unpack_amodal, "amodal_mask"), (gpu_annotation.unpack_visible, "visible_mask")):
        assert (unpack(bits, num_slots)[0, :count].numpy() == getattr(expected, name)).all()
    filled = np.flatnonzero(expected.amodal_area)
    unit = np.random.default_rng(seed).random((2, num_slots, 7, 2))
    unit[0, :, 0] = np.nextafter(1, 0)  # rounds up to the far side where the box lies far enough from 0
    point_xy, label = gpu_annotation.place_points(bits, derived.amodal_box, torch.from_numpy(unit))
    drawn = draw_points(Numbers(unit[0, filled]), expected.amodal_box[filled], lambda x, y: masks[filled[:, None], y, x], num_points=7)
    assert (point_xy[0, filled].numpy() == drawn[0]).all() and (label[0, filled].numpy() == drawn[1]).all()


class Numbers:
    """A generator that gives the numbers it was made with."""

    def __init__(self, values):
        self.values = values

    def random(self, shape):
        assert shape == self.values.shape
        return self.values


@pytest.mark.parametrize("min_visible_pixels", [1, 60])
def test_image_k_is_the_generators(min_visible_pixels):
    preset = replace(PRESET, min_visible_pixels=min_visible_pixels)
    attempts, agreeing, known = [], 0, 0
    for step, batch in enumerate(take(4, preset=preset, max_instances=7, start_step=2), start=2):
        for position in range(8):
            sample = generate_sample(preset, POOL, "train", step * 8 + position, 0)
            annotation, instances, empty = sample.annotation, slice(len(sample.annotation)), slice(len(sample.annotation), None)
            attempts.append(sample.attempt)
            difference = batch.image[position].permute(1, 2, 0).numpy().astype(int) - sample.rendering.image
            assert np.abs(difference).mean() < 0.1
            assert (batch.category[position, instances].numpy() == annotation.category_id - 1).all()
            box = batch.box[position, instances].numpy()
            assert np.abs(box - annotation.amodal_box).max() <= 1
            labels_of = functools.partial(label_at, annotation.amodal_mask)
            coords, labels = draw_points(points_rng(0, sample.image_id), annotation.amodal_box, labels_of, num_points=10)
            equal = (box == annotation.amodal_box).all(
                axis=1
            )  # then the points are the same, but for the label of a pixel at the threshold
            assert (batch.point_xy[position, instances].numpy()[equal] == coords[equal] + 0.5).all()
            agreeing += (batch.point_label[position, instances].numpy()[equal] == labels[equal]).sum()
            agreeing += (batch.layer[position, instances].numpy() == annotation.layer_order).sum()
            known += labels.size + len(annotation)
            assert (batch.category[position, empty] == EMPTY).all() and (batch.layer[position, empty] == EMPTY).all()
            assert (batch.point_label[position, empty] == EMPTY).all()
            assert not batch.box[position, empty].any() and not batch.point_xy[position, empty].any()
    assert max(attempts) > 1 and agreeing > 0.95 * known


def label_at(mask, x, y):
    return mask[np.arange(len(mask))[:, None], y, x]


def test_shapes_and_types_of_a_batch():
    batch = take(1, max_instances=7, points_per_iteration=5)[0]
    expected = {
        "image": ((8, 3, 64, 64), torch.uint8),
        "box": ((8, 7, 4), torch.float32),
        "category": ((8, 7), torch.int64),
        "layer": ((8, 7), torch.int64),
        "point_xy": ((8, 7, 5, 2), torch.float32),
        "point_label": ((8, 7, 5), torch.int8),
    }
    assert {spec.name: (tuple(getattr(batch, spec.name).shape), getattr(batch, spec.name).dtype) for spec in fields(Batch)} == expected


def test_five_of_an_instances_ten_points():
    ten, five = take(2), take(2, points_per_iteration=5)
    chosen = set()
    for all_points, some in zip(ten, five, strict=True):
        assert torch.equal(all_points.image, some.image)
        for image, slot in (all_points.category != EMPTY).nonzero().tolist():
            known = [
                (*xy, label) for xy, label in zip(all_points.point_xy[image, slot].tolist(), all_points.point_label[image, slot].tolist())
            ]
            taken = [(*xy, label) for xy, label in zip(some.point_xy[image, slot].tolist(), some.point_label[image, slot].tolist())]
            assert all(taken.count(point) <= known.count(point) for point in taken)
            chosen.add(tuple(known.index(point) for point in taken))
    assert len(chosen) > 10


@pytest.mark.parametrize("num_workers", [1, 2])
def test_the_same_batches_for_any_number_of_workers(num_workers):
    here, there = take(3, points_per_iteration=5), take(3, points_per_iteration=5, num_workers=num_workers)
    assert all(same(a, b) for a, b in zip(here, there, strict=True))


def test_the_same_batches_after_a_restart_and_over_processes():
    whole = take(3)
    assert not torch.equal(whole[0].image, whole[1].image) and not torch.equal(whole[0].image[0], whole[0].image[1])
    assert same(take(1, start_step=2)[0], whole[2])
    ranks = [take(3, rank=rank, world_size=2) for rank in range(2)]
    assert all(same(join([first, second]), both) for first, second, both in zip(*ranks, whole, strict=True))
    assert not torch.equal(take(1, seed=1)[0].image, whole[0].image)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_impossible_preset_says_so_on_one_line(num_workers):
    scenes = gpu_scenes(replace(PRESET, min_visible_pixels=4000, max_attempts=5), num_workers=num_workers)
    with pytest.raises(ConfigurationError, match=r"^preset 'drawn': image \d: in 5 scenes .* 4000 pixels each time; lower .*center$"):
        next(scenes)


def test_hidden_behind_cores_until_no_attempt_is_left():
    piled = replace(
        PRESET, instances=(5, 5), instance_weights=(), center=(0.5, 0.5), scale=(0.2, 0.8), max_attempts=1, min_visible_pixels=1
    )
    with pytest.raises(ConfigurationError, match="in 1 scenes"):
        for _ in itertools.islice(gpu_scenes(piled), 3):
            pass


@pytest.mark.parametrize(
    ("preset", "options", "message"),
    [
        (
            PRESET,
            {"max_bytes": 2**14},
            r"at most 0 MiB, got \d+ MiB of 3 cutouts and 2 textures of 64 x 64 pixels; .*image_size.*max_bytes",
        ),
        (replace(PRESET, image_size=(64, 48)), {}, "preset 'drawn', field image_size: expected a square frame, got 64 x 48"),
        (replace(PRESET, image_size=(80, 80)), {}, "expected frames of 64 x 64 pixels, as the assets have, got 80 x 80"),
        (PRESET, {"pool": DrawnPool(split="val")}, "split 'train': the pool holds the assets of split 'val'"),
        (PRESET, {"max_instances": 4}, "max_instances: expected at least the preset's 5, got 4"),
        (PRESET, {"max_instances": MAX_SLOTS + 1}, f"expected at most {MAX_SLOTS} slots an image, got {MAX_SLOTS + 1}"),
        (PRESET, {"world_size": 3}, "batch_size: expected a multiple of 3"),
        (PRESET, {"points_per_iteration": 11}, r"points_per_iteration: expected 1 to num_points \(10\), got 11"),
    ],
)
def test_what_cannot_be_is_refused(preset, options, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        next(gpu_scenes(preset, **options))
    assert "\n" not in str(caught.value)


def test_a_scene_with_more_instances_than_slots_is_refused():
    scene = sample_scene(replace(PRESET, instances=(5, 5), instance_weights=()), POOL, scene_rng(0, "train", 0, 0))
    with pytest.raises(ConfigurationError, match="expected at most 2 instances an image, got 5"):
        pack_scenes([scene], DeviceAssets.from_pool(POOL).table, num_slots=2)
