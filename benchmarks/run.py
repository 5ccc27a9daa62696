"""`make bench`: speed and memory of the generator beside a plain reference and beside the floor, in one run on the same assets.

    python -m benchmarks.run [--foregrounds PATH] [--backgrounds PATH] [--images 20000] [--out FILE]

The floor encodes and writes the very same output files, from pixels and values that are in memory already, and does nothing else. One-core
figures are medians of rounds in which the three take turns on one pinned core; the times depend on the machine, the ratios hardly.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import orjson
import psutil
from PIL import Image

from amodalsynth.cutouts import CutoutSettings, make_cutout
from amodalsynth.files import write_file
from amodalsynth.generate import Sampler
from amodalsynth.imagefiles import read_image
from amodalsynth.pool import AssetPool, load_pool
from amodalsynth.pool_sources import with_folders
from amodalsynth.presets import PRESETS, DatasetPreset
from amodalsynth.records.layout import Layout, background_names
from amodalsynth.records.part import DEFAULT_OUTPUT, Target, write_background, write_part
from benchmarks import floor, plain

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "assets"
ROUNDS, PER_ROUND, PLAIN_PER_ROUND = 5, 256, 12


def main() -> None:
    arguments = parse()
    cores = sorted(os.sched_getaffinity(0))
    preset = with_folders(PRESETS["intra-afruit"], arguments.foregrounds, arguments.backgrounds)
    pool = load_pool(preset, "train", foregrounds=arguments.foregrounds, backgrounds=arguments.backgrounds, num_workers=len(cores))
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        results = {
            "command": "make bench" if len(sys.argv) == 1 else f"python -m benchmarks.run {' '.join(sys.argv[1:])}",
            "machine": machine(),
            "assets": {
                "cutouts": sum(map(len, pool.cutouts)),
                "textures": len(pool.backgrounds),
                "sources": [s.name for s in pool.sources.values()],
            },
            "one_core": one_core(preset, pool, Path(scratch), cores),
            "all_cores": all_cores(arguments, Path(scratch), len(cores)),
            "first_image_s": first_image(arguments, Path(scratch)),
        }
    write_file(arguments.out, orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print(report(results))
    print(f"\nwritten to {arguments.out}")


def source_arguments(parser: argparse.ArgumentParser) -> None:
    """--foregrounds and --backgrounds: the real ones where they are, else those of the built-in pack."""
    real = SHARED.is_dir()
    parser.add_argument("--foregrounds", default=str(SHARED / "fruits-360-original-size") if real else "builtin")
    parser.add_argument("--backgrounds", default=str(SHARED / "dtd" / "images") if real else "builtin")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    source_arguments(parser)
    parser.add_argument("--images", type=int, default=20_000, help="images of the run on all cores")
    parser.add_argument("--scratch", type=Path, default=ROOT, help="existing folder for the data sets made, which are removed afterwards")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "generate.json")
    return parser.parse_args()


def one_core(preset: DatasetPreset, pool: AssetPool, scratch: Path, cores: list[int]) -> dict:
    """Milliseconds an image of the three, taking turns."""
    os.sched_setaffinity(0, cores[:1])
    make = Sampler(preset, pool, "train", 0)
    layout = Layout(scratch / "ours")
    for folder in (layout.images("train"), layout.appearances("train"), layout.parts("train"), layout.backgrounds):
        folder.mkdir(parents=True)
    names = background_names(pool.backgrounds)
    target = Target(layout, "train", DEFAULT_OUTPUT, preset, names, pool.sha256, "")
    files, sizes = plain_assets(preset, pool, scratch / "plain-assets")
    (scratch / "plain").mkdir()
    (scratch / "floor").mkdir()
    # What a data set costs once, and its many images no more: writing each texture, and mapping the pixels of each cutout.
    for asset_id in pool.backgrounds:
        write_background(target, asset_id, pool.background(asset_id))
    for asset_ids in pool.cutouts:
        for asset_id in asset_ids:
            for level in pool.cutout(asset_id).levels:
                level.max()
    times: dict[str, list[float]] = {"plain": [], "ours": [], "floor": []}
    for number in range(ROUNDS + 1):
        indices = range(number * PER_ROUND, (number + 1) * PER_ROUND)
        samples = [make(index) for index in indices]
        ours = measure(lambda number=number, indices=indices: write_part(target, number, map(make, indices), lambda: None))
        prepared = [floor.prepare(target, number, sample) for sample in samples]
        least = measure(lambda number=number, prepared=prepared: floor.write(target, number, prepared, scratch / "floor"))
        few = [sample.scene for sample in samples[:PLAIN_PER_ROUND]]
        reference = measure(lambda few=few: write_plain(few, files, sizes, scratch / "plain"))
        if number:  # the first round warms up
            times["ours"].append(ours / PER_ROUND)
            times["floor"].append(least / PER_ROUND)
            times["plain"].append(reference / PLAIN_PER_ROUND)
    os.sched_setaffinity(0, cores)
    ms = {name: round(1000 * statistics.median(values), 3) for name, values in times.items()}
    ratios = [(p / o, o / f) for p, o, f in zip(times["plain"], times["ours"], times["floor"])]
    return {
        "ms_per_image": ms,
        "images_per_second": round(1000 / ms["ours"], 1),
        "times_plain": round(statistics.median(r[0] for r in ratios), 1),
        "times_floor": round(statistics.median(r[1] for r in ratios), 2),
    }


def plain_assets(preset: DatasetPreset, pool: AssetPool, folder: Path) -> tuple[dict[str, Path], dict[str, tuple[int, int]]]:
    """The cutouts of the rounds as PNG files, as a plain generator would have them, and the sizes that scales refer to."""
    folder.mkdir()
    settings = CutoutSettings(white_threshold=preset.white_threshold)
    files = {asset_id: pool.sources["backgrounds"].root / asset_id for asset_id in pool.backgrounds}
    make, sizes = Sampler(preset, pool, "train", 0), {}
    for number in range(ROUNDS + 1):
        for index in range(number * PER_ROUND, number * PER_ROUND + PLAIN_PER_ROUND):
            for placement in make(index).scene.placements:
                asset_id = placement.asset_id
                if asset_id not in files:
                    files[asset_id] = folder / f"{len(sizes)}.png"
                    sizes[asset_id] = pool.cutout_size_hw(asset_id)
                    cutout = make_cutout(read_image(pool.sources["foregrounds"].root / asset_id), settings)
                    Image.fromarray(cutout).save(files[asset_id])
    return files, sizes


def write_plain(scenes: list, files: dict[str, Path], sizes: dict[str, tuple[int, int]], out: Path) -> None:
    annotations = []
    for image_id, scene in enumerate(scenes, start=1):
        annotations += plain.render_and_write(scene, image_id, files, sizes, out)
    plain.write_annotations(annotations, out)


def all_cores(arguments: argparse.Namespace, scratch: Path, num_cores: int) -> dict:
    """Whole runs of the command, start, annotation file and card included: on one worker and on all, with memory."""
    num_images, few = arguments.images, max(arguments.images // 5, 1000)
    one = measure(lambda: run_command(arguments, scratch / "one", few, 1).wait())
    many_few = measure(lambda: run_command(arguments, scratch / "many-few", few, num_cores).wait())
    began = time.perf_counter()
    memory = watch_memory(run_command(arguments, scratch / "many", num_images, num_cores))
    many = time.perf_counter() - began
    size = sum(path.stat().st_size for path in (scratch / "many").rglob("*") if path.is_file())
    for name in ("one", "many-few", "many"):
        shutil.rmtree(scratch / name)
    return {
        "workers": num_cores,
        "images": num_images,
        "seconds": round(many, 1),
        "images_per_second": round(num_images / many, 1),
        "times_one_worker": round(one / many_few, 2),
        "minutes_for_300000_extrapolated": round(300_000 / num_images * many / 60, 1),
        "kilobytes_per_image": round(size / num_images / 1000, 1),
        "worker_private_mib": round(memory["workers"] / 2**20),
        "parent_private_mib": round(memory["parent"] / 2**20),
    }


def run_command(arguments: argparse.Namespace, out: Path, num_images: int, num_workers: int) -> psutil.Popen:
    """Start `amodalsynth generate` for the train split of Intra-AFruit."""
    command = [sys.executable, "-m", "amodalsynth_cli", "generate", "--dataset", "intra-afruit", "--split", "train", "--out", str(out)]
    sources = ["--foregrounds", arguments.foregrounds, "--backgrounds", arguments.backgrounds]
    return psutil.Popen([*command, *sources, "--num-images", str(num_images), "--workers", str(num_workers)], stdout=subprocess.DEVNULL)


def watch_memory(parent: psutil.Popen) -> dict[str, int]:
    """Largest private memory of a process and of any of its children until it ends, looked at ten times a second."""
    peak = {"parent": 0, "workers": 0}
    while parent.poll() is None:
        for process, name in [(parent, "parent"), *((child, "workers") for child in parent.children())]:
            with suppress(psutil.Error):
                peak[name] = max(peak[name], process.memory_full_info().uss)
        time.sleep(0.1)
    assert parent.wait() == 0, f"{parent.args} failed"
    return peak


def first_image(arguments: argparse.Namespace, scratch: Path) -> float:
    """Seconds from the command to the end of a run of one image, with the cache warm."""
    runs = [measure(lambda i=i: run_command(arguments, scratch / f"first-{i}", 1, 1).wait()) for i in range(3)]
    return round(statistics.median(runs), 2)


def measure(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def machine() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    packages = ("numpy", "opencv-python-headless", "isal", "simplejpeg", "pillow", "pycocotools")
    versions = {name: version(name) for name in packages}
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), **versions}


def report(results: dict) -> str:
    one, many = results["one_core"], results["all_cores"]
    ms = one["ms_per_image"]
    return "\n".join(
        [
            f"one core: ours {ms['ours']} ms an image ({one['images_per_second']} images/s), plain {ms['plain']}, floor {ms['floor']}",
            f"  {one['times_plain']} times the plain reference (goal 40), {one['times_floor']} times the floor (goal 2.5, stretch 1.8)",
            f"{many['workers']} cores: {many['images_per_second']} images/s, {many['times_one_worker']} times one worker (goal 1.7); "
            f"300,000 images in {many['minutes_for_300000_extrapolated']} min (goal 8), {many['kilobytes_per_image']} kB an image",
            f"memory: {many['worker_private_mib']} MiB private a worker (goal 250), {many['parent_private_mib']} MiB in the parent (goal 500)",
            f"first image: {results['first_image_s']} s after the command (goal 3)",
        ]
    )


if __name__ == "__main__":
    main()
