"""`amodalsynth`: the group of commands, loaded only when called, and the one place that turns an error into a line and an exit status."""

from __future__ import annotations

import difflib
import errno
import importlib
import keyword
import os
import signal
import sys

import click

from amodalsynth.errors import AmodalSynthError, OutputError

# command -> the line shown by --help, so that listing the commands imports none of them
COMMANDS = {
    "generate": "Make a data set: images, masks, orders, appearances, recipes.",
    "points": "Draw point annotations for a COCO file with amodal masks.",
    "stats": "Compare a data set's statistics with the paper's.",
    "import": "Read anyone's amodal annotations into a data set.",
    "validate": "Judge anyone's amodal annotations, and mend them.",
    "export": "Write a data set in a format that others read.",
    "formats": "List the formats of export and what each cannot hold.",
    "render": "Make a data set again from its recipes, or verify that it can be.",
    "show": "Draw one annotated scene and list its instances.",
    "sheet": "Draw a contact sheet of a data set.",
    "report": "Write a browsable page of a data set and a model's predictions.",
    "view": "Serve a browsable report on this machine.",
    "train-baseline": "Train the benchmark model on boxes, points and layers.",
    "evaluate": "Evaluate a trained model on a data set.",
    "evaluate-results": "Evaluate anyone's detections: no torch, equal to pycocotools.",
    "predict": "Draw what a trained model sees in photos.",
    "benchmark": "Train and evaluate the rows of the paper's ablation tables.",
    "presets": "List the presets and their fields.",
    "assets": "List, fetch, add and verify the photos that scenes are made of.",
    "doctor": "Report versions, assets, disk and whether everything works here.",
}


def module_of(command: str) -> str:
    """The module of this package that holds a command; one called by a word of Python has an underscore behind it."""
    return f"{command}_" if keyword.iskeyword(command) else command.replace("-", "_")


class LazyGroup(click.Group):
    """A group whose commands are modules of this package, each with a click command named `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f".{module_of(cmd_name)}", __package__).command

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(
                f"No such command '{args[0]}'. " + (f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(COMMANDS)}."), ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="amodalsynth")
def cli() -> None:
    """Synthetic data sets for amodal instance segmentation."""


def main(args: list[str] | None = None) -> None:
    """Run the command line; never shows a traceback for a fault that a user can cause."""
    signal.signal(signal.SIGTERM, _interrupt)  # batch systems end a job with it; to us it is Ctrl-C
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nor is a closed terminal more, except under `nohup`
        signal.signal(signal.SIGHUP, _interrupt)
    sys.exit(_run(args))


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _run(args: list[str] | None) -> int:
    try:
        status = cli.main(args=args, prog_name="amodalsynth", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        return error.exit_code
    except click.ClickException as error:
        return _fail(error.format_message().replace("\n", " "), error.exit_code, getattr(error, "ctx", None))
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except AmodalSynthError as error:
        return _fail(str(error), error.exit_status)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone (`| head`): nothing left to say
        return 0
    except MemoryError:
        return _fail("out of memory; try fewer --workers or a smaller image_size", 1)
    except OSError as error:
        return _fail(describe_os_error(error), OutputError.exit_status)
    return status if isinstance(status, int) else 0  # what click makes of `raise Exit(status)`


def describe_os_error(error: OSError) -> str:
    """One line for a failed read or write, with what to do for the usual causes."""
    again = "free some space and run the same command again, with --resume where it wrote a data set"
    advice = {
        errno.ENOSPC: f"the disk is full: {again}",
        errno.EDQUOT: f"the disk quota is used up: {again}",
        errno.EACCES: "no permission: choose a folder that you can write",
        errno.EROFS: "a read-only file system: choose another folder",
        errno.ENOENT: "no such file or folder",
    }.get(error.errno, error.strerror or str(error))
    return f"{error.filename}: {advice}" if error.filename else advice


def _fail(message: str, status: int, ctx: click.Context | None = None) -> int:
    hint = f" (see '{ctx.command_path} --help')" if ctx is not None else ""
    click.echo(f"Error: {message}{hint}", err=True)
    return status
