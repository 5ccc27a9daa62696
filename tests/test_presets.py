"""Presets: the paper's counts, overriding from text and files, and errors that name the field."""

from dataclasses import fields

import orjson
import pytest

from amodalsynth.errors import ConfigurationError
from amodalsynth.presets import PRESETS, DatasetPreset, get_preset, override


def test_the_papers_counts():
    counts = {name: tuple(preset.num_images(split) for split in ("train", "val", "test")) for name, preset in PRESETS.items()}
    assert counts == {"intra-afruit": (210_000, 45_000, 45_000), "inter-amix": (0, 0, 8_067), "acom": (10_000, 0, 2_500)}
    assert all(
        preset.image_size == (256, 256) and preset.instances == (2, 5) and len(preset.categories) == 10 for preset in PRESETS.values()
    )
    assert [preset.one_category for preset in PRESETS.values()] == [True, False, True]


def test_every_field_is_described_and_dumps_to_json():
    preset = PRESETS["acom"]
    assert set(preset.describe()) == {field.name for field in fields(DatasetPreset)} == set(orjson.loads(orjson.dumps(preset.to_json())))


def test_override_from_text():
    texts = [
        "image_size=640x480",
        "instances=2-15",
        "instance_weights=",
        "scale=0.1-0.4",
        "rotation_deg=-10-20",
        "flip=0.5",
        "inside_frame=yes",
    ]
    preset = override(PRESETS["acom"], [*texts, "categories=apple, ripe pear", "min_visible_pixels=50"])
    assert (preset.image_size, preset.size_hw, preset.instances) == ((640, 480), (480, 640), (2, 15))
    assert (preset.scale, preset.rotation_deg, preset.flip, preset.inside_frame) == ((0.1, 0.4), (-10.0, 20.0), 0.5, True)
    as_shown = override(PRESETS["acom"], ["image_size=[320,240]", 'categories=["Pear","Fig"]', "scale=[0.1, 0.4]", 'background_fit="crop"'])
    assert (as_shown.image_size, as_shown.categories, as_shown.scale, as_shown.background_fit) == (
        (320, 240),
        ("Pear", "Fig"),
        (0.1, 0.4),
        "crop",
    )
    assert (preset.categories, preset.min_visible_pixels, preset.instance_weights) == (("apple", "ripe pear"), 50, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_size", "expected FIELD=VALUE"),
        ("imagesize=3x3", "did you mean 'image_size'"),
        ("image_size=big", "such as image_size=640x480"),
        ("image_size=", "such as image_size=640x480, got ''"),
        ("image_size=two", "got 'two'"),
        ("scale=1e-9-1e-8", "range within 0.001 to 8"),
        ("split_seed=99999999999999999999999", "finite scalars"),
        ("jpeg_chroma=411", "'444' or '420'"),
        ("name=../../out", "a name that can be a folder's"),
        ("name=", "a name that can be a folder's"),
        ("image_size=8x8", "field image_size: expected sides of 16"),
        ("instances=5-2", "field instances: expected a range"),
        ("instances=2-65", "within 1 to 64"),
        ("instances=2.5", "field instances"),
        ("instance_weights=1,2", "expected none or 4 weights"),
        ("scale=0-1", "field scale"),
        ("scale=nan-1", "field scale"),
        ("flip=maybe", "field flip"),
        ("one_category=perhaps", "field one_category: expected bool"),
        ("background_fit=stretch", "'resize' or 'crop'"),
        ("categories=a,a", "names that differ"),
    ],
)
def test_errors_name_the_field(text, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        override(PRESETS["intra-afruit"], [text])
    assert "\n" not in str(caught.value)


def test_a_toml_file(tmp_path):
    file = tmp_path / "shelf.toml"
    file.write_text('base = "acom"\nimage_size = [320, 240]\ninstances = [2, 9]\ninstance_weights = []\none_category = false\nflip = 1\n')
    preset = get_preset(str(file))
    assert (preset.name, preset.image_size, preset.instances, preset.one_category, preset.flip) == ("shelf", (320, 240), (2, 9), False, 1.0)
    assert preset.categories == PRESETS["acom"].categories


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_size = 3", "image_size"),
        ("colour = 1", "no field 'colour'"),
        ('base = "x"', "base"),
        ("= 1", "TOML"),
        ("flip = true", "flip"),
        ('one_category = "no"', "expected bool"),
    ],
)
def test_a_faulty_toml_file(tmp_path, text, message):
    file = tmp_path / "x.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        get_preset(str(file))
    assert str(file) in str(caught.value)


def test_unknown_presets():
    with pytest.raises(ConfigurationError, match="intra-afruit, inter-amix, acom"):
        get_preset("fruit")
    with pytest.raises(ConfigurationError, match="no such file"):
        get_preset("missing.toml")
