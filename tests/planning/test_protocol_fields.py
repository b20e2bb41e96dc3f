"""Fields of a protocol from the command line to what a run leaves: head, groups, best epoch, rounding, losses."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from fed.executors.in_process import in_process
from models.ccc import Moments
from models.training import Epoch, chosen_epoch
from orchestrator.cli import cli
from orchestrator.commands import preview
from orchestrator.corpora.synthetic.tree import synthesize
from orchestrator.data.dataset import make_dataset
from orchestrator.errors import Gather, InputError
from orchestrator.evaluation import summary
from orchestrator.evaluation.results import Outcome, corrected
from orchestrator.evaluation.search_baselines import Scored
from orchestrator.planning import launch
from orchestrator.planning.plan import SearchOptions, Trial
from orchestrator.planning.plan_file import load_plan, save_plan
from orchestrator.planning.recipe import make_recipe
from orchestrator.planning.request import DataOptions, Request, decide
from orchestrator.protocols import DESCRIBED, PUBLISHED, STRICT
from orchestrator.run_records import Summary
from orchestrator.search.trial import TrialRun
from orchestrator.tracking.records import NOTE_TAG, search_record
from tests.data.test_dataset import make_corpus
from tests.records import make_plan, make_result
from tune_spaces.method import HParams

PAIRS = (("P16", "P21"), ("P17", "P23"), ("P19", "P25"))
NEWER = ("label_rounding", "label_shift", "best_by", "head", "group_by", "defence")


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people of 8 s, of whom the first and fourth, second and fifth, third and sixth are a dyad."""
    folder = synthesize(tmp_path_factory.mktemp("paired") / "corpus", participants=6, seconds=8.0, seed=4)
    rows = [f"{person},{number}" for number, pair in enumerate(PAIRS) for person in pair]
    (folder / "participants.csv").write_text("\n".join(["participant,Dyad", *rows]) + "\n")
    return folder


def request(data: Path | None = None, *, method: str = "au", protocol: str = "published", **changes: Any) -> Request:
    return Request(
        command="tune",
        method=method,
        preset="demo",
        networks=("rnn",),
        overrides=("hidden_size=4", "sequence_length=25", "num_layers=1", "learning_rate=0.01"),
        point=None,
        protocol=protocol,
        protocol_changes={"epochs": 2, "num_folds": 3, **changes},
        data=DataOptions(path=data, corpus=None),
        seed=0,
        search=SearchOptions(log_model=False),
        output=Path("nowhere"),
        tracking_uri="sqlite:////nowhere.db",
    )


def refusals(**changes: Any) -> list[str]:
    gather = Gather()
    decide(request(**changes), gather)
    return [str(problem) for problem in gather.problems]


def test_a_defence_is_announced_and_refused_if_it_changes_nothing(paired: Path) -> None:
    ready = launch.prepare(request(paired, defence="noise=0.1"), claim=False)
    line = "defence   noise=0.1: done to the features against recognition of people"
    assert line in preview.announce(ready.plan, ready.dataset).splitlines()
    other = launch.prepare(request(paired), claim=False)
    assert "\ndefence " not in preview.announce(other.plan, other.dataset)
    with pytest.raises(InputError, match="--defence: found low-pass=99"):
        launch.prepare(request(paired, defence="low-pass=99"), claim=False)


def test_a_label_delay_is_announced(paired: Path) -> None:
    ready = launch.prepare(request(paired, label_delay_seconds=0.4), claim=False)
    line = "labels    of 0.4 s later (--label-delay); the last 0.4 s of each recording have none"
    assert line in preview.announce(ready.plan, ready.dataset).splitlines()
    other = launch.prepare(request(paired), claim=False)
    assert "--label-delay" not in preview.announce(other.plan, other.dataset)


@pytest.mark.parametrize("method", ["au", "fl-au"])
def test_a_run_with_the_authors_head_and_groups(paired: Path, tmp_path: Path, method: str) -> None:
    ready = launch.prepare(request(paired, method=method, head="authors", group_by=" DYAD "), claim=False)
    plan, dataset = ready.plan, ready.dataset
    assert plan.groups == PAIRS
    assert [fold.held_out for fold in dataset.folds] == list(PAIRS)
    lines = preview.announce(plan, dataset).splitlines()
    assert "groups    by dyad, each in one fold: 3 groups, 3 of 2 people" in lines
    assert (
        "head      that of the authors' code: the whole window into 1000 neurons and 2 outputs, without a"
        " non-linearity" in lines
    )
    save_plan(plan, tmp_path)
    assert load_plan(tmp_path) == plan
    (paired / "participants.csv").rename(tmp_path / "away.csv")
    try:
        assert launch.reopen(load_plan(tmp_path)).folds == dataset.folds
    finally:
        (tmp_path / "away.csv").rename(paired / "participants.csv")
    (trial,) = plan.trials
    training = TrialRun(trial, dataset, plan, folder=tmp_path / trial.uid, start=in_process)
    history = [epoch for told in training.epochs() for epoch in told.values() if isinstance(epoch, Epoch)]
    result = training.finish()
    training.close()
    # 4 x (F + 4 + 2) of the recurrence, 25 x 4 x 1000 + 1000 and 2002 of the head.
    assert result.num_parameters == 4 * (dataset.num_features + 6) + 101_000 + 2_002
    for k, fold in enumerate(result.folds):
        assert fold.chosen_epoch == chosen_epoch(history, k, "best-together")
        assert len(history[0].mae_valence) == 3
        assert history[0].mae_valence[k] > 0
        points = [Moments.from_list(one["valence"]) for one in (fold.window_moments or {}).values()]
        assert [one.n for one in points] == [8, 8]  # 200 frames each, in windows of 25


@pytest.mark.parametrize("federated", [False, True])
def test_labels_are_rounded_as_the_protocol_says_here_and_at_the_clients(federated: bool) -> None:
    """Raters of .01 and .02 throughout: .02 by the decimals, to even; .01 by what float32 holds of them."""
    corpus = make_corpus()
    ratings = np.broadcast_to(np.array([0.01, 0.02], dtype=np.float32)[:, None], (40, 2, 2)).copy()
    recordings = tuple(dataclasses.replace(one, ratings=ratings) for one in corpus.recordings)
    # Contents of its own: the clients' tables are kept by the digest.
    corpus = dataclasses.replace(corpus, recordings=recordings, sha256="4d" * 32)
    for rounding, label in (("float64", 0.02), ("float32", 0.01)):
        protocol = dataclasses.replace(PUBLISHED, num_folds=3, label_rounding=rounding)
        dataset = make_dataset(corpus, protocol, seed=0, federated=federated)
        series = [one for client in dataset.clients for one in client.load()] if federated else dataset.local_series()
        assert len(series) == 6
        for one in series:
            assert set(one.gold_T2[one.mask_T2].tolist()) == {np.float32(label)}


def test_what_published_leaves_names_its_head(paired: Path) -> None:
    ready = launch.prepare(request(paired), claim=False)
    words = "10 neurons, ReLU and 2 outputs per frame, averaged over the window; the authors' uploaded code has another"
    plan = dataclasses.replace(ready.plan, name="one")
    assert plan.protocol.best_by == "loss-and-mae"
    assert plan.protocol.label_rounding == "float64"
    assert f"\nhead      {words}" in preview.announce(plan, ready.dataset)
    found = summary.build(
        plan,
        ready.dataset,
        Outcome(results=[], failures=[]),
        status="FINISHED",
        tracking={},
        baselines=Scored(scores={}, left_out={}),
    )
    written = found.to_json()
    assert str(written["head"]).startswith(words)
    assert Summary.from_json(written, "summary.json").head == found.head
    assert words in search_record(dataclasses.asdict(plan)).tags[NOTE_TAG]
    other = dataclasses.replace(plan, protocol=DESCRIBED)
    assert "head" not in dataclasses.replace(found, head=None).to_json()
    assert "\nhead " not in preview.announce(other, ready.dataset)


def test_an_old_plan_resumes_under_the_old_rules(tmp_path: Path) -> None:
    """Of before the fields were there: its uids, the head per frame, the least loss, rounding of float32."""
    old = dataclasses.replace(PUBLISHED, best_by="loss", label_rounding="float32")
    plan = make_plan(protocol=old)
    save_plan(plan, tmp_path)
    file = tmp_path / "plan.json"
    raw = json.loads(file.read_text())
    raw["protocol"] = {name: value for name, value in raw["protocol"].items() if name not in NEWER}
    del raw["groups"]
    file.write_text(json.dumps(raw))
    read = load_plan(tmp_path)
    assert read.protocol == old
    assert make_recipe(read.trials[0], read.protocol).keep == "best"
    new = make_plan(protocol=PUBLISHED)
    assert make_recipe(new.trials[0], new.protocol).keep == "best-together"
    assert new.trials[0].uid != plan.trials[0].uid
    assert [one.uid for one in make_plan(protocol=DESCRIBED).trials] == [
        one.uid for one in make_plan(protocol=dataclasses.replace(DESCRIBED)).trials
    ]


@pytest.mark.parametrize("protocol", [DESCRIBED, STRICT])
def test_other_protocols_have_the_old_values(protocol: Any) -> None:
    assert (protocol.best_by, protocol.label_rounding, protocol.head, protocol.group_by) == (
        "loss",
        "float32",
        "frame",
        None,
    )
    trial = Trial(
        uid="a", network="rnn", hparams=HParams(learning_rate=1, hidden_size=1, sequence_length=1, num_layers=1)
    )
    assert make_recipe(trial, protocol).keep == ("last" if protocol is DESCRIBED else "best")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"protocol": "described", "head": "authors"},
            "--head: found head authors, one output per window, beside target frame (--protocol described);"
            " expected --protocol published, whose target is a mean per window",
        ),
        (
            {"loss": "ccc-window"},
            "--loss: found loss ccc-window, the CCC within a window, beside target window-mean, one value per window"
            " (--protocol published); expected mse or ccc",
        ),
        (
            {"loss": "ccc"},
            "--loss: found ccc, beside steps of one window and one value per window (--protocol published);"
            " expected --batch-size of several windows, or mse",
        ),
    ],
)
def test_what_does_not_go_together_is_one_clear_error(changes: dict[str, str], words: str) -> None:
    assert refusals(**changes) == [words]


@pytest.mark.parametrize(
    "changes",
    [
        {"head": "authors"},
        {"loss": "ccc", "windows_a_step": 4},
        {"protocol": "described", "loss": "ccc"},
        {"protocol": "described", "loss": "ccc-window"},
        {"gold": "ccc-centred-avec"},
    ],
)
def test_what_goes_together_is_taken(changes: dict[str, Any]) -> None:
    assert refusals(**changes) == []


def test_a_choice_by_the_loss_within_windows_is_not_corrected() -> None:
    """What is stored has no moments within windows."""
    results = [make_result(letter * 12, [0.1, 0.2], [0.5, 0.6]) for letter in "ab"]
    assert corrected(results, dataclasses.replace(DESCRIBED, loss="ccc-window"), seed=0) == {}


def test_the_column_of_groups_is_asked_for_by_name(paired: Path) -> None:
    with pytest.raises(InputError, match=r"--group-by: found pair: participants\.csv has dyad; expected a column of"):
        launch.prepare(request(paired, group_by="pair"), claim=False)
    with pytest.raises(InputError, match=r"--folds: found 3 groups for 4 folds; expected at least 4 groups"):
        launch.prepare(request(paired, group_by="dyad", num_folds=4), claim=False)
    bare = ["tune", "--data", str(paired), "--preset", "demo", "--folds", "3", "--group-by", "sex", "--dry-run"]
    done = CliRunner().invoke(cli, bare)
    assert done.exit_code != 0
    assert "--group-by: found sex: participants.csv has dyad" in f"{done.output}{done.exception}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--krum-attackers", "1"),
            "--krum-attackers: found 1 of 4 clients that train, in fold 0; "
            "expected at least 2 x 1 + 3 = 5 clients, or at most 0 of 4",
        ),
        (
            ("--krum-kept", "5"),
            "--krum-kept: found 5 of 4 clients that train, of whom 0 may attack, in fold 0; expected at most 4 - 0 = 4",
        ),
    ],
)
def test_an_aggregator_that_needs_more_clients_than_a_fold_has_is_refused(
    paired: Path, options: tuple[str, str], message: str
) -> None:
    words = ["tune", "--method", "fl-au", "--data", str(paired), "--preset", "demo", "--folds", "3", "--dry-run"]
    done = CliRunner().invoke(cli, [*words, "--aggregator", "multi-krum", *options])
    assert done.exit_code != 0
    assert message in f"{done.output}{done.exception}"
    done = CliRunner().invoke(cli, [*words, "--aggregator", "multi-krum", "--krum-kept", "4"])
    assert done.exit_code == 0
    assert "krum kept 4" in done.output
