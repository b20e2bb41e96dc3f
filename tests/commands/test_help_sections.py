"""The help of the commands that train: every option under a heading and with a text, and what a shell completes."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli import COMPLETION, SCRIPT, cli
from orchestrator.commands.help_sections import FIRST, SECTIONS
from orchestrator.commands.search import evaluate, tune

ROOT = Path(__file__).resolve().parents[2]


def sections(command: str) -> dict[str, str]:
    text = CliRunner().invoke(cli, [command, "--help"], terminal_width=100).output
    found: dict[str, str] = {}
    heading = ""
    for line in text.splitlines():
        if line and not line.startswith(" ") and line.endswith(":"):
            heading = line[:-1]
        found[heading] = found.get(heading, "") + f"{line}\n"
    return found


@pytest.mark.parametrize("command", ["tune", "evaluate"])
def test_options_stand_under_headings(command: str) -> None:
    found = sections(command)
    assert [heading for heading in found if heading in (FIRST, *SECTIONS)] == [FIRST, *SECTIONS]
    assert "--method" in found[FIRST]
    assert "--data" in found["Recordings"]
    assert "--secure-sum" in found["Federation"]
    assert "--gpus-per-trial" in found["Machine"]
    assert sum(text.count("\n  --") for text in found.values()) >= sum(
        1 for one in (tune if command == "tune" else evaluate).params
    )


def test_a_section_names_parameters_that_there_are() -> None:
    known = {one.name for command in (tune, evaluate) for one in command.params}
    assert {name for names in SECTIONS.values() for name in names} <= known


@pytest.mark.parametrize("command", [tune, evaluate, cli.commands["audit"]], ids=lambda one: str(one.name))
def test_every_option_has_a_text(command: click.Command) -> None:
    bare = [one.opts[0] for one in command.params if isinstance(one, click.Option) and not one.help]
    assert bare == []


def started_as(name: str, folder: Path, *arguments: str, **variables: str) -> str:
    script = folder / name
    script.write_text("from orchestrator.cli import main\nmain()\n")
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_the_shell_completes_commands_and_options(tmp_path: Path) -> None:
    words = {COMPLETION: "bash_complete", "COMP_WORDS": f"{SCRIPT} tun", "COMP_CWORD": "1"}
    assert started_as(SCRIPT, tmp_path, **words).split() == ["plain,tune"]
    words |= {"COMP_WORDS": f"{SCRIPT} export --for", "COMP_CWORD": "2"}
    assert "plain,--format" in started_as(SCRIPT, tmp_path, **words).split()
    assert f"complete -o nosort -F _affect_orchestrator_completion {SCRIPT}" in started_as(
        SCRIPT, tmp_path, **{COMPLETION: "bash_source"}
    )


def test_the_usage_names_what_was_typed(tmp_path: Path) -> None:
    assert started_as(SCRIPT, tmp_path, "export", "--help").startswith(f"Usage: {SCRIPT} export ")
    assert started_as("other.py", tmp_path, "export", "--help").startswith("Usage: python -m orchestrator export ")


@pytest.mark.parametrize("arguments", [[], ["data"], ["cache"], ["runs"], ["benchmark"]], ids=" ".join)
def test_no_command_is_described_in_half_a_sentence(arguments: list[str]) -> None:
    said = CliRunner().invoke(cli, [*arguments, "--help"], terminal_width=80).output
    assert "..." not in said.split("Commands:")[1]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            ["report", "--summary", "--price-per-hour", "2"],
            "'--summary' requires an argument; found '--price-per-hour'",
        ),
        (["tune", "--data", "--no-log-model"], "'--data' requires an argument; found '--no-log-model'"),
        (["tune", "--data", "--help"], "'--data' requires an argument; found '--help'"),
        (["tune", "--data", "--dry-run"], "'--data' requires an argument; found '--dry-run'"),
        (
            ["data", "check", "x", "--corpus", "--frame-rate", "5"],
            "'--corpus' requires an argument; found '--frame-rate'",
        ),
    ],
)
def test_an_option_takes_no_other_option_for_its_value(line: list[str], found: str) -> None:
    result = CliRunner().invoke(cli, line)
    assert result.exit_code == 2
    assert found in result.output


def test_words_that_look_like_options_may_be_values(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["tune", "--data", str(tmp_path / "--nothing"), "--dry-run"])
    assert "requires an argument" not in result.output
