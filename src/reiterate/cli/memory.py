"""``reiterate memory``: what is remembered from earlier runs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reiterate.cli.options import AsJson
from reiterate.errors import InvalidInput, ReiterateError
from reiterate.report.words import several

if TYPE_CHECKING:
    from reiterate.memory import Entry, Store

app = typer.Typer(help="List, show, export, import or forget what earlier runs have learnt.", no_args_is_help=True)

Place = Annotated[
    Path | None,
    typer.Option("--memory", help="The file; the one that REITERATE_MEMORY names, or the user's own, if not given."),
]

_DAY = 86400.0
_FAMILIAR = 10  # arms to show


@app.command("list")
def list_streams(memory: Place = None, as_json: AsJson = False) -> None:
    """List the streams that are remembered, the one used last first."""
    path = _place(memory)
    entries, machines = [], {}
    if memory is not None or path.exists():  # nobody needs to have learnt anything yet
        with _existing(path) as store:
            entries, machines = store.entries(), store.machines()
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in entries], indent=2))
        return
    if not entries:
        typer.echo(f"Nothing is remembered in {path}.")
        return
    _print_streams(path, entries, machines)


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="Of a stream, as `list` shows it.")],
    memory: Place = None,
    as_json: AsJson = False,
) -> None:
    """Show what is known of one stream."""
    with _existing(_place(memory)) as store:
        state = store.state(number)
        entry = next((entry for entry in store.entries() if entry.id == number), None)
        machines = store.machines()
    if state is None or entry is None:
        raise InvalidInput("ID", f"there is no stream {number} in {store.path}; `reiterate memory list` shows them")
    if as_json:
        typer.echo(json.dumps({**asdict(entry), "state": state}, indent=2))
        return
    typer.echo(f"{entry.site or 'a stream without a place'}: {_in_words(entry)}")
    typer.echo(f"{several(entry.solves, 'solve')}, last used {_ago(entry.used)}, {entry.bytes:,} bytes")
    typer.echo(f"measured on {machines.get(entry.machine, 'an unknown machine')}")
    for line in _known_arms(state) or _known_calls(state):
        typer.echo(line)


@app.command()
def export(file: Annotated[Path, typer.Argument(help="JSON file to write.")], memory: Place = None) -> None:
    """Write everything to a JSON file."""
    from reiterate.memory.transfer import write_export

    with _existing(_place(memory)) as store:
        try:
            count = write_export(store, file)
        except OSError as error:
            raise InvalidInput("FILE", f"{file} cannot be written: {error.strerror}") from None
    typer.echo(f"{several(count, 'stream')} written to {file}")


@app.command("import")
def import_streams(
    file: Annotated[Path, typer.Argument(help="JSON file, from `reiterate memory export`.")], memory: Place = None
) -> None:
    """Take in what another memory knows; of what both know, the knowledge that comes from more solves stays."""
    from reiterate.memory.transfer import read_export

    with _opened(_place(memory)) as store:
        taken, count = read_export(store, file)
    typer.echo(f"{taken} of {several(count, 'stream')} taken in")


@app.command()
def forget(
    number: Annotated[int | None, typer.Argument(metavar="[ID]", help="Of a stream, as `list` shows it.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Forget everything.")] = False,
    older_than: Annotated[
        float | None, typer.Option(min=0.0, metavar="DAYS", help="Forget what was not used for so many days.")
    ] = None,
    memory: Place = None,
) -> None:
    """Forget a stream, everything, or what was not used for a while."""
    if (number is not None) + everything + (older_than is not None) != 1:
        raise InvalidInput("forget", "needs one of ID, --all and --older-than DAYS")
    with _existing(_place(memory)) as store:
        if number is not None:
            count = store.forget(number)
            if not count:
                raise InvalidInput("ID", f"there is no stream {number} in {store.path}")
        else:
            count = store.forget(unused_for=_DAY * (older_than or 0.0))
    typer.echo(f"{several(count, 'stream')} forgotten")


def _print_streams(path: Path, entries: Sequence[Entry], machines: Mapping[str, str]) -> None:
    """Two columns of words that go on below themselves; what is the same of all is told of none."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    costs = [str(entry.kind.get("cost", "")) for entry in entries]
    where = [machines.get(entry.machine, entry.machine).split(",")[0] for entry in entries]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("ID", "where", "what", "solves", "last used"):
        number = name in ("ID", "solves")
        words = name in ("where", "what")
        table.add_column(name, justify="right" if number else "left", overflow="fold", no_wrap=not words)
    more = [(name, column) for name, column in (("cost", costs), ("machine", where)) if len({*column}) > 1]
    for name, _ in more:
        table.add_column(name, overflow="fold")
    for row, entry in enumerate(entries):
        told = (entry.site or "—", _in_words(entry), f"{entry.solves:,}", _ago(entry.used))
        table.add_row(str(entry.id), *map(escape, told), *(escape(column[row]) for _, column in more))
    console = Console()
    console.print(str(path), markup=False, soft_wrap=True)
    console.print(table)


def _place(memory: Path | None) -> Path:
    """The file that is meant."""
    from reiterate.memory import VARIABLE, chosen_path

    path = chosen_path(True if memory is None else memory)
    if path is None:
        raise InvalidInput("memory", f"{VARIABLE} turns it off; give --memory PATH")
    return path


@contextmanager
def _existing(path: Path) -> Iterator[Store]:
    """The store in a file that must be there: what only reads makes none."""
    if not path.exists():
        raise InvalidInput(
            "memory",
            f"there is no file {str(path)!r}; check the name, or make it by `reiterate run --memory {path} PROGRAM` or "
            "`reiterate memory import`",
        )
    with _opened(path) as store:
        yield store


@contextmanager
def _opened(path: Path) -> Iterator[Store]:
    """The store in a file; what goes wrong with the file is an error for people."""
    import sqlite3

    from reiterate.memory import Store

    store = Store(path)
    try:
        yield store
    except (sqlite3.Error, OSError) as error:
        raise ReiterateError(f"{path}: {error}") from None
    finally:
        store.close()


def _in_words(entry: Entry) -> str:
    kind = entry.kind
    if isinstance(kind.get("calls"), str):
        return f"what calls of {kind['calls']} take"
    size = kind.get("size")
    words = [f"n < {2**size:,}"] if isinstance(size, int) and 0 <= size < 64 else []
    traits = kind.get("traits")
    told = traits if isinstance(traits, list) else []
    words.append("complex" if "complex" in told else "real")
    words.append("symmetric" if "symmetric" in told or "self_adjoint" in told else "nonsymmetric")
    if "constant_null_space" in told:
        words.append("singular")
    if kind.get("definite") is False or "presumed_indefinite" in told:
        words.append("indefinite")
    if isinstance(kind.get("columns"), int) and kind["columns"] > 1:
        words.append("several columns")
    if kind.get("decides", "explorer") != "explorer":
        words.append(f"learner {kind['decides']}")
    return ", ".join(words)


def _known_arms(state: dict[str, Any]) -> list[str]:
    """The arms that brought most solves to their end."""
    arms = state.get("arms")
    if isinstance(arms, dict):
        plays = {str(name): row.get("plays", 0) for name, row in arms.items() if isinstance(row, dict)}
    else:
        standings = state.get("standings")
        plays = dict.fromkeys(standings, 1) if isinstance(standings, dict) else {}
    known = [(count, name) for name, count in plays.items() if isinstance(count, int) and count > 0]
    known.sort(key=lambda item: (-item[0], item[1]))
    return [f"  {name}  {count:,}" for count, name in known[:_FAMILIAR]]


def _known_calls(state: dict[str, Any]) -> list[str]:
    """What SciPy takes, and how much less we do, for matrices of every size."""
    ledgers = state.get("ledgers")
    lines = []
    for sizes, ledger in ledgers.items() if isinstance(ledgers, dict) else ():
        try:
            rows, entries, columns = map(int, sizes.split())
            count, seconds = ledger["theirs"]
            size = f"n < {2**rows:,}, some {entries:,} entries, columns < {2**columns:,}"
            line = f"  {size}: SciPy {seconds:.3g} s a call, last measured over {count:,}"
            gained = f"; saved {ledger['gained']:.3g} s a call" if ledger["gained"] else ""
            lines.append(line + gained)
        except (ValueError, TypeError, KeyError):
            continue
    return lines


def _ago(when: float) -> str:
    seconds = max(time.time() - when, 0.0)
    for unit, length in (("day", _DAY), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= length:
            count = int(seconds / length)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
