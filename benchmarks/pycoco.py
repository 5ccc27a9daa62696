"""The judge of `make bench-formats`, in a process of its own: pycocotools' box and mask AP of a results file, printed as JSON, in percent.

python -m benchmarks.pycoco GROUND_TRUTH RESULTS
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def main() -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(sys.argv[1])
        found = truth.loadRes(sys.argv[2])
        scores = {}
        for name, kind in (("box", "bbox"), ("mask", "segm")):
            evaluation = COCOeval(truth, found, kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            scores[name] = 100 * float(evaluation.stats[0])
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
