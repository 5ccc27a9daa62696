"""`amodalsynth evaluate-results`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import counting_bar


@click.command("evaluate-results")
@click.argument("results", type=click.Path(path_type=Path), metavar="RESULTS.json")
@click.option(
    "--gt", type=click.Path(path_type=Path), required=True, metavar="OUT|FILE", help="A data set, or a COCO file with amodal masks."
)
@click.option("--split", default="test", show_default=True, help="Which split of a data set.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, in percent; null is undefined.")
def command(results: Path, gt: Path, split: str, as_json: bool) -> None:
    """Evaluate anyone's detections: AP of boxes, amodal and visible masks, by layer and occlusion rate, mIoU, order.

    RESULTS.json is a COCO results list. `segmentation` is the amodal mask; `bbox`, `visible_mask` and `layer` are optional, and masks may have
    their names of COCOA, KINS, UOAIS, AISFormer or AIStron, also those of the data. AP is pycocotools'.
    """
    import orjson

    from amodalsynth.coco_index import find_coco_files
    from amodalsynth.evaluation import evaluate_results, format_evaluation

    coco = find_coco_files(gt, split)[split] if gt.is_dir() else gt
    with counting_bar("evaluating", "image passes") as progress:
        evaluation = evaluate_results(coco, results, progress=progress)
    click.echo(orjson.dumps(evaluation, option=orjson.OPT_INDENT_2).decode() if as_json else format_evaluation(evaluation), nl=as_json)
