"""JSON files that are written as a stream: a header, then arrays whose elements come in any order."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from amodalsynth.exporters.base import Job


class JsonArrays:
    """A JSON object of the values of `header` and of an array for each name, in that order, one element a line.

    The first array goes to the file at once, the others wait in temporary files beside it, so no array is ever held in memory.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], names: Sequence[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._file.write(b"{" + b"".join(b"%b:%b,\n" % (orjson.dumps(key), orjson.dumps(value)) for key, value in header.items()))
        self._arrays = {name: tempfile.TemporaryFile(dir=path.parent) if i else self._file for i, name in enumerate(names)}  # noqa: SIM115
        self._separator = {name: b'"%b":[\n' % name.encode() for name in names}

    def add(self, name: str, element: Any) -> None:
        self._arrays[name].write(self._separator[name] + orjson.dumps(element))
        self._separator[name] = b",\n"

    def close(self) -> None:
        for i, (name, array) in enumerate(self._arrays.items()):
            if self._separator[name] != b",\n":
                array.write(self._separator[name])  # an empty array
            if i:
                self._file.write(b"\n],\n")
                array.seek(0)
                shutil.copyfileobj(array, self._file, 1 << 20)
                array.close()
        self._file.write(b"\n]}\n")
        self._file.close()


def coco_header(job: Job) -> dict[str, Any]:
    """What a COCO file has beside its images and annotations; category ids as they are."""
    categories = [{"id": key, "name": name, "supercategory": ""} for key, name in job.categories.items()]
    return {"info": {}, "licenses": [], **job.info, "categories": categories}
