"""Pictures for people: what is drawn where, and that names from data stay text in a notebook."""

import base64
import re

import cv2
import numpy as np

from amodalsynth.annotation import Annotation
from amodalsynth.drawing import PALETTE, draw_scene, instance_rows, picture_html, scene_panels

# the far square hides a corner under the near one
AMODAL = np.zeros((2, 60, 80), bool)
AMODAL[0, 10:40, 10:40] = True
AMODAL[1, 30:55, 30:70] = True
ANNOTATION = Annotation.from_masks(np.array([1, 2]), AMODAL)
IMAGE = np.full((60, 80, 3), 90, np.uint8)


def test_masks_are_tinted_where_they_are():
    panels = scene_panels(IMAGE, ANNOTATION)
    assert list(panels) == ["image", "amodal masks", "visible masks", "layers"]
    assert (panels["image"] == IMAGE).all()
    for name, masks in (("amodal masks", ANNOTATION.amodal_mask), ("visible masks", ANNOTATION.visible_mask)):
        inner = cv2.erode(masks.astype(np.uint8).transpose(1, 2, 0), np.ones((7, 7))).transpose(2, 0, 1).astype(bool)
        tint = panels[name][inner[0] & ~inner[1] & ~cv2.dilate(masks[1].astype(np.uint8), np.ones((7, 7))).astype(bool)]
        assert len(tint) > 100 and (tint == np.round(90 * 0.55 + np.array(PALETTE[0]) * 0.45)).all()
        assert (panels[name][:5] == 90).all()  # nothing is there
    shown = panels["visible masks"][33:37, 33:37].reshape(-1, 3)  # under the near one, which alone is seen there
    assert (np.abs(shown - (90 * 0.55 + np.array(PALETTE[1]) * 0.45)) < 1).all()


def test_a_scene_is_four_pictures_and_is_shrunk_to_fit():
    whole, small = draw_scene("a", IMAGE, ANNOTATION), draw_scene("a", IMAGE, ANNOTATION, largest=40)
    assert whole.shape[1] == 2 * 80 + 6 and small.shape[1] == 2 * 40 + 6
    assert (draw_scene("b", IMAGE, ANNOTATION) != whole).any()


def test_instances_are_listed_nearest_first():
    rows = instance_rows(ANNOTATION, {1: "Apple"})
    assert [row["category"] for row in rows] == ["2", "Apple"]  # an id where no name is known
    assert [row["occluded by"] for row in rows] == ["-", "1"]
    assert [row["layer"] for row in rows] == ["0", "1"] and rows[1]["occlusion rate"] == "11.1%" and rows[1]["amodal area"] == "900"


def test_a_notebook_gets_a_picture_and_text_stays_text():
    hostile = '<script>alert("x")</script>'
    text = picture_html(IMAGE, hostile, instance_rows(ANNOTATION, {1: hostile}))
    assert "<script" not in text and "&lt;script&gt;" in text
    data = base64.b64decode(re.search(r"base64,([^\"]+)", text).group(1))
    assert (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1] == IMAGE).all()
    assert text.count("<tr>") == 3
