"""The whole report in a real Chromium: what a person sees, clicks and types, and what the page must never do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson
import pytest
from scipy import ndimage

import amodalsynth
from amodalsynth.evaluation import write_results
from amodalsynth.generate import generate_dataset
from amodalsynth.points import points_path, write_points
from amodalsynth.records.part import OutputOptions
from amodalsynth.report import write
from amodalsynth.report.build import open_report
from amodalsynth.report.live import LiveReport
from amodalsynth.report.serve import make_server
from amodalsynth.report.write import write_report
from amodalsynth.segmentation import decode_segmentation
from tests.formats_support import PRESET
from tests.strategies import DrawnPool

NUM_IMAGES = 24
HOSTILE = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
TOGGLES = ("image", "amodal", "visible", "invisible", "boxes", "visibleBoxes", "points", "labels")
# The colour of the canvas at the centre of each pixel of the frame: [[r, g, b], ...], row by row.
CENTRES = """([width, height]) => {
  const canvas = document.querySelector("#view-image .stage canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const scale = canvas.width / width, colors = [];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const at = 4 * (Math.floor((y + 0.5) * scale) * canvas.width + Math.floor((x + 0.5) * scale));
    colors.push(data[at], data[at + 1], data[at + 2]);
  }
  return colors;
}"""

CANVAS = """() => document.querySelector("#view-image .stage canvas").toDataURL()"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Drawn discs in PNG files, so that pictures in the page can be exact, with points."""
    folder = tmp_path_factory.mktemp("report") / "discs"
    generate_dataset(PRESET, DrawnPool(), folder, split="train", num_images=NUM_IMAGES, seed=3, options=OutputOptions("png"))
    coco = folder / "annotations" / "instances_train.json"
    write_points(coco, points_path(coco, 10))
    return folder


@pytest.fixture(scope="module")
def url(data) -> Iterator[str]:
    """The data set's report from the server, which gives pictures as the files have them."""
    with served(data) as address:
        yield address


@contextmanager
def served(path: Path, **options: object) -> Iterator[str]:
    with open_report(path, **options) as report, make_server(LiveReport(report)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def show(page, url: str, *wanted: str) -> None:
    """Open an image and have exactly these things drawn."""
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_selector("#view-image .stage canvas[aria-label]")
    set_toggles(page, *wanted)


def set_toggles(page, *wanted: str) -> None:
    for name in TOGGLES:
        box = page.locator(f"#view-image .toggles input[name={name}]")
        if box.is_enabled():
            box.set_checked(name in wanted)


def centres(page, size_hw: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) int64: what the canvas shows at the centre of each pixel of the frame, when nothing is left to load."""
    page.wait_for_selector("#view-image .stage canvas:not([aria-busy])")
    height, width = size_hw
    return np.array(page.evaluate(CENTRES, [width, height])).reshape(height, width, 3)


def inner(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that no outline reaches."""
    return ndimage.binary_erosion(mask, np.ones((5, 5)), border_value=1)


@pytest.mark.parametrize("image_id", [1, 2, 9])
def test_toggles_change_the_pixels_of_their_masks_and_no_others(browser_page, data, url, image_id):
    record = amodalsynth.open(data).by_image_id(image_id)
    show(browser_page, f"{url}#image/train/{image_id}", "image")
    plain = centres(browser_page, record.size_hw)
    assert np.abs(plain - record.image).max() <= 1
    annotation = record.annotation
    for name in ("amodal", "visible"):
        masks = getattr(annotation, f"{name}_mask")
        set_toggles(browser_page, "image", name)
        changed = (centres(browser_page, record.size_hw) != plain).any(axis=2)
        outside = ~masks.any(axis=0)
        assert not changed[inner(outside)].any()
        inside = np.logical_or.reduce([inner(mask) for mask in masks])
        assert inside.any() and changed[inside].all()
    set_toggles(browser_page, "image")
    assert (centres(browser_page, record.size_hw) == plain).all()
    bare = browser_page.evaluate(CANVAS)
    for name, key in (("points", "p"), ("boxes", "b"), ("visibleBoxes", "n"), ("labels", "l")):
        browser_page.keyboard.press(key)  # also from the keyboard
        assert browser_page.locator(f".toggles input[name={name}]").is_checked()
        assert browser_page.evaluate(CANVAS) != bare
        browser_page.keyboard.press(key)
        assert browser_page.evaluate(CANVAS) == bare


@pytest.mark.parametrize("image_id", [1, 2, 9])
def test_the_peel_slider_shows_exactly_the_appearances_that_are_left(browser_page, data, url, image_id):
    record = amodalsynth.open(data).by_image_id(image_id)
    show(browser_page, f"{url}#image/train/{image_id}", "image")
    slider = browser_page.locator(".peel input[type=range]")
    deepest = int(record.annotation.layer_order.max())
    assert slider.get_attribute("max") == str(deepest + 1)
    for peeled in range(deepest + 2):
        slider.fill(str(peeled))
        shown = centres(browser_page, record.size_hw)
        assert np.abs(shown - record.peeled(peeled)).max() <= 2, f"{peeled} layers peeled"  # the canvas multiplies by alpha in 8 bits
    assert np.abs(shown - record.background).max() <= 1
    assert "background alone" in browser_page.locator(".peel [role=status]").text_content()
    slider.fill("1")
    set_toggles(browser_page, "visible")
    left = record.annotation.layer_order >= 1
    rows = browser_page.locator(".peel [role=status]").text_content()
    assert f"{left.sum()} of {len(left)} instances" in rows


def test_pointing_at_an_instance_lights_it_up_everywhere(browser_page, data, url):
    record = amodalsynth.open(data).by_image_id(1)
    show(browser_page, f"{url}#image/train/1", "image", "amodal")
    before = centres(browser_page, record.size_hw)
    number = len(record.entries) - 1  # the nearest: every pixel of it is seen
    y, x = np.argwhere(inner(record.annotation.visible_mask[number]))[0]
    canvas = browser_page.locator(".stage canvas")
    scale = canvas.bounding_box()["width"] / record.size_hw[1]
    canvas.hover(position={"x": (x + 0.5) * scale, "y": (y + 0.5) * scale})
    card = browser_page.locator("#view-image .card")
    assert PRESET.categories[record.entries[number]["category_id"] - 1] in card.text_content()
    assert (centres(browser_page, record.size_hw) != before).any()
    assert browser_page.locator("#view-image .graph .node.lit").count() == 1 and browser_page.locator("#view-image table .lit").count() == 1


def test_the_graph_has_the_arrows_of_both_orders(browser_page, data, url):
    for image_id in (1, 2, 9):
        annotation = amodalsynth.open(data).by_image_id(image_id).annotation
        show(browser_page, f"{url}#image/train/{image_id}", "image")
        direct, pairs = int(annotation.direct_occlusion.sum()), int(annotation.occlusion_order.sum())
        assert browser_page.locator("#view-image .graph .scroll .edge.direct").count() == direct
        assert browser_page.locator("#view-image .graph .scroll .edge.indirect").count() == pairs - direct


def test_filters_count_right(browser_page, data, url):
    records = list(amodalsynth.open(data))
    layers = np.array([record.annotation.layer_order.max() for record in records])
    counts = np.array([len(record.entries) for record in records])
    rates = np.array([record.annotation.occlusion_rate.max() for record in records])
    names = np.array([[PRESET.categories[0] in {PRESET.categories[e["category_id"] - 1] for e in record.entries}] for record in records])[
        :, 0
    ]
    expected = {
        "layer=1": layers == 1,
        "instances=3": counts == 3,
        "instances=2-3": (counts >= 2) & (counts <= 3),
        "rate=50-75": (rates > 0.5) & (rates <= 0.75),
        "rate=0": rates == 0,
        "fault=any": np.zeros(len(records), bool),
        "text=0001": np.array(["0001" in record.title for record in records]),
        f"category={PRESET.categories[0]}": names,
        f"category={PRESET.categories[0]}&layer=2": names & (layers == 2),
    }
    browser_page.goto(url)
    for options, chosen in expected.items():
        browser_page.goto(f"{url}#gallery?{options}")
        wanted = int(chosen.sum())
        browser_page.wait_for_function("(n) => document.querySelectorAll('#view-gallery .thumbnail').length === n", arg=wanted)
        said = browser_page.locator("#view-gallery .count").text_content()
        assert said.startswith(f"{wanted} of {len(records)}") or wanted == len(records), options
        titles = browser_page.locator("#view-gallery .thumbnail strong").all_text_contents()
        assert titles == [record.title for record, keep in zip(records, chosen) if keep]


def test_the_page_from_disk_needs_nothing_but_itself(browser_page, data, tmp_path):
    asked = []
    browser_page.on("request", lambda request: asked.append(request.url.split(":")[0]))
    with open_report(data) as report:
        written = write_report(report, tmp_path / "report.html")
    assert written.pieces is None and written.num_rows == NUM_IMAGES
    address = written.page.as_uri()
    for view in ("overview", "gallery", "image/train/3", "gallery?layer=1&sort=rate", "layers", "nowhere", "image/train/99", "%E0%A4%A"):
        browser_page.goto(f"{address}#{view}")
        browser_page.wait_for_timeout(50)
        assert browser_page.locator("section.view:not([hidden])").count() == 1
    assert asked.count("file") == 1 and set(asked) <= {"file", "data", "blob"}
    assert data.name in browser_page.title() and str(data.parent) not in written.page.read_text()


def test_more_images_lie_in_pieces_that_are_loaded_when_looked_at(browser_page, data, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "SINGLE_FILE_IMAGES", 10)
    asked = []
    browser_page.on("request", lambda request: asked.append(request.url))
    with open_report(data, max_images=20) as report:
        written = write_report(report, tmp_path / "http:a#b%41?c.html", workers=2)  # a name that must not be taken for a URL
        again = write_report(report, tmp_path / "http:a#b%41?c.html", workers=1)
    assert written == again and written.num_rows == 20
    browser_page.goto(f"{written.page.as_uri()}#gallery")
    browser_page.wait_for_selector("#view-gallery .thumbnail img")
    assert not [url for url in asked if "/scenes/" in url]
    browser_page.locator("#view-gallery .thumbnail").nth(4).click()
    browser_page.wait_for_selector("#view-image .stage canvas[aria-label]")
    assert [url.rsplit("/", 1)[1] for url in asked if "/scenes/" in url] == ["4.js"]


def test_without_javascript_the_overview_can_be_read(chromium, data, tmp_path):
    with open_report(data) as report:
        write_report(report, tmp_path / "report.html")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    text = page.locator("main").inner_text()
    assert "Words" in text and "JavaScript" in text and f"{NUM_IMAGES}" in text
    page.get_by_text("Beside the paper").click()
    assert "Table 1" in page.locator("main").inner_text()
    context.close()


def hostile_copy(data: Path, to: Path) -> Path:
    """The data set under names that would do harm wherever a text became markup, script, style or a path."""
    coco = orjson.loads((data / "annotations" / "instances_train.json").read_bytes())
    for category in coco["categories"]:
        category["name"] = f"{category['id']}{HOSTILE}"
    (to / "images" / "train").mkdir(parents=True)
    (to / "annotations").mkdir()
    for i, image in enumerate(coco["images"][:6]):
        name = (
            f"a{HOSTILE.replace('/', '')}.png",
            "</script><svg onload=window.hacked=1>.png".replace("/", ""),
            "javascript:window.hacked=1",
            "${1}`'\".png",
            "#?&%41.png",
            "é\u2028\u202e.png",
        )[i]
        (to / "images" / "train" / name).write_bytes((data / "images" / "train" / image["file_name"]).read_bytes())
        image["file_name"] = name
    coco["images"][6]["file_name"] = "../../../../etc/passwd"
    coco["images"][7]["id"] = 10**9
    coco["annotations"][0]["bbox"] = [HOSTILE]
    coco["annotations"][1]["visible_mask"] = {"size": [64, 64], "counts": HOSTILE}
    coco["annotations"][2]["layer"] = HOSTILE
    (to / "annotations" / "instances_train.json").write_bytes(orjson.dumps(coco))
    (to / "dataset.json").write_bytes(
        (data / "dataset.json").read_bytes().replace(b'"drawn"', orjson.dumps(HOSTILE)).replace(b"folder", orjson.dumps(HOSTILE)[1:-1])
    )
    return to


@pytest.mark.parametrize("how", ["file", "server"])
def test_hostile_names_do_nothing(browser_page, data, tmp_path, how):
    folder = hostile_copy(data, tmp_path / "<img src=x onerror=window.hacked=1>")

    def look(address: str) -> None:
        for view in ("overview", "gallery", "gallery?fault=any", *(f"image/train/{image_id}" for image_id in range(1, 8))):
            browser_page.goto(f"{address}#{view}")
            browser_page.wait_for_timeout(150)
        assert browser_page.evaluate("window.hacked") is None
        assert browser_page.locator("img[src=x], svg[onload]").count() == 0
        browser_page.goto(f"{address}#gallery")
        assert HOSTILE in browser_page.locator("#view-gallery").text_content()

    if how == "file":
        with open_report(folder) as report:
            look(write_report(report, tmp_path / "report.html").page.as_uri())
    else:
        with served(folder) as address:
            look(address)
            browser_page.goto("about:blank")  # so that it asks for nothing more


@pytest.fixture(scope="module")
def models(data, tmp_path_factory) -> list[Path]:
    """Two results lists: the ground truth with scores by area and a false detection in each image, and half of it."""
    coco = orjson.loads((data / "annotations" / "instances_train.json").read_bytes())
    detections = []
    for image in coco["images"]:
        own = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
        for rank, a in enumerate(own):
            shared = {key: a[key] for key in ("image_id", "category_id", "segmentation", "bbox", "layer", "visible_mask")}
            detections.append(shared | {"score": 0.9 - 0.1 * rank})
        detections.append(detections[-1] | {"score": 0.05, "category_id": 3 - detections[-1]["category_id"]})
    folder = tmp_path_factory.mktemp("models")
    paths = [folder / "good.json", folder / "half.json"]
    write_results(paths[0], detections)
    write_results(paths[1], detections[::2])
    return paths


def test_predictions_are_matched_and_follow_the_score(browser_page, data, models, tmp_path):
    with open_report(data, results=models[0], against=models[1]) as report:
        address = write_report(report, tmp_path / "report.html").page.as_uri()
    browser_page.goto(f"{address}#predictions")
    text = browser_page.locator("#view-predictions").inner_text()
    assert "100.0" in text and "Layers confused" in text and "recall" in text
    browser_page.goto(f"{address}#compare")
    assert {"good", "half"} <= set(browser_page.locator("#view-compare h3").all_text_contents())
    entries = amodalsynth.open(data).by_image_id(1).entries
    browser_page.goto(f"{address}#image/train/1")
    browser_page.wait_for_selector(".predicted canvas")
    assert browser_page.locator(".predicted h3").all_text_contents() == ["Ground truth", "good", "half"]
    truth = browser_page.locator(".predicted canvas").first.get_attribute("aria-label")
    assert truth.startswith("Ground truth: ") and truth.count(",") == len(entries) - 1
    panel = browser_page.locator(".predicted").nth(1)
    slider = panel.locator("input[type=range]")
    for threshold, matched, false in (
        (0.01, len(entries), 1),
        (0.5, sum(0.9 - 0.1 * r >= 0.5 for r in range(len(entries))), 0),
        (0.95, 0, 0),
    ):
        slider.fill(str(threshold))
        said = panel.inner_text()
        missed = len(entries) - matched
        assert f"matched {matched}" in said and f"false {false}" in said and f"missed {missed}" in said


def test_two_data_sets_stand_side_by_side(browser_page, data, tmp_path):
    other = tmp_path / "other-discs"
    generate_dataset(PRESET, DrawnPool(split="val"), other, split="val", num_images=5, seed=9)
    with open_report(data, against=other) as report:
        address = write_report(report, tmp_path / "report.html").page.as_uri()
    browser_page.goto(f"{address}#compare")
    assert {"discs", "other-discs"} <= set(browser_page.locator("#view-compare h3").all_text_contents())
    browser_page.goto(f"{address}#gallery?part=other%2Fval")
    assert browser_page.locator("#view-gallery .thumbnail").count() == 5
    browser_page.goto(f"{address}#image/other%2Fval/2")
    browser_page.wait_for_selector("#view-image .stage canvas[aria-label]")
    assert "other/val" in browser_page.locator("#view-image").inner_text()


def test_scenes_from_the_server_hold_the_masks_of_the_files(browser_page, data, url):
    """How the page decodes them is the matter of test_report_rle.py."""
    index = amodalsynth.open(data)
    browser_page.goto(url)
    scene = browser_page.evaluate(
        """(base) => new Promise((resolve) => {
          const usual = window.amodalsynthScene;
          window.amodalsynthScene = (row, scene) => { window.amodalsynthScene = usual; resolve(scene); };
          const script = document.createElement("script");
          script.src = base; document.head.append(script);
        }).catch((error) => String(error))""",
        f"{url}report_files/scenes/0.js",
    )
    record = index[0]
    for i, instance in enumerate(scene["instances"]):
        for name in ("amodal", "visible"):
            code = {"size": [scene["height"], scene["width"]], "counts": instance[name]}
            mask = decode_segmentation(code, record.size_hw, name)
            assert (mask == getattr(record.annotation, f"{name}_mask")[i]).all()
        assert instance["points"] is not None and len(instance["points"]) == 10
