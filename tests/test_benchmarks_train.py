"""The benchmarks of training: they run end to end on tiny settings and say what they measured. No time decides a test."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch

from amodalsynth.baselines.plin import PLIn
from amodalsynth.baselines.synthesis import LiveExamples, SyntheticScenes
from amodalsynth.errors import OutputConflict, OutputError
from amodalsynth.pool import load_pool
from amodalsynth.pool_sources import with_folders
from amodalsynth.presets import PRESETS
from benchmarks import gpu_ablation, gpu_bench, gpu_pack, runs, train_curve, train_step
from benchmarks.steps import TrainingStep
from tests.strategies import DrawnPool
from tests.tiny_runs import FLAGS, TINY

_CPU = torch.device("cpu")
_AS_SMALL = ("backbone=tiny", "anchor_levels=3,4,5", "roi_levels=2", "point_layers=2", "subdivisions=1")  # where r50 is larger
_SETS = (*FLAGS, *(part for assignment in _AS_SMALL for part in ("--set", assignment)))


@pytest.fixture(scope="module")
def pack(drawn_assets, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("packed") / "pack"
    gpu_pack.build(*drawn_assets, out, megabytes=1)
    return out


def drawn_examples(side: int) -> LiveExamples:
    preset = dataclasses.replace(PRESETS["intra-afruit"], image_size=(side, side), categories=())
    return LiveExamples(SyntheticScenes(preset, DrawnPool((side, side)), "train", 0))


def run_main(module, monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_pack_has_the_cutouts_and_splits_of_its_sources(pack, drawn_assets, split):
    pools = []
    for foregrounds, backgrounds in (drawn_assets, (pack / "foregrounds", pack / "backgrounds")):
        preset = dataclasses.replace(with_folders(PRESETS["intra-afruit"], foregrounds, backgrounds), separate_backgrounds=True)
        pools.append(load_pool(preset, split, foregrounds=foregrounds, backgrounds=backgrounds))
    source, packed = pools
    assert packed.categories == source.categories and len(packed.backgrounds) == len(source.backgrounds) > 0
    for ours, theirs in zip(packed.cutouts, source.cutouts):
        sources = {name.removesuffix(".png"): name for name in theirs}
        if split == "test":  # of train, some are held out for val by a hash of their whole names
            assert [name.removesuffix(".webp") for name in ours] == list(sources)
        for name in (name for name in ours if name.removesuffix(".webp") in sources):
            want, got = source.cutout(sources[name.removesuffix(".webp")]).levels[0], packed.cutout(name).levels[0]
            assert np.array_equal(got[..., 3], want[..., 3])
            assert np.abs(got[..., :3].astype(int) - want[..., :3])[want[..., 3] == 255].mean() < 8


def test_a_pack_is_made_once_within_its_limit_and_over_nothing_else(pack, drawn_assets, tmp_path):
    facts = orjson.loads((pack / "pack.json").read_bytes())
    assert facts["foregrounds"]["files"] == 12 and facts["foregrounds"]["categories"] == ["lime", "plum"] and facts["left_out"] == 0
    before = (pack / "pack.json").stat().st_mtime_ns
    assert gpu_pack.build(*drawn_assets, pack, megabytes=1) == facts and (pack / "pack.json").stat().st_mtime_ns == before
    with pytest.raises(OutputConflict, match="not this pack"):
        gpu_pack.build(drawn_assets[0], drawn_assets[0] / "train", pack, megabytes=1)
    with pytest.raises(OutputError, match="more than 0.001"):
        gpu_pack.build(*drawn_assets, tmp_path / "pack", megabytes=0.001)
    assert not list(tmp_path.iterdir())


def test_every_contestant_trains_and_infers():
    config, examples = TINY, drawn_examples(64)
    own = train_step.ours(config, examples, 1, _CPU)
    rivals = train_step.rivals(config, examples, 1, _CPU)
    assert len({own.name, *(rival.name for rival in rivals)}) == 4
    for contestant in (own, rivals[-1]):  # the others differ in their backbone and numbers, and take seconds
        contestant.train()
        assert 0 <= contestant.infer() <= config.detections


def test_ratios_are_medians_over_rounds_that_are_compared_in_turns(monkeypatch):
    slow, fast = (train_step.Contestant(name, name, lambda: 6) for name in ("slow", "fast"))
    monkeypatch.setattr(train_step, "ours", lambda *_: fast)
    monkeypatch.setattr(train_step, "rivals", lambda *_: [slow])
    taken = {"fast": iter([9.0, 1.0, 2.0, 4.0]), "slow": iter([1.0, 3.0, 8.0, 10.0])}
    monkeypatch.setattr(train_step, "seconds_of", lambda work, *_, **__: next(taken[work]) if isinstance(work, str) else 0.5)
    compared = train_step.compare(TINY, None, 2, _CPU, rounds=3)
    assert compared["models"]["fast"] == {
        "training_images_per_second": 1.0,
        "inference_images_per_second": 4.0,
        "detections_per_image": 3.0,
    }
    assert compared["models"]["slow"]["training_images_per_second"] == 0.25
    assert compared["models"]["slow"]["ours_times_training"] == 3.0  # of 3, 4 and 2.5, the first round left out
    assert "training 0.25 (x 3.0)" in train_step.report("tiny", compared)


def test_the_pooling_that_is_timed_is_told():
    pooled = train_step.pooling(TINY, 2, rounds=1, at_least=0.0)
    assert pooled["features"] == [2, 16, 16, 16] and set(pooled["times_roi_align"]) == {"products_float32", "products_bfloat16"}
    assert "roi_align" in train_step.pooling_report({"tiny": pooled})


def test_a_timed_step_is_a_whole_one():
    config = TINY
    model = PLIn(config, 2)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    step = TrainingStep(model.train(), config, _CPU)
    batch = train_step.given_batch(config, drawn_examples(64), 2)
    step(lambda: model.losses(batch))
    changed = [not torch.equal(old, new) for old, new in zip(before, model.parameters())]
    assert all(changed) and step.count == 1
    weight = "backbone.body.stem.0.weight"
    assert not torch.equal(step.average.state[weight], before[0]) and not torch.equal(
        step.average.state[weight], model.state_dict()[weight]
    )


def test_the_curve_goes_from_assets_to_results(drawn_assets, tmp_path, monkeypatch):
    common = (
        "--foregrounds",
        drawn_assets[0],
        "--backgrounds",
        drawn_assets[1],
        "--scratch",
        tmp_path / "work",
        "--out",
        tmp_path / "curve.json",
    )
    arguments = (*common, "--minutes", 0.002, 0.01, "--train-images", 8, "--test-images", 3, "--processes", 1, "--device", "cpu", *_SETS)
    run_main(train_curve, monkeypatch, *arguments)
    results = orjson.loads((tmp_path / "curve.json").read_bytes())
    assert [row["minutes"] for row in results["runs"]] == [0.002, 0.01]
    assert all(
        set(row) >= {"soft", "paper", "images_per_second"} and row["images"] == TINY.batch_size * row["steps"] > 0
        for row in results["runs"]
    )
    assert results["loss"]["minutes"] == 0.01 and results["loss"]["rows"][-1]["step"] == results["runs"][1]["steps"]
    assert (tmp_path / "work" / "data" / "annotations" / "instances_test.json").exists()


def test_a_curve_keeps_its_ends():
    rows = [{"step": k} for k in range(1000)]
    kept = train_curve.thinned(rows, 100)
    assert len(kept) == 100 and kept[0] is rows[0] and kept[-1] is rows[-1]
    assert (
        train_curve.thinned(rows[:7], 100) == rows[:7]
        and train_curve.thinned(rows[:1], 100) == rows[:1]
        and not train_curve.thinned([], 100)
    )


def test_the_steps_for_a_gpu_run_on_a_cpu_and_share_their_results(pack, tmp_path, monkeypatch):
    common = ("--pack", pack, "--scratch", tmp_path / "work", "--out", tmp_path / "gpu.json", "--device", "cpu", *_SETS)
    run_main(gpu_bench, monkeypatch, "throughput", "--configs", "small", "--seconds", 0, *common)
    run = ("--minutes", 0.002, "--test-images", 3, "--processes", 1, *common)
    run_main(gpu_bench, monkeypatch, "train", *run)
    run_main(gpu_ablation, monkeypatch, "--trainings", "lp-cascade", *run)
    results = orjson.loads((tmp_path / "gpu.json").read_bytes())
    assert all(
        results["throughput"]["small"][f"{name}_images_per_second"] > 0 for name in ("scenes", "training_given", "training_on_the_fly")
    )
    assert results["train"]["test_images"] == 3 and results["train"]["machine"]["device"] == "cpu"
    assert set(results["ablation"]) == {"lp-cascade", "lp-cascade-tta", "lp-cascade-soft"}
    assert results["ablation"]["lp-cascade-tta"]["tta"] and results["ablation"]["lp-cascade"]["results"]["mask_AP"] is not None
    steps = results["train"]["steps"]
    run_main(gpu_bench, monkeypatch, "train", *run)  # finished: only evaluated again
    assert orjson.loads((tmp_path / "gpu.json").read_bytes())["train"]["steps"] == steps


def test_the_trainings_are_layer_priors_by_cascade():
    assert gpu_ablation.TRAININGS == ("baseline", "lp", "cascade", "lp-cascade")


def test_results_of_other_steps_stay(tmp_path):
    runs.record(tmp_path / "r.json", "a", "b", values={"x": 1})
    runs.record(tmp_path / "r.json", "a", "c", values={"x": 2})
    runs.record(tmp_path / "r.json", "a", "b", values={"x": 3})
    assert orjson.loads((tmp_path / "r.json").read_bytes()) == {"a": {"b": {"x": 3}, "c": {"x": 2}}}
