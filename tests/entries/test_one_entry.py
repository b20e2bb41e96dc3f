"""One entry in a dictionary is enough: a toy network, corpus, gold standard, aggregator and scheduler take part."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fed.choices import AGGREGATORS, SERVER_OPTIMISERS, Aggregator
from fed.executors.in_process import in_process
from fed.options import Federation, abouts
from models.exportable import ExportableNetwork
from models.networks import build
from models.sizes import NETWORKS, Network
from orchestrator.commands import data as data_commands
from orchestrator.commands.search import evaluate, tune
from orchestrator.corpora.catalogue import CORPORA, GOLD_STANDARDS, CorpusFormat, GoldStandard
from orchestrator.corpora.gold_standard import gold_standard
from orchestrator.corpora.readers import open_corpus
from orchestrator.errors import Gather, InputError
from orchestrator.evaluation import model_card, search_baselines, summary
from orchestrator.evaluation.results import Outcome
from orchestrator.planning import launch
from orchestrator.planning.plan import SearchOptions
from orchestrator.planning.request import decide
from orchestrator.planning.strategies import SCHEDULERS, SEARCHES, SchedulerStrategy
from orchestrator.protocols import PROTOCOLS
from orchestrator.report.search_record import Search
from orchestrator.report.tables.paper_tables import table_1, table_2
from orchestrator.run_folder import RESULT_FILE, TRIALS_FOLDER
from orchestrator.search.pack_config import PackConfig
from orchestrator.search.trial import TrialRun
from orchestrator.tracking import records
from tests.corpora.writers import content, write_table
from tests.entries import toys
from tests.fed.toys import flat, trained
from tests.search.small_searches import make_request

NAME = "toy"


@pytest.fixture(scope="module", autouse=True)
def entries() -> Iterator[None]:
    """The entries that a contributor would write, each a line."""
    aggregator = Aggregator(function="tests.entries.toys:towards_the_first", help="of two clients")
    corpus = CorpusFormat(module="tests.entries.toys", title="a toy", licence="as you like")
    scheduler = SchedulerStrategy(help="a toy", make="tests.entries.toys:Scheduler")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, NAME, Network(title="Toy GRU", cell="gru", directions=1))
        patch.setitem(CORPORA, NAME, corpus)
        patch.setitem(GOLD_STANDARDS, NAME, GoldStandard(function="tests.entries.toys:boldest", help="the largest"))
        patch.setitem(SCHEDULERS, NAME, scheduler)
        patch.setitem(AGGREGATORS, NAME, aggregator)
        patch.setitem(abouts()["trim_share"].defaults, NAME, 0.25)
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy-corpus")
    people = [content(name, num_rows=60, seed=seed) for seed, name in enumerate(("P1", "P2", "P3"))]
    write_table(folder / "table.parquet", people).rename(folder / "recordings.toy")
    return folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Searched:
    """A search of one configuration of the toy network on the toy corpus, and its result's file."""

    search: Search
    result: Path
    card: dict[str, Any]


@pytest.fixture(scope="module")
def searched(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    output = tmp_path_factory.mktemp("searched")
    point = ("hidden_size=4", "sequence_length=20", "num_layers=1", "learning_rate=0.01")
    changes: dict[str, Any] = {"epochs": 1, "gold": NAME}
    request = make_request(
        corpus, output, "sqlite:////nowhere.db", networks=(NAME,), overrides=point, protocol_changes=changes
    )
    ready = launch.prepare(request, claim=False)
    (trial,) = ready.plan.trials
    run = TrialRun(trial, ready.dataset, ready.plan, folder=output / TRIALS_FOLDER / trial.uid, start=in_process)
    assert len(list(run.epochs())) == 1
    result = run.finish()
    content = summary.build(
        *(ready.plan, ready.dataset, Outcome(results=[result], failures=())),
        status="finished",
        tracking={"tracking_uri": "", "experiment_id": "1", "run_id": "ab" * 16},
        baselines=search_baselines.scored(
            search_baselines.measure(ready.dataset), ready.dataset, window_length=20, partial_window="pad"
        ),
    )
    card = model_card.build(ready.plan, ready.dataset, result, weights_sha256="0" * 64)
    search = Search(plan=dataclasses.asdict(ready.plan), summary=content, trials=[result], run_id="ab" * 16)
    return Searched(search=search, result=output / TRIALS_FOLDER / trial.uid / RESULT_FILE, card=card)


def test_a_network_is_searched_and_recorded(searched: Searched) -> None:
    (trial,) = searched.search.trials
    model = build(NAME, num_features=len(searched.card["features"]), hidden_size=4, num_layers=1, seed=0)
    assert trial.network == NAME
    assert trial.num_parameters == sum(parameter.numel() for parameter in model.parameters())
    record = records.trial_record(searched.search.plan, searched.result)
    assert record.name.startswith("toy lr=")
    assert "network" in record.params
    assert searched.card["network"] == NAME


@pytest.mark.parametrize("table", [table_1, table_2])
def test_a_network_is_reported_below_those_of_the_paper(searched: Searched, table: Any) -> None:
    rows = table([searched.search]).rows
    networks = [row.cells[1].text for row in rows]
    # Raw images were not run; then the block of action units, and the toy last.
    assert networks[:7] == ["BiGRU", "BiLSTM", "RNN", "BiGRU", "BiLSTM", "RNN", "Toy GRU"]
    assert networks.count("Toy GRU") == 1
    assert not rows[6].cells[2].text.startswith("not run")
    assert all(row.cells[2].text.startswith("not run") for row in rows[:6])


def test_a_network_is_exported() -> None:
    models = [build(NAME, num_features=5, hidden_size=4, num_layers=3, seed=seed).eval() for seed in range(2)]
    x = torch.randn(4, 9, 5, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = torch.stack([model(x) for model in models]).mean(0)
        torch.testing.assert_close(ExportableNetwork(models)(x), expected, atol=1e-6, rtol=0)


def test_a_corpus_is_found_by_looking_and_its_licence_is_in_the_card(
    corpus: Path, searched: Searched, tmp_path: Path
) -> None:
    assert open_corpus(corpus).kind == NAME
    assert open_corpus(corpus, corpus=NAME).kind == NAME
    assert searched.search.plan["corpus"]["kind"] == NAME
    assert searched.card["data_licence"] == "as you like"
    (tmp_path / "a.bin").touch()
    with pytest.raises(InputError, match=r"toy: a folder with recordings\.toy"):
        open_corpus(tmp_path)


def test_a_gold_standard_is_used(searched: Searched) -> None:
    ratings = np.array([[[0.1, 0.2], [0.3, -0.2]]], np.float32)
    np.testing.assert_allclose(gold_standard(ratings, NAME), [[0.3, 0.2]])
    assert searched.search.plan["protocol"]["gold"] == NAME


def test_an_aggregator_with_a_parameter_trains() -> None:
    assert Federation(aggregator=NAME).trim_share == 0.25
    default, given = trained(aggregator=NAME), trained(aggregator=NAME, trim_share=0.4)
    assert not torch.equal(flat(default, 0), flat(given, 0))
    assert not torch.equal(flat(default, 0), flat(trained(), 0))


def test_a_scheduler_is_made_by_tune(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.search import tune

    made: list[Any] = []

    def tuner(*_: object, **settings: Any) -> SimpleNamespace:
        made.append(settings)
        return SimpleNamespace(fit=list)

    monkeypatch.setattr("ray.tune.Tuner", tuner)
    plan = SimpleNamespace(
        search=SearchOptions(scheduler=NAME),
        protocol=PROTOCOLS["described"],
        trials=(SimpleNamespace(uid="a"),),
        num_planned=1,
        seed=0,
    )
    monkeypatch.setattr(tune, "relative_cost", lambda *_: 1.0)
    watch = SimpleNamespace(observer=SimpleNamespace(trials_folder=Path("trials")), lost=[], ended=lambda _: None)
    packs = [PackConfig(uids=("a",))]
    tune._run(plan, None, Path("scratch"), (), packs, watch, None)  # type: ignore[arg-type]
    scheduler = made[0]["tune_config"].scheduler
    assert isinstance(scheduler.goes_on, toys.Scheduler)
    assert scheduler.goes_on.given == (PROTOCOLS["described"].epochs, ())
    told = {"compared": True, "members": [{"uid": "b", "epoch": 1, "validation_loss": 1.0}]}
    left: list[str] = []
    monkeypatch.setattr(scheduler, "leave", left.append)
    assert scheduler.on_trial_result(None, None, told) == "STOP"
    assert left == ["b"]


def test_a_scheduler_that_stops_trials_is_no_strict_one(corpus: Path, tmp_path: Path) -> None:
    request = make_request(corpus, tmp_path, "", protocol="strict", search={"scheduler": NAME})
    gather = Gather()
    decide(request, gather)
    assert [one.where for one in gather.problems] == ["--scheduler"]
    assert gather.problems[0].expected == "fifo with --protocol strict"


def test_the_command_line_knows_every_entry() -> None:
    given = {"--scheduler": NAME, "--corpus": NAME, "--gold": NAME, "--aggregator": NAME}
    words = [word for pair in given.items() for word in pair]
    values = tune.make_context("tune", words).params
    assert [values[one.removeprefix("--")] for one in given] == [NAME] * 4
    text = CliRunner().invoke(tune, ["--help"]).output
    for known in (SEARCHES, SCHEDULERS, CORPORA, GOLD_STANDARDS, AGGREGATORS, SERVER_OPTIMISERS):
        assert f"[{'|'.join(known)}]" in "".join(text.split()), known
    for command, word in ((evaluate, "--gold"), (data_commands.check, "--corpus")):
        result = CliRunner().invoke(command, [word, "nobody"])
        assert result.exit_code == 2
        assert f"'{NAME}'" in result.output


def test_options_of_a_federation_are_refused_beside_other_methods(corpus: Path, tmp_path: Path) -> None:
    changes = {"server_tau": 0.1, "quorum": None, "proximal": 0.1}
    request = make_request(corpus, tmp_path, "", federation_changes=changes)
    gather = Gather()
    decide(request, gather)
    (problem,) = gather.problems
    assert problem.where == "--server-tau, --proximal"
    assert problem.found.startswith("beside --method au")
    assert problem.expected == "--method fl or fl-au"


def test_parameters_of_other_choices_are_refused_by_their_option(corpus: Path, tmp_path: Path) -> None:
    request = make_request(corpus, tmp_path, "", method="fl-au", federation_changes={"server_tau": 0.1})
    gather = Gather()
    decide(request, gather)
    assert [(one.where, one.found) for one in gather.problems] == [
        ("--server-tau", "0.1 beside --server-optimiser fedavg")
    ]
