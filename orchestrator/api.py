"""The Python interface: what the command line does, as objects and pandas tables; the only supported import surface.

    import orchestrator
    run = orchestrator.tune("au", data="recordings", network="bigru", set={"hidden_size": [8, 16]}, epochs=20)
    run.leaderboard()

Options have the command line's names (`--batch-size` is `batch_size`) and its checks: InputError lists all faults.
"""

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import pandas as pd

from orchestrator.commands.given import call, names_of, refuse, values_of
from orchestrator.corpora.manifest import manifest
from orchestrator.corpora.recording import Corpus as CorpusData
from orchestrator.errors import InputError
from orchestrator.files import JsonObject, read_json
from orchestrator.planning.past_runs import latest_run, means_latest
from orchestrator.planning.removal import settle
from orchestrator.protocols import DIMENSIONS
from orchestrator.run_folder import (
    CURVES_FILE,
    LEADERBOARD_FILE,
    PLAN_FILE,
    PREDICTIONS_TABLE,
    SUMMARY_FILE,
    TRIALS_FOLDER,
)
from orchestrator.run_records import FoldScore, PersonScore, Summary
from tune_spaces.method import hyper_parameters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from orchestrator.planning.launch import Launch
    from orchestrator.planning.plan import Plan
    from orchestrator.report.search_record import Search
    from orchestrator.search.display import Phases


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Corpus:
    """Recordings as the product reads them."""

    data: CorpusData

    @property
    def manifest(self) -> JsonObject:
        """What is in it, as `data check --json` prints it."""
        return manifest(self.data)

    @property
    def participants(self) -> tuple[str, ...]:
        """The participants, in the order of the corpus."""
        return tuple(self.data.participants)

    def frames(self, participant: str | None = None) -> pd.DataFrame:
        """Return a row per frame: participant, session, time (s), valid, the features, `<dimension>_<rater>`.

        Of one participant or of all. Labels are in [-1, 1]; NaN where a value or a label is missing.
        """
        if participant is not None and participant not in self.participants:
            known = ", ".join(self.participants)
            raise InputError.of("participant", found=repr(participant), expected=f"one of {known}")
        tables = []
        for one in self.data.recordings:
            if participant is not None and one.participant != participant:
                continue
            columns: dict[str, Any] = {
                "participant": one.participant,
                "session": one.session,
                "time": one.time,
                "valid": one.valid,
            }
            columns |= {name: one.features[:, place] for place, name in enumerate(self.data.feature_names)}
            for d, dimension in enumerate(DIMENSIONS):
                columns |= {f"{dimension}_{rater}": one.ratings[:, r, d] for r, rater in enumerate(one.raters)}
            tables.append(pd.DataFrame(columns))
        return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished or interrupted run: its folder, or what an MLflow store has of it."""

    folder: Path
    model: str  # what a model is opened by: the run's folder, or its id in MLflow

    @property
    def plan(self) -> JsonObject:
        """Everything the run was asked for."""
        return read_json(self.folder / PLAN_FILE)

    @property
    def summary(self) -> Summary:
        """What the run found (docs/outputs.md); `summary.scores["ccc_valence"]`."""
        path = self.folder / SUMMARY_FILE
        return Summary.from_json(read_json(path), path)

    def answer(self) -> str:
        """Return in words what was found: the best configuration, its intervals, and the best baseline beside it."""
        from orchestrator.evaluation.answer import answer

        return "\n".join(f"{word}: {text}" for word, text in answer(self.summary))

    def leaderboard(self) -> pd.DataFrame:
        """Return every configuration, the best first, then the baselines, which have no rank."""
        whole = {one.name: "Int64" for one in hyper_parameters() if one.integer}
        return pd.read_csv(self._file(LEADERBOARD_FILE), dtype={"rank": "Int64", **whole})

    def folds(self) -> pd.DataFrame:
        """Return a row per fold of what is reported: its people, epoch, losses and measures."""
        return pd.DataFrame([_row(fold) for fold in self.summary.folds])

    def participants(self) -> pd.DataFrame:
        """Return a row per participant: the fold that held them out, and their own scores."""
        return pd.DataFrame([_row(person) for person in self.summary.participants or ()])

    def predictions(self) -> pd.DataFrame:
        """Return a row per held-out frame: gold standard, prediction, lowest and highest rater of each dimension."""
        return pd.read_parquet(self._file(PREDICTIONS_TABLE))

    def curves(self) -> pd.DataFrame:
        """Return the epochs of each network's best configuration: losses and CCC, means over the folds."""
        tables = [
            pd.DataFrame({"network": network, "uid": one["uid"], **one["curve"]}).assign(
                epoch=lambda table: np.arange(1, len(table) + 1)
            )
            for network, one in read_json(self._file(CURVES_FILE)).items()
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def figure(self, name: str) -> "Figure":
        """Return one of the run's figures, such as `learning` or `traces`; InputError names those there are."""
        from orchestrator.report.figures import draw_all

        found = {figure.name.removeprefix(f"{self.plan['method']}-"): figure for figure in draw_all([self._search()])}
        drawing = found[name].drawing if name in found else None
        if drawing is None:
            raise InputError.of("figure", found=repr(name), expected=f"one of {', '.join(found) or 'none, so far'}")
        return drawing

    def predict(self, source: Path | str, **options: Any) -> pd.DataFrame:
        """Predict valence and arousal of a table, a video, or a folder of them with the best configuration's models.

        A row per time step: participant, session, time (s), valence, arousal; NaN where there is no valid frame. What
        the command would print is in `attrs["notes"]`. Options as of `predict`: overlap, smooth, centre, fold, device.
        """
        from orchestrator.commands.models import predict as command
        from orchestrator.inference.output import COLUMNS

        refuse(options, ("model", "input", "output", "follow"), "the method's own: its run, its source and its table")
        with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()) as said:
            output = Path(folder) / "predictions.csv"
            call(command, {"model": self.model, "input": str(source), "output": output, **options})
            table = pd.read_csv(output, dtype=dict.fromkeys(COLUMNS[:2], str)).fillna({"session": ""})
        table.attrs["notes"] = said.getvalue().splitlines()[:-1]  # the last line names the temporary file
        return table

    def score(self, data: Path | str, **options: Any) -> pd.DataFrame:
        """Score the best configuration's models on labelled people, also of another corpus; nothing is trained.

        A row per person: participant, seen (in training), frames and CCC of each dimension. `attrs["scores"]` is what
        scores.json has: pooled CCC and mean of the people's own, with 95 % intervals. Options as of `score`.
        """
        from orchestrator.commands.scoring import score as command
        from orchestrator.inference.score_output import PEOPLE_FILE

        refuse(options, ("model",), "the method's own: its run")
        with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            output = Path(options.pop("output", None) or Path(folder) / "score")
            scores = call(command, {"model": self.model, "data": str(data), "output": output, **options})
            table = pd.read_csv(output / PEOPLE_FILE, dtype={"participant": str})
        table.attrs["scores"] = scores
        return table

    def audit(self, **options: Any) -> pd.DataFrame:
        """Measure what privacy the run leaves its people (docs/privacy.md); what an earlier audit has is kept.

        A row per attack and statistic: attack, source, variant, statistic, unit, value, lower and upper (95 % over
        people), chance, main, verdict, people. `attrs["folder"]` has audit.json and people.csv. Options as of `audit`.
        """
        from orchestrator.audit.output import rows
        from orchestrator.commands.auditing import audit as command

        with redirect_stdout(io.StringIO()):
            ((folder, found),) = call(command, options, runs=(self.folder,))
        table = pd.DataFrame(rows(found))
        table.attrs["folder"] = str(folder)
        return table

    def extend(self, **options: Any) -> "Run":
        """Add values or trials to this search and train what is new: `set`, `network`, `trials`, `hours`, `yes`.

        What is done is kept, in the same folder. InputError for additions that the command would refuse.
        """
        from orchestrator.commands.search import ADDITIONS
        from orchestrator.planning import extension

        values = values_of(_command("tune"), options)
        other = [
            name for name, option in names_of(_command("tune")) if name in options and option.name not in ADDITIONS
        ]
        if other:
            expected = "set, network, trials, hours, yes: the plan has the rest"
            raise InputError.of("extend", found=", ".join(other), expected=expected)
        if self.model != str(self.folder):
            raise InputError.of("extend", found=f"run {self.model} of an MLflow store", expected="the run's folder")
        additions = extension.Additions(**{name: values[name] for name in ("networks", "overrides", "trials", "hours")})
        found = extension.extend(self.folder, additions)
        return _executed(found.launch, yes=values["yes"], estimated=found.added, save=True)

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise InputError.of(str(self.folder), found=f"no {name}", expected="a run in which something finished")
        return path

    def _search(self) -> "Search":
        from orchestrator.evaluation.results import Outcome
        from orchestrator.evaluation.trial_files import read_failures, read_results
        from orchestrator.planning.plan_file import load_plan
        from orchestrator.search.conclude import as_evidence

        plan, trials = load_plan(self.folder), self.folder / TRIALS_FOLDER
        uids = [trial.uid for trial in plan.trials]
        outcome = Outcome(results=read_results(trials, uids), failures=read_failures(trials, uids))
        return as_evidence(plan, self.summary, outcome, self.folder)


def _row(record: FoldScore | PersonScore) -> JsonObject:
    from orchestrator.json_records import to_json

    return {key: value for key, value in to_json(record).items() if key != "moments"}


def open_corpus(path: Path | str, **options: Any) -> Corpus:
    """Read recordings; options as of `data check`, and `features` (`corpus`, `features`, `frame_rate`, ...)."""
    from orchestrator.commands.data import check
    from orchestrator.commands.requests import data_options
    from orchestrator.planning.launch import load_corpus

    of_reading = {**dict(names_of(check)), "features": None}
    others = [name for name, _ in names_of(_command("tune")) if name not in of_reading]
    refuse(options, others, "no option of how recordings are read")
    values = values_of(_command("tune"), {"method": "au", "data": path, **options})
    return Corpus(data=load_corpus(data_options(values))[0])


def tune(method: str, *, data: Path | str | None = None, **options: Any) -> Run:
    """Search a method's grid; `set` takes a mapping from hyper-parameters to values. Options as of `tune`.

    InputError for a search that is estimated at more than a day, unless `yes=True`.
    """
    return _run("tune", method, data, options)


def evaluate(method: str, *, data: Path | str | None = None, **options: Any) -> Run:
    """Train and score the k folds of one configuration. Options as of `evaluate`."""
    return _run("evaluate", method, data, options)


def compare(*runs: Run | Path | str, tracking_uri: str | None = None) -> pd.DataFrame:
    """Compare runs on the same recordings, each with each, paired over participants: a row per pair and dimension.

    Columns as comparisons.csv (docs/statistics.md); `attrs["differing"]` says what differs between the runs.
    """
    from orchestrator.report.run_comparison import compare_runs
    from orchestrator.report.run_comparison_output import as_csv

    places = [one.model if isinstance(one, Run) else _named(str(one)) for one in runs]
    found = compare_runs(places, tracking_uri=tracking_uri)
    table = pd.read_csv(io.StringIO(as_csv(found)))
    table.attrs["differing"] = list(found.differing)
    return table


def _named(place: str) -> str:
    return str(latest_run()) if means_latest(place) else place


def load_run(place: Path | str, *, tracking_uri: str | None = None) -> Run:
    """Open the folder of a run, the `latest` one below runs/, or a run of an MLflow store by its id (or `runs:/ID`)."""
    folder = Path(_named(str(place)))
    if (folder / PLAN_FILE).is_file():
        settle(folder)
        return Run(folder=folder.absolute(), model=str(folder.absolute()))
    from orchestrator.tracking.location import is_run_id
    from orchestrator.tracking.models import download_run

    run_id = str(place).removeprefix("runs:/")
    if not is_run_id(run_id):
        raise InputError.of("load_run", found=repr(str(place)), expected=f"a folder with {PLAN_FILE}, or a run's id")
    names = (PLAN_FILE, SUMMARY_FILE, LEADERBOARD_FILE, CURVES_FILE, PREDICTIONS_TABLE)
    found = download_run(run_id, Path(mkdtemp(prefix="affect-run-")), names, tracking_uri)
    return Run(folder=found, model=run_id)


def _run(command: str, method: str, data: Path | str | None, options: Mapping[str, Any]) -> Run:
    from orchestrator.commands.requests import request
    from orchestrator.planning import launch
    from orchestrator.search.display import Phases

    given = {"method": method, **({} if data is None else {"data": data}), **options}
    values = values_of(_command(command), given)
    phases = Phases(lines=False)
    ready = launch.prepare(request(command, values), claim=True, show=phases)
    estimated = ready.plan if command == "tune" else None
    return _executed(ready, phases, yes=values.get("yes", False), estimated=estimated)


def _executed(
    ready: "Launch", phases: "Phases | None" = None, *, yes: bool, estimated: "Plan | None", save: bool = False
) -> Run:
    """Run what is prepared; `estimated` is the plan that may take no more than a day, `save` writes the whole one."""
    from orchestrator.commands.consent import agreed
    from orchestrator.planning import extension
    from orchestrator.search.run import execute

    assert ready.claim is not None
    with ready.claim:
        if estimated is not None:
            agreed(estimated, ready.dataset, yes=yes, ask=None)
        if save:
            extension.save(ready)
        outcome = execute(ready, phases)
    if outcome.ended is not None:
        raise outcome.ended
    return Run(folder=outcome.output, model=str(outcome.output))


def _command(name: str) -> click.Command:
    from orchestrator.cli import cli

    return cli.commands[name]
