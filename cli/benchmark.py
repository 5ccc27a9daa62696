"""`amodalsynth benchmark`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import DEFAULT_DATASET, Amount, existing, progress_bar, require_torch, resumable, set_option

_DEFAULT_MINUTES = 5.0


@click.command("benchmark")
@click.option(
    "--table", type=click.Choice(["3", "4"]), default="3", show_default=True, help="The paper's table; both share their trainings."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="OUT",
    help=f"A data set, whose train split is trained on.  [default: ./{DEFAULT_DATASET}]",
)
@click.option("--split", default="test", show_default=True, help="Which split to evaluate on.")
@click.option(
    "--minutes",
    type=Amount(),
    help=f"Budget of each training, from its first step on.  [default: {_DEFAULT_MINUTES:g}]",
)
@click.option("--epochs", type=Amount(), help="The budget in passes over the images instead.")
@click.option("--seeds", "num_seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Trainings of each model.")
@click.option("--config", "config_name", default="small", show_default=True, metavar="NAME", help="small (CPU), r50 (one GPU) or paper.")
@set_option("Change a field of the configuration for all rows (`train-baseline --show`).")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the runs and tables.  [default: ./runs/benchmark-<config>]"
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--processes", type=click.IntRange(min=1), help="Training processes, on a CPU.  [default: one a core]")
@click.option("--resume", is_flag=True, help="Go on with an interrupted training; what is finished is used anyway.")
def command(
    table: str,
    data: Path | None,
    split: str,
    minutes: float | None,
    epochs: float | None,
    num_seeds: int,
    config_name: str,
    assignments: tuple[str, ...],
    out: Path | None,
    device: str,
    processes: int | None,
    resume: bool,
) -> None:
    """Train and evaluate the rows of the paper's ablation (Tables 3 and 4) under one budget, and print its table with the paper's numbers.

    Rows without and with layer priors (LP), cascade and test-time augmentation, and control rows: the same weights with gentler suppression, and
    a layer head of its own. Writes table.json and table.md after each training.
    """
    require_torch()
    from amodalsynth.baselines.ablation import AblationEvent, AblationSettings, pending_trainings, run_ablation
    from amodalsynth.baselines.ablation_rows import override_shared, rows_of_table
    from amodalsynth.baselines.ablation_tables import make_table
    from amodalsynth.baselines.config import get_config
    from amodalsynth.baselines.data_spec import DataSpec
    from amodalsynth.baselines.training import TrainSettings

    data = existing(data)
    training = TrainSettings(
        DataSpec(str(data)),
        override_shared(get_config(config_name), assignments),
        epochs=epochs,
        minutes=_DEFAULT_MINUTES if minutes is None and epochs is None else minutes,
        device=device,
        num_processes=processes,
    )
    settings = AblationSettings(training, data, split, rows_of_table(int(table)), num_seeds)
    out = out or Path("runs") / f"benchmark-{config_name}"
    click.echo(f"{out}: {_plan(training.limit, len(pending_trainings(settings, out)), len(settings.trainings), num_seeds)}", err=True)
    noted: set[str] = set()

    def note(line: str) -> None:
        if line not in noted:  # every model of a seed has the same to say
            click.echo(line, err=True)
        noted.add(line)

    with resumable("what is finished is kept"), progress_bar("benchmark", 1000, "‰") as bar:
        task = ""

        def report(name: str, seed: int, event: AblationEvent) -> None:
            nonlocal task
            if task != (task := f"{name}, seed {seed}: {event.stage}"):
                bar.reset(1000)
                bar.set_description(task, refresh=False)
            bar.update(round(1000 * event.share) - bar.n)
            if event.evaluation is not None:
                scores = (f"{kind} AP {event.evaluation[kind]['AP'] or 0:.1f}" for kind in ("box", "mask"))
                bar.write(f"{name}, seed {seed}: {', '.join(scores)}", file=click.get_text_stream("stderr"))

        outcome = run_ablation(settings, out, resume=resume, report=report, note=note)
    click.echo(make_table(outcome, int(table)).text(), nl=False)
    click.echo(f"Tables 3 and 4: {out / 'table.md'}; everything: {out / 'table.json'}")


def _plan(limit: tuple[str, float], pending: int, num_models: int, num_seeds: int) -> str:
    """What is going to be trained, and for how long."""
    kind, amount = limit
    each = f"{pending} of {num_models * num_seeds} trainings to do ({num_models} models x {num_seeds} seeds), {amount:g} {kind} each"
    return each + (f": {pending * amount:g} minutes, and the evaluations" if kind == "minutes" else "")
