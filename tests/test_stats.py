"""Statistics equal a brute force over dense masks, and say so where a file does not record something."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from amodalsynth.errors import DataError
from amodalsynth.stats import SplitStatistics, Statistics, Tally, add_up, compute_stats, format_stats, read_stats, sections

NAMES = {1: "Golden", 2: "Pear", 3: "Carrot"}
SIDE = 128


def compressed(mask: np.ndarray) -> dict[str, Any]:
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": code["counts"].decode()}


def drawn_split(seed: int, num_images: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A COCO file with our keys, of discs painted one over the other, and its statistics by brute force."""
    rng = np.random.default_rng(seed)
    images, annotations, rates, areas, layers, counts, categories = [], [], [], [], [], [], []
    num_pairs = num_direct = 0
    y, x = np.mgrid[:SIDE, :SIDE]
    for image_id in range(1, num_images + 1):
        images.append({"id": image_id, "width": SIDE, "height": SIDE})
        count = int(rng.integers(0, 5))
        masks = [np.hypot(x - rng.uniform(20, 100), y - rng.uniform(20, 100)) < rng.uniform(10, 60) for _ in range(count)]
        visible = [mask & ~np.any(masks[i + 1 :], axis=0) if i + 1 < count else mask for i, mask in enumerate(masks)]
        by = [[j for j in range(i + 1, count) if (masks[i] & masks[j]).any()] for i in range(count)]
        direct = [[j for j in by[i] if (masks[i] & visible[j]).any()] for i in range(count)]
        layer = [0] * count
        for i in reversed(range(count)):
            layer[i] = 1 + max(layer[j] for j in by[i]) if by[i] else 0  # eq. 2
        first = len(annotations) + 1
        for i in range(count):
            rate = 1 - visible[i].sum() / masks[i].sum()
            category = int(rng.integers(1, 3))
            annotations.append(
                {
                    "id": first + i,
                    "image_id": image_id,
                    "category_id": category,
                    "segmentation": compressed(masks[i]),
                    "visible_mask": compressed(visible[i]),
                    "area": int(masks[i].sum()),
                    "occlude_rate": float(rate),
                    "occluded_by": [first + j for j in by[i]],
                    "directly_occluded_by": [first + j for j in direct[i]],
                    "layer": layer[i],
                }
            )
            rates.append(rate)
            areas.append(int(masks[i].sum()))
            categories.append(NAMES[category])
        layers += layer
        counts.append(count)
        num_pairs += sum(map(len, by))
        num_direct += sum(map(len, direct))
    rates = np.array(rates)
    want = {
        "num_images": num_images,
        "num_instances": len(rates),
        "instances_per_image": len(rates) / num_images,
        "instances_per_image_histogram": {str(n): counts.count(n) for n in sorted(set(counts))},
        "num_occluded_instances": int((rates > 0).sum()),
        "occluded_share": (rates > 0).mean(),
        "mean_occlusion_rate": rates.mean(),
        "mean_occlusion_rate_of_occluded": rates[rates > 0].mean(),
        "categories": {
            name: {"num_instances": categories.count(name), "ratio": categories.count(name) / len(rates)} for name in NAMES.values()
        },
        "layers": {str(n): layers.count(n) for n in sorted(set(layers))},
        "num_occlusion_pairs": num_pairs,
        "num_direct_pairs": num_direct,
        "num_indirect_pairs": num_pairs - num_direct,
        "amodal_area": {
            "mean": np.mean(areas),
            "min": min(areas),
            "max": max(areas),
            "small": sum(area < 32**2 for area in areas),
            "medium": sum(32**2 <= area < 96**2 for area in areas),
            "large": sum(area >= 96**2 for area in areas),
        },
    }
    return {"images": images, "annotations": annotations, "categories": [{"id": i, "name": name} for i, name in NAMES.items()]}, want


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, for comparison."""
    if not isinstance(value, dict):
        return {name: value}
    return {path: item for key, inner in value.items() for path, item in flat(inner, f"{name}/{key}").items()}


def write(path: Path, document: dict[str, Any]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def without(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    return document | {"annotations": [{k: v for k, v in a.items() if k not in keys} for a in document["annotations"]]}


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=10)
def test_statistics_equal_brute_force(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    document, want = drawn_split(seed, 12)
    path = write(tmp_path_factory.mktemp("stats") / "a.json", document)
    got = compute_stats({"train": path}, name="x").to_json()
    assert flat(got["splits"]["train"]) == pytest.approx(flat(want))
    assert got["total"] == got["splits"]["train"]
    assert json.loads(json.dumps(got)) == got


def test_rates_and_areas_follow_from_the_masks_where_they_are_not_recorded(tmp_path: Path) -> None:
    document, want = drawn_split(5, 12)
    bare = without(document, "occlude_rate", "area", "layer", "directly_occluded_by")
    got = compute_stats({"train": write(tmp_path / "a.json", bare)})
    absent = {"layers": None, "num_direct_pairs": None, "num_indirect_pairs": None}
    assert flat(got.to_json()["total"]) == pytest.approx(flat(want | absent))
    assert "not recorded" in format_stats(got)
    renamed = without(bare, "visible_mask", "segmentation")
    for annotation, source in zip(renamed["annotations"], document["annotations"], strict=True):
        annotation |= {"a_segm": source["segmentation"], "i_segm": source["visible_mask"]}
    assert compute_stats({"train": write(tmp_path / "a.json", renamed)}) == got
    uoais = without(bare, "visible_mask")
    for annotation, source in zip(uoais["annotations"], document["annotations"], strict=True):
        annotation["occluded_rate"] = source["occlude_rate"]
    assert compute_stats({"train": write(tmp_path / "a.json", uoais)}).total.num_occluded == got.total.num_occluded


def test_what_cannot_be_derived_is_not_recorded(tmp_path: Path) -> None:
    document, want = drawn_split(6, 12)
    bare = without(document, "occlude_rate", "visible_mask", "layer", "occluded_by", "directly_occluded_by")
    bare["annotations"][0]["occlude_rate"] = 0.5  # one that says more than the others
    stats = compute_stats({"train": write(tmp_path / "a.json", bare)})
    got = stats.to_json()["total"]
    unknown = ["num_occluded_instances", "occluded_share", "mean_occlusion_rate", "mean_occlusion_rate_of_occluded"]
    unknown += ["layers", "num_occlusion_pairs", "num_direct_pairs", "num_indirect_pairs"]
    assert [key for key, value in got.items() if value is None] == sorted(unknown, key=list(got).index)
    assert flat(got) == pytest.approx(flat(want | dict.fromkeys(unknown)))
    text = format_stats(stats)
    table, layers = (text[text.index(title) :].split("\n\n")[0] for title in ("Table 1", "Figure 4"))
    assert table.count("not recorded") == 4
    assert layers.splitlines()[1:] == ["not recorded"]


def test_splits_add_up(tmp_path: Path) -> None:
    paths, splits = {}, {}
    for seed, split in enumerate(("train", "val", "test")):
        document, splits[split] = drawn_split(seed, 5 + seed)
        paths[split] = write(tmp_path / f"{split}.json", document)
    calls = []
    stats = compute_stats(paths, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(k + 1, n) for n in (5, 6, 7) for k in range(n)]
    total = stats.to_json()["total"]
    for key in ("num_images", "num_instances", "num_occluded_instances", "num_occlusion_pairs", "num_direct_pairs"):
        assert total[key] == sum(split[key] for split in splits.values())
    assert sum(total["layers"].values()) == total["num_instances"] == sum(c["num_instances"] for c in total["categories"].values())
    assert list(total["layers"]) == sorted(total["layers"])
    rates = sum(split["mean_occlusion_rate"] * split["num_instances"] for split in splits.values())
    assert total["mean_occlusion_rate"] == pytest.approx(rates / total["num_instances"])
    assert total["mean_occlusion_rate_of_occluded"] == pytest.approx(rates / total["num_occluded_instances"])
    assert total["amodal_area"]["max"] == max(split["amodal_area"]["max"] for split in splits.values())
    headings = format_stats(stats).split("Table 2")[1].splitlines()[1].split()
    assert headings == ["category", "train", "val", "test", "total", "share", "%"]


def row(text: str, name: str) -> list[str]:
    """The cells of the first row of that name."""
    line = next(line.strip() for line in text.splitlines() if line.startswith(f"  {name}  "))
    return line.removeprefix(name).split()


def test_the_papers_numbers_stand_beside(tmp_path: Path) -> None:
    document, want = drawn_split(8, 10)
    write(tmp_path / "annotations" / "instances_train.json", document)
    write(tmp_path / "dataset.json", {"preset": {"name": "intra-afruit"}})
    stats = read_stats(tmp_path)
    assert (stats.name, list(stats.splits)) == ("intra-afruit", ["train"])
    text = format_stats(stats)
    assert row(text, "train")[:3] == ["10", str(want["num_instances"]), f"{want['instances_per_image']:.3f}"]
    assert row(text, "[Intra-AFruit, train]")[:3] == ["210,000", "675,115", "3.215"]
    assert row(text, "[Intra-AFruit, train + test]") == ["255,000", "819,856", "3.215", "521,772", "63.6", "30.6", "-"]
    assert row(text, "[KINS]") == ["14,991", "190,626", "12.716", "99,964", "52.4", "19.8", "-"]
    golden = want["categories"]["Golden"]
    assert row(text, "Golden") == [str(golden["num_instances"]), f"{100 * golden['ratio']:.2f}", "69,195", "14,847", "10.25"]
    for name, line in (("acom", ["10,000", "36,276", "3.628"]), ("inter-amix", ["8,067", "26,508", "3.286"])):
        title = {"acom": "[ACom, train]", "inter-amix": "[Inter-AMix, test]"}[name]
        assert row(format_stats(compute_stats({"train": tmp_path / "annotations" / "instances_train.json"}, name=name)), title)[:3] == line


def test_a_data_set_without_a_name_and_without_instances(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", {"images": [{"id": 1}], "annotations": [], "categories": []})
    stats = read_stats(path)
    assert (stats.name, stats.total.num_instances, stats.total.mean_rate, stats.total.min_area) == (None, 0, None, None)
    assert row(format_stats(stats), "a")[:3] == ["1", "0", "0.000"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category_id": 9}, r"category_id out of \[1, 2, 3\], got 9"),
        ({"category_id": [1]}, r"category_id out of \[1, 2, 3\], got \[1\]"),
        ({"occlude_rate": 1.5}, "occlusion rate from 0 to 1, got 1.5"),
        ({"occlude_rate": "0.5"}, "a number from 0 under 'occlude_rate', got 0.5"),
        ({"area": -1}, "a number from 0 under 'area', got -1"),
        ({"layer": -1}, "an integer from 0 under 'layer', got -1"),
        ({"layer": 0.5}, "an integer from 0 under 'layer', got 0.5"),
        ({"occluded_by": 3}, "a list of annotation ids under 'occluded_by', got 3"),
    ],
)
def test_faults_name_the_annotation(tmp_path: Path, change: dict, message: str) -> None:
    document, _ = drawn_split(5, 6)
    document["annotations"][2] |= change
    with pytest.raises(DataError, match=rf"a\.json: annotation 3: expected .*{message}"):
        compute_stats({"train": write(tmp_path / "a.json", document)})


def test_other_faults(tmp_path: Path) -> None:
    document, _ = drawn_split(5, 6)
    folder = tmp_path / "annotations"
    write(folder / "instances_train.json", document)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(DataError, match=r"dataset\.json: expected JSON with preset\.name"):
        read_stats(tmp_path)
    for categories in ([{"id": 1}], [1], {"id": 1}, None):
        with pytest.raises(DataError, match="categories with an integer id and a name"):
            compute_stats({"train": write(tmp_path / "a.json", document | {"categories": categories})})
    empty = without(document, "occlude_rate")
    empty["annotations"][1]["segmentation"] = compressed(np.zeros((SIDE, SIDE), bool))
    with pytest.raises(DataError, match=r"annotation 2: .* an empty one"):
        compute_stats({"train": write(tmp_path / "a.json", empty)})


def test_numbers_of_the_paper_are_those_of_its_text() -> None:
    from amodalsynth.stats import paper

    train, test = (sum(row[i] for row in paper.PAPER_TABLE_2.values()) for i in (0, 1))
    images, instances, occluded, _ = paper.PAPER_TABLE_1["Intra-AFruit, train + test"]
    splits = paper.PAPER_SPLITS["intra-afruit"]
    assert (train, test) == (splits["Intra-AFruit, train"][1], splits["Intra-AFruit, test"][1]) == (675_115, 144_741)
    assert (images, instances) == (255_000, train + test)
    assert math.isclose(occluded / instances, 0.636, abs_tol=5e-4)
    for name, (in_train, in_test, ratio) in paper.PAPER_TABLE_2.items():
        assert math.isclose(100 * (in_train + in_test) / instances, ratio, abs_tol=0.0051), name


TEXT = """Statistics of x
Rows and columns in brackets are the paper's.

Table 1. Occlusion; the mean rate is over all instances, as the paper's 30.6 %, then over the occluded
                                 images  instances  per image  occluded  occluded %  mean rate %  of occluded %
  train                               2          2      1.000         1        50.0         12.5           25.0
  [Intra-AFruit, train + test]  255,000    819,856      3.215   521,772        63.6         30.6              -
  [COCOA]                         5,073     46,314      9.130    28,106        60.7         18.8              -
  [D2SA]                          5,600     28,720      5.129    16,337        56.9         15.0              -
  [KINS]                         14,991    190,626     12.716    99,964        52.4         19.8              -

Table 2. Categories: instances and their share
  category  train  share %
  Pear          1    50.00
  Plum          0     0.00

Figure 4. Layers: instances and their share (the paper prints no numbers)
  layer  train     %
  0          1  50.0
  1          1  50.0

Instances in an image: images and their share
  instances  train     %
  0              1  50.0
  2              1  50.0

Pairs (i is occluded by j): j covers a part of i itself (direct), or only behind others (indirect)
         pairs        direct      indirect
  train      1  not recorded  not recorded

Object size: amodal area in pixels; small is below 32 x 32, medium below 96 x 96, as in COCO
          mean  smallest  largest  small %  medium %  large %
  train  5,005        10   10,000     50.0       0.0     50.0
"""


def one_split() -> SplitStatistics:
    tally = Tally(["Pear", "Plum"])
    tally.add_image(["Pear", None], [10, 10_000], rates=[0.25, 0.0], layers=[1, 0], num_pairs=1, num_direct_pairs=None)
    tally.add_image([], [], rates=None, layers=None, num_pairs=None, num_direct_pairs=None)
    return tally.finish()


def test_the_text_to_the_letter() -> None:
    split = one_split()
    stats = Statistics("x", {"train": split}, add_up([split]))
    assert format_stats(stats) == TEXT
    tables = sections(stats)
    assert [len(table.rows) for table in tables] == [0, 6, 3, 3, 3, 2, 2]
    assert all(len(row) == len(table.rows[0]) for table in tables for row in table.rows)


def test_a_part_that_is_not_known_is_not_recorded_or_left_out() -> None:
    tally = Tally(["Pear"])
    tally.add_image(["Pear"] * 3, [10, 20], rates=[0.5, 0.0], layers=[0], num_pairs=0, num_direct_pairs=0)
    tally.add_image(["Pear"], [], rates=None, layers=None, num_pairs=None, num_direct_pairs=None)
    strict, lenient = tally.finish(), tally.finish(partial=True)
    assert (strict.num_rated, strict.sum_rate, strict.mean_rate, strict.layers, strict.num_pairs, strict.num_direct_pairs) == (None,) * 6
    assert (lenient.num_rated, lenient.mean_rate, lenient.occluded_share, lenient.mean_rate_occluded) == (2, 0.25, 0.5, 0.5)
    assert (lenient.layers, lenient.num_pairs, lenient.mean_area, lenient.num_instances) == ({0: 1}, 0, 15, 4)
    assert add_up([lenient, strict]).mean_rate is None and add_up([lenient, lenient]).num_rated == 4
    nothing = Tally([])
    nothing.add_image([None], [], rates=None, layers=None, num_pairs=None, num_direct_pairs=None)
    assert nothing.finish(partial=True).num_rated is None and nothing.finish(partial=True).min_area is None
