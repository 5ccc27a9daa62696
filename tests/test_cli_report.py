"""`amodalsynth report`: what it writes, says and refuses, and that nothing is lost when it is interrupted."""

import os
import signal
import subprocess
import sys
import time

import orjson
import pytest

from amodalsynth.evaluation import write_results
from amodalsynth.report import write
from amodalsynth.report.build import open_report
from amodalsynth.report.write import write_report
from tests.formats_support import tiny_dataset

EARLIER = '<!doctype html><meta name="generator" content="amodalsynth report">'


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_dataset(tmp_path_factory.mktemp("cli-report") / "discs", num_images=8, splits=("train", "test"))


def results_of(data, to, split="test", without=()):
    """The ground truth as a results file."""
    coco = orjson.loads((data / "annotations" / f"instances_{split}.json").read_bytes())
    keys = [key for key in ("image_id", "category_id", "segmentation", "bbox", "layer") if key not in without]
    write_results(to, [{key: a[key] for key in keys} | {"score": 0.9} for a in coco["annotations"]])
    return to


def test_one_page(run_cli, data, tmp_path):
    done = run_cli("report", data, "--to", tmp_path / "page.html")
    assert "page.html: 16 images" in done.stdout and "MB" in done.stdout and done.stderr == ""
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!doctype html>") and "Content-Security-Policy" in page and "Table 1" in page
    assert str(tmp_path) not in page and os.sep + "discs" not in page  # no path of this machine
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    run_cli("report", data, "--to", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "page.html").read_bytes()


def test_a_sample_is_drawn_with_a_seed_and_the_numbers_cover_all(run_cli, data, tmp_path):
    pages = []
    for seed in (0, 0, 1):
        done = run_cli("report", data, "--to", tmp_path / "page.html", "--max-images", 5, "--seed", seed)
        assert "5 of 16 images" in done.stdout
        pages.append((tmp_path / "page.html").read_bytes())
    assert pages[0] == pages[1] != pages[2]
    assert b"all its 16 images" in pages[0] and pages[0].count(b'id="scene-') == 5


def test_any_format_that_validate_reads(run_cli, data, tmp_path):
    for name in ("cocoa", "kins"):
        run_cli("export", name, data, "--to", tmp_path / name)
        done = run_cli("report", tmp_path / name, "--split", "test", "--to", tmp_path / f"{name}.html")
        assert "8 images" in done.stdout
        run_cli("report", tmp_path / name / "annotations" / "instances_test.json", "--to", tmp_path / "file.html")
    assert "were derived from its masks" in (tmp_path / "cocoa.html").read_text()


def test_images_that_are_not_found_are_missed(run_cli, data, tmp_path):
    coco = tmp_path / "alone.json"
    coco.write_bytes((data / "annotations" / "instances_test.json").read_bytes())
    done = run_cli("report", coco, "--to", tmp_path / "page.html")
    assert "--image-root" in done.stderr and "8 images" in done.stdout and "images were not found" in (tmp_path / "page.html").read_text()
    assert run_cli("report", coco, "--image-root", data / "images" / "test", "--to", tmp_path / "page.html").stderr == ""
    assert "images were not found" not in (tmp_path / "page.html").read_text()


def test_predictions(run_cli, data, tmp_path):
    results = results_of(data, tmp_path / "model.json")
    done = run_cli("report", data, "--results", results, "--to", tmp_path / "page.html")
    assert "8 images" in done.stdout  # the test split, as of evaluate
    page = (tmp_path / "page.html").read_text()
    assert "Layers confused" in page and "100.0" in page and "Compare" not in page.split("<main")[0]
    other = results_of(data, tmp_path / "boxes-without-layers.json", without=("layer", "bbox"))
    run_cli("report", data, "--results", results, "--against", other, "--to", tmp_path / "page.html")
    assert "Compare" in (tmp_path / "page.html").read_text().split("<main")[0]
    missing = run_cli("report", data, "--results", tmp_path, "--to", tmp_path / "no.html", status=3).stderr
    assert "results-test.json" in missing and "amodalsynth evaluate" in missing and missing.count("\n") == 1
    assert not (tmp_path / "no.html").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--to", "page.pdf"], 2, "ends in .html"),
        (["--to", "nowhere/page.html"], 2, "existing folder"),
        (["--split", "val"], 3, "no split 'val'"),
        (["--max-images", "0"], 2, "--max-images"),
        (["--format", "pascal"], 2, "unknown format 'pascal'"),
        (["--against", "nowhere"], 3, "nowhere"),
        (["--results", "nowhere.json"], 3, "nowhere.json"),
        (["--colour", "red"], 2, "--colour"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(run_cli, data, tmp_path, arguments, status, said):
    done = run_cli("report", data, *arguments, status=status, cwd=tmp_path)
    assert said in done.stderr and done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())


def test_a_missing_or_foreign_path(run_cli, tmp_path):
    assert "no such file or folder" in run_cli("report", tmp_path / "nothing", "--to", tmp_path / "page.html", status=3).stderr
    (tmp_path / "other.json").write_text('{"colour": "red"}')
    assert run_cli("report", tmp_path / "other.json", "--to", tmp_path / "page.html", status=3).stderr.count("\n") == 1


def test_what_is_no_file_is_refused_and_not_read(run_cli, data, tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for arguments in (
        (tmp_path / "pipe.json",),
        (data, "--results", tmp_path / "pipe.json"),
        ("/dev/zero",),
        (data, "--results", "/dev/zero"),
    ):
        said = run_cli("report", *arguments, "--to", tmp_path / "page.html", status=3).stderr
        assert "a pipe" in said and said.count("\n") == 1
    (tmp_path / "unfinished" / ".amodalsynth").mkdir(parents=True)
    assert "--resume" in run_cli("report", tmp_path / "unfinished", "--to", tmp_path / "page.html", status=3).stderr


def test_pieces_replace_those_of_an_earlier_report_and_nothing_else(data, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "SINGLE_FILE_IMAGES", 4)
    target, pieces = tmp_path / "page.html", tmp_path / "page_files"
    pieces.mkdir()
    (pieces / "mine.txt").write_text("mine")
    with open_report(data) as report:
        with pytest.raises(write.OutputConflict, match="page_files: expected no such folder"):
            write_report(report, target)
        assert (pieces / "mine.txt").read_text() == "mine" and not target.exists()
        (pieces / "mine.txt").unlink()
        pieces.rmdir()
        written = write_report(report, target)
        assert written.pieces == pieces and len(list((pieces / "scenes").iterdir())) == 16 == len(list((pieces / "thumbs").iterdir()))
    assert written.num_bytes == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    with open_report(data, max_images=6) as report:
        write_report(report, target)
    assert len(list((pieces / "scenes").iterdir())) == 6
    monkeypatch.setattr(write, "SINGLE_FILE_IMAGES", 100)
    with open_report(data) as report:
        assert write_report(report, target).pieces is None
    assert not pieces.exists()  # it belonged to the page that is no more


def test_two_runs_do_not_mix_their_pieces(data, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "SINGLE_FILE_IMAGES", 4)
    target = tmp_path / "page.html"
    with open_report(data, max_images=5) as few, open_report(data) as report:

        def second(done, total):
            assert write_report(few, target).num_rows == 5

        written = write_report(report, target, progress=second)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "page_files"]
    assert len(list((written.pieces / "scenes").iterdir())) == 16


def test_what_is_not_its_own_is_never_touched(run_cli, data, tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>my thesis</title>")
    assert "an earlier report" in run_cli("report", data, "--to", page, status=2).stderr and "thesis" in page.read_text()
    page.unlink()
    monkeypatch.setattr(write, "SINGLE_FILE_IMAGES", 4)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "page_files").symlink_to("elsewhere")
    with open_report(data) as report:
        with pytest.raises(write.OutputConflict):
            write_report(report, page)
        assert not list((tmp_path / "elsewhere").iterdir())
        (tmp_path / "page_files").unlink()
        write_report(report, page)
        with pytest.raises(write.OutputConflict, match="page_files"):  # they belong to page.html
            write_report(report, tmp_path / "page.htm")
    with open_report(data, max_images=2) as report:
        write_report(report, tmp_path / "page.htm")
    assert len(list((tmp_path / "page_files" / "scenes").iterdir())) == 16


def test_a_data_set_without_images(run_cli, tmp_path):
    (tmp_path / "empty.json").write_text('{"images": [], "annotations": [], "categories": []}')
    done = run_cli("report", tmp_path / "empty.json", "--to", tmp_path / "page.html")
    assert "0 images" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("single", [True, False])
def test_a_report_that_fails_leaves_the_earlier_one(data, tmp_path, monkeypatch, single):
    """Also where the disk is full only when the page itself is written, after its pieces."""
    monkeypatch.setattr(write, "SINGLE_FILE_IMAGES", 100 if single else 4)
    target = tmp_path / "page.html"
    with open_report(data, max_images=6) as report:
        write_report(report, target)
    before = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with open_report(data) as report:
        for patch, options, error in ((full, {}, OSError), (write.write_file, {"progress": stop}, KeyboardInterrupt)):
            with monkeypatch.context() as patched, pytest.raises(error):
                patched.setattr(write, "write_file", patch)
                write_report(report, target, **options)
            assert {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_command_leaves_the_earlier_page_or_a_whole_one(run_cli, data, tmp_path, how):
    target = tmp_path / "page.html"
    earlier = f"{EARLIER}earlier"
    for seconds in (0.5, 0.9):
        target.write_text(earlier)
        command = [sys.executable, "-m", "amodalsynth_cli", "report", str(data), "--to", str(target)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(seconds)
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
        assert target.read_text() == earlier or target.read_text().endswith("</html>")
        assert "Traceback" not in errors
    run_cli("report", data, "--to", target)
    assert target.read_text().endswith("</html>")
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["page.html"]
