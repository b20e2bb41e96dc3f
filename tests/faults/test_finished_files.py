"""What lies in a finished trial's folder, damaged: found, trained again, and never in a result."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models import checkpoints
from tests.conftest import Run, read_summary
from tests.faults.harness import (
    ONE,
    POINT,
    SLOW,
    SLOW_SEARCH,
    assert_equal,
    broken_off,
    deaths,
    refusal,
    snapshot,
    uids,
)
from tests.faults.table import injects
from tests.search.injected_faults import disturbed

FILES = ("result.json", "predictions.safetensors", "model.safetensors")
CHECKSUMS = "checksums.json"
TRIES = 4
Undisturbed = Callable[..., Path]


def flip_a_bit(file: Path, chance: random.Random) -> None:
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(bytes(content))


def truncate(file: Path, chance: random.Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: chance.randrange(1, len(content))])


DAMAGES: dict[str, Callable[[Path, random.Random], object]] = {
    "finished-file-bit": flip_a_bit,
    "finished-file-truncated": truncate,
    "finished-file-emptied": lambda file, _: file.write_text(""),
    "finished-file-removed": lambda file, _: file.unlink(),
}
FOREIGN = "finished-file-foreign"


@injects(*DAMAGES, FOREIGN)
@pytest.mark.parametrize("attempt", range(TRIES))
@pytest.mark.parametrize("row", [*DAMAGES, FOREIGN])
def test_a_damaged_file_is_made_again(  # noqa: PLR0917 - fixtures
    row: str, attempt: int, finished: Path, one_of_two: Path, run_inside: Run, tmp_path: Path
) -> None:
    """The first three tries take each of the best trial's files, the last one the other trial's result."""
    chance = random.Random(f"{row} {attempt}")
    output, (best, other) = tmp_path / "run", uids(finished)
    broken_off(finished, output)
    hit, kept = (best, other) if attempt < len(FILES) else (other, best)
    file = output / "trials" / hit / FILES[attempt % len(FILES)]
    content = file.read_bytes()
    if row in DAMAGES:
        DAMAGES[row](file, chance)
    else:  # as if two folders were mistaken for one another
        own = one_of_two if file.name != "result.json" else finished
        file.write_bytes((own / "trials" / kept / file.name).read_bytes())
    assert not file.exists() or file.read_bytes() != content
    result = file.with_name("result.json")
    damaged_at = result.stat().st_mtime_ns if result.exists() else 0
    before = snapshot(output / "trials" / kept)
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, finished)
    assert snapshot(output / "trials" / kept) == before, "the other trial was touched"
    assert result.stat().st_mtime_ns > damaged_at, "the damaged trial was not trained again"


@pytest.fixture
def one_of_two(undisturbed: Undisturbed, small_corpus: Path) -> Path:
    """The search's second configuration alone, which keeps its files there."""
    words = ("tune", "--method", "au", "--preset", "demo", *POINT, *ONE, "--epochs", 3)
    return undisturbed("one-of-two", *words, "--data", small_corpus)


SPOILT = {
    "object": lambda _: "{}",
    "list": lambda _: "[]",
    "nan": lambda text: json.dumps({**json.loads(text), "selection_loss": float("nan")}),
}


@injects("finished-result-without-fields")
@pytest.mark.parametrize("how", SPOILT)
def test_a_result_that_is_json_and_no_result(how: str, finished: Path, run_inside: Run, tmp_path: Path) -> None:
    output, best = tmp_path / "run", uids(finished)[0]
    broken_off(finished, output)
    file = output / "trials" / best / "result.json"
    file.write_text(SPOILT[how](file.read_text()))
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, finished)


@injects("finished-old-result-without-fields", quick=True)
@pytest.mark.parametrize("how", SPOILT)
def test_the_same_in_an_older_run_without_checksums(how: str, finished: Path, run_here: Run, tmp_path: Path) -> None:
    output, best = tmp_path / "run", uids(finished)[0]
    broken_off(finished, output)
    for file in output.glob(f"trials/*/{CHECKSUMS}"):
        file.unlink()
    file = output / "trials" / best / "result.json"
    file.write_text(SPOILT[how](file.read_text()))
    done = run_here("tune", "--resume", output)
    if done.returncode == 0:
        assert_equal(output, finished)
    else:
        assert str(file) in refusal(done)


def change_a_digit(text: str) -> str:
    at = next(i for i, letter in enumerate(text) if letter in "0123456789abcdef" and text[i - 1] in "0123456789abcdef")
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


@injects("finished-checksums-damaged")
@pytest.mark.parametrize("how", ["emptied", "cut", "object", "digit"])
def test_damaged_checksums_spoil_nothing(how: str, finished: Path, run_inside: Run, tmp_path: Path) -> None:
    output, best = tmp_path / "run", uids(finished)[0]
    broken_off(finished, output)
    file = output / "trials" / best / CHECKSUMS
    text = file.read_text()
    file.write_text({"emptied": "", "cut": text[: len(text) // 2], "object": "{}", "digit": change_a_digit(text)}[how])
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, finished)


@injects("finished-best-lost-and-fails")
def test_the_runner_ups_files_are_made_again(
    undisturbed: Undisturbed, small_corpus: Path, run_inside: Run, tmp_path: Path
) -> None:
    both = undisturbed("slow", *SLOW_SEARCH, "--data", small_corpus)
    output, (best, other) = tmp_path / "run", uids(both)
    broken_off(both, output)
    hidden = json.loads((output / "trials" / other / "result.json").read_text())["hparams"]["hidden_size"]
    alone = ("tune", "--method", "au", "--preset", "demo", *POINT, "--set", f"hidden_size={hidden}", *SLOW)
    runner_up = undisturbed("slow-runner-up", *alone, "--data", small_corpus)
    assert not (output / "trials" / other / "model.safetensors").exists()
    (output / "trials" / best / "result.json").unlink()
    with disturbed(lambda run: deaths(run, output / "trials" / best)):
        done = run_inside("tune", "--resume", output)
    assert done.returncode == 1, done.stderr
    summary = read_summary(output)
    assert summary["trials"] == {"planned": 2, "finished": 1, "failed": 1, "stopped": 0}
    assert summary["best"]["uid"] == other
    assert_equal(output, runner_up)
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, both)


def nested(folder: Path) -> None:
    folder.mkdir()
    deep = 200_000
    text = '{"sha256": "0", "format": 1, "content": ' + "[" * deep + "]" * deep + "}"
    (folder / checkpoints.JSON_NAME).write_text(text)


def folder_for_tensors(folder: Path) -> None:
    folder.mkdir()
    (folder / "tensors").mkdir()
    body = {"format": 1, "tensors": "tensors", "tensors_sha256": "0" * 64, "content": {}}
    text = json.dumps({"sha256": checkpoints._body_digest(body), **body})
    (folder / checkpoints.JSON_NAME).write_text(text)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "checkpoint-nested": nested,
    "checkpoint-tensors-folder": folder_for_tensors,
    "checkpoint-is-a-file": lambda folder: folder.write_text("no folder"),
    "checkpoint-without-keys": lambda folder: checkpoints.write(folder, {}, {}),
}


@injects(*HOSTILE)
@pytest.mark.parametrize("row", HOSTILE)
def test_a_hostile_checkpoint_is_begun_anew(row: str, finished: Path, run_inside: Run, tmp_path: Path) -> None:
    output, best = tmp_path / "run", uids(finished)[0]
    broken_off(finished, output)
    shutil.rmtree(output / "trials" / best)
    (output / "trials" / best).mkdir()
    HOSTILE[row](output / "trials" / best / "checkpoint")
    done = run_inside("tune", "--resume", output)
    assert done.returncode == 0, done.stderr
    assert_equal(output, finished)
