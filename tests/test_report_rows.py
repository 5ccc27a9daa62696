"""Which images a report shows, and the columns that the gallery filters."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.report.rows import choose_rows, merge_categories


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 60), st.integers(0, 2), st.integers(0, 3), st.data())
def test_rows_are_distinct_ascending_and_as_many_as_fit(count, max_images, num_models, seed, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    faulty = rng.random(count) < 0.2
    quality = [np.where(rng.random(count) < 0.1, np.nan, 100 * rng.random(count)) for _ in range(num_models)]
    rows = choose_rows(faulty, quality, max_images, seed)
    assert len(rows) == min(count, max_images) and (np.diff(rows) > 0).all()
    assert set(rows.tolist()) <= set(range(count))
    np.testing.assert_array_equal(rows, choose_rows(faulty, quality, max_images, seed))


def test_faulty_images_and_the_worst_come_first_and_the_seed_decides_the_others():
    faulty = np.arange(1000) % 250 == 7  # four of them
    quality = np.linspace(100, 0, 1000)
    quality[-1] = np.nan
    rows = choose_rows(faulty, [quality], 30, seed=0)
    assert {7, 257, 507, 757} <= set(rows.tolist())
    assert set(range(989, 999)) <= set(rows.tolist()) and 999 not in set(rows.tolist()) - set(choose_rows(faulty, [], 30, 0).tolist())
    assert set(rows.tolist()) != set(choose_rows(faulty, [quality], 30, seed=1).tolist())


def test_no_more_than_a_third_is_there_for_its_faults():
    faulty = np.arange(900) < 500
    rows = choose_rows(faulty, [], 90, seed=0)
    assert 30 <= faulty[rows].sum() < 90 and (~faulty[rows]).sum() > 10


def test_categories_of_several_parts_are_merged_by_name():
    names, places = merge_categories([["plum", "lime"], ["lime", "pear"], []])
    assert names == ["plum", "lime", "pear"]
    assert [place.tolist() for place in places] == [[0, 1], [1, 2], []]
