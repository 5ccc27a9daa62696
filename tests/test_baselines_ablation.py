"""The ablation: its rows, the paper's numbers, what is trained and what is reused, and the tables of the outcome."""

from __future__ import annotations

import re
import shutil
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from amodalsynth.baselines import ablation
from amodalsynth.baselines.ablation import AblationEvent, AblationSettings, pending_trainings, run_ablation
from amodalsynth.baselines.ablation_rows import LAYERS, ROWS, PaperNumbers, Row, override_shared, rows_of_table
from amodalsynth.baselines.ablation_tables import make_table, summarise_seeds
from amodalsynth.baselines.checkpoint import read_description
from amodalsynth.baselines.config import get_config, override_prediction
from amodalsynth.baselines.training import TrainSettings
from amodalsynth.errors import ConfigurationError, DataError, OutputConflict
from tests.conftest import SHARED
from tests.tiny_runs import FLAGS, TINY, call, press_ctrl_c, settings, tiny_data

EPOCHS = 0.4  # three steps
PAPER_ROWS = [row for row in ROWS if row.paper]
CONTROLS = [row for row in ROWS if not row.paper]


def benchmark(data: Path, *, epochs: float = EPOCHS, rows: tuple[Row, ...] = ROWS, num_seeds: int = 1, **more: Any) -> AblationSettings:
    return AblationSettings(settings(data, epochs=epochs), data, rows=rows, num_seeds=num_seeds, **more)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def heard() -> list[tuple[str, int, AblationEvent]]:
    """What the benchmark of `finished` has reported."""
    return []


@pytest.fixture(scope="module")
def finished(data: Path, heard: list, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of all rows with one seed."""
    out = tmp_path_factory.mktemp("ablation") / "benchmark"
    run_ablation(benchmark(data), out, report=lambda *event: heard.append(event))
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "benchmark"))


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that are trained or evaluated from now on, without either being done, in words."""
    folders: list[str] = []

    def train(settings: TrainSettings, out: Path, **_: Any) -> None:
        folders.append(f"train {out.name}")
        out.mkdir(exist_ok=True)
        (out / "metrics.jsonl").write_bytes(orjson.dumps({"step": 3, "images": 12, "seconds": 0.5}))

    monkeypatch.setattr(ablation, "train", train)

    def evaluate(run: Path, test: Path, *, split: str, to: Path, **_: Any) -> dict[str, Any]:
        folders.append(f"evaluate {run.name}/{to.name}")
        (to / f"evaluation-{split}.json").write_bytes(orjson.dumps(evaluation()))
        return evaluation()

    monkeypatch.setattr(ablation, "evaluate_run", evaluate)
    return folders


def evaluation(ap: float | None = 50.0, *, fps: float = 20.0) -> dict[str, Any]:
    """A made-up evaluation with one AP everywhere but in L4, which is undefined."""
    scores, undefined = dict.fromkeys(("AP", "AP50", "AP75"), ap), dict.fromkeys(("AP", "AP50", "AP75"))
    return {
        "box": scores,
        "mask": scores,
        "mask_by_layer": {layer: undefined if layer == "L4" else scores for layer in LAYERS},
        "layer_accuracy": ap,
        "fps": fps,
        "detections_per_image": 3.0,
        "batch_size": 16,
        "num_images": 1200,
    }


def outcome_of(*evaluations: dict[str, Any]) -> dict[str, Any]:
    """An outcome in which the first row has these evaluations and no other row has any."""
    rows = [{"name": row.name, "seeds": {}, "summary": {}} for row in ROWS]
    rows[0] |= {"seeds": {str(k): {"evaluation": one} for k, one in enumerate(evaluations)}, "summary": summarise_seeds(evaluations)}
    shared = {
        "config": {"name": "small"},
        "limit": ["minutes", 5.0],
        "train": {"data": "plums", "split": "train"},
        "test": {"data": "plums", "split": "test"},
    }
    return {"settings": shared, "device": "cpu, 2 cores", "rows": rows}


def table_of_the_paper(number: int) -> list[list[str]]:
    """The cells of the rows with numbers, of a table in the text of the paper."""
    paper = SHARED / "paper.txt"
    if not paper.is_file():
        pytest.skip(f"needs the paper's text in {paper}")
    above = paper.read_text().split(f"\nTable {number}. ")[0].rsplit("Ablation", 1)[1].splitlines()
    rows = [[re.sub(r"</?b>", "", cell).strip() for cell in line.split("\t")] for line in above]
    return [row for row in rows if re.fullmatch(r"\d+\.\d{3}", row[-1])]


# the rows


def test_the_papers_rows_are_layer_priors_times_cascade_and_augmentation_of_both():
    configs = {row.name: replace(TINY, **row.changes) for row in ROWS}
    having = [(configs[row.name].layers, len(configs[row.name].cascade_ious), row.tta) for row in PAPER_ROWS]
    assert having == [("none", 1, False), ("product", 1, False), ("none", 3, False), ("product", 3, False), ("product", 3, True)]
    assert [(row.layers, row.cascade) for row in PAPER_ROWS] == [(layers, stages > 1) for layers, stages, _ in having]
    assert all(row.assignments == ("postprocess=paper",) for row in PAPER_ROWS)
    assert PAPER_ROWS[-1].training == PAPER_ROWS[-2].training


def test_every_training_has_its_controls():
    rules = {training: {row.rule for row in ROWS if row.training == training} for training in (row.training for row in ROWS)}
    with_pairs, without = {"paper", "Soft-NMS"}, {"paper", "Soft-NMS", "NMS 0.7"}
    expected = {"baseline": without, "lp": with_pairs, "cascade": without, "lp-cascade": with_pairs, "factor-cascade": with_pairs}
    assert rules == expected
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in CONTROLS:
        assert (
            override_prediction(TINY, row.assignments).postprocess
            == {"paper": "paper", "Soft-NMS": "soft", "NMS 0.7": "marginal"}[row.rule]
        )
    assert {override_prediction(TINY, row.assignments).box_nms for row in ROWS if row.rule == "NMS 0.7"} == {0.7}


def test_a_row_is_the_method_that_it_is_called():
    for row in PAPER_ROWS:
        named = get_config("small", row.method)
        assert (replace(named, **row.changes) == named) == (row.name in ("baseline", "lp-cascade", "lp-cascade-tta"))


def test_the_papers_numbers_of_table_3():
    cells = table_of_the_paper(3)
    ours = [
        ["✓" if having else "" for having in (row.layers != "none", row.cascade, row.tta)]
        + [f"{number:.3f}" for number in (row.paper.box, row.paper.mask, row.paper.fps)]
        for row in PAPER_ROWS
    ]
    assert ours == cells


def test_the_papers_numbers_of_table_4():
    cells = table_of_the_paper(4)
    names = {"Layer Priors only": "lp", "+ Cascade": "lp-cascade", "+ TTA": "lp-cascade-tta"}
    ours = {row.name: [f"{number:.3f}" for number in row.paper.by_layer] for row in PAPER_ROWS if row.layers != "none"}
    assert {names[name]: numbers for name, *numbers in cells} == ours


@pytest.mark.parametrize("assignment", ["layers=none", "cascade_ious=0.5", " postprocess=soft", "box_nms=0.6"])
def test_what_the_rows_differ_in_cannot_be_set(assignment):
    with pytest.raises(ConfigurationError, match=f"--set {assignment.partition('=')[0].strip()}: is what the rows of the table differ in"):
        override_shared(TINY, ["rois=12", assignment])
    assert override_shared(TINY, ["rois=12"]).rois == 12


# what is trained, and what is reused


def test_all_rows_are_trained_and_evaluated(finished, heard):
    outcome = orjson.loads((finished / "table.json").read_bytes())
    assert [row["name"] for row in outcome["rows"]] == [row.name for row in ROWS]
    for row, told in zip(ROWS, outcome["rows"]):
        run = read_description(finished / f"{row.training}-seed0")
        assert (run.config.layers, run.config.cascade_ious, run.method) == (row.layers, row.changes["cascade_ious"], row.method)
        said = told["seeds"]["0"]
        assert said["trained"]["images"] == 3 * TINY.batch_size
        assert said["evaluation"]["tta"] == row.tta
        assert said["evaluation"]["postprocess"] == override_prediction(TINY, row.assignments).postprocess
        assert (said["evaluation"]["mask_by_layer"]["L0"]["AP"] is not None) <= (row.layers != "none")
        assert told["summary"]["box_AP"] == {"mean": said["evaluation"]["box"]["AP"], "sd": None, "n": 1}
    assert sorted({name for name, _, event in heard if event.stage == "training"}) == sorted({row.training for row in ROWS})
    assert [name for name, _, event in heard if event.evaluation] == [
        row.name for training in dict.fromkeys(row.training for row in ROWS) for row in ROWS if row.training == training
    ]
    markdown = (finished / "table.md").read_text()
    assert "## Table 3" in markdown and "## Table 4" in markdown and "[88.668]" in markdown and "[19.551]" in markdown


def test_a_finished_benchmark_does_nothing_again(data, copied, called):
    before = (copied / "table.json").read_bytes()
    run_ablation(benchmark(data), copied)
    run_ablation(benchmark(data, rows=rows_of_table(4)), copied)
    assert called == []
    assert (copied / "table.json").read_bytes() == before


def test_only_what_is_missing_is_done(data, copied, called):
    shutil.rmtree(copied / "cascade-seed0" / "cascade-soft")
    assert pending_trainings(benchmark(data), copied) == [("cascade", 0)]
    run_ablation(benchmark(data), copied)
    assert called == ["train cascade-seed0", "evaluate cascade-seed0/cascade-soft"]  # and `train` finds it finished


def test_more_seeds_and_other_rows_join(data, copied, called):
    baseline = tuple(row for row in ROWS if row.name == "baseline")
    assert pending_trainings(benchmark(data, rows=baseline, num_seeds=3), copied) == [("baseline", 1), ("baseline", 2)]
    outcome = run_ablation(benchmark(data, rows=baseline, num_seeds=3), copied)
    assert called == [f"{what} baseline-seed{k}{row}" for k in (1, 2) for what, row in (("train", ""), ("evaluate", "/baseline"))]
    counts = {row["name"]: row["summary"]["box_AP"]["n"] for row in outcome["rows"]}
    assert counts.pop("baseline") == 3 and set(counts.values()) == {1}


def test_an_interrupted_training_goes_on(data, tmp_path):
    asked, pressed = benchmark(data, rows=ROWS[:1], epochs=5.0), []

    def interrupt(name: str, seed: int, event: AblationEvent) -> None:
        if event.stage == "training" and not pressed:
            pressed.append(name)
            press_ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        run_ablation(asked, tmp_path / "out", report=interrupt)
    assert not (tmp_path / "out" / "table.json").exists()
    with pytest.raises(OutputConflict, match="baseline-seed0: holds an unfinished run; go on with --resume"):
        run_ablation(asked, tmp_path / "out")
    outcome = run_ablation(asked, tmp_path / "out", resume=True)
    assert outcome["rows"][0]["seeds"]["0"]["trained"]["steps"] == 30


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"training": {"epochs": 2.0}}, r"limit = \['epochs', 0.4\], not \['epochs', 2.0\]"),
        ({"training": {"changes": {"rois": 12}}}, "config.rois = 16, not 12"),
        ({"split": "train"}, "test.split = test, not train"),
    ],
)
def test_another_benchmark_is_not_touched(data, copied, called, changed, message):
    training = settings(data, **({"epochs": EPOCHS} | changed.pop("training", {})))
    with pytest.raises(OutputConflict, match=message):
        run_ablation(AblationSettings(training, data, **changed), copied)
    assert called == []


def test_a_folder_of_something_else_is_not_touched(data, tmp_path, called):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mother.txt").write_text("dear")
    with pytest.raises(OutputConflict, match="is not empty and holds no benchmark"):
        run_ablation(benchmark(data), tmp_path / "letters")
    with pytest.raises(OutputConflict, match="is a file"):
        run_ablation(benchmark(data), tmp_path / "letters" / "mother.txt")
    with pytest.raises(DataError, match="no split .nope."):
        run_ablation(benchmark(data, split="nope"), tmp_path / "new")
    assert called == [] and not (tmp_path / "new").exists()


def test_an_evaluation_that_was_damaged_is_named(data, copied, called):
    (copied / "lp-seed0" / "lp-soft" / "evaluation-test.json").write_text("{")
    with pytest.raises(DataError, match=r"lp-soft/evaluation-test.json: expected JSON"):
        run_ablation(benchmark(data), copied)


# means, spreads and tables


@given(st.lists(st.none() | st.floats(0, 100), max_size=5))
@hypothesis_settings(deadline=None)
def test_means_and_spreads(values):
    summary = summarise_seeds([evaluation(value) for value in values])
    if not values:
        assert summary == {}
        return
    known = [value for value in values if value is not None]
    for name in ("box_AP", "mask_AP75", "L0", "layer_accuracy"):
        assert summary[name]["n"] == len(known)
        assert summary[name]["mean"] == (pytest.approx(sum(known) / len(known)) if known else None)
        assert summary[name]["sd"] == (pytest.approx(statistics.stdev(known)) if len(known) > 1 else None)
    assert summary["L4"] == {"mean": None, "sd": None, "n": 0}
    assert summary["fps"]["mean"] == pytest.approx(20)


def test_a_table_as_text():
    lines = make_table(outcome_of(evaluation(44.0), evaluation(46.0), evaluation(48.0)), 3).text().splitlines()
    assert lines[0].startswith("Table 3")
    head, baseline, lp = lines[2:5]
    assert re.split(r"\s{2,}", baseline) == [
        *("baseline", "paper", "46.0 ± 2.0", "[71.984]", "46.0 ± 2.0", "[74.995]", "20.0 ± 0.0", "[67.107]", "3.0 ± 0.0", "3")
    ]
    assert re.split(r"\s{2,}", lp) == ["lp", "yes", "paper", "-", "[80.656]", "-", "[84.202]", "-", "[67.204]", "-", "0"]
    assert head.index("box AP") == baseline.index("46.0") == lp.index("-  ")
    assert lines[7].startswith("lp-cascade-tta") and lines[8] == "" and lines[9].startswith("factor-cascade")
    assert any("5 minutes on plums (train). Evaluated on 1,200 images of plums (test)" in line for line in lines)
    assert any("on cpu, 2 cores, 16 at once" in line for line in lines)


def test_a_table_as_markdown():
    outcome = outcome_of()
    outcome["rows"][1]["summary"] = summarise_seeds([evaluation(50.0)])
    rows = [line.split("|")[1:-1] for line in make_table(outcome, 4).markdown().splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {5 + 2 * len(LAYERS) + 1}
    cells = {row[0].strip(): [cell.strip() for cell in row[5:]] for row in rows[2:]}
    paper = PaperNumbers(80.656, 84.202, 67.204, (92.710, 78.325, 52.682, 29.079, 16.212))
    assert cells["lp"] == [cell for k, ap in enumerate(["50.0"] * 4 + ["-"]) for cell in (ap, f"[{paper.by_layer[k]:.3f}]")] + ["1"]
    assert cells["factor-cascade"] == ["-", ""] * len(LAYERS) + ["0"]
    assert list(cells) == [row.name for row in sorted(rows_of_table(4), key=lambda row: row in CONTROLS)]
    assert "baseline" not in cells


# the command


def test_the_command_prints_the_table_of_a_finished_benchmark(data, copied, called, capsys):
    flags = ("benchmark", "--data", data, "--out", copied, "--seeds", 1, "--device", "cpu", "--processes", 1, *FLAGS)
    out, err = call(capsys, *flags, "--epochs", EPOCHS, "--table", 4)
    assert "0 of 3 trainings to do (3 models x 1 seeds)" in err
    assert out.startswith("Table 4") and "[94.432]" in out and str(copied / "table.json") in out
    assert called == []
    out, err = call(capsys, *flags, "--minutes", 2, status=2)
    assert "limit" in err and out == ""


def test_the_command_says_how_long_it_will_take(data, tmp_path, called, capsys):
    flags = ("benchmark", "--data", data, "--out", tmp_path / "new", "--split", "nope", "--minutes", 4)
    _, err = call(capsys, *flags, status=3)
    assert "15 of 15 trainings to do (5 models x 3 seeds), 4 minutes each: 60 minutes, and the evaluations" in err
    _, err = call(capsys, *flags, "--set", "layers=none", status=2)
    assert "--set layers: is what the rows of the table differ in" in err
