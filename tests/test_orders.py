"""Orders: eq. 1 and eq. 2 against literal cases and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings

from amodalsynth import masks, orders
from tests.strategies import amodal_masks


def test_direct_and_indirect_occlusion():
    # A stack of three: the middle one hides the place where the nearest overlaps the farthest.
    far, middle, near = np.zeros((3, 6, 6), bool)
    far[1:5, 1:3] = middle[1:5, 2:5] = near[1:5, 3:6] = True
    near[2, 2] = True
    scanned = masks.scan(masks.pack_masks(np.stack([far, middle, near])), 3)
    assert orders.occlusion_order(scanned.overlap_area).tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    assert orders.direct_occlusion(scanned.seen_area).tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    hidden_overlap = np.stack([far, near, middle])  # now the middle one is in front and hides the overlap of the others
    scanned = masks.scan(masks.pack_masks(hidden_overlap), 3)
    assert orders.occlusion_order(scanned.overlap_area)[0].tolist() == [False, True, True]
    assert orders.direct_occlusion(scanned.seen_area)[0].tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("pairs", "layers"),
    [
        ((), [0, 0, 0, 0]),
        (((0, 1), (1, 2), (2, 3)), [3, 2, 1, 0]),  # a chain
        (((0, 3), (1, 3), (2, 3)), [1, 1, 1, 0]),  # one in front of all
        (((0, 1), (0, 2), (1, 2)), [2, 1, 0, 0]),  # a stack, and one alone
    ],
)
def test_literal_layers(pairs, layers):
    order = np.zeros((4, 4), bool)
    for i, j in pairs:
        order[i, j] = True
    assert orders.layer_order(order).tolist() == layers


def test_an_order_that_is_not_by_distance_is_refused():
    with pytest.raises(ValueError, match="upper triangular"):
        orders.layer_order(np.array([[False, False], [True, False]]))


@settings(deadline=None, max_examples=200)
@given(amodal_masks())
def test_layers_equal_a_brute_force_of_eq_2(amodal):
    scanned = masks.scan(masks.pack_masks(amodal), len(amodal))
    order = orders.occlusion_order(scanned.overlap_area)

    def depth(i: int) -> int:
        occluders = [j for j in range(len(amodal)) if j > i and (amodal[i] & amodal[j]).any()]
        return 0 if not occluders else 1 + max(map(depth, occluders))

    layers = orders.layer_order(order)
    assert layers.tolist() == [depth(i) for i in range(len(amodal))]
    assert ((layers == 0) == ~order.any(axis=1)).all()
    assert (orders.direct_occlusion(scanned.seen_area) <= order).all()
