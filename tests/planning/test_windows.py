"""Windows that fit recordings shorter than a preset's: rows of whole trials."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator.commands import preview
from orchestrator.errors import InputError
from orchestrator.planning import launch
from orchestrator.planning.windows import adapted, fitting_lengths
from tests.search.small_searches import make_request
from tests.trial_table import write_trial_table
from tune_spaces.method import HParams


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """141 people with 1 to 42 rows."""
    return write_trial_table(tmp_path_factory.mktemp("trials") / "trials.csv")


def prepared(data: Path, folder: Path, **changes: Any) -> launch.Launch:
    fields: dict[str, Any] = {"networks": (), "overrides": (), "protocol_changes": {"num_folds": 3}, **changes}
    request = make_request(data, folder / "run", f"sqlite:///{folder}/none.db", **fields)
    return launch.prepare(request, claim=False)


@pytest.mark.parametrize(
    ("longest", "count", "expected"),
    [
        (42, 2, (21, 42)),
        (42, 8, (2, 3, 6, 11, 21, 42)),
        (3, 8, (2, 3)),
        (2, 8, (2,)),
        (1, 8, (1,)),
        (42, 1, (42,)),
    ],
)
def test_lengths_are_halved_as_often_as_the_preset_has_some(
    longest: int, count: int, expected: tuple[int, ...]
) -> None:
    assert fitting_lengths(longest, count) == expected


def test_points_keep_their_order_and_equal_ones_are_one() -> None:
    def point(length: int, hidden: int) -> tuple[str, HParams]:
        return "rnn", HParams(learning_rate=0.1, hidden_size=hidden, sequence_length=length, num_layers=1)

    given = tuple(point(length, hidden) for length in (200, 50, 100) for hidden in (4, 8))
    assert adapted(given, (200, 50, 100), 3) == tuple(point(length, hidden) for length in (3, 2) for hidden in (4, 8))


@pytest.mark.parametrize(("preset", "lengths"), [("demo", {21, 42}), (None, {2, 3, 6, 11, 21, 42})])
def test_the_presets_search_rows_of_whole_trials(
    trials: Path, tmp_path: Path, preset: str | None, lengths: set[int]
) -> None:
    """`standard` without a preset's name: its forty are drawn of what fits."""
    ready = prepared(trials, tmp_path, preset=preset)
    found = Counter(one.hparams.sequence_length for one in ready.plan.trials)
    assert set(found) == lengths
    assert not ready.plan.refused
    assert len({one.uid for one in ready.plan.trials}) == len(ready.plan.trials)
    (line,) = [one for one in preview.announce(ready.plan, ready.dataset).splitlines() if one.startswith("windows")]
    assert f"of {', '.join(map(str, sorted(lengths)))} in the place of the preset's 50" in line
    assert "the longest recording has 42 rows" in line


def test_what_is_asked_for_by_name_is_taken_as_it_is(trials: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--preset paper: found sequence_length 50 is longer than any recording \(42"):
        prepared(trials, tmp_path, preset="paper")
    with pytest.raises(InputError, match="--set sequence_length: found sequence_length 60 is longer than any"):
        prepared(trials, tmp_path, overrides=("sequence_length=60",))
    ready = prepared(trials, tmp_path, overrides=("sequence_length=10,60",))
    assert {one.hparams.sequence_length for one in ready.plan.trials} == {10}
    assert "\nwindows " not in preview.announce(ready.plan, ready.dataset)


def test_recordings_that_some_of_the_windows_fit_keep_those(small_corpus: Path, tmp_path: Path) -> None:
    """600 frames: windows of 50 to 600 fit."""
    ready = prepared(small_corpus, tmp_path, preset="standard")
    assert max(one.hparams.sequence_length for one in ready.plan.trials) <= 600
    assert ready.plan.refused
    assert "\nwindows " not in preview.announce(ready.plan, ready.dataset)
    longest = prepared(small_corpus, tmp_path, preset="demo", overrides=("sequence_length=600",))
    assert "\nwindows " not in preview.announce(longest.plan, longest.dataset)
