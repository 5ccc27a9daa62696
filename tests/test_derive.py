"""What is derived from amodal masks: the rules of the order one by one, circles, hidden instances, and the whole against brute force."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from amodalsynth import masks
from amodalsynth.annotation import Annotation
from amodalsynth.derive import Derived, derive
from amodalsynth.orders import layer_order
from tests.strategies import amodal_masks


def to_spans(stack: np.ndarray) -> masks.MaskSpans:
    """(N, H, W) bool -> their spans; at least one mask."""
    count = len(stack)
    each = [masks.select(masks.spans(masks.scan(masks.pack_masks(mask[None]), 1)), np.array([0])) for mask in stack]
    none = masks.MaskSpans(stack.shape[1:], np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(1, np.int64))
    return masks.concatenate(each) if count else none


def to_pixels(spans: masks.MaskSpans) -> np.ndarray:
    """Spans -> (M, H, W) bool."""
    height, width = spans.size_hw
    result = np.zeros((len(spans.split) - 1, width * height), bool)
    for m in range(len(result)):
        for s in range(spans.split[m], spans.split[m + 1]):
            result[m, spans.begin[s] : spans.end[s]] = True
    return result.reshape(-1, width, height).transpose(0, 2, 1)


def drawn(*pictures: str) -> np.ndarray:
    """Masks from pictures, rows separated by spaces, '#' where the mask is."""
    return np.array([[[cell == "#" for cell in row] for row in picture.split()] for picture in pictures], bool)


def run(
    stack: np.ndarray, *, visible: np.ndarray | None = None, front: list[tuple[int, int]] = (), rank: list[float] | None = None
) -> Derived:
    in_front = np.zeros((len(stack), len(stack)), bool)
    for near, far in front:
        in_front[near, far] = True
    return derive(
        np.arange(1, len(stack) + 1),
        to_spans(stack),
        visible=None if visible is None else to_spans(visible),
        has_visible=None if visible is None else visible.any(axis=(1, 2)),
        in_front=in_front,
        paint_rank=None if rank is None else np.array(rank, float),
    )


LEFT, RIGHT = "##.. ##.. ....", ".##. .##. ...."  # two that overlap in a column and reach as low
LOW = ".... .##. .##."  # overlaps both, and reaches lower


def test_the_sources_order_counts_first():
    stack, visible = drawn(LEFT, LOW), drawn(LEFT, ".... ..#. .##.")
    derived = run(stack, visible=visible, front=[(1, 0)])
    assert derived.order.tolist() == [0, 1] and (derived.num_by_visible, derived.num_undetermined) == (0, 0)
    assert run(stack, front=[(0, 1)]).order.tolist() == [1, 0]


def test_then_the_one_that_is_seen_in_the_overlap_is_nearer():
    derived = run(drawn(LEFT, LOW), visible=drawn(LEFT, ".... ..#. .##."))
    assert derived.order.tolist() == [1, 0] and derived.num_by_visible == 1 and derived.num_undetermined == 0
    assert to_pixels(derived.spans)[2:4].tolist() == drawn(".... ..#. .##.", LEFT).tolist()


def test_where_others_have_a_visible_mask_one_without_is_wholly_visible():
    visible = np.stack([drawn(".... ..#. .##.")[0], np.zeros((3, 4), bool)])  # the first is occluded, the second has no mask
    derived = run(drawn(LOW, LEFT), visible=visible)
    assert derived.order.tolist() == [0, 1] and derived.num_by_visible == 1


def test_then_the_one_that_reaches_lower_and_of_two_the_later():
    derived = run(drawn(LOW, LEFT))
    assert derived.order.tolist() == [1, 0] and derived.num_undetermined == 1
    assert run(drawn(LEFT, RIGHT)).order.tolist() == run(drawn(RIGHT, LEFT)).order.tolist() == [0, 1]


def test_an_order_both_ways_is_as_good_as_none():
    assert run(drawn(LOW, LEFT), front=[(0, 1), (1, 0)]).num_undetermined == 1


def test_a_circle_is_broken_at_the_least_sure_pair_and_then_at_the_smallest_overlap():
    stack = drawn("###.. ##### .....", "..### ..### ....#", ".#### ..... .....")  # overlaps: 0-1 four pixels, 0-2 two, 1-2 three
    overlap = stack.reshape(3, -1).astype(int) @ stack.reshape(3, -1).T.astype(int)
    assert (overlap[0, 1], overlap[0, 2], overlap[1, 2]) == (4, 2, 3)
    derived = run(stack, front=[(1, 0), (2, 1), (0, 2)])  # 0 behind 1 behind 2 behind 0
    assert derived.order.tolist() == [0, 1, 2] and derived.num_cycles == 1
    unsure = run(stack, front=[(2, 1), (0, 2)])  # rule (c) has 1 in front of 0, with the largest overlap, and closes the circle
    assert unsure.order.tolist() == [1, 2, 0] and unsure.num_cycles == 1 and unsure.num_undetermined == 1


def test_a_hidden_instance_is_left_out_and_the_rest_is_as_without_it():
    stack = drawn("#.. ... ...", "##. ##. ...", ".## .## ...")
    derived, without = run(stack, rank=[0, 1, 2], front=[(1, 0), (2, 1)]), run(stack[1:], rank=[0, 1])
    assert derived.hidden == (0,) and derived.order.tolist() == [1, 2]
    assert to_pixels(derived.spans).tolist() == to_pixels(without.spans).tolist()


def test_a_visible_mask_is_cut_to_its_amodal_mask():
    derived = run(drawn(LEFT), visible=drawn("#### .... ####"))
    assert derived.trimmed == (0,)
    assert to_pixels(derived.spans)[1].tolist() == drawn("##.. .... ....")[0].tolist()


def test_more_instances_than_an_instance_map_has_bits():
    stack = np.zeros((80, 1, 81), bool)
    for i in range(80):
        stack[i, 0, i : i + 2] = True
    derived = run(stack, rank=list(range(80)), front=[(i + 1, i) for i in range(79)])
    assert derived.order.tolist() == list(range(80)) and derived.layer_order.tolist() == list(range(79, -1, -1))


def test_no_instance():
    derived = run(np.zeros((0, 3, 4), bool))
    assert len(derived) == 0 and derived.layer_order.shape == (0,) and len(derived.spans.split) == 1


@given(amodal_masks(), st.data())
@settings(deadline=None, max_examples=60)
def test_a_painted_scene_comes_back_from_its_masks_and_pairs(stack, data):
    """From the amodal masks in any order, and the pairs that occlude each other, all of `Annotation` follows."""
    annotation = Annotation.from_masks(np.arange(1, len(stack) + 1), stack)
    seen = annotation.visible_area > 0
    stack = stack[seen]
    annotation = Annotation.from_masks(np.arange(1, len(stack) + 1), stack)
    shuffled = np.array(data.draw(st.permutations(range(len(stack)))), int)
    place = np.argsort(shuffled)
    pairs = [(place[j], place[i]) for i, j in zip(*np.nonzero(annotation.occlusion_order))]
    derived = run(stack[shuffled], front=pairs, rank=shuffled.tolist())
    assert shuffled[derived.order].tolist() == list(range(len(stack)))
    assert (derived.num_by_visible, derived.num_undetermined, derived.num_cycles, derived.hidden) == (0, 0, 0, ())
    assert np.array_equal(
        to_pixels(derived.spans), np.concatenate([annotation.amodal_mask, annotation.visible_mask, annotation.invisible_mask])
    )
    for name in ("occlusion_order", "direct_occlusion", "layer_order", "amodal_area", "visible_area"):
        assert np.array_equal(getattr(derived, name), getattr(annotation, name)), name
    by_sight = run(stack[shuffled], visible=annotation.visible_mask[shuffled])
    direct = {(shuffled[by_sight.order[i]], shuffled[by_sight.order[j]]) for i, j in zip(*np.nonzero(by_sight.direct_occlusion))}
    assert direct == set(zip(*np.nonzero(annotation.direct_occlusion)))


@given(amodal_masks(max_instances=6), st.data())
@settings(deadline=None, max_examples=60)
def test_any_order_gives_a_sound_annotation(stack, data):
    stack = stack[stack.any(axis=(1, 2))]
    pairs = hnp.arrays(bool, (len(stack), len(stack)))
    derived = run(stack, front=list(zip(*np.nonzero(data.draw(pairs)))))
    amodal, visible, invisible = np.split(to_pixels(derived.spans), 3) if len(derived) else [stack] * 3
    assert np.array_equal(amodal, stack[derived.order]) and visible.any(axis=(1, 2)).all()
    assert sorted([*derived.order.tolist(), *derived.hidden]) == list(range(len(stack)))
    assert (visible.sum(axis=0) <= 1).all() and np.array_equal(visible ^ invisible, amodal) and not (visible & invisible).any()
    assert np.array_equal(visible.any(axis=0), stack.any(axis=0)) if len(derived) else not len(stack)
    assert np.array_equal(derived.layer_order, layer_order(derived.occlusion_order))


def test_what_lies_within_another_is_not_hidden_by_a_guess():
    """A small object on a large one that reaches lower, as things on a shelf do."""
    large, small = np.zeros((12, 12), bool), np.zeros((12, 12), bool)
    large[2:12, 1:11], small[4:7, 4:7] = True, True
    for masks_, nearest in (((large, small), 1), ((small, large), 0)):
        found = derive(np.ones(2, np.int64), to_spans(np.stack(masks_)))
        assert found.order.tolist()[-1] == nearest and found.hidden == () and found.num_undetermined == 1
    twins = derive(np.ones(2, np.int64), to_spans(np.stack([small, small])))  # each within the other: the later one stays
    assert twins.order.tolist() == [1] and twins.hidden == (0,)
