"""`make bench-report`: time, memory and size of reports of 1,000 and 100,000 images, and of the server.

    python -m benchmarks.report [--num-images 100000] [--generated 1000] [--out FILE]

A data set is generated, with its pictures. For the large report its annotations are repeated under new ids, with the file names of the generated
images, so that those which are drawn are there. Every figure is of a whole command in a process of its own, start included; memory is the largest
private memory seen, ten times a second; the server's first answer is counted from its start, survey included.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import orjson
import psutil

from amodalsynth.files import write_file
from benchmarks.formats import repeat
from benchmarks.run import ROOT, machine, run_command, source_arguments, watch_memory

_SCENES = 50  # asked of the server, one after the other


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        data = Path(folder) / "fruit"
        run_command(arguments, data, arguments.generated, len(os.sched_getaffinity(0))).wait()
        results: dict[str, Any] = {
            "command": "make bench-report" if len(sys.argv) == 1 else f"python -m benchmarks.report {' '.join(sys.argv[1:])}",
            "machine": machine(),
            "reports": [report(data, arguments.generated, shown) for shown in (300, arguments.generated)],
        }
        coco, repeated = data / "annotations" / "instances_train.json", Path(folder) / "repeated.json"
        repeat(coco, repeated, arguments.num_images, rename=False)
        repeated.replace(coco)
        results["reports"].append(report(data, arguments.num_images, 300))
        results["server"] = serve(data, arguments.num_images)
    write_file(arguments.out, orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print(table(results))
    print(f"\nwritten to {arguments.out}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    source_arguments(parser)
    parser.add_argument("--num-images", type=int, default=100_000, help="images of the large data set")
    parser.add_argument("--generated", type=int, default=1_000, help="images of the small one, which are generated")
    parser.add_argument("--scratch", type=Path, default=ROOT, help="existing folder for what is made, which is removed afterwards")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "report.json")
    return parser.parse_args()


def report(data: Path, num_images: int, max_images: int) -> dict[str, Any]:
    """Seconds, memory and bytes of `amodalsynth report`."""
    folder = data.parent / "report"
    folder.mkdir()
    began = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "amodalsynth_cli",
        "report",
        str(data),
        "--to",
        str(folder / "report.html"),
        "--max-images",
        str(max_images),
    ]
    memory = watch_memory(psutil.Popen(command, stdout=subprocess.DEVNULL))
    seconds = time.perf_counter() - began
    files = [path for path in folder.rglob("*") if path.is_file()]
    result = {
        "images": num_images,
        "shown": min(num_images, max_images),
        "seconds": round(seconds, 1),
        "page_megabytes": round((folder / "report.html").stat().st_size / 1e6, 2),
        "all_megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 2),
        "files": len(files),
        "private_mib": memory["parent"] >> 20,
    }
    shutil.rmtree(folder)
    return result


def serve(data: Path, num_images: int) -> dict[str, Any]:
    """Seconds until `amodalsynth view` answers, the size of its page, and milliseconds of a scene."""
    command = [sys.executable, "-u", "-m", "amodalsynth_cli", "view", str(data), "--port", "0"]
    began = time.perf_counter()
    with psutil.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url = re.search(r"http://\S+/", server.stdout.readline()).group()
        seconds = time.perf_counter() - began
        page = fetch(url)
        times = []
        for i in range(_SCENES):
            began = time.perf_counter()
            fetch(f"{url}report_files/scenes/{i * num_images // _SCENES}.js")
            times.append(time.perf_counter() - began)
        memory = server.memory_full_info().uss >> 20
        server.terminate()
    return {
        "images": num_images,
        "seconds_to_first_answer": round(seconds, 1),
        "page_megabytes": round(len(page) / 1e6, 2),
        "scene_ms": round(1000 * statistics.median(times), 2),
        "private_mib": memory,
    }


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def table(results: dict[str, Any]) -> str:
    lines = [
        f"report of {r['images']:,} images, {r['shown']:,} shown: {r['seconds']} s, page {r['page_megabytes']} MB, "
        f"{r['all_megabytes']} MB in {r['files']:,} files, {r['private_mib']} MiB"
        for r in results["reports"]
    ]
    s = results["server"]
    lines.append(
        f"server of {s['images']:,} images: answers after {s['seconds_to_first_answer']} s, page {s['page_megabytes']} MB, "
        f"a scene in {s['scene_ms']} ms, {s['private_mib']} MiB"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
