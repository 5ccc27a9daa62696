"""Parquet tables, a row an image, that Hugging Face `datasets` loads with decoded images, named categories and nothing else to fetch.

A row group is written when it has some images or some megabytes, so memory does not grow with the data set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from amodalsynth.errors import ConfigurationError
from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import NEVER_HELD
from amodalsynth.labelled import LabelledImage

if TYPE_CHECKING:
    import pyarrow

IMAGES_IN_FILE = 8192
_IMAGES_IN_GROUP = 128
_BYTES_IN_GROUP = 64 << 20


def _features(categories: list[str]) -> dict[str, Any]:
    """The columns in the words of Hugging Face `datasets`: a list of one feature is a list of such."""

    def value(dtype: str) -> dict[str, str]:
        return {"dtype": dtype, "_type": "Value"}

    integer, code = value("int64"), {"size": [value("int64")], "counts": value("string")}
    instance = {
        "id": integer,
        "category": {"names": categories, "_type": "ClassLabel"},
        "category_id": integer,
        "segmentation": code,
        "area": integer,
        "bbox": [integer],
        "visible_mask": code,
        "visible_bbox": [integer],
        "invisible_mask": code,
        "occlude_rate": value("float64"),
        "paint_order": integer,
        "occluded_by": [integer],
        "directly_occluded_by": [integer],
        "layer": integer,
    }
    return {"image": {"_type": "Image"}, "image_id": integer, "width": integer, "height": integer, "annotations": [instance]}


def _arrow_type(arrow: Any, feature: Any) -> pyarrow.DataType:
    """The Arrow type of a feature."""
    if isinstance(feature, list):
        return arrow.list_(_arrow_type(arrow, feature[0]))
    kind = feature.get("_type")
    if kind == "Image":
        return arrow.struct({"bytes": arrow.binary(), "path": arrow.string()})
    if kind == "ClassLabel":
        return arrow.int64()
    if kind == "Value":
        return arrow.type_for_alias(feature["dtype"])
    return arrow.struct({name: _arrow_type(arrow, inner) for name, inner in feature.items()})


class _Writer:
    def __init__(self, job: Job) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise ConfigurationError("the format parquet needs pyarrow: install it with `pip install 'amodalsynth[parquet]'`") from None
        self._arrow = pyarrow
        self._job = job
        self._number = {category: number for number, category in enumerate(job.categories)}
        features = _features(list(job.categories.values()))
        self._schema = pyarrow.schema(
            [(name, _arrow_type(pyarrow, feature)) for name, feature in features.items()],
            metadata={"huggingface": orjson.dumps({"info": {"features": features}})},
        )
        self._num_files = max(1, -(-job.num_images // IMAGES_IN_FILE))
        self._next_file = 0
        self._num_rows = 0  # of the file that is open
        self._open_next()

    def add(self, image: LabelledImage) -> None:
        if self._num_rows == IMAGES_IN_FILE:
            self._close()
            self._open_next()
        content = self._job.read_image(image)
        height, width = image.size_hw
        self._rows.append(
            {
                "image": {"bytes": content, "path": image.file_name},
                "image_id": image.image_id,
                "width": width,
                "height": height,
                "annotations": self._annotations(image),
            }
        )
        self._num_rows += 1
        self._num_bytes += len(content)
        if len(self._rows) == _IMAGES_IN_GROUP or self._num_bytes >= _BYTES_IN_GROUP:
            self._write_group()

    def finish(self) -> None:
        self._close()

    def _annotations(self, image: LabelledImage) -> list[dict[str, Any]]:
        ids, category = image.annotation_id, image.category_id.tolist()
        (amodal_box, visible_box, _), area = image.boxes_xywh.tolist(), image.areas[0].tolist()
        codes, rate, layer = list(zip(*image.codes)), image.occlusion_rate.tolist(), image.layer_order.tolist()
        return [
            {
                "id": int(ids[i]),
                "category": self._number[category[i]],
                "category_id": category[i],
                "segmentation": codes[i][0],
                "area": area[i],
                "bbox": amodal_box[i],
                "visible_mask": codes[i][1],
                "visible_bbox": visible_box[i],
                "invisible_mask": codes[i][2],
                "occlude_rate": rate[i],
                "paint_order": i,
                "occluded_by": ids[image.occlusion_order[i]].tolist(),
                "directly_occluded_by": ids[image.direct_occlusion[i]].tolist(),
                "layer": layer[i],
            }
            for i in range(len(image))
        ]

    def _open_next(self) -> None:
        folder = self._job.to / "data"
        folder.mkdir(exist_ok=True)
        path = folder / f"{self._job.split}-{self._next_file:05d}-of-{self._num_files:05d}.parquet"
        # Dictionaries gain nothing: hardly any value of the large columns comes twice.
        self._file = self._arrow.parquet.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=False)
        self._next_file += 1
        self._num_rows = 0
        self._begin_group()

    def _begin_group(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._num_bytes = 0

    def _write_group(self) -> None:
        self._file.write_table(self._arrow.Table.from_pylist(self._rows, self._schema))
        self._begin_group()

    def _close(self) -> None:
        if self._rows:
            self._write_group()
        self._file.close()


class _Parquet:
    about = About(
        "parquet",
        "Parquet tables, a row an image with its annotations (amodalsynth[parquet])",
        "Hugging Face datasets",
        f"data/<split>-00000-of-NNNNN.parquet, ... of {IMAGES_IN_FILE} images",
        (NEVER_HELD,),
    )

    def begin(self, job: Job) -> _Writer:
        return _Writer(job)


EXPORTER = _Parquet()
