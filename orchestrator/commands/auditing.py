"""The command `audit`: what privacy a run or a data set leaves its people, measured. Nothing heavy until it runs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from orchestrator.audit.folder import AUDIT_FILE, PEOPLE_FILE
from orchestrator.audit.records import DEFENCE, IDENTITY, PUBLISHED, Audit
from orchestrator.commands import options as opt
from orchestrator.commands.option_types import OneOf, RunFolder
from orchestrator.errors import InputError, number_of
from orchestrator.run_folder import AUDIT_FOLDER, LOCK_FILE, RUNS_FOLDER

SYNTHETIC_LINE = "SYNTHETIC: the recordings are generated; these numbers say nothing about people"
QUESTIONS = ("identity", "membership", "server", "attributes", "defence")
DEFENCE_FIGURE = "defence.svg"
# What says which recordings are audited and how they are read, for audits without a run, by what each is if not given.
OF_RECORDINGS = {
    **dict.fromkeys(("data", "corpus", "frame_rate", "time_unit", "participant_pattern", "label_range", "identity")),
    **{f"max_{name}": None for name in opt.LIMIT_FIELDS},
    "raters": (),
    "features": (),
    "method": "au",
}


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...", type=RunFolder())
@opt.data_options
@opt.method_option
@click.option(
    "--question",
    "questions",
    multiple=True,
    type=OneOf(QUESTIONS),
    help="Only this one; repeatable. All if not given.",
)
@click.option(
    "--attacker",
    type=OneOf(PUBLISHED),
    help="On action units also this attacker as published: p-blend votes over 10 s by a linear SVM.",
)
@click.option("--tracking-uri", help="MLflow store of recordings without a run; a run's own has the run's.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the attackers' draws.")
@click.option("--pseudonymise", is_flag=True, help="Write people as keyed hashes (HMAC-SHA256) in place of their ids.")
@opt.path_option("--key", help="The file of that key, made if it is not there; the user's own if not given.")
@opt.output_option(required=False, help=f"Folder; RUN/{AUDIT_FOLDER} if not given, of --data below {RUNS_FOLDER}/.")
def audit(**values: Any) -> list[tuple[Path, Audit]]:
    """Measure what privacy is left: of finished runs, or of recordings (--data, or the embedded corpus)."""
    _check(values)
    runs: Sequence[Path] = values["runs"]
    found = []
    for run in runs or (None,):
        folder = _folder(values, run, several=len(runs) > 1)
        found.append((folder, _audit(values, run, folder)))
    return found


def _check(values: dict[str, Any]) -> None:
    beside = [name for name, default in OF_RECORDINGS.items() if values[name] != default]
    if values["runs"] and beside:
        found = f"beside {number_of(len(values['runs']), 'run')} with recordings and a method of their own"
        options = [f"--{name.replace('_', '-')}" for name in beside]
        raise InputError.of(", ".join(options), found=found, expected="either RUN or recordings")
    if values["attacker"] is not None and IDENTITY not in (values["questions"] or QUESTIONS):
        expected = f"--question {IDENTITY}, which it attacks, or no --question"
        raise InputError.of("--attacker", found=f"--question {', '.join(values['questions'])}", expected=expected)
    if values["key"] is not None and not values["pseudonymise"]:
        raise InputError.of("--key", found="without --pseudonymise", expected="both or neither")
    names = [run.resolve().name for run in values["runs"]]
    twice = next((name for name in names if names.count(name) > 1), None)
    if values["output"] is not None and twice is not None:
        raise InputError.of("--output", found=f"two runs of the name {twice}", expected="one folder for each run")


def _folder(values: dict[str, Any], run: Path | None, *, several: bool) -> Path:
    given: Path | None = values["output"]
    if given is not None:
        return given / run.resolve().name if several and run is not None else given
    if run is not None:
        return run / AUDIT_FOLDER
    data = "embedded" if values["data"] is None else values["data"].resolve().name
    return Path(RUNS_FOLDER) / f"audit-{values['method']}-{data}"


def _audit(values: dict[str, Any], run: Path | None, folder: Path) -> Audit:
    from orchestrator.audit.output import answer, table
    from orchestrator.audit.prepare import subject_of_data, subject_of_run
    from orchestrator.output_checks import check_output_folder
    from orchestrator.planning.pseudonyms import fingerprint_of, read_key
    from orchestrator.tracking.audits import store_of

    check_output_folder("--output", folder, inputs={"--data": values["data"]})
    store_of(run, values["tracking_uri"])  # a bad address is told now, and not after an audit of hours
    key = read_key(values["key"]) if values["pseudonymise"] else None
    if run is not None:
        subject = subject_of_run(run, seed=values["seed"], show=_show)
    else:
        subject = subject_of_data(_decided(values), show=_show)
    subject = dataclasses.replace(subject, attacker=values["attacker"])
    if subject.corpus.synthetic:
        _show(SYNTHETIC_LINE)
    begun = Audit(
        subject={**subject.shown, "key": None if key is None else fingerprint_of(key)},
        seed=values["seed"],
        synthetic=subject.corpus.synthetic,
        participants=len(subject.corpus.participants),
        pseudonymised=key is not None,
    )
    found = _attacked(values, subject, folder, begun, key)
    click.echo(table(found))
    click.echo(f"written to {folder}: {AUDIT_FILE}, {PEOPLE_FILE}, {found.participants} people")
    _draw(folder, found)
    _track(values, run, folder, found)
    click.echo("\n".join(["", *answer(found)]))
    return found


def _draw(folder: Path, found: Audit) -> None:
    """Draw the defences, where some were measured."""
    if not any(one.attack == DEFENCE for one in found.attacks):
        return
    from orchestrator.report.figures.defence import draw
    from orchestrator.report.figures.files import write_figure

    figure = draw(found)
    if figure is not None:
        write_figure(folder, figure)
        click.echo(f"drawn to {folder / DEFENCE_FIGURE}: {figure.caption}")


def _attacked(values: dict[str, Any], subject: Any, folder: Path, begun: Audit, key: bytes | None) -> Audit:
    from orchestrator.audit.folder import AuditFolder, check_same
    from orchestrator.audit.questions import ask, ask_all
    from orchestrator.audit.tasks import run_tasks
    from orchestrator.files import locked
    from orchestrator.planning.pseudonyms import pseudonyms, same_name

    tasks, skipped = ask(subject, values["questions"])
    known = ask_all(subject)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / LOCK_FILE, wait_seconds=0):
            check_same(folder, begun)
            made = AuditFolder.begin(folder, begun, same_name if key is None else pseudonyms(key))
            return run_tasks(made, tasks, _show, skipped=skipped, known=known)
    except TimeoutError:
        found = f"{folder}, where another audit is at work"
        raise InputError.of("--output", found=found, expected="a folder nobody works in") from None
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror or error}"
        raise InputError.of("--output", found=reason, expected="a folder that can be written") from error


def _show(line: str) -> None:
    click.echo(line, err=True)


def _track(values: dict[str, Any], run: Path | None, folder: Path, found: Audit) -> None:
    """Write the audit into MLflow; what keeps it out is one line, and the audit stands."""
    from orchestrator.audit.output import rows
    from orchestrator.tracking.audits import AuditRun, log_audit, store_of

    store = store_of(run, values["tracking_uri"])
    method = str(found.subject["method"])
    record = AuditRun(
        name=f"audit {run.resolve().name if run is not None else folder.name}",
        params={name: text for name, text in found.subject.items() if text} | {"seed": str(found.seed)},
        rows=rows(found),
        files=(folder / AUDIT_FILE, folder / PEOPLE_FILE),
        synthetic=found.synthetic,
        verdicts={one.name: one.verdict for one in found.attacks},
    )
    problem = log_audit(store, record, experiment=store.experiment or f"affect-{method}")
    if problem is None:
        click.echo(f"tracked in {store.tracking_uri}")
    else:
        click.echo(f"not in MLflow: {problem}", err=True)


def _decided(values: dict[str, Any]) -> Any:
    """Return what a method makes of recordings without a run: its demo preset's configurations."""
    from orchestrator.commands.requests import data_options
    from orchestrator.errors import Gather
    from orchestrator.planning.plan import SearchOptions
    from orchestrator.planning.request import Request, decide

    gather = Gather()
    request = Request(
        command="audit",
        method=values["method"],
        preset="demo",
        networks=(),
        overrides=(),
        point=None,
        protocol="described",
        protocol_changes={},
        data=data_options(values),
        seed=values["seed"],
        search=SearchOptions(log_model=False),
        output=None,
        tracking_uri=None,
    )
    decided = decide(request, gather)
    gather.settle()
    return decided
