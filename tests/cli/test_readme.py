"""What README and CONTRIBUTING say of the command line is what the command line is."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from localcoder.cli.main import COMMANDS, cli
from tests.conftest import ROOT

TEXTS = ("README.md", "CONTRIBUTING.md")


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def _shown_help() -> dict[tuple[str, ...], str]:
    """Arguments → what README shows of the output."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = [part for block in _blocks(text, "console") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    split = [part.partition("\n") for part in parts]
    return {tuple(shlex.split(line)[1:]): output.strip("\n") for line, _, output in split}


def _groups(command: click.Command, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names of a command, if it has commands of its own, and of those below it that have."""
    if isinstance(command, click.Group):
        yield names
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _groups(below, (*names, name))


def _command_lines(text: str) -> Iterator[list[str]]:
    """The arguments of each `localcoder …` in blocks of shell, in their comments, and in the prose.

    In the prose, what begins with a command and goes on counts too: `models pull`.
    """
    for block in _blocks(text, "sh"):
        for line in block.splitlines():
            for part in line.split(" # "):
                words = shlex.split(part, comments=True)
                if (start := _at_localcoder(words)) is not None:
                    # What stands behind `>` is the shell's.
                    yield [*itertools.takewhile(lambda word: word != ">", words[start + 1 :])]
    for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text):
        words = code.split()
        if words[0] == "localcoder" or (words[0] in COMMANDS and len(words) > 1):
            yield [word.strip("[]…") for word in words[words[0] == "localcoder" :]]


def _at_localcoder(words: list[str]) -> int | None:
    return next((index for index, word in enumerate(words) if Path(word).name == "localcoder"), None)


def _options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _options(below)


@pytest.mark.parametrize("arguments", _shown_help(), ids=" ".join)
def test_help_is_shown_as_it_is_printed(arguments: tuple[str, ...]) -> None:
    command, environ = [sys.executable, "-m", "localcoder", *arguments], {**os.environ, "COLUMNS": "80"}
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environ, timeout=60)
    assert run.returncode == 0, run.stderr
    assert _shown_help()[arguments] in run.stdout.strip().split("\n\n"), run.stdout


def test_the_commands_of_each_group_are_shown() -> None:
    shown = _shown_help()
    assert {names for names in _groups(cli) if (*names, "--help") not in shown} == set()
    assert all(output.startswith("Commands:") for output in shown.values())


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_shown_can_be_typed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is parsed by the command itself, down to its options' values, and not carried out."""
    monkeypatch.setattr(click.Command, "invoke", lambda self, context: None)
    for arguments in _command_lines((ROOT / name).read_text(encoding="utf-8")):
        try:
            cli.main(arguments, "localcoder", standalone_mode=False)
        except click.MissingParameter:
            pass  # Prose names a command without its arguments.
        except click.ClickException as error:
            pytest.fail(f"{name}: localcoder {shlex.join(arguments)}: {error.format_message()}")


def test_there_are_lines_to_type() -> None:
    lines = list(_command_lines((ROOT / "README.md").read_text(encoding="utf-8")))
    assert {arguments[0] for arguments in lines if arguments} >= set(COMMANDS) - {"edit"}
    assert ["models", "import", "FILE"] in lines and ["settings", "set", "NAME", "VALUE"] in lines


@pytest.mark.parametrize("name", TEXTS)
def test_options_that_the_prose_names_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = {code.split()[0].partition("=")[0] for code in re.findall(r"`(-[^`\n]+)`", text)}
    assert named <= {*_options(cli), "--help", "-h"}


def test_of_the_bundled_model_the_readme_says_what_its_card_says() -> None:
    card = (ROOT / "assets" / "nano" / "README.md").read_text(encoding="utf-8")
    row = re.search(r"^\| whole right \| (\S+%) \| (\S+%) \|$", card, re.MULTILINE)
    assert row is not None, "written by tests/benchmarks/nano_card.py"
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"never saw, it fills {row[2]} as they had been, of those in localcoder itself {row[1]} " in text
