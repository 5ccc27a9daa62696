"""`amodalsynth train-baseline`."""

from __future__ import annotations

from pathlib import Path

import click

from amodalsynth.baselines import METHODS

from .options import DEFAULT_DATASET, Amount, counting_bar, echo_fields, progress_bar, require_torch, resumable, set_option


@click.command("train-baseline")
@click.option(
    "--data",
    default=DEFAULT_DATASET,
    metavar="OUT|FILE|synth:NAME",
    help="A data set, a COCO file with masks or points, or synth:PRESET (synth-gpu:): scenes made while training.  [default: ./intra-afruit]",
)
@click.option("--split", default="train", show_default=True, help="Which split to train on.")
@click.option("--images", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the images of a COCO file.")
@click.option("--foregrounds", metavar="PATH", help="With synth:NAME: folder of object photos in place of the preset's, or 'builtin'.")
@click.option("--backgrounds", metavar="PATH", help="With synth:NAME: folder of textures in place of the preset's, or 'builtin'.")
@click.option(
    "--method", default="plin", show_default=True, metavar="NAME", help="; ".join(f"{name}: {line}" for name, line in METHODS.items())
)
@click.option("--config", "config_name", default="small", show_default=True, metavar="NAME", help="small (CPU), r50 (one GPU) or paper.")
@set_option("Change a field of the configuration (--show lists them).")
@click.option("--pretrained", metavar="imagenet|PATH|none", help="Weights the backbone starts from.  [default: the configuration's]")
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="Folder of the run.  [default: ./runs/<method>-<config>]")
@click.option("--epochs", type=Amount(), help="How long to train.  [default: the configuration's]")
@click.option("--minutes", type=Amount(), help="How long to train, from the first step on.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Seed of the points, the weights and the order."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Training processes, on a CPU; torchrun starts those of GPUs.  [default: one a core]",
)
@click.option("--workers", type=click.IntRange(min=0), help="Loader processes of each.  [default: 0 on a CPU, up to 8 on a GPU]")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard files too (amodalsynth[tensorboard]).")
@click.option("--show", is_flag=True, help="Print the configuration with the meaning of its fields, and train nothing.")
def command(
    data: str,
    split: str,
    images: Path | None,
    foregrounds: str | None,
    backgrounds: str | None,
    method: str,
    config_name: str,
    assignments: tuple[str, ...],
    pretrained: str | None,
    out: Path | None,
    epochs: float | None,
    minutes: float | None,
    seed: int,
    device: str,
    processes: int | None,
    workers: int | None,
    resume: bool,
    tensorboard: bool,
    show: bool,
) -> None:
    """Train the benchmark model on amodal boxes, 10 points an instance and layers; masks are never used.

    Points that are not there are drawn first. With torchrun in front, one process a GPU.
    """
    import dataclasses

    from amodalsynth.baselines.config import get_config, override_config

    config = override_config(get_config(config_name, method), assignments)
    if pretrained is not None:
        config = dataclasses.replace(config, pretrained=pretrained)
    if show:
        echo_fields(config)
        return
    require_torch()
    from amodalsynth.baselines.data_spec import DataSpec
    from amodalsynth.baselines.train import train
    from amodalsynth.baselines.training import TrainEvent, TrainSettings

    settings = TrainSettings(
        DataSpec(data, split, None if images is None else str(images), foregrounds, backgrounds),
        config,
        method=method,
        seed=seed,
        epochs=epochs,
        minutes=minutes,
        device=device,
        num_processes=processes,
        num_workers=workers,
        tensorboard=tensorboard,
    )
    out = out or Path("runs") / f"{method}-{config_name}"
    with resumable("the last weights are kept"), counting_bar("preparing") as preparing, progress_bar("training", 1000, "‰") as bar:

        def report(event: TrainEvent) -> None:
            bar.update(round(1000 * event.progress) - bar.n)
            parts = " ".join(f"{name} {value:.2f}" for name, value in event.losses.items() if name in ("rpn_objectness", "points"))
            bar.set_postfix_str(f"{event.images_per_second:.0f} images/s, loss {event.loss:.2f} {parts}")

        done = train(settings, out, resume=resume, report=report, note=lambda line: click.echo(line, err=True), preparing=preparing)
    if done.status == "helped":
        return  # the process that leads says so
    verb = "already finished" if done.status == "finished" else "finished"
    took = f"{done.seconds / 60:.1f} minutes" if done.seconds >= 60 else f"{done.seconds:.0f} seconds"
    stored = data if settings.data.kind == "stored" else "OUT"
    click.echo(
        f"{done.out}: {verb}: {done.steps:,} steps, {done.images:,} images, {took}; `amodalsynth evaluate {done.out} --data {stored}`"
    )
