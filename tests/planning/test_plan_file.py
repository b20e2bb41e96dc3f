"""The plan's file: it comes back as it was written, and what was edited or never was a plan is refused by name."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fed.options import Federation
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError
from orchestrator.planning import grid
from orchestrator.planning import plan as planning
from orchestrator.planning.grid import grid_points, make_trials
from orchestrator.planning.plan import SearchOptions
from orchestrator.planning.plan_file import load_plan, save_plan
from orchestrator.protocols import DESCRIBED, Protocol
from orchestrator.run_folder import PLAN_FILE
from tests.old_runs import unpacked
from tests.records import CORPUS, SMALL_GRID, make_plan
from tune_spaces.method import LATER_KEY, HParams

IMAGES = ImageOptions(image_size=48, frame_stride=4, face_crop="none", backbone="frozen", weights="none")
FEDERATION = Federation(aggregator="median", quorum=0.5)
# Fields of the first uids; whoever adds one declares it `later`, or every uid changes.
FIRST_FIELDS = {
    Protocol: "name epochs num_folds gold label_decimals label_delay_seconds scaling loss target partial_window "
    "windows_a_step order epoch_choice optimistic",
    ImageOptions: "image_size frame_stride face_crop backbone weights",
    Federation: "aggregator local_epochs proximal optimiser batch_norm on_client_failure quorum round_deadline_seconds",
    HParams: "learning_rate hidden_size sequence_length num_layers",
}


def a_plan(**changes: Any) -> planning.Plan:
    """A plan with images and a federation, whose uids are of what it says."""
    decisive = grid.decisive(DESCRIBED, 0, IMAGES, FEDERATION, ("AU*",))
    trials, _ = make_trials(
        grid_points(("rnn",), SMALL_GRID), method="au", corpus=CORPUS, decisive=decisive, refuse=lambda _: None
    )
    plan = make_plan(trials=trials, images=IMAGES, federation=FEDERATION, features=("AU*",), **changes)
    return dataclasses.replace(plan, decisive=grid.decisive_of(dataclasses.asdict(plan)))


def test_a_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    plan = a_plan(search=SearchOptions(search="random", max_trials=3, hours=0.5, client_actors=4))
    save_plan(plan, tmp_path)
    assert load_plan(tmp_path) == plan
    assert plan.num_planned == 3


@pytest.mark.parametrize(
    "text", ["{", '{"format": 99}', '{"format": 1, "protocol": {}}', "[" * 200_000, "[]", "null", '{"format": NaN}']
)
def test_a_damaged_plan_is_an_input_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / PLAN_FILE).write_text(text)
    with pytest.raises(InputError, match=r"plan\.json"):
        load_plan(tmp_path)


def test_a_directory_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no plan\.json"):
        load_plan(tmp_path)


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(raw: dict[str, Any]) -> None:
        place: Any = raw
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


EDITS = [
    (put("protocol", "epochs", value=1), r"protocol\.epochs: found 1; expected 100, as when the run began"),
    (put("protocol", "optimistic", value=True), r"protocol\.optimistic: found true; expected false"),
    (put("seed", value=7), r"seed: found 7; expected 0, as when"),
    (put("corpus", "sha256", value="cd" * 32), r"corpus: found .*; expected "),
    (put("method", value="fl"), r"method: found \"fl\"; expected \"au\""),
    (put("images", "image_size", value=64), r"images\.image_size: found 64; expected 48"),
    (put("images", value=None), r"images: found null; expected "),
    (put("federation", "quorum", value=0.6), r"federation\.quorum: found 0\.6; expected 0\.5"),
    (put("features", value=[]), r"features: found null; expected \[\"AU"),
    (put("trials", 1, "hparams", "hidden_size", value=1000000000), r"trials\.1: found rnn .*1000000000"),
    (put("trials", 0, "network", value="bigru"), r"trials\.0: found bigru"),
    (put("trials", 0, "uid", value="0" * 12), r"expected what uid 000000000000 was made of"),
    (
        put("trials", 0, "uid", value="../../victim"),
        r"trials\.0\.uid: found '\.\./\.\./victim'; expected 12 hexadecimal",
    ),
    (put("trials", 0, "uid", value="ABCDEF012345"), r"trials\.0\.uid: found 'ABCDEF012345'; expected 12 hexadecimal"),
    (put("name", value="../../x"), r"name: found '\.\./\.\./x'; expected a name, no path"),
    (put("name", value="/etc"), r"name: found '/etc'; expected a name, no path"),
    (put("name", value=".."), r"name: found '\.\.'; expected a name, no path"),
    (put("trials", value=[]), r"trials: found none; expected at least one"),
    (
        put("search", "num_cpus", value="two"),
        r"search\.num_cpus: found \"two\"; expected a valid integer",
    ),
    (put("search", "num_cpus", value=0), r"num_cpus must be above 0"),
    (put("search", "max_trials", value=-5), r"max_trials must be above 0"),
    (put("search", "hours", value="1"), r"search\.hours: found \"1\""),
    (put("search", "scheduler", value="nobody"), r"unknown scheduler 'nobody'"),
    (put("search", "client_actors", value=0), r"client_actors must be above 0"),
    (put("federation", "quorum", value=2.0), r"quorum: found 2.0; expected over 0 and at most 1"),
    (put("seed", value=True), r"seed: found true; expected a valid integer"),
    (put("nonsense", value=1), r"unknown fields \(nonsense\)"),
    (put("protocol", "nonsense", value=1), r"unknown fields \(protocol\.nonsense\)"),
    (put("trials", 1, "hparams", "nonsense", value=1), r"unknown fields \(trials\.1\.hparams\.nonsense\)"),
]


@pytest.mark.parametrize(("change", "message"), EDITS)
def test_an_edited_plan_is_refused_with_the_difference(
    change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    save_plan(a_plan(), tmp_path)
    raw = json.loads((tmp_path / PLAN_FILE).read_text())
    change(raw)
    (tmp_path / PLAN_FILE).write_text(json.dumps(raw))
    with pytest.raises(InputError, match=message) as caught:
        load_plan(tmp_path)
    assert all(problem.where.startswith(f"{tmp_path / PLAN_FILE}") for problem in caught.value.problems)


def test_an_edited_plan_of_an_older_version_is_refused_by_its_uids(tmp_path: Path) -> None:
    output = unpacked(tmp_path) / "finished"
    load_plan(output)
    raw = json.loads((output / PLAN_FILE).read_text())
    assert "decisive" not in raw
    raw["protocol"]["epochs"] = 1
    (output / PLAN_FILE).write_text(json.dumps(raw))
    with pytest.raises(
        InputError, match=r"trials\.0, or the seed, protocol, corpus or options above: found .*whose uid"
    ) as caught:
        load_plan(output)
    assert len(caught.value.problems) == 1, "one line, not one per trial"


def test_both_copies_edited_are_found_by_the_uids(tmp_path: Path) -> None:
    save_plan(a_plan(), tmp_path)
    raw = json.loads((tmp_path / PLAN_FILE).read_text())
    raw["seed"] = raw["decisive"]["seed"] = 3
    (tmp_path / PLAN_FILE).write_text(json.dumps(raw))
    with pytest.raises(InputError, match=r"trials\.0: found rnn .*whose uid would be"):
        load_plan(tmp_path)


@pytest.mark.parametrize("kind", FIRST_FIELDS)
def test_fields_newer_than_the_first_uids_are_declared_later(kind: type[Any]) -> None:
    fields = dataclasses.fields(kind)
    assert [one.name for one in fields if not one.metadata.get(LATER_KEY)] == FIRST_FIELDS[kind].split()
    assert all(one.default is not dataclasses.MISSING for one in fields if one.metadata.get(LATER_KEY))


def test_a_later_field_changes_a_uid_only_away_from_its_default() -> None:
    later = dataclasses.make_dataclass(
        "Later", [("old", int), ("new", int, dataclasses.field(default=3, metadata={LATER_KEY: True}))]
    )
    assert grid._hashed(later, {"old": 1, "new": 3}) == grid._hashed(later, {"old": 1}) == {"old": 1}
    assert grid._hashed(later, {"old": 1, "new": 4}) == {"old": 1, "new": 4}
