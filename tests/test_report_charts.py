"""Charts: marks as long as their values, inside the frame, and the same values in words and in the table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amodalsynth.report.charts import Curve, bar_chart, heat_map, line_chart, nice_ticks


@given(st.just(0) | st.floats(1e-6, 1e12))
def test_ticks_reach_the_highest_value_in_few_even_steps(highest):
    ticks = nice_ticks(highest)
    assert ticks[0] == 0 and ticks[-1] >= highest * (1 - 1e-9) and 2 <= len(ticks) <= 7
    np.testing.assert_allclose(np.diff(ticks), ticks[1], rtol=1e-9)


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=30), st.booleans())
def test_bars_are_as_tall_as_their_counts(counts, as_shares):
    series = {"ours": {f"label {i}": count for i, count in enumerate(counts)}, "theirs": {"label 0": 3}}
    chart = bar_chart(
        "key", "Title", "label", series, labels=[f"label {i}" for i in range(len(counts))], what="things", as_shares=as_shares
    )
    left, top, right, bottom = chart.frame
    ours = [bar for bar in chart.marks if bar.series == 0]
    assert len(ours) == len(counts) and len(chart.x_ticks) == len(counts)
    for bar in chart.marks:
        assert (
            left <= bar.x
            and bar.x + bar.width <= right + 0.1
            and top - 0.1 <= bar.y
            and bar.y + bar.height == pytest.approx(bottom, abs=0.02)
        )
    if max(counts):
        heights = np.array([bar.height for bar in ours])
        np.testing.assert_allclose(heights / heights.max(), np.array(counts) / max(counts), atol=0.01)
    for row, count in zip(chart.table[1:], counts):
        assert row[1] == f"{count:,}"


def test_bars_of_one_series_say_counts_and_shares():
    chart = bar_chart("key", "Title", "layer", {"set": {"0": 3, "1": 1}}, labels=["0", "1"], what="instances")
    assert [bar.label for bar in chart.marks] == ["0: 3 instances (75.0%)", "1: 1 instances (25.0%)"]
    assert chart.table == (("layer", "instances", "%"), ("0", "3", "75.0"), ("1", "1", "25.0"))
    assert bar_chart("key", "Title", "layer", {"set": {}}, labels=[], what="instances").marks == ()


def test_a_heat_map_has_a_cell_for_each_count_and_sixteen_numbers_to_read():
    counts = np.zeros((24, 24), np.int64)
    counts[0, 0], counts[23, 12] = 4, 1
    for upwards in (False, True):
        chart = heat_map("key", "Title", counts, x_title="width", y_title="height", what="boxes", upwards=upwards)
        first, second = chart.marks
        assert first.heat == 1 and 0 < second.heat < first.heat
        assert (first.y > second.y) == upwards
        assert chart.table[1][1] == "4" and chart.table[4][3] == "1" and sum(int(cell) for row in chart.table[1:] for cell in row[1:]) == 5


def test_curves_end_where_their_values_do():
    falling = np.linspace(1, 0, 101)
    chart = line_chart(
        "key",
        "Title",
        [Curve("ours", falling), Curve("each", falling / 2, style="faint")],
        x_title="recall",
        y_title="precision",
        faint="all of them",
    )
    left, top, right, bottom = chart.frame
    faint, ours = chart.marks  # the fainter below
    points = [tuple(map(float, pair.split(","))) for pair in ours.points.split()]
    assert points[0] == (left, top) and points[-1] == (right, bottom) and len(points) == 101
    assert chart.table[1] == ("0", "1.000", "0.500") and chart.table[-1] == ("1", "0.000", "0.000")
    assert faint.style == "faint" and [entry.name for entry in chart.legend] == ["ours", "all of them"]


def test_series_keep_their_colour_and_name_where_one_is_not_recorded():
    series = {"ours": None, "theirs": {"0": 3, "2": 1}}
    chart = bar_chart("key", "Title", "layer", series, labels=["0", "1", "2"], what="instances", as_shares=True)
    assert {bar.series for bar in chart.marks} == {1} and len(chart.marks) == 3
    assert [entry.name for entry in chart.legend] == ["ours (not recorded)", "theirs"]
    assert chart.table == (
        ("layer", "ours", "%", "theirs", "%"),
        ("0", "-", "-", "3", "75.0"),
        ("1", "-", "-", "0", "0.0"),
        ("2", "-", "-", "1", "25.0"),
    )


def test_counts_have_whole_ticks_and_one_unit_an_axis():
    few = bar_chart("key", "Title", "layer", {"set": {"0": 1}}, labels=["0"], what="images")
    assert [tick.text for tick in few.y_ticks] == ["0", "1"]
    many = bar_chart("key", "Title", "layer", {"set": {"0": 25_000}}, labels=["0"], what="images")
    assert [tick.text for tick in many.y_ticks] == ["0", "5k", "10k", "15k", "20k", "25k"]
