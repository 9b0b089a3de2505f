"""The command line: ``anyrank COMMAND``. Each command is one file."""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from typing import Any

import click

from .. import __version__
from ..core.errors import LONGEST, AnyrankError, InputError, short
from ..disk import full
from .near import Near

COMMANDS = {
    "demo": "demo",
    "index": "index",
    "search": "search",
    "serve": "serve",
    "rerank": "rerank",
    "eval": "evaluate",
    "compare": "evaluate",
    "adapt": "adapt",
    "ask": "ask",
    "bench": "bench",
    "calibrate": "calibrate",
    "distill": "distill",
    "expand": "expand",
    "explain": "explain",
    "export": "export",
    "forecast": "forecast",
    "generative": "generative",
    "images": "images",
    "judge": "judge",
    "ltr": "ltr",
    "mcp": "mcp",
    "merge": "merge",
    "models": "models",
    "monitor": "monitor",
    "papers": "papers",
    "peptides": "peptides",
    "pipeline": "pipeline",
    "play": "play",
    "recommend": "recommend",
    "summaries": "summaries",
    "synth": "synth",
    "train": "train",
    "tune": "tune",
}

EXIT = """\b
Exit codes: 0 done; 1 done, but some queries were not (fully) reranked; 2 bad input or usage;
3 a model or an optional package is missing; 4 a training diverged; 130 interrupted; 141 the output's reader closed it.
"""


class Commands(Near):
    """A group that imports a command's file only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, "version"]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            command = getattr(import_module(f".{COMMANDS[name]}", __name__), f"{name}_command")
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader closed the pipe (head, less): writing anything more would fail again
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
            raise click.exceptions.Exit(141) from None


@click.group(cls=Commands, epilog=EXIT, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="anyrank")
@click.option("-v", "--verbose", is_flag=True, help="Write a log to standard error.")
@click.option(
    "--max-line",
    metavar="SIZE",
    help="The longest line or record that is read, such as 1G; by default 32M, or ANYRANK_MAX_LINE.",
)
def cli(verbose: bool, max_line: str | None) -> None:
    """Rank anything: index, search, rerank and judge collections.

    \b
    anyrank demo                                    everything at once, on a bundled collection
    anyrank index corpus.jsonl -o my.index          make a collection searchable
    anyrank search my.index "what causes lift"      search it
    """
    if max_line is not None:
        from ..io.files import LIMIT, size_of

        os.environ[LIMIT] = str(size_of(max_line))
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(name)s: %(message)s")


@cli.command("version")
def version_command() -> None:
    """Print the version."""
    click.echo(f"anyrank {__version__}")


def main() -> None:
    """The entry point: anyrank's own errors become one line and an exit code."""
    try:
        result = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("anyrank: interrupted", err=True)
        sys.exit(130)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        vars(error)["message"] = short(error.message, LONGEST)  # click declares it final
        error.show()
        sys.exit(error.exit_code)
    except AnyrankError as error:
        click.echo(f"anyrank: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 3)
    except OSError as error:
        # Files say their names; what is left without one is a pipe or the standard output.
        name = short(str(error.filename)) if error.filename else "standard output" if full(error) else ""
        where = f"{name}: " if name else ""
        click.echo(f"anyrank: {where}{full(error) or error.strerror or error}", err=True)
        sys.exit(2)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # the engine's, which no base class tells from others
            raise
        click.echo(f"anyrank: the engine failed ({short(str(error))}): anyrank index --check finds damage", err=True)
        sys.exit(2)
    sys.exit(result if isinstance(result, int) else 0)
