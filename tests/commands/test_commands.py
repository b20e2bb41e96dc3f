"""The command line as a user meets it: in a process of its own, ended in every way a process ends."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import LEFT_OPEN, ROOT, Run, read_summary
from tests.corpora.writers import three_people, write_recola
from tests.search.injected_faults import MARK, TRIAL, checkpoints, signal_all
from tests.trial_table import write_trial_table

pytestmark = [pytest.mark.usefixtures("no_figures"), *LEFT_OPEN]
# A command with a Ray of its own trains one after the other: the first is done while the second is under way.
TUNE = ("tune", "--method", "au", "--preset", "demo", "--network", "rnn", "--folds", 3, "--num-cpus", 1)
GRID = ("--set", "hidden_size=8,16", "--set", "sequence_length=50", "--set", "num_layers=1")
# Long enough to be broken off in the middle of a trial, which then has a checkpoint.
SLOW = ("--epochs", 30, "--checkpoint-seconds", 0, "--no-log-model")
PATIENCE_SECONDS = 120


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, f"ended early: {process.communicate()}"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def start(environment: dict[str, str], *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "orchestrator", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def frozen_half_done(output: Path, marker: str) -> bool:
    """Stop the trials where they are; let them go on if none of them is half done."""
    signal_all(marker, TRIAL, signal.SIGSTOP)
    if not checkpoints(output):
        signal_all(marker, TRIAL, signal.SIGCONT)
        return False
    return True


@pytest.fixture
def undisturbed(small_corpus: Path, run_here: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search, made once."""
    output = tmp_path_factory.getbasetemp() / "undisturbed-search"
    if not output.exists():
        done = run_here(*TUNE, *GRID, *SLOW, "--data", small_corpus, "--output", output)
        assert done.returncode == 0, done.stderr
    return output


def test_the_driver_killed_in_mid_search_resumes_to_the_same_leaderboard_to_the_last_digit(
    undisturbed: Path, small_corpus: Path, environment: dict[str, str], run_inside: Run, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    marked = {**environment, MARK: str(tmp_path)}
    process = start(marked, *TUNE, *GRID, *SLOW, "--data", small_corpus, "--output", output)
    wait_for(lambda: any(output.glob("trials/*/result.json")), process)
    wait_for(lambda: frozen_half_done(output, str(tmp_path)), process)
    process.send_signal(signal.SIGKILL)
    signal_all(str(tmp_path), TRIAL, signal.SIGKILL)
    process.communicate()
    before = {file: file.stat().st_mtime_ns for file in output.glob("trials/*/result.json")}
    assert len(before) == 1
    assert checkpoints(output)
    assert not (output / "summary.json").exists()

    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert {file: file.stat().st_mtime_ns for file in before} == before, "a finished trial was trained again"
    for name in ("leaderboard.csv", "predictions.parquet"):
        assert (output / name).read_bytes() == (undisturbed / name).read_bytes(), name
    left, right = read_summary(output), read_summary(undisturbed)
    for key in ("ccc_valence", "ccc_arousal", "ccc_corrected_valence", "best", "folds", "trials", "status"):
        assert left[key] == right[key], key


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(
    undisturbed: Path, small_corpus: Path, environment: dict[str, str], run_inside: Run, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    process = start(environment, *TUNE, *GRID, *SLOW, "--data", small_corpus, "--output", output)
    wait_for(lambda: bool(checkpoints(output)), process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, errors
    assert f"--resume {output}" in errors
    assert read_summary(output)["status"] == "interrupted"
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert (output / "leaderboard.csv").read_bytes() == (undisturbed / "leaderboard.csv").read_bytes()


def test_an_hour_budget_ends_a_search_that_resume_can_continue(
    small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    done = run_inside(*TUNE, *GRID, *SLOW, "--hours", 0.0005, "--data", small_corpus, "--output", output)
    summary = read_summary(output)
    # Nothing finished in so short a time is an interruption, something finished is what was asked for.
    assert done.returncode == (0 if summary["trials"]["finished"] else 130), done.stderr
    assert summary["status"] == "out of time"
    assert "--resume" in done.stderr


def test_evaluate_on_trial_level_data_and_ridge_does_not_beat_it(run_here: Run, tmp_path: Path) -> None:
    output = tmp_path / "run"
    table = write_trial_table(tmp_path / "trials.csv")
    point = ("--learning-rate", 0.003, "--hidden-size", 16, "--sequence-length", 42, "--num-layers", 1)
    done = run_here(
        "evaluate", "--method", "au", "--network", "bilstm", *point, "--data", table, "--epochs", 14, "--output", output
    )
    assert done.returncode == 0, done.stderr
    assert "137 recordings are shorter than windows of 42: padded and masked" in done.stdout
    assert "one row only" in done.stdout
    summary = read_summary(output)
    assert len(summary["folds"]) == 8
    ridge = summary["baseline"]["ridge"]
    assert summary["ccc_valence"] > ridge["ccc_valence"] > 0.2
    assert summary["ccc_arousal"] > ridge["ccc_arousal"] > 0.2


def test_evaluate_published_is_the_networks_row_of_table_i(small_corpus: Path, run_here: Run, tmp_path: Path) -> None:
    output = tmp_path / "run"
    done = run_here(
        *("evaluate", "--method", "au", "--network", "bilstm", "--published", "--epochs", 1, "--folds", 2),
        *("--data", small_corpus, "--output", output),
    )
    assert done.returncode == 0, done.stderr
    best = read_summary(output)["best"]
    assert best["hparams"] == {
        "learning_rate": 0.0001,
        "hidden_size": 128,
        "sequence_length": 600,
        "num_layers": 6,
    }


def test_dry_run_counts_the_full_grid_and_trains_nothing(small_corpus: Path, run_inside: Run, tmp_path: Path) -> None:
    output = tmp_path / "run"
    done = run_inside(
        "tune", "--preset", "paper", "--folds", 6, "--data", small_corpus, "--dry-run", "--output", output
    )
    assert done.returncode == 0, done.stderr
    assert not output.exists()
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    # 600 frames refuse the three longest of eight sequence lengths: 2,160 x 5/8.
    assert lines["configurations"].split()[-1] == "1350"
    assert lines["refused points"].split()[-1] == "810"
    assert "8100 (6 folds each)" in lines["trainings"]
    assert lines["epochs"].split()[-1] == "810000"
    # By hand: 2 x 4 x 512 x ((40 + 512 + 2) + 7 x (1,024 + 512 + 2)) + 1,025 x 10 + 11 x 2 parameters of 4 bytes.
    # Memory: 450 MiB of a process, 3,600 x 40 x 4 bytes of frames, 6 folds x 4 copies x 176.91 MiB, and of 8 windows
    # of 600 frames 2 x 4 x 8 x 600 x 8 x 5,120 bytes.
    assert lines["largest"].removeprefix("largest").strip().startswith(
        "bilstm lr=0.001 h=512 L=600 x8: 46,376,992 parameters, 176.91 MiB, about 6196 MiB of memory while its 6 folds"
    )  # fmt: skip
    assert re.search(r"estimate +[\d.,]+ (seconds|minutes|hours|days?) on a machine like this", lines["estimate"])
    values = "learning rate 1e-05 0.0001 0.001; sequence length 50 100 200 400 600; hidden size 8 16 64 128 256 512"
    assert f"bilstm 450: {values}; layers 1 2 4 6 8" in done.stdout.splitlines()
    refused = [line for line in done.stdout.splitlines() if line.startswith("refused   ")]
    lengths = (800, 1000, 2000)
    assert sorted(refused) == sorted(
        f"refused   270 points: sequence_length {length} is longer than any recording (600 frames)"
        for length in lengths
    )


BAD_OPTIONS = {
    "--method": (["--method", "nothing"], "found 'nothing'; expected one of au"),
    "--network": (["--network", "cnn"], "--network: found 'cnn'; expected one of rnn, bigru, bilstm"),
    "--set key": (["--set", "hidden=8"], "--set: found 'hidden=8'; expected one of learning_rate"),
    "--set value": (["--set", "num_layers=two"], "--set num_layers: found 'two'; expected whole numbers"),
    "--folds": (["--folds", "7"], "--folds: found 6 participants for 7 folds"),
    "--set long": (["--set", "sequence_length=601", "--folds", "3"], "601 is longer than any recording (600 frames)"),
    "--resume": (["--resume", "/nowhere"], "--resume"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options_are_named_and_end_with_2(name: str, small_corpus: Path, run_inside: Run, tmp_path: Path) -> None:
    arguments, message = BAD_OPTIONS[name]
    output = tmp_path / "run"
    done = run_inside("tune", *arguments, "--data", small_corpus, "--output", output)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(output.glob("trials/*"))


def test_all_faults_of_a_command_are_told_at_once(run_inside: Run, tmp_path: Path) -> None:
    data = write_recola(tmp_path / "recola", three_people())
    label = next(data.rglob("valence/*.csv"))
    text = label.read_text().splitlines()
    first, rest = text[2].split(";", 1)
    label.write_text("\n".join([*text[:2], f"{first};much{rest[rest.index(';') :]}", *text[3:]]) + "\n")
    (tmp_path / "file").write_text("")
    done = run_inside(
        *("tune", "--data", data, "--set", "hidden=8", "--output", tmp_path / "file"),
        *("--tracking-uri", "ftp://nowhere"),
    )
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert any("--set" in line for line in lines), done.stderr
    assert any("--output" in line for line in lines), done.stderr
    assert any("--tracking-uri" in line or "ftp" in line for line in lines), done.stderr
    assert any(f"{label.name}:3" in line and "much" in line for line in lines), done.stderr


def test_an_output_that_holds_another_run_is_refused(undisturbed: Path, small_corpus: Path, run_inside: Run) -> None:
    before = (undisturbed / "plan.json").read_bytes()
    done = run_inside(*TUNE, *GRID, "--data", small_corpus, "--output", undisturbed)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert (undisturbed / "plan.json").read_bytes() == before


def test_a_dead_tracking_server_costs_nothing_but_a_sentence_and_track_writes_it_later(
    small_corpus: Path, run_here: Run, store: str, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    grid = ("--set", "hidden_size=8", "--set", "sequence_length=50", "--set", "num_layers=1", "--epochs", 2)
    done = run_here(*(*TUNE, *grid, "--data", small_corpus, "--output", output, "--tracking-uri", "http://127.0.0.1:9"))
    assert done.returncode == 0, done.stderr
    assert f"track {output}" in done.stdout
    assert read_summary(output)["mlflow"]["run_id"] is None
    done = run_here("track", output, "--tracking-uri", store)
    assert done.returncode == 0, done.stderr
    assert "1 configuration written" in done.stdout
    done = run_here("track", tmp_path)
    assert done.returncode == 2
    assert "plan.json" in done.stderr


def test_data_commands(small_corpus: Path, run_inside: Run, tmp_path: Path) -> None:
    done = run_inside("data", "check", small_corpus, "--json")
    assert done.returncode == 0, done.stderr
    manifest = json.loads(done.stdout)
    assert manifest["format"] == "recola"
    assert manifest["synthetic"] is True
    assert "participants" in run_inside("data", "check", small_corpus).stdout
    table = tmp_path / "one.parquet"
    assert run_inside("data", "convert", small_corpus, "--output", table).returncode == 0
    again = json.loads(run_inside("data", "check", table, "--json").stdout)
    assert again["sha256"] == manifest["sha256"]
    made = tmp_path / "made"
    done = run_inside("data", "synthesize", "--output", made, "--participants", 3, "--seconds", 4)
    assert done.returncode == 0, done.stderr
    assert "synthetic" in done.stdout
    done = run_inside("data", "synthesize", "--output", made, "--participants", 0, "--seconds", -1, "--hz", 0)
    assert done.returncode == 2
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 3
    assert run_inside("data", "check", tmp_path / "nothing").returncode == 2


def test_extract_drives_openface_and_names_what_failed(run_inside: Run, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "A.mp4").write_bytes(b"not a video")
    done = run_inside(
        "data", "extract", videos, "--output", tmp_path / "out", "--executable", "/nowhere/FeatureExtraction"
    )
    assert done.returncode == 2
    assert "FeatureExtraction" in done.stderr
    assert (videos / "A.mp4").exists()


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from orchestrator.cli import cli;"
        "r = CliRunner().invoke(cli, ['--help']); assert r.exit_code == 0, r;"
        "assert all(name in r.output for name in ('tune', 'evaluate', 'track', 'ui', 'data')), r.output;"
        "heavy = {'torch', 'ray', 'mlflow', 'pandas', 'numpy'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_copy_of_a_run_can_be_moved_and_resumed(undisturbed: Path, run_here: Run, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(undisturbed, moved)
    done = run_here("tune", "--resume", moved)
    assert done.returncode == 0, done.stderr
    assert (moved / "leaderboard.csv").read_bytes() == (undisturbed / "leaderboard.csv").read_bytes()


def test_killed_while_writing_its_first_checkpoint_a_trial_begins_again(
    undisturbed: Path, run_here: Run, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(undisturbed, copy)
    best = read_summary(undisturbed)["best"]["uid"]
    shutil.rmtree(copy / "trials" / best)
    (copy / "trials" / best / "checkpoint").mkdir(parents=True)
    done = run_here("tune", "--resume", copy)
    assert done.returncode == 0, done.stderr
    assert (copy / "leaderboard.csv").read_bytes() == (undisturbed / "leaderboard.csv").read_bytes()


STRICT = {
    "--scheduler": ("--scheduler", "asha"),
    "--search": ("--search", "optuna"),
    "--scaling": ("--scaling", "participant"),
}


def test_what_would_not_be_strict_is_refused_and_numbers_that_are_none(
    small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    words = [word for pair in STRICT.values() for word in pair]
    output = tmp_path / "run"
    done = run_inside("tune", "--protocol", "strict", *words, "--folds", 3, "--data", small_corpus, "--output", output)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line.split()[1].rstrip(":") for line in lines] == list(STRICT)
    for option in ("--hours", "--cpus-per-trial", "--checkpoint-seconds"):
        done = run_inside("tune", option, "nan", "--data", small_corpus, "--output", output)
        assert done.returncode == 2, option
        assert f"'{option}': found nan; expected a number" in done.stderr


def test_a_run_that_cannot_begin_leaves_its_directory_free(small_corpus: Path, run_inside: Run, tmp_path: Path) -> None:
    output = tmp_path / "run"
    done = run_inside(*TUNE, *GRID, "--cpus-per-trial", 99, "--data", small_corpus, "--output", output)
    assert done.returncode == 2
    assert "--cpus-per-trial: found 99" in done.stderr
    assert not output.exists()


@pytest.mark.parametrize("content", [b"[]", b"\xff\xfe\x00", b'{"format": 1, "trials": 3}'])
def test_damaged_plans_are_named(content: bytes, run_inside: Run, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    done = run_inside("tune", "--resume", tmp_path)
    assert done.returncode == 2
    assert "plan.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_resumed_run_that_cannot_begin_keeps_its_plan(undisturbed: Path, run_inside: Run, tmp_path: Path) -> None:
    plan = json.loads((undisturbed / "plan.json").read_text())
    plan["search"]["cpus_per_trial"] = 99
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = run_inside("tune", "--resume", tmp_path)
    assert done.returncode == 2
    assert "--cpus-per-trial: found 99" in done.stderr
    assert (tmp_path / "plan.json").is_file()


def test_the_batch_size_has_its_earlier_name_too(small_corpus: Path, run_inside: Run) -> None:
    for option in ("--batch-size", "--windows-a-step"):
        done = run_inside("tune", "--data", small_corpus, "--folds", 3, "--dry-run", option, 3)
        assert "batch size 3 shuffled" in done.stdout, done.stderr
    assert "--windows-a-step" not in run_inside("tune", "--help").stdout
