"""`amodalsynth train-baseline` as a user runs it: flags, defaults, errors, Ctrl-C, torchrun, and without torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
import torch

from amodalsynth.baselines import METHODS
from amodalsynth.baselines.checkpoint import load_tensors, read_description
from amodalsynth.baselines.config import CONFIGS, get_config
from amodalsynth.baselines.metrics import read_metrics
from tests.conftest import REPOSITORY
from tests.tiny_runs import FLAGS, STEPS_PER_EPOCH, TINY, call, tiny_data

ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
HERE = ("--device", "cpu", "--processes", 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.getbasetemp())


def test_the_flags_are_frozen() -> None:
    from amodalsynth_cli.train_baseline import command

    assert sorted(name for parameter in command.params for name in parameter.opts) == sorted(
        "--data --split --images --foregrounds --backgrounds --method --config --set --pretrained --out --epochs --minutes --seed --device "
        "--processes --workers --resume --tensorboard --show".split()
    )


def test_show_prints_every_field_in_the_notation_of_set(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = call(capsys, "train-baseline", "--show", "--method", "implicit-pointrend", "--set", "rois=33", "--pretrained", "w.pth")
    config = get_config("small", "implicit-pointrend")
    lines = dict(line.split("  # ")[0].split(" = ", 1) for line in out.splitlines())
    assert lines.keys() == config.to_json().keys()
    assert (lines["rois"], lines["layers"], lines["cascade_ious"], lines["pretrained"]) == ("33", '"none"', "[0.5]", '"w.pth"')
    assert all(len(line.split("  # ")[1]) > 5 for line in out.splitlines())
    again, _ = call(capsys, "train-baseline", "--show", *(part for name, value in lines.items() for part in ("--set", f"{name}={value}")))
    assert again == out


def test_the_defaults_lie_in_the_current_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    out, err = call(capsys, "train-baseline", *HERE, status=3)
    assert out == "" and "intra-afruit" in err and not list(tmp_path.glob("runs/*/*.safetensors"))
    (tmp_path / "intra-afruit").symlink_to(data)
    for method in METHODS:
        out, err = call(capsys, "train-baseline", *FLAGS, *HERE, "--epochs", 0.2, "--method", method)
        assert out.startswith(f"runs/{method}-small: finished: 2 steps, 8 images, ") and " seconds; " in out
        assert f"`amodalsynth evaluate runs/{method}-small --data intra-afruit`" in out
        assert err.count("\n") == 1 and "are drawn with seed 0" in err
        there = read_description(tmp_path / "runs" / f"{method}-small")
        assert (there.method, there.config.layers) == (method, "product" if method == "plin" else "none")
    out, err = call(capsys, "train-baseline", *FLAGS, *HERE, "--epochs", 0.2)
    assert out.startswith("runs/plin-small: already finished: 2 steps") and err == ""
    out, err = call(capsys, "train-baseline", *FLAGS, *HERE, "--epochs", 0.2, "--seed", 5, status=2)
    assert "holds a run with seed = 0, not 5" in err and "--out" in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--config", "large"), "no configuration 'large': expected one of paper, r50, small"),
        (("--method", "mask-rcnn"), "no method 'mask-rcnn': expected one of plin"),
        (("--set", "rois"), "--set rois: expected FIELD=VALUE"),
        (("--set", "roi=3"), "has no field 'roi'; did you mean 'rois'?"),
        (("--set", "rois=many"), "rois"),
        (("--set", "image_size=100"), "image_size: expected a multiple of 64, got 100"),
        (("--set", "learning_rate=nan"), "learning_rate"),
        (("--epochs", "1", "--minutes", "1"), "--epochs and --minutes both say how long to train"),
        (("--epochs", "0"), "--epochs"),
        (("--epochs", "inf"), "inf is not a finite number"),
        (("--minutes", "nan"), "nan is not a finite number"),
        (("--device", "tpu"), "--device tpu"),
        (("--data", "synth:"), "synth:intra-afruit"),
        (("--data", "synth:nothing"), "no preset 'nothing'"),
        (("--foregrounds", "builtin"), "--foregrounds"),
        (("--tensorboard", "--data", "nothing", "--split", "test", "--method", "plin2"), "no method"),
    ],
)
def test_wrong_flags_are_told_on_one_line(
    flags: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    out, err = call(capsys, "train-baseline", *flags, status=2)
    assert out == "" and said in err and err.count("\n") == 1 and err.startswith("Error: ")
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = call(capsys, "train-baseline", "--data", data, "--device", "cuda", "--out", tmp_path / "run", status=2)
    assert err.startswith("Error: --device cuda: not available here") and err.count("\n") == 1 and "--device auto" in err
    assert not (tmp_path / "run").exists()


def test_scenes_made_while_training(drawn_assets: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = tmp_path / "shelf.toml"
    preset.write_text("instances = [2, 4]\ninstance_weights = []\nnum_train = 12\n")
    sources = ("--foregrounds", drawn_assets[0], "--backgrounds", drawn_assets[1])
    flags = ("--data", f"synth:{preset}", *sources, *FLAGS, *HERE, "--epochs", 1, "--out", tmp_path / "run")
    out, err = call(capsys, "train-baseline", *flags)
    assert out.startswith(f"{tmp_path / 'run'}: finished: 3 steps, 12 images") and err == ""
    assert set(read_description(tmp_path / "run").categories) == {"plum", "lime"}
    assert read_description(tmp_path / "run").data["foregrounds"] == str(drawn_assets[0])
    assert not list((tmp_path / "run").glob("*_without_masks.json"))


def test_images_without_instances_are_nothing_to_train_on(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco = orjson.loads((data / "annotations" / "instances_train.json").read_bytes())
    (tmp_path / "bare.json").write_bytes(orjson.dumps(coco | {"annotations": []}))
    flags = ("--data", tmp_path / "bare.json", "--images", data / "images" / "train", *FLAGS, *HERE, "--out", tmp_path / "run")
    _, err = call(capsys, "train-baseline", *flags, status=3)
    assert "bare.json: expected instances to train on, got" in err and err.count("\n") == 1


def test_ctrl_c_then_resume(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two processes in a terminal, both of which get the signal; then one goes on alone."""
    run = tmp_path / "run"
    flags = ("--data", data, *FLAGS, "--device", "cpu", "--epochs", 8, "--out", run)
    command = [sys.executable, "-m", "amodalsynth_cli", *map(str, ("train-baseline", *flags, "--processes", 2))]
    process = subprocess.Popen(command, env=ONE_THREAD, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_metrics(run, process)
    group = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    note, error = err.splitlines()
    assert out == "" and "are drawn" in note and error.startswith("Error: interrupted") and "--resume" in error
    assert not psutil.wait_procs(group, 10)[1]
    stopped = int(load_tensors(run / "state.safetensors")[1]["step"])
    assert read_metrics(run)[-1]["step"] == stopped < 8 * STEPS_PER_EPOCH
    _, err = call(capsys, "train-baseline", *flags, *HERE, status=2)
    assert "unfinished run; go on with --resume" in err
    out, _ = call(capsys, "train-baseline", *flags, *HERE, "--resume")
    assert f"finished: {8 * STEPS_PER_EPOCH} steps" in out
    steps = [row["step"] for row in read_metrics(run)]
    assert steps == sorted({*range(20, 8 * STEPS_PER_EPOCH + 1, 20), stopped, 8 * STEPS_PER_EPOCH})


def wait_for_metrics(run: Path, process: subprocess.Popen[str], timeout: float = 300) -> None:
    """Until a row of the metrics is there."""
    end = time.monotonic() + timeout
    while not read_metrics(run):
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.02)


def test_torchrun(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    flags = ("train-baseline", "--data", data, *FLAGS, "--device", "cpu", "--epochs", 1, "--out", run)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "amodalsynth_cli"]
    done = subprocess.run([*launcher, *map(str, flags)], env=ONE_THREAD, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("are drawn with seed 0") == 1
    assert done.stdout.count("\n") == 1 and f"finished: {STEPS_PER_EPOCH} steps, 24 images" in done.stdout
    assert [row["step"] for row in read_metrics(run)] == [STEPS_PER_EPOCH]
    assert sorted(path.name for path in run.iterdir()) == [
        ".lock", "instances_train_n10_v1_without_masks.json", "metrics.csv", "metrics.jsonl", "run.json", "state.safetensors",
        "weights.safetensors",
    ]  # fmt: skip
    out, _ = call(capsys, *flags, *HERE[2:])
    assert "already finished" in out


WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "safetensors"):
    sys.modules[name] = None  # as if it were not installed
from amodalsynth_cli.main import main
main()
"""


@pytest.mark.parametrize("arguments", [("train-baseline",), ("evaluate", "run"), ("predict", "run", "photo.jpg", "--out", "out")])
def test_without_torch_the_extra_is_named(arguments: tuple[str, ...], tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1 and "pip install 'amodalsynth[train]'" in done.stderr
    assert not list(tmp_path.iterdir())


LOADED = """
import contextlib, io, json, sys
from amodalsynth_cli.main import main
for arguments in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(said):
        main(arguments)
    assert len(said.getvalue()) > 200, arguments
    loaded = sorted({name.split(".")[0] for name in sys.modules} & {"torch", "torchvision", "safetensors"})
    print(arguments, loaded)
"""


def test_help_and_show_load_no_torch(tmp_path: Path) -> None:
    asked: list[Any] = [["--help"], *([name, "--help"] for name in ("train-baseline", "evaluate", "predict"))]
    asked += [["train-baseline", "--show", "--config", name] for name in CONFIGS]
    command = [sys.executable, "-c", LOADED, json.dumps(asked)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines() == [f"{arguments} []" for arguments in asked], done.stdout + done.stderr


def test_the_tiny_flags_are_the_tiny_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = call(capsys, "train-baseline", "--show", *FLAGS)
    shown = {name: json.loads(value) for name, value in (line.split("  # ")[0].split(" = ", 1) for line in out.splitlines())}
    assert shown == TINY.to_json()
