"""The judge of annotations: every kind of fault is found where it is, and nothing else; sound files have none; mended copies are sound."""

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from amodalsynth import masks
from amodalsynth.annotation import Annotation
from amodalsynth.errors import DataError
from amodalsynth.exporters.base import ExportOptions
from amodalsynth.exporters.driver import export_dataset
from amodalsynth.generate import generate_dataset
from amodalsynth.importers import open_source
from amodalsynth.importers.source import Faults, SourceImage, SourceInstance
from amodalsynth.validate import KINDS, find_splits, mend_dataset, validate_source
from amodalsynth.validate.pairs import find_cycle, layer_order, overlap_areas
from tests.conftest import REPOSITORY, SHARED
from tests.strategies import SMALL, DrawnPool, amodal_masks

PRESET = replace(SMALL, name="drawn", image_size=(64, 64), foregrounds="folder", backgrounds="folder", categories=())


@dataclass
class Images:
    """A source of images that a test writes down."""

    of: list[SourceImage]
    format: str = "coco"
    images: Path | None = None
    path: Path = Path("file.json")
    categories: dict = field(default_factory=lambda: {1: "plum"})
    faults: Faults = field(default_factory=Faults)

    def __len__(self):
        return len(self.of)

    def __iter__(self):
        return iter(self.of)


def found(source):
    """Kind -> count, of the kinds that were found."""
    return {kind: count for kind, count in validate_source(source).counts.items() if count}


def code(*rows):
    """The run-length code of a mask drawn as rows of "#" and "."."""
    mask = np.array([[pixel == "#" for pixel in row] for row in rows])
    return encode(mask)


def encode(mask):
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask.ravel(order="F"), [False]))))
    return masks.run_lengths(masks.MaskSpans(mask.shape, edges[::2], edges[1::2], np.array([0, len(edges) // 2])))[0]


def one(*instances, size_hw=(3, 4), **values):
    """A source of one image; instances without a name get a number, a category and no crowd flag."""
    named = tuple(replace(instance, where=f"annotation {i}", instance_id=i, category=1) for i, instance in enumerate(instances, start=1))
    return Images([SourceImage("image 1", 1, None, size_hw, named, **values)])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A sound data set of 12 drawn images, read as it is on disk."""
    out = tmp_path_factory.mktemp("validate") / "data"
    generate_dataset(PRESET, DrawnPool(), out, split="train", num_images=12, seed=0)
    return out


@pytest.fixture(scope="module")
def coco(dataset):
    return orjson.loads((dataset / "annotations" / "instances_train.json").read_bytes())


def judged(document, folder, images=None, **options):
    path = folder / "instances_train.json"
    path.write_bytes(orjson.dumps(document))
    with open_source(path, format="amodalsynth", images=images) as source:
        return validate_source(source, **options)


def test_a_generated_data_set_is_sound(dataset):
    with open_source(dataset) as source:
        validation = validate_source(source)
    assert (validation.num_images, validation.num_faults, validation.examples) == (12, 0, {})
    assert list(validation.counts) == list(KINDS)


def chain(document):
    """The annotations of one image of the document that has an instance of layer 1 or more, nearest last."""
    by_image = {}
    for annotation in document["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    return next(those for those in by_image.values() if max(a["layer"] for a in those) >= 1 and len(those) >= 3)


def behind(document):
    return next(a for a in chain(document) if a["directly_occluded_by"])


def cut_invisible(document):
    behind(document)["invisible_mask"] = encode(np.zeros((64, 64), bool))


def shift_box(document):
    document["annotations"][4]["bbox"][0] += 1


def shrink_visible_box(document):
    document["annotations"][4]["visible_bbox"][2] -= 1


def forget_direct(document):
    behind(document)["directly_occluded_by"] = []


def claim_direct(document):
    those = chain(document)
    those[-1]["directly_occluded_by"] = [those[0]["id"]]


def swap_paint_order(document):
    far = behind(document)
    near = next(a for a in document["annotations"] if a["id"] == far["occluded_by"][0])
    far["paint_order"], near["paint_order"] = near["paint_order"], far["paint_order"]


def repeat_paint_order(document):
    document["annotations"][0]["paint_order"] = 7


def change(key, value, place=3):
    def mutate(document):
        document["annotations"][place][key] = value(document["annotations"][place][key])

    mutate.__name__ = f"change_{key}"
    return mutate


def drop_key(document):
    del document["annotations"][2]["occlude_rate"]


def rename(document, place, new):
    """Another id for an annotation, wherever its image names it."""
    chosen = document["annotations"][place]
    old = chosen["id"]
    for annotation in document["annotations"]:
        if annotation["image_id"] == chosen["image_id"]:
            for key in ("occluded_by", "directly_occluded_by"):
                annotation[key] = [new if name == old else name for name in annotation[key]]
    chosen["id"] = new


def repeat_id(document):
    rename(document, -1, document["annotations"][0]["id"])


def zero_id(document):
    rename(document, 0, 0)


def stray_annotation(document):
    stray = copy.deepcopy(document["annotations"][0])
    document["annotations"].append(stray | {"id": 999999, "image_id": 777})


def repeat_category(document):
    document["categories"].append(dict(document["categories"][0]))


def add_points(document):
    for annotation in document["annotations"]:
        x, y = annotation["bbox"][:2]
        annotation["point_coords"], annotation["point_labels"] = [[x, y]] * 3, [0] * 3  # the corner of an ellipse's box is background


def point_outside(document):
    add_points(document)
    document["annotations"][5]["point_coords"][1] = [-1, 3]


def point_label(document):
    add_points(document)
    document["annotations"][5]["point_labels"] = [0, 1, 0]


def point_count(document):
    add_points(document)
    document["annotations"][5].update(point_coords=[], point_labels=[])


def point_without_label(document):
    add_points(document)
    document["annotations"][5]["point_labels"].pop()


MUTATIONS = [
    ("partition", cut_invisible),
    ("box", shift_box),
    ("box", shrink_visible_box),
    ("area", change("area", lambda area: area + 1)),
    ("area", change("area", lambda area: 0)),
    ("rate", change("occlude_rate", lambda rate: rate + 0.001)),
    ("rate", change("occlude_rate", lambda rate: -0.5)),
    ("order", forget_direct),
    ("order", claim_direct),
    ("order", swap_paint_order),
    ("order", repeat_paint_order),
    ("layer", change("layer", lambda layer: layer + 1)),
    ("id", repeat_id),
    ("id", zero_id),
    ("reference", change("occluded_by", lambda ids: [*ids, 999999])),
    ("reference", stray_annotation),
    ("category", change("category_id", lambda category: 99)),
    ("category", repeat_category),
    ("point", point_outside),
    ("point", point_label),
    ("point", point_count),
    ("point", point_without_label),
    ("rle", change("visible_mask", lambda mask: mask | {"size": [64, 63]})),
    ("rle", change("segmentation", lambda mask: mask | {"counts": mask["counts"][:-2]})),
    ("rle", change("segmentation", lambda mask: mask | {"counts": "zzzz~"})),
    ("rle", change("invisible_mask", lambda mask: mask | {"area": 0})),
    ("crowd", change("iscrowd", lambda crowd: 1)),
    ("crowd", change("iscrowd", lambda crowd: "no")),
    ("schema", drop_key),
    ("schema", change("bbox", lambda box: box[:3])),
    ("schema", change("segmentation", lambda mask: "mask")),
    ("schema", change("layer", lambda layer: "front")),
    ("schema", change("occluded_by", lambda ids: 5)),
    ("schema", change("paint_order", lambda place: 0.5)),
]


READABLE = [
    "coco",
    "coco-points",
    "cocoa",
    "cocoa-cls",
    "kins",
    "kins2020",
    "sail-vos",
    "uoais",
    "mp3d-amodal",
    "aisformer",
    "bcnet",
    "aistron",
    "tao-amodal",
]


@pytest.mark.parametrize("name", READABLE)
def test_what_the_exporters_write_is_sound(name, dataset, tmp_path):
    export_dataset(name, dataset, tmp_path)
    (path,) = (tmp_path / "annotations").glob("instances_train*.json")
    with open_source(path) as source:
        validation = validate_source(source)
    assert (validation.num_images, validation.num_faults) == (12, 0), validation.examples


def test_masks_of_any_kind_are_sound(dataset, tmp_path):
    for segmentation, rle in (("visible", "compressed"), ("amodal", "uncompressed"), ("amodal", "polygon"), ("visible", "polygon")):
        out = tmp_path / f"{segmentation}-{rle}"
        export_dataset("coco", dataset, out, options=ExportOptions(images="none", segmentation=segmentation, rle=rle))
        with open_source(out / "annotations" / "instances_train.json") as source:
            assert found(source) == {}


@pytest.mark.parametrize(("kind", "mutate"), MUTATIONS, ids=[f"{kind}-{mutate.__name__}-{i}" for i, (kind, mutate) in enumerate(MUTATIONS)])
def test_one_fault_is_found_and_nothing_else(kind, mutate, coco, tmp_path):
    document = copy.deepcopy(coco)
    mutate(document)
    validation = judged(document, tmp_path)
    assert {kind} == {name for name, count in validation.counts.items() if count}, validation.examples
    assert validation.examples[kind][0][0].startswith(("annotation", "image", "categories"))


def test_sound_points_are_no_fault(coco, tmp_path):
    document = copy.deepcopy(coco)
    add_points(document)
    assert judged(document, tmp_path).num_faults == 0


def test_one_broken_annotation_hides_no_other(coco, tmp_path):
    document = copy.deepcopy(coco)
    for i, annotation in enumerate(document["annotations"]):
        annotation["area"] += 1
        if i % 3 == 0:
            annotation["visible_mask"] = {"size": "big"}
    validation = judged(document, tmp_path, max_examples=2)
    assert validation.counts["area"] == validation.num_annotations and validation.counts["schema"] == -(-validation.num_annotations // 3)
    assert len(validation.examples["area"]) == 2
    where, message = validation.examples["area"][0]
    assert where == f"annotation {document['annotations'][0]['id']}" and message.startswith("expected the area")


def test_files_of_images(coco, dataset, tmp_path):
    folder = dataset / "images" / "train"
    assert judged(coco, tmp_path, folder).num_faults == 0
    document = copy.deepcopy(coco)
    Image.new("RGB", (64, 63)).save(tmp_path / "low.png")
    (tmp_path / "text.png").write_text("no picture")
    for entry, name in zip(document["images"], ("low.png", "text.png", "../outside.png", "absent.png", "/etc/hostname"), strict=False):
        entry["file_name"] = name
    validation = judged(document, tmp_path, tmp_path, max_examples=5)
    assert {kind for kind, count in validation.counts.items() if count} == {"image"}
    said = [message for _, message in validation.examples["image"]]
    assert (
        "got 63 x 64" in said[0]
        and "expected an image" in said[1]
        and "within" in said[2]
        and "no such file" in said[3]
        and "within" in said[4]
    )


# Literal scenes of 3 x 4 pixels. "far" is behind "near", which covers its right half.
FAR, NEAR = code("##..", "##..", "...."), code(".##.", ".##.", "....")
FAR_SEEN, FAR_REST = code("#...", "#...", "...."), code(".#..", ".#..", "....")


def pair(**changes):
    """A sound pair with lists, one change to the first instance."""
    first = SourceInstance("", amodal=FAR, visible=FAR_SEEN, occluded_by=[2], directly_occluded_by=[2], layer=1, paint_order=0)
    second = SourceInstance("", amodal=NEAR, visible=NEAR, occluded_by=[], directly_occluded_by=[], layer=0, paint_order=1)
    return one(replace(first, **changes), second)


def test_a_literal_pair():
    assert found(pair()) == {}
    assert found(pair(invisible=FAR_REST, rate=0.5, area=4, box=[0, 0, 2, 2], visible_box=[0, 0, 1, 2])) == {}
    assert found(pair(visible=None, invisible=FAR_REST, rate=0.5)) == {}
    assert found(pair(invisible=code("#...", "....", "...."))) == {"partition": 1}
    assert found(pair(visible=FAR)) == {"overlap": 1}
    assert found(pair(visible=code("....", "....", "...."))) == {"hidden": 1}
    assert found(pair(visible=code("#...", "#...", "#..."))) == {"partition": 1}
    assert found(pair(layer=0)) == {"layer": 1}
    assert found(pair(visible=code("....", "##..", "...."))) == {"overlap": 1}


def test_orders_that_the_masks_contradict():
    far = SourceInstance("", amodal=FAR, visible=FAR_SEEN)
    near = SourceInstance("", amodal=NEAR, visible=NEAR)
    assert found(one(replace(far, occluded_by=[]), replace(near, occluded_by=[1]))) == {"order": 1}  # near shows where far is said to lie
    assert found(one(replace(far, occluded_by=[]), replace(near, occluded_by=[]))) == {"order": 1}  # eq. 1 asks for an order
    assert found(one(replace(far, occluded_by=[2]), replace(near, occluded_by=[1]))) == {"order": 2}  # both, a circle
    assert found(one(far, near, in_front=((1, 0),))) == {}
    assert found(one(far, near, in_front=((0, 1),))) == {"order": 1}
    assert found(one(far, near, in_front=((0, 1), (1, 0)))) == {"order": 2}
    assert found(one(far, near, in_front=((0, 0),))) == {"order": 1}
    assert found(one(far, near, in_front=((0, 7),))) == {"reference": 1}
    assert found(one(replace(far, paint_order=0), replace(near, paint_order=1))) == {}
    assert found(one(replace(far, paint_order=1), replace(near, paint_order=0))) == {"order": 1}
    aside = SourceInstance("", amodal=code("...#", "...#", "...#"), visible=code("...#", "...#", "...#"), occluded_by=[1])
    assert found(one(replace(far, occluded_by=[]), aside)) == {"order": 1}  # they share no pixel


def test_layers_follow_the_paint_order_where_there_are_no_lists():
    far = SourceInstance("", amodal=FAR, paint_order=0, layer=1)
    near = SourceInstance("", amodal=NEAR, paint_order=1, layer=0)
    assert found(one(far, near)) == {}
    assert found(one(far, replace(near, layer=1))) == {"layer": 1}
    assert found(one(replace(far, paint_order=None), replace(near, layer=1, paint_order=None))) == {}  # nothing says it


def test_a_cycle_of_three_is_named():
    square = code("##..", "##..", "....")
    ring = [SourceInstance("", amodal=square, occluded_by=[i % 3 + 1], layer=0) for i in (1, 2, 3)]
    validation = validate_source(one(*ring))
    assert validation.counts["order"] == 1 and validation.counts["layer"] == 0
    assert "annotation 1 behind annotation 2 behind annotation 3 behind annotation 1" in validation.examples["order"][0][1]


def test_values_that_a_format_does_not_have_are_no_fault():
    assert found(one(SourceInstance("", amodal=FAR), SourceInstance("", visible=NEAR), SourceInstance("", box=[0, 0, 3, 2]))) == {}
    nameless = Images([SourceImage("photo", None, None, None, (SourceInstance("region", amodal=[[0, 0, 2, 0, 2, 2]]),))], categories={})
    assert found(nameless) == {}
    assert found(one(SourceInstance(""))) == {"schema": 1}
    assert found(one(SourceInstance("", amodal=FAR), size_hw=("3", 4))) == {"schema": 1}
    assert found(Images([])) == {} and found(one()) == {}


def test_crowds_may_cover_others():
    crowd = SourceInstance("", visible=NEAR, crowd=1)
    assert found(one(SourceInstance("", amodal=FAR, visible=FAR, crowd=0), crowd)) == {}


def test_polygons_have_slack_for_their_outline_but_no_more():
    ring = [[10, 10, 30, 10, 30, 30, 10, 30]]
    near = SourceInstance("", amodal=ring, box=[11, 10, 19, 20], area=430)
    assert found(one(near, size_hw=(40, 40))) == {}
    assert found(one(replace(near, box=[10, 10, 26, 20], area=700), size_hw=(40, 40))) == {"box": 1, "area": 1}
    inside = encode(np.pad(np.ones((21, 21), bool), ((10, 9), (10, 9))))
    assert found(one(replace(near, visible=inside), size_hw=(40, 40))) == {}
    points = [[30, 20], [20, 20]]
    assert found(one(replace(near, point_coords=points, point_labels=[0, 1]), size_hw=(40, 40))) == {}
    assert found(one(replace(near, point_coords=points, point_labels=[0, 0]), size_hw=(40, 40))) == {"point": 1}


@pytest.mark.parametrize(
    "polygons", [[], [[1, 2, 3]], [[1, 2, 3, 4]], ["x"], [[0, 0, 1, 1, 2, 2]], [[0, 0, 1e300, 0, 5, 5]], [[[0, 0], [1, 1]]]]
)
def test_broken_polygons(polygons):
    assert found(one(SourceInstance("", amodal=polygons))) == {"schema": 1}


@pytest.mark.parametrize(
    "mask",
    [
        {"size": [3, 4], "counts": [13]},
        {"size": [3, 4], "counts": [-1, 13]},
        {"size": [3, 4], "counts": [10**30]},
        {"size": [3, 4], "counts": None},
        {"size": [10**9, 10**9], "counts": "0"},
        {"size": None, "counts": "0"},
        {"size": [3, 4], "counts": "oooooooooooooooo0"},
    ],
)
def test_broken_run_lengths(mask):
    assert found(one(SourceInstance("", amodal=mask))) == {"rle": 1}


def test_it_would_have_caught_the_sample_of_syntable(coco, tmp_path):
    """Its file has area 0, the visible box for the amodal one, and an area within each run-length code; the masks and rates are right."""
    keys = {"id", "image_id", "category_id", "iscrowd"}
    annotations = []
    for a in coco["annotations"]:
        names = {"segmentation": "segmentation", "visible_mask": "visible_mask", "invisible_mask": "occluded_mask"}
        codes = {theirs: a[ours] | {"area": 0} for ours, theirs in names.items()}
        kept = {key: a[key] for key in keys}
        annotations.append(
            kept | codes | {"area": 0, "bbox": a["visible_bbox"], "visible_bbox": a["visible_bbox"], "occluded_rate": a["occlude_rate"]}
        )
    path = tmp_path / "annos.json"
    path.write_bytes(orjson.dumps(coco | {"annotations": annotations}))
    with open_source(path) as source:
        validation = validate_source(source)
    count = validation.num_annotations
    off = sum(a["bbox"] != a["visible_bbox"] for a in coco["annotations"])
    assert off > 0
    assert {kind: n for kind, n in validation.counts.items() if n} == {"area": count, "box": off, "rle": 3 * count}


def test_the_photos_of_cocoa_are_sound():
    if not (SHARED / "real" / "cocoa").is_dir():
        pytest.skip("needs the COCOA photos in shared/real/cocoa")
    with open_source(SHARED / "real" / "cocoa") as source:
        validation = validate_source(source)
    assert (validation.num_images, validation.num_faults) == (3, 0)


def test_an_image_with_too_many_instances_says_so(monkeypatch):
    monkeypatch.setattr("amodalsynth.validate.relations.MAX_PAIRED", 2)
    assert found(one(*[SourceInstance("", amodal=FAR, area=5)] * 3)) == {"schema": 1, "area": 3}


def test_the_page_says_what_the_judge_does():
    page = (REPOSITORY / "docs" / "validate.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("| `")] == [f"| `{kind}` | {text} |" for kind, text in KINDS.items()]


def test_splits(dataset, tmp_path):
    assert find_splits(dataset) == ["train"]
    assert find_splits(tmp_path) == ["train"]
    (tmp_path / "instances_val.json").write_text("{}")
    assert find_splits(tmp_path / "instances_val.json") == ["val"]
    with pytest.raises(DataError):
        find_splits(dataset, "test")


@settings(deadline=None, max_examples=40)
@given(amodal_masks(max_instances=6), amodal_masks(max_instances=6), st.integers(1, 20), st.sampled_from([0, 32]))
def test_overlaps_of_many_images_at_once(first, second, step, few):
    shape = (9, 9)
    padded = [np.pad(m, ((0, 0), (0, 9 - m.shape[1]), (0, 9 - m.shape[2]))) for m in (first, second)]
    spans = [[np.flatnonzero(np.diff(np.concatenate(([0], mask.ravel(order="F"), [0])))) for mask in image] for image in padded]
    flat = [edges for image in spans for edges in image]
    split = np.cumsum([0, *(len(edges) // 2 for edges in flat)])
    whole = np.concatenate([np.zeros(0, np.int64), *flat]).astype(np.int64)
    both = masks.MaskSpans(shape, whole[::2], whole[1::2], split)
    image = np.repeat([0, 1], [len(first), len(second)])
    slot = np.concatenate([np.arange(len(first)), np.arange(len(second))]).astype(np.int64)
    from amodalsynth.validate import pairs

    limits = pairs._MAX_CELLS, pairs._FEW_SLOTS
    pairs._MAX_CELLS, pairs._FEW_SLOTS = 6 * step, few  # a few runs at a time
    try:
        shared = overlap_areas(both, image, slot, 2, 6)
    finally:
        pairs._MAX_CELLS, pairs._FEW_SLOTS = limits
    for g, stack in enumerate(padded):
        flat = stack.reshape(len(stack), 81).astype(int)
        assert (shared[g, : len(stack), : len(stack)] == flat @ flat.T).all() and shared[g, len(stack) :].sum() == 0


@settings(deadline=None)
@given(
    st.integers(1, 6).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=8).map(lambda e: (n, e)))
)
def test_layers_and_cycles(graph):
    size, edges = graph
    occluded = np.zeros((1, size, size), bool)
    for i, j in edges:
        occluded[0, i, j] = i != j
    layers, cyclic = layer_order(occluded)
    paths = occluded[0].copy()
    for _ in range(size):
        paths |= (paths.astype(int) @ paths.astype(int)) > 0
    assert cyclic[0] == paths.diagonal().any()
    if cyclic[0]:
        ring = find_cycle(occluded[0])
        assert all(occluded[0, i, j] for i, j in zip(ring, [*ring[1:], ring[0]], strict=True))
    else:
        assert all(layers[0, i] == (1 + layers[0, occluded[0, i]].max() if occluded[0, i].any() else 0) for i in range(size))


def as_source(amodal):
    """An image of these masks, farthest first, as a source with everything that the library derives."""
    annotation = Annotation.from_masks(np.ones(len(amodal), np.int64), amodal)
    instances = tuple(
        SourceInstance(
            f"annotation {i + 1}",
            i + 1,
            1,
            *(encode(mask) for mask in (annotation.amodal_mask[i], annotation.visible_mask[i], annotation.invisible_mask[i])),
            area=int(annotation.amodal_area[i]),
            rate=float(annotation.occlusion_rate[i]),
            paint_order=i,
            occluded_by=[int(j) + 1 for j in np.flatnonzero(annotation.occlusion_order[i])],
            directly_occluded_by=[int(j) + 1 for j in np.flatnonzero(annotation.direct_occlusion[i])],
            layer=int(annotation.layer_order[i]),
        )
        for i in range(len(amodal))
    )
    return annotation, SourceImage("image 1", 1, "a.png", amodal.shape[1:], instances)


@settings(deadline=None)
@given(amodal_masks())
def test_any_scene_of_the_library_is_sound(amodal):
    annotation, image = as_source(amodal)
    assert found(Images([image])) == ({"hidden": hidden} if (hidden := int((annotation.visible_area == 0).sum())) else {})


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=4),
    st.lists(st.one_of(st.integers(-3, 70), st.text(max_size=2), st.none(), st.lists(st.integers(-3, 70), max_size=3)), max_size=6),
    st.dictionaries(
        st.sampled_from(["size", "counts", "id"]),
        st.one_of(st.integers(0, 9), st.text(max_size=5), st.lists(st.integers(-(2**63), 2**64 - 1), max_size=3)),
    ),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["images", "annotations", "categories"]), st.integers(0, 9), st.integers(0, 20), VALUES),
        min_size=1,
        max_size=5,
    )
)
def test_no_mutation_makes_it_fail(dataset, coco, tmp_path_factory, mutations):
    """A random value in a random place: either the file cannot be opened, which is said, or it is judged, and its mended copy is sound."""
    document = {key: [dict(entry) for entry in coco[key]] for key in ("images", "annotations", "categories")}
    for section, place, key, value in mutations:
        entry = document[section][place % len(document[section])]
        entry[sorted(entry)[key % len(entry)]] = value
    folder = tmp_path_factory.mktemp("mutated")
    (folder / "a.json").write_bytes(orjson.dumps(document))
    try:
        with open_source(folder / "a.json", images=dataset / "images" / "train") as source:
            before = validate_source(source)
            report = mend_dataset(source, folder / "out", images="link")
    except DataError:
        return
    assert report.validation == before
    assert sum(report.mended.values()) + sum(report.left_out.values()) == before.num_faults
    with open_source(folder / "out") as source:
        assert found(source) == {}


@settings(deadline=None, max_examples=40)
@given(amodal_masks(), st.data())
def test_mended_copies_of_scenes_with_wrong_relations_are_sound(tmp_path_factory, amodal, data):
    """Visible masks, lists and paint orders of other scenes: whatever they say, the copy agrees with itself and keeps the amodal masks."""
    if not amodal.any(axis=(1, 2)).all():
        amodal |= np.eye(amodal.shape[1], amodal.shape[2], dtype=bool)
    _, image = as_source(amodal)
    count = len(image.instances)
    shuffled = data.draw(st.permutations(range(count)))
    seen = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    instances = tuple(
        replace(
            instance,
            paint_order=data.draw(st.sampled_from([None, shuffled[i], i])),
            visible=encode(amodal[i]) if seen[i] else instance.visible,
            invisible=None,
            occluded_by=data.draw(st.sampled_from([None, instance.occluded_by, [j + 1 for j in shuffled if j != i]])),
        )
        for i, instance in enumerate(image.instances)
    )
    folder = tmp_path_factory.mktemp("relations")
    report = mend_dataset(Images([replace(image, instances=instances)], format="coco"), folder / "out", images="none")
    with open_source(folder / "out", images=None) as source:
        source = Images(list(source), images=None)
        assert found(source) == {}
        kept = [instance.amodal for instance in source.of[0].instances]
    assert len(kept) == report.written.num_instances and all(mask in [encode(m) for m in amodal] for mask in kept)


def test_mending_keeps_what_is_sound(dataset, tmp_path):
    with open_source(dataset) as source:
        report = mend_dataset(source, tmp_path / "out")
        before = [[(i.amodal, i.visible, i.layer, i.paint_order) for i in image.instances] for image in source]
    with open_source(tmp_path / "out") as source:
        assert [[(i.amodal, i.visible, i.layer, i.paint_order) for i in image.instances] for image in source] == before
    assert not report.mended and not report.left_out and report.num_derived_anew == 0


def test_mending_says_what_it_did(coco, dataset, tmp_path):
    document = copy.deepcopy(coco)
    mutated = document["annotations"]
    mutated[0]["area"] = 0
    mutated[1]["segmentation"] = "mask"
    swap_paint_order(document)
    document["images"][5]["file_name"] = "absent.jpg"
    (tmp_path / "a.json").write_bytes(orjson.dumps(document))
    with open_source(tmp_path / "a.json", images=dataset / "images" / "train") as source:
        report = mend_dataset(source, tmp_path / "out", split="val")
    assert report.mended["area"] == 1 and report.mended["order"] >= 1 and report.left_out == {"image": 1, "schema": 1}
    assert report.num_derived_anew >= 1 and report.written.num_images == 11
    with open_source(tmp_path / "out") as source:
        assert found(source) == {}
