"""`amodalsynth generate` as a user runs it: flags, errors, Ctrl-C, kill -9, a full disk."""

import os
import signal
import subprocess
import sys
import time

import orjson
import psutil
import pytest

from tests.strategies import judge, tree

LONG = 3000  # images: enough to be interrupted


def arguments(drawn_assets, *more):
    small = ("--set", "image_size=64x48")
    return ("generate", "--dataset", "intra-afruit", "--foregrounds", drawn_assets[0], "--backgrounds", drawn_assets[1], *small, *more)


def start(drawn_assets, out, *more):
    command = [sys.executable, "-m", "amodalsynth_cli", *map(str, arguments(drawn_assets, "--split", "train", "--out", out, *more))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for_parts(out, count=2, timeout=60):
    """Until so many parts are committed."""
    end = time.monotonic() + timeout
    while len(list(out.glob(".amodalsynth/train/part-*.json"))) < count:
        assert time.monotonic() < end, "no part was made in time"
        time.sleep(0.02)


def wait_for_end(processes, timeout=10):
    _, alive = psutil.wait_procs(processes, timeout)
    return alive


def test_the_flags_are_frozen():
    from amodalsynth_cli.generate import command

    assert sorted(name for parameter in command.params for name in parameter.opts) == sorted(
        "--dataset --out --split --num-images --seed --workers --foregrounds --backgrounds --image-format --layout --no-appearances "
        "--set --resume --dry-run".split()
    )


def test_all_splits(drawn_assets, tmp_path, run_cli):
    done = run_cli(*arguments(drawn_assets, "--num-images", 30, "--image-format", "png", "--out", tmp_path / "out"))
    assert done.stdout.count("finished: 30 images") == 3 and done.stderr == ""
    for split in ("train", "val", "test"):
        judge(tmp_path / "out", split, "--intra", "--images", "30")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| images | 30 | 30 | 30 | 90 |" in card and "not stated" in card
    about = orjson.loads((tmp_path / "out" / "dataset.json").read_bytes())
    by_split = {split: {n for n, f in about["assets"]["foregrounds"]["files"].items() if split in f["splits"]} for split in about["splits"]}
    assert not by_split["train"] & by_split["test"] and not by_split["train"] & by_split["val"]
    assert (
        "already finished"
        in run_cli(*arguments(drawn_assets, "--num-images", 30, "--image-format", "png", "--out", tmp_path / "out")).stdout
    )


def test_without_out_the_data_set_lies_beside(drawn_assets, tmp_path, run_cli):
    toml = tmp_path / "shelf.toml"
    toml.write_text(
        "image_size = [64, 48]\ninstances = [9, 14]\nscale = [0.1, 0.3]\nnum_train = 5\nnum_val = 0\nnum_test = 4\none_category = false\n"
    )
    sources = ("--foregrounds", drawn_assets[0], "--backgrounds", drawn_assets[1])
    run_cli("generate", "--dataset", toml, *sources, cwd=tmp_path)
    assert sorted(path.name for path in (tmp_path / "shelf" / "annotations").iterdir()) == ["instances_test.json", "instances_train.json"]
    judge(tmp_path / "shelf", "train", "--min", "9", "--max", "14", "--images", "5")


def test_dry_run_writes_nothing(drawn_assets, tmp_path, run_cli):
    done = run_cli(*arguments(drawn_assets, "--out", tmp_path / "out", "--dry-run"))
    assert not (tmp_path / "out").exists()
    for word in ("nothing written", "210,000 images", "45,000 images", "GB", "min on", "licence"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        (("--dataset", "intra-afruits"), 2, "no preset 'intra-afruits'"),
        (("--num-image", "3"), 2, "Did you mean"),
        (("--split", "training"), 2, "'training' is not one of"),
        (("--seed", "-1"), 2, "--seed"),
        (("--seed", "99999999999999999999999"), 2, "--seed"),
        (("--set", "backgrounds=dtd"), 2, "contradict each other"),
        (("--set", "scales=3"), 2, "did you mean 'scale'"),
        (("--foregrounds", "nowhere"), 4, "nowhere: no such folder"),
        (("--out", "/proc/out"), 5, "/proc/out"),
        (("--out", __file__), 2, "is a file"),
    ],
)
def test_bad_input_gives_one_line(drawn_assets, tmp_path, run_cli, changes, status, message):
    done = run_cli(*arguments(drawn_assets, "--num-images", 3, "--split", "train", "--out", tmp_path / "out"), *changes, status=status)
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1 and done.stdout == ""


def test_a_missing_asset_says_what_to_fetch(run_cli, tmp_path):
    done = run_cli(
        "generate", "--dataset", "intra-afruit", "--out", tmp_path / "out", status=4, env={**os.environ, "AMODALSYNTH_HOME": str(tmp_path)}
    )
    assert "amodalsynth assets fetch fruits360" in done.stderr and "CC BY-SA 4.0" in done.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_then_resume(drawn_assets, tmp_path, run_cli, workers):
    out = tmp_path / "out"
    run = start(drawn_assets, out, "--num-images", LONG, "--workers", workers)
    wait_for_parts(out)
    children = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to the parent and the workers
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 130 and "--resume" in errors and "Traceback" not in errors and len(errors.strip().splitlines()) == 1
    assert not wait_for_end(children)
    assert not (out / ".amodalsynth" / "tmp").exists() and not list(out.rglob("*.tmp"))
    done = run_cli(*arguments(drawn_assets, "--split", "train", "--out", out, "--num-images", LONG, "--workers", workers), status=2)
    assert "unfinished" in done.stderr and "--resume" in done.stderr
    run_cli(*arguments(drawn_assets, "--split", "train", "--out", out, "--num-images", LONG, "--workers", 2, "--resume"))
    assert len(tree(out)) > LONG


@pytest.mark.parametrize("seconds", [0.4, 0.8, 1.2])
def test_ctrl_c_while_workers_start(drawn_assets, tmp_path, seconds):
    run = start(drawn_assets, tmp_path / "out", "--num-images", LONG, "--workers", 2)
    time.sleep(seconds)
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode in (130, -signal.SIGINT)  # the latter before the command itself has begun
    assert "spawn" not in errors and (run.returncode < 0 or len(errors.strip().splitlines()) == 1)


def test_a_batch_systems_signal_is_as_ctrl_c(drawn_assets, tmp_path):
    run = start(drawn_assets, tmp_path / "out", "--num-images", LONG, "--workers", 2)
    wait_for_parts(tmp_path / "out")
    run.terminate()
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 130 and "--resume" in errors and len(errors.strip().splitlines()) == 1


def test_no_split_is_begun_before_all_can_be_made(drawn_assets, tmp_path, run_cli):
    import shutil

    few = tmp_path / "few"
    shutil.copytree(drawn_assets[0] / "train" / "lime", few / "lime")
    for i in (2, 3):
        (few / "lime" / f"lime_{i}.png").unlink()
    done = run_cli(
        "generate", "--dataset", "intra-afruit", "--foregrounds", few, "--backgrounds", drawn_assets[1], "--out", tmp_path / "out", status=4
    )
    assert "split 'val'" in done.stderr and not (tmp_path / "out").exists()


def test_kill_9_then_resume_gives_the_same_bytes(drawn_assets, tmp_path, run_cli):
    run_cli(*arguments(drawn_assets, "--split", "train", "--out", tmp_path / "whole", "--num-images", LONG, "--workers", 1))
    out = tmp_path / "out"
    run = start(drawn_assets, out, "--num-images", LONG, "--workers", 2)
    wait_for_parts(out)
    children = psutil.Process(run.pid).children(recursive=True)
    assert len(children) >= 2
    run.kill()
    run.wait()
    assert not wait_for_end(children), "workers outlive their parent"
    run_cli(*arguments(drawn_assets, "--split", "train", "--out", out, "--num-images", LONG, "--workers", 2, "--resume"))
    assert tree(out) == tree(tmp_path / "whole")
    judge(out, "train", "--intra", "--images", str(LONG), "--recompose", "20")


def test_a_killed_workers_part_is_done_again(drawn_assets, tmp_path):
    out = tmp_path / "out"
    run = start(drawn_assets, out, "--num-images", LONG, "--workers", 2)
    wait_for_parts(out)
    workers = [child for child in psutil.Process(run.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    workers[0].kill()
    stdout, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert f"finished: {LONG:,} images" in stdout
    judge(out, "train", "--intra", "--images", str(LONG), "--recompose", "20")


def test_a_full_disk(drawn_assets, tmp_path, run_cli):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"needs to mount a small file system: {mounted.stderr.strip()}")
    try:
        for workers in (1, 2):
            done = run_cli(
                *arguments(drawn_assets, "--split", "train", "--out", disk / f"o{workers}", "--num-images", LONG, "--workers", workers),
                status=5,
            )
            assert "the disk is full" in done.stderr and "--resume" in done.stderr and len(done.stderr.strip().splitlines()) == 1
            assert not list(disk.rglob("*.tmp")) and not (disk / f"o{workers}" / "annotations" / "instances_train.json").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_second_writer_is_refused(drawn_assets, tmp_path, run_cli):
    out = tmp_path / "out"
    run = start(drawn_assets, out, "--num-images", LONG, "--workers", 1)
    wait_for_parts(out, 1)
    done = run_cli(*arguments(drawn_assets, "--split", "train", "--out", out, "--num-images", LONG, "--resume"), status=2)
    assert "another process is writing" in done.stderr
    run.kill()
    run.wait()


def test_real_fruit_has_the_papers_statistics(shared_assets, tmp_path, run_cli):
    sources = ("--foregrounds", shared_assets / "fruits-360-original-size", "--backgrounds", shared_assets / "dtd/images")
    run_cli(
        "generate",
        "--dataset",
        "intra-afruit",
        *sources,
        "--split",
        "train",
        "--num-images",
        2000,
        "--image-format",
        "png",
        "--out",
        tmp_path / "out",
    )
    judge(tmp_path / "out", "train", "--intra", "--images", "2000", "--statistics")
    stats = orjson.loads(run_cli("stats", tmp_path / "out", "--json").stdout)["total"]
    assert stats["instances_per_image"] == pytest.approx(3.215, abs=0.06)  # Table 1
    assert stats["occluded_share"] == pytest.approx(0.636, abs=0.015)
    assert stats["mean_occlusion_rate"] == pytest.approx(0.306, abs=0.015)


@pytest.mark.parametrize(("preset", "split", "mean"), [("inter-amix", "test", 3.29), ("acom", "train", 3.64)])
def test_the_other_presets_counts(shared_assets, tmp_path, run_cli, preset, split, mean):
    """26,508 instances in 8,067 images, 45,485 in 12,500; ETH-80 stands in for OmniObject3D."""
    foregrounds = shared_assets / {"inter-amix": "fruits-360-original-size", "acom": "eth-80"}[preset]
    sources = ("--foregrounds", foregrounds, "--backgrounds", shared_assets / "dtd/images")
    run_cli(
        "generate", "--dataset", preset, *sources, "--split", split, "--num-images", 2000, "--no-appearances", "--out", tmp_path / "out"
    )
    judge(tmp_path / "out", split, "--no-appearances", "--images", "2000", *(["--intra"] if preset == "acom" else []))
    assert orjson.loads(run_cli("stats", tmp_path / "out", "--json").stdout)["total"]["instances_per_image"] == pytest.approx(
        mean, abs=0.06
    )
