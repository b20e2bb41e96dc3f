"""A bad value of any option is answered with what was found and what the option takes."""

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.commands.option_types import RunName

# Of these a text alone says nothing: files, runs, names and patterns, which the command itself looks up.
LOOKED_UP = (click.Path, click.types.StringParamType, RunName)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--seed", "-1", "found -1; expected a whole number from 0"),
        ("--num-cpus", "two", "found 'two'; expected a whole number from 1"),
        ("--folds", "1", "found 1; expected a whole number from 2"),
        ("--hours", "nan", "found nan; expected a number above 0"),
        ("--quorum", "2", "found 2.0; expected a number above 0 to 1"),
        ("--trim-share", "0.5", "found 0.5; expected a number from 0 below 0.5"),
        ("--gpus-per-trial", "-1", "found -1.0; expected auto or a number from 0"),
        ("--pack", "0", "found '0'; expected auto or a whole number above 0"),
        ("--protocol", "x", "found 'x'; expected one of described, published, strict"),
        ("--time-unit", "h", "found 'h'; expected one of s, ms, us, ns, min, or features=UNIT and annotations=UNIT"),
    ],
)
def test_a_bad_value_is_told_with_what_is_taken(option: str, value: str, message: str) -> None:
    done = CliRunner().invoke(cli, ["tune", "--method", "au", option, value])
    assert done.exit_code == 2
    assert done.output.splitlines()[-1].startswith(f"Error: Invalid value for '{option}': {message}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("tune --data somewhere --identity 0.5", "--identity: found beside --data; expected either recordings"),
        ("tune --data somewhere --raters=", "--raters: found ''; expected a pattern of columns"),
        ("tune --data somewhere --features=,", "--features: found ','; expected a pattern of columns"),
        ("data check somewhere --raters=,", "--raters: found ','; expected a pattern of columns"),
        ("data synthesize --output x --face-size 64", "--face-size: found without --faces; expected both"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(words: str, message: str) -> None:
    done = CliRunner().invoke(cli, words.split())
    assert done.exit_code == 2
    assert f"error: {message}" in done.output


def test_two_names_of_one_option_are_refused_together() -> None:
    for words in (["tune", "--batch-size", "8", "--windows-a-step", "16"], ["papers", "--out", "a", "--output", "b"]):
        done = CliRunner().invoke(cli, words)
        new, old = sorted((words[1], words[3]), key=cli_names(words[0]).index)
        assert (done.exit_code, done.output) == (2, f"error: {old}: found beside {new}; expected one of both\n")


def cli_names(command: str) -> list[str]:
    return [name for option in cli.commands[command].params for name in option.opts]


def test_every_option_that_takes_not_any_text_says_what_it_takes() -> None:
    seen = 0
    for name, command in cli.commands.items():
        for option in command.params:
            if not isinstance(option, click.Option) or option.is_flag or isinstance(option.type, LOOKED_UP):
                continue
            done = CliRunner().invoke(cli, [name, option.opts[0], "?\x01"])
            assert "found" in done.output.splitlines()[-1], (name, option.opts, done.output)
            assert "; expected" in done.output.splitlines()[-1], (name, option.opts, done.output)
            seen += 1
    assert seen > 40
