"""A command's options from a TOML file: what it may hold, what goes before it, and what `--print-config` writes."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.commands.requests import request
from orchestrator.errors import InputError

GOOD = """
method = "au"
epochs = 3
folds = 4
network = ["rnn", "bigru"]
features = "AU*"
cpus-per-trial = 0.5
log_model = false
time_unit = "features=ms"
windows_a_step = 16
data = "recordings"

[set]
hidden_size = [8, 16]
learning_rate = 0.001
"""
WORDS = [
    *["--method", "au", "--epochs", "3", "--folds", "4", "--network", "rnn", "--network", "bigru"],
    *["--features", "AU*", "--cpus-per-trial", "0.5", "--no-log-model", "--time-unit", "features=ms"],
    *["--batch-size", "16", "--data", "recordings", "--set", "hidden_size=8,16", "--set", "learning_rate=0.001"],
]
EVALUATE = """
network = "bilstm"
hidden_size = 16
learning_rate = 1e-3
sequence_length = 42
num_layers = 1
"""


def asked(command: str, *words: str) -> Any:
    """What a command asks for."""
    return request(command, cli.commands[command].make_context(command, list(words)).params)


def written(folder: Path, text: str) -> str:
    path = folder / "some.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_asks_for_what_the_same_options_ask_for(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD)
    assert asked("tune", "--config", file) == asked("tune", *WORDS) != asked("tune")
    point = written(tmp_path, EVALUATE)
    assert asked("evaluate", "--config", point).point.sequence_length == 42


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD)
    found = asked("tune", "--epochs", "7", "--network", "bilstm", "--log-model", "--config", file)
    assert (found.protocol_changes["epochs"], found.networks, found.search.log_model) == (7, ("bilstm",), True)
    assert found.protocol_changes["num_folds"] == 4
    both = ("learning_rate=0.001", "hidden_size=1")  # of `set` key by key
    assert asked("tune", "--config", file, "--set", "hidden_size=1").overrides == both
    assert asked("tune", "--set", "num_layers=1,2", "--set", "hidden_size = 8", "--config", file).overrides == (
        "learning_rate=0.001",
        "num_layers=1,2",
        "hidden_size = 8",
    )


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "",
        'defence = ["noise=0.1", "drop=pose"]',
        'set = ["hidden_size=8", "hidden_size=9"]',
        'output = "a \\"b\\" é"',
    ],
)
def test_what_is_printed_is_a_file_that_asks_for_the_same(tmp_path: Path, text: str) -> None:
    first = CliRunner().invoke(cli, ["tune", "--config", written(tmp_path, text), "--print-config"])
    assert first.exit_code == 0, first.output
    again = tmp_path / "again.toml"
    again.write_text(first.output, encoding="utf-8")
    assert asked("tune", "--config", str(again)) == asked("tune", "--config", written(tmp_path, text))
    second = CliRunner().invoke(cli, ["tune", "--config", str(again), "--print-config"])
    assert second.output == first.output
    assert "# gold =" in first.output
    assert ("set = { hidden_size = [8, 16], learning_rate = [0.001] }" in first.output) is (text == GOOD)


def test_a_log_in_is_not_printed() -> None:
    words = ["tune", "--tracking-uri", "http://me:secret@127.0.0.1:5000", "--print-config"]
    printed = CliRunner().invoke(cli, words).output
    assert "secret" not in printed
    assert "127.0.0.1:5000" in printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "{}: epoch: found an unknown key; expected one of epochs"),
        ("hidden_size = 3", "{}: hidden_size: found an unknown key; expected hidden_size in the table [set]"),
        ("resume = 'x'", "{}: resume: found an unknown key; expected one of "),
        ("config = 'x'", "{}: config: found an unknown key; expected one of "),
        ("print_config = true", "{}: print_config: found an unknown key; expected one of "),
        ("dry_run = true", "{}: dry_run: found an unknown key; expected one of "),
        ("folds = true", "{}: folds: found True; expected a number or text"),
        ("seed = [1, 2]", "{}: seed: found [1, 2]; expected a number or text"),
        ("seed = 2026-01-01", "{}: seed: found datetime.date(2026, 1, 1); expected a number or text"),
        ("yes = 1", "{}: yes: found 1; expected true or false"),
        ("network = [['rnn']]", "{}: network: found [['rnn']]; expected a number or text, or a list of them"),
        ("[set.hidden_size]\nx = 1", "{}: set: found {{'hidden_size': {{'x': 1}}}}; expected a table of hyper-param"),
        ("seed = -1", "{}: seed: found -1; expected a whole number from 0"),
        ("num_cpus = 'two'", "{}: num_cpus: found 'two'; expected a whole number from 1"),
        ("gpus_per_trial = 'x'", "{}: gpus_per_trial: found 'x'; expected auto or a number from 0"),
        ("time_unit = 'h'", "{}: time_unit: found 'h'; expected one of s, ms, us, ns, min, or features=UNIT and "),
        ("protocol = 'x'", "{}: protocol: found 'x'; expected one of described, published, strict"),
        ("batch_size = 3\nwindows_a_step = 4", "{}: windows_a_step: found beside batch_size; expected one of both"),
        ("defence = 'fog=1'", "{}: defence: found 'fog=1'; expected NAME=VALUE, NAME one of drop, low-pass"),
        ("num-cpus = 3\nnum_cpus = 4", "{}: num_cpus: found a key twice; expected it once"),
        ("seed == 1", "{}: found Invalid value (at line 1, column 7); expected a TOML file with the options"),
    ],
)
def test_what_a_file_may_not_hold_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    done = CliRunner().invoke(cli, ["tune", "--config", file])
    assert done.exit_code == 2
    (line,) = done.output.splitlines()
    assert line.startswith("error: " + message.format(file))


def test_one_number_is_one_text_of_a_repeatable_option(tmp_path: Path) -> None:
    file = written(tmp_path, "raters = 1\nfeatures = 1.5")
    assert asked("tune", "--config", file) == asked("tune", "--raters", "1", "--features", "1.5")
    for text in ("network = 3", "defence = 2"):
        done = CliRunner().invoke(cli, ["tune", "--config", written(tmp_path, text), "--dry-run"])
        assert done.exit_code == 2, done.output


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        asked("tune", "--config", written(tmp_path, "epoch = 3\nfold = 2"))
    assert len(caught.value.problems) == 2
    with pytest.raises(InputError) as caught:
        asked("tune", "--config", written(tmp_path, "seed = -1\nepochs = 0"))
    assert len(caught.value.problems) == 2


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--config: found .*none.toml: No such file"):
        asked("tune", "--config", str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes(b'data = "caf\xe9"')
    with pytest.raises(InputError, match=r"latin.toml: found .*can't decode byte 0xe9"):
        asked("tune", "--config", str(tmp_path / "latin.toml"))
    with pytest.raises(click.UsageError, match=r"Missing .*network"):
        asked("evaluate", "--config", written(tmp_path, "seed = 1"))


def test_resuming_takes_no_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["tune", "--config", written(tmp_path, GOOD), "--resume", str(tmp_path)])
    assert done.output.startswith("error: --resume: found beside --config; expected no other option")
