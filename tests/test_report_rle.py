"""Masks as the page decodes them (rle.js) against pycocotools, to the pixel, in a real Chromium."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tests.test_report_js import ORIGIN, serve

DECODE = """async (masks) => {
  const { Mask } = await import("/page/rle.js");
  return masks.map(({ counts, height, width, target }) => {
    const mask = new Mask(counts, height, width);
    return { pixels: mask.pixels(...target).join(""), area: mask.area, box: mask.box, seen: mask.has(width - 1, height - 1) };
  });
}"""
DIFFERENCE = """async (pairs) => {
  const { Mask } = await import("/page/rle.js");
  return pairs.map(({ left, right, height, width }) => {
    const rest = new Mask(left, height, width).minus(new Mask(right, height, width));
    return { pixels: rest.pixels().join(""), area: rest.area };
  });
}"""
SIZES = ((1, 1), (1, 7), (9, 1), (300, 1), (2, 300), (6, 6), (13, 8), (31, 40), (64, 17))


@pytest.fixture
def modules_page(browser_page):
    browser_page.route(f"{ORIGIN}/**", serve)
    browser_page.goto(f"{ORIGIN}/start/")
    return browser_page


def random_masks(rng: np.random.Generator, number: int) -> list[np.ndarray]:
    """Masks of `SIZES` in turns: of each an empty and a full one, noise of any density, and blocks whose runs go on from column to column."""
    masks = []
    for i in range(number):
        height, width = SIZES[i % len(SIZES)]
        kind = i // len(SIZES)
        if kind < 2:
            mask = np.full((height, width), kind == 1)
        elif kind % 2:
            mask = rng.random((height, width)) < rng.random()
        else:
            mask = np.zeros((height, width), bool)
            top, left = rng.integers(height), rng.integers(width)
            mask[top : top + 1 + rng.integers(height), left : left + 1 + rng.integers(width)] = True
            mask ^= rng.random((height, width)) < 0.02
        masks.append(mask)
    return masks


def encode(mask: np.ndarray) -> str:
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


def as_mask(text: str, size_hw: tuple[int, int]) -> np.ndarray:
    return (np.frombuffer(text.encode(), np.uint8) == ord("1")).reshape(size_hw)


def test_masks_equal_pycocotools_to_the_pixel(modules_page):
    masks = random_masks(np.random.default_rng(5), 4000)
    codes = [{"counts": encode(mask), "height": mask.shape[0], "width": mask.shape[1], "target": []} for mask in masks]
    for i, (code, mask, page) in enumerate(zip(codes, masks, modules_page.evaluate(DECODE, codes), strict=True)):
        judge = {"size": list(mask.shape), "counts": code["counts"]}
        assert np.array_equal(as_mask(page["pixels"], mask.shape), coco_mask.decode(judge).astype(bool)), f"mask {i}"
        assert page["area"] == coco_mask.area(judge) and page["seen"] == mask[-1, -1], f"mask {i}"
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1] if len(rows) else [0, 0, 0, 0]
        assert page["box"] == box, f"mask {i}"


def test_a_reduced_mask_has_the_nearest_pixels(modules_page):
    rng = np.random.default_rng(6)
    masks = random_masks(rng, 600)
    targets = [tuple(map(int, rng.integers(1, 1 + np.array(mask.shape)))) for mask in masks]
    codes = [
        {"counts": encode(mask), "height": mask.shape[0], "width": mask.shape[1], "target": [w, h]} for mask, (h, w) in zip(masks, targets)
    ]
    for i, (mask, (h, w), page) in enumerate(zip(masks, targets, modules_page.evaluate(DECODE, codes), strict=True)):
        rows, columns = ((2 * np.arange(n) + 1) * size // (2 * n) for n, size in zip((h, w), mask.shape))
        assert np.array_equal(as_mask(page["pixels"], (h, w)), mask[np.ix_(rows, columns)]), f"mask {i}: {mask.shape} to {h, w}"


def test_the_difference_of_two_masks(modules_page):
    masks = random_masks(np.random.default_rng(7), 1000)
    pairs = list(zip(masks, masks[len(SIZES) :]))  # of one size each
    codes = [{"left": encode(a), "right": encode(b), "height": a.shape[0], "width": a.shape[1]} for a, b in pairs]
    for (a, b), page in zip(pairs, modules_page.evaluate(DIFFERENCE, codes), strict=True):
        assert np.array_equal(as_mask(page["pixels"], a.shape), a & ~b)
        assert page["area"] == np.count_nonzero(a & ~b)


def test_a_frame_of_2_to_28_pixels_is_reduced_without_its_pixels(modules_page):
    side = 1 << 14
    left, top, size = 1000, 3000, 8000
    runs = [left * side + top, *[size, side - size] * (size - 1), size]
    runs.append(side * side - sum(runs))
    counts = coco_mask.frPyObjects({"size": [side, side], "counts": runs}, side, side)["counts"].decode()
    [page] = modules_page.evaluate(DECODE, [{"counts": counts, "height": side, "width": side, "target": [64, 32]}])
    columns, rows = ((2 * np.arange(n) + 1) * side // (2 * n) for n in (64, 32))
    expected = ((rows >= top) & (rows < top + size))[:, None] & ((columns >= left) & (columns < left + size))
    assert np.array_equal(as_mask(page["pixels"], (32, 64)), expected)
    assert page["area"] == size * size and page["box"] == [left, top, size, size]
