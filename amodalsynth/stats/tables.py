"""The tables of `stats` as rows of text: the paper's Tables 1 and 2 and Figure 4 beside the same of a data set, and what else was counted."""

from __future__ import annotations

from dataclasses import dataclass

from amodalsynth.stats.counts import SplitStatistics, Statistics, ratio
from amodalsynth.stats.paper import PAPER_SPLITS, PAPER_TABLE_1, PAPER_TABLE_2

_NOT_RECORDED = "not recorded"

_Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A table. title: what it is. note: a sentence, or why there is no table. rows: the heading and the lines, all of one length; the last
    `num_paper_rows` are the paper's."""

    title: str
    note: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    num_paper_rows: int = 0


def sections(stats: Statistics) -> tuple[Section, ...]:
    """All tables, with the paper's numbers beside those of `stats`; rows and columns in brackets are the paper's."""
    parts = stats.splits if len(stats.splits) == 1 else {**stats.splits, "total": stats.total}
    table_1 = _table_1(stats, parts)
    return (
        Section(f"Statistics of {stats.name or 'this data set'}", "Rows and columns in brackets are the paper's."),
        Section(
            "Table 1. Occlusion; the mean rate is over all instances, as the paper's 30.6 %, then over the occluded",
            rows=table_1,
            num_paper_rows=len(table_1) - 1 - len(parts),
        ),
        Section("Table 2. Categories: instances and their share", rows=_table_2(stats, parts)),
        _counts_section(
            "Figure 4. Layers: instances and their share (the paper prints no numbers)", "layer", parts, "layers", "num_instances"
        ),
        _counts_section("Instances in an image: images and their share", "instances", parts, "histogram", "num_images"),
        Section("Pairs (i is occluded by j): j covers a part of i itself (direct), or only behind others (indirect)", rows=_pairs(parts)),
        Section("Object size: amodal area in pixels; small is below 32 x 32, medium below 96 x 96, as in COCO", rows=_sizes(parts)),
    )


def format_stats(stats: Statistics) -> str:
    """The `sections` as text."""
    return "\n\n".join("\n".join(_lines(section)) for section in sections(stats)) + "\n"


def _lines(section: Section) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*section.rows, strict=True)]
    cells = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in section.rows]
    return [section.title, *([section.note] if section.note else []), *(f"  {'  '.join(line)}".rstrip() for line in cells)]


def _table_1(stats: Statistics, parts: dict[str, SplitStatistics]) -> _Rows:
    rows = [["", "images", "instances", "per image", "occluded", "occluded %", "mean rate %", "of occluded %"]]
    for name, part in parts.items():
        rate = ["-" if part.num_instances == 0 else _NOT_RECORDED] * 4
        if part.num_occluded is not None and part.num_instances:
            rate = [f"{part.num_occluded:,}", _percent(part.occluded_share), _percent(part.mean_rate), _percent(part.mean_rate_occluded)]
        rows.append([name, f"{part.num_images:,}", f"{part.num_instances:,}", _decimal(part.instances_per_image), *rate])
    for name, (images, instances, occluded, rate) in {**PAPER_SPLITS.get(stats.name or "", {}), **PAPER_TABLE_1}.items():
        known = ["-"] * 3 if occluded is None else [f"{occluded:,}", _percent(occluded / instances), f"{rate:.1f}"]
        rows.append([f"[{name}]", f"{images:,}", f"{instances:,}", _decimal(instances / images), *known, "-"])
    return tuple(map(tuple, rows))


def _table_2(stats: Statistics, parts: dict[str, SplitStatistics]) -> _Rows:
    paper = PAPER_TABLE_2 if stats.name == "intra-afruit" else {}
    rows = [["category", *parts, "share %", *(["[train]", "[test]", "[share %]"] if paper else [])]]
    for category, count in stats.total.categories.items():
        counts = [f"{part.categories.get(category, 0):,}" for part in parts.values()]
        row = [category, *counts, _percent(ratio(count, stats.total.num_instances), 2)]
        if paper:
            train, test, share = paper.get(category, (None, None, None))
            row += ["-"] * 3 if share is None else [f"{train:,}", f"{test:,}", f"{share:.2f}"]
        rows.append(row)
    return tuple(map(tuple, rows))


def _counts_section(title: str, heading: str, parts: dict[str, SplitStatistics], counts: str, whole: str) -> Section:
    keys = sorted({key for part in parts.values() for key in getattr(part, counts) or ()})
    if not keys:
        return Section(title, _NOT_RECORDED)
    rows = [(heading, *(text for name in parts for text in (name, "%")))]
    for key in keys:
        row = [str(key)]
        for part in parts.values():
            count = None if getattr(part, counts) is None else getattr(part, counts).get(key, 0)
            row += [_NOT_RECORDED, "-"] if count is None else [f"{count:,}", _percent(ratio(count, getattr(part, whole)))]
        rows.append(tuple(row))
    return Section(title, rows=tuple(rows))


def _pairs(parts: dict[str, SplitStatistics]) -> _Rows:
    rows = [["", "pairs", "direct", "indirect"]]
    for name, part in parts.items():
        counts = (part.num_pairs, part.num_direct_pairs, part.num_indirect_pairs)
        rows.append([name, *(_NOT_RECORDED if count is None else f"{count:,}" for count in counts)])
    return tuple(map(tuple, rows))


def _sizes(parts: dict[str, SplitStatistics]) -> _Rows:
    sizes = next(iter(parts.values())).sizes
    rows = [["", "mean", "smallest", "largest", *(f"{size} %" for size in sizes)]]
    for name, part in parts.items():
        areas = ["-" if area is None else f"{area:,.0f}" for area in (part.mean_area, part.min_area, part.max_area)]
        rows.append([name, *areas, *(_percent(ratio(part.sizes[size], sum(part.sizes.values()))) for size in sizes)])
    return tuple(map(tuple, rows))


def _percent(fraction: float | None, digits: int = 1) -> str:
    return "-" if fraction is None else f"{100 * fraction:.{digits}f}"


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
