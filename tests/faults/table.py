"""Every fault that is injected, in one table; `python -m tests.faults.table` prints it as docs/reliability.md has it.

`python -m tests.faults.table elsewhere` prints the tests of other folders that `make faults` runs as well. A test says
by `@injects("id", ...)` which rows it injects; tests/faults/test_table.py holds both sides together.
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

F = TypeVar("F", bound=Callable[..., Any])

PROCESSES = "Processes and machines"
OUTPUT = "The output folder"
FINISHED = "A finished trial's files"
PLAN = "`plan.json`"
CACHE = "The cache"
STORE = "MLflow's store"
SECRETS = "Secrets, doors, other people's files"
MODELS = "Models and predictions"
SECTIONS = (PROCESSES, OUTPUT, FINISHED, PLAN, CACHE, STORE, SECRETS, MODELS)

SAME_BYTES = "leaderboard, predictions and model are the undisturbed run's, byte by byte"
REFUSED = "refused: exit 2, one line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of fault; `tries` counts what `make faults` injects, `elsewhere` names a test outside this folder."""

    id: str
    section: str
    fault: str
    how: str
    outcome: str
    tries: int = 1
    elsewhere: str | None = None


ROWS = (
    # --- processes and machines ---
    Row(
        id="kills-au",
        section=PROCESSES,
        fault="the driver or a trial's worker is killed at any moment",
        how="`kill -9` at seeded moments of a search, then `--resume`",
        tries=10,
        outcome=f"survived: {SAME_BYTES}",
    ),
    Row(
        id="kills-fl-au",
        section=PROCESSES,
        fault="the driver, the trial's worker, a client or all clients of a federation are killed at any moment",
        how="`kill -9` at seeded rounds, then `--resume`",
        tries=10,
        outcome=f"survived: {SAME_BYTES}",
    ),
    Row(
        id="kills-secure-sum",
        section=PROCESSES,
        fault="clients of secure sums are killed in any stage of a round",
        how="`kill -9` of two of six before they share, before they train, and before the masks come off",
        tries=3,
        outcome="survived: the exact sum of the others, and back in the next round; too few: exit 3, weights untouched",
        elsewhere="tests/fed/test_secure_actors.py::"
        "test_actors_give_the_bits_of_one_process_and_the_killed_leave_their_round",
    ),
    Row(
        id="kills-secure-twenty",
        section=PROCESSES,
        fault="three of twenty clients of secure sums are killed in one round, each at a moment of chance",
        how="`kill -9` before keys, before shares, before training, in training, before the masks come off",
        tries=10,
        outcome="survived: the sum of those who sent their update, to the last bit; all are back in the next round",
        elsewhere="tests/fed/test_secure_kills.py::"
        "test_three_of_twenty_processes_are_killed_and_the_plain_sum_of_the_others_is_found",
    ),
    Row(
        id="kills-secure-run",
        section=PROCESSES,
        fault="the driver, or a client of sums that need all, is killed in a run of secure sums",
        how="`kill -9` in the middle of a run, then `--resume`",
        tries=2,
        outcome=f"survived, or exit 3 and resumed with fresh keys: {SAME_BYTES}",
    ),
    Row(
        id="worker-dies-each-time",
        section=PROCESSES,
        fault="a configuration whose worker dies each time it trains (out of memory)",
        how="`kill -9` of its worker, three times, while it trains",
        outcome=f"exit 1: one failed trial, the others finished, a summary; `--resume` finishes it: {SAME_BYTES}",
    ),
    Row(
        id="raylet-killed-au",
        section=PROCESSES,
        fault="Ray's raylet dies",
        how="`kill -9` of the raylet while a trial trains",
        outcome=f"exit 5, one line with how to go on; `--resume`: {SAME_BYTES}",
    ),
    Row(
        id="gcs-killed-au",
        section=PROCESSES,
        fault="Ray's GCS dies",
        how="`kill -9` of `gcs_server` while a trial trains",
        outcome=f"exit 5, one line with how to go on; `--resume`: {SAME_BYTES}",
    ),
    Row(
        id="raylet-killed-fl-au",
        section=PROCESSES,
        fault="Ray's raylet dies under a federation",
        how="`kill -9` of the raylet in a round",
        outcome=f"exit 5, one line with how to go on; `--resume`: {SAME_BYTES}",
    ),
    Row(
        id="gcs-killed-fl-au",
        section=PROCESSES,
        fault="Ray's GCS dies under a federation",
        how="`kill -9` of `gcs_server` in a round",
        outcome=f"exit 5, one line with how to go on; `--resume`: {SAME_BYTES}",
    ),
    Row(
        id="sigterm",
        section=PROCESSES,
        fault="SIGTERM, which SLURM, systemd and Docker send first",
        how="SIGTERM to the driver while a trial trains",
        outcome=f"exit 130 with summary and hint; `--resume`: {SAME_BYTES}",
    ),
    Row(
        id="ctrl-c-after-training",
        section=PROCESSES,
        fault="Ctrl-C or SIGTERM when the trainings are over",
        how="SIGINT while the model is exported, SIGTERM while MLflow is written",
        tries=2,
        outcome="exit 130 with the hint; `--resume` makes what is missing, and exits with 0",
        elsewhere="tests/search/test_ends.py::test_ctrl_c_after_the_trainings_ends_too_and_the_rest_is_made_by_resume",
    ),
    Row(
        id="worker-stopped",
        section=PROCESSES,
        fault="a trial's worker hangs",
        how="SIGSTOP of the worker, with a short limit",
        outcome="survived: said, then killed and taken up from its checkpoint",
        elsewhere="tests/search/test_hung_workers.py::test_a_stopped_worker_is_ended_and_its_trial_taken_up",
    ),
    Row(
        id="node-lost",
        section=PROCESSES,
        fault="a node of a cluster dies and what was reserved no longer fits",
        how="two nodes, the second one ended in mid-round, `--wait-for-resources` short",
        outcome="said at once; exit 4 when the wait is over; `--resume` on the cluster made whole finishes it",
        elsewhere="tests/search/test_lost_nodes.py::"
        "test_a_federation_that_lost_a_node_says_what_is_missing_and_ends_resumable",
    ),
    Row(
        id="unforeseen-error",
        section=PROCESSES,
        fault="an error that nobody foresaw",
        how="a broken scikit-learn first on PYTHONPATH",
        outcome="exit 70, one line that names what was being done and `run.log`, which has the traceback",
    ),
    Row(
        id="terminal-ascii",
        section=PROCESSES,
        fault="a terminal that cannot show a message",
        how="PYTHONIOENCODING=ascii",
        outcome="survived: what cannot be shown is replaced, exit 0",
    ),
    Row(
        id="ray-long-tmpdir",
        section=PROCESSES,
        fault="a TMPDIR too long for Ray's sockets",
        how="TMPDIR of 120 letters",
        outcome="survived, or exit 2 with one line; the folder is free again",
    ),
    Row(
        id="ray-tmpdir-letters",
        section=PROCESSES,
        fault="a TMPDIR with letters that Ray does not take",
        how="TMPDIR with an u umlaut in its name",
        outcome="survived: Ray's temporary folder is elsewhere",
    ),
    Row(
        id="ray-home-unwritable",
        section=PROCESSES,
        fault="a HOME that cannot be written",
        how="HOME on a read-only disk",
        outcome="survived, or exit 2 with one line; the folder is free again",
    ),
    Row(
        id="ray-leftovers",
        section=PROCESSES,
        fault="what Ray leaves behind",
        how="SIGTERM, `kill -9` of the raylet and of `gcs_server`; processes and temporary folders looked at",
        tries=2,
        outcome="survived: no process and no folder of the run's Ray is left",
        elsewhere="tests/search/test_ends.py::test_if_ray_dies_the_command_says_so_and_ends",
    ),
    Row(
        id="foreign-packages",
        section=PROCESSES,
        fault="a folder `models` or `fed` where the command is started",
        how="both there, and neither can be imported; long TMPDIR, HOME that is none",
        outcome="survived: they are not imported",
        elsewhere="tests/search/test_ends.py::test_it_listens_on_loopback_imports_nothing_of_the_user_and_sigterm_is_ctrl_c",
    ),
    # --- the output folder ---
    Row(
        id="output-two-commands-race",
        section=OUTPUT,
        fault="two commands with one seed on one `--output`",
        how="two processes that begin within 0 to 50 ms of each other",
        tries=10,
        outcome="one wins; the other: exit 2, one line, nothing removed; the plan is the winner's",
    ),
    Row(
        id="output-two-seeds-race",
        section=OUTPUT,
        fault="two commands with two seeds on one `--output`",
        how="as above",
        tries=10,
        outcome="one wins; the other: exit 2, one line, nothing removed; the plan is the winner's",
    ),
    Row(
        id="output-two-commands-to-the-end",
        section=OUTPUT,
        fault="the same, to the end",
        how="two `evaluate` commands of two seeds, waited for; then `--resume` and `track`",
        outcome="the winner: exit 0; `--resume` and `track` work",
    ),
    Row(
        id="output-default-names",
        section=OUTPUT,
        fault="two commands without `--output` in one second",
        how="two processes that begin within 50 ms of each other",
        tries=3,
        outcome="survived: two folders",
    ),
    Row(
        id="output-refused-leaves-nothing",
        section=OUTPUT,
        fault="a command that is refused",
        how="unknown network, bad `--set`, missing data, too many GPUs or CPUs, too few people, windows, store",
        tries=8,
        outcome="refused: exit 2, and no folder is left behind",
    ),
    Row(
        id="output-disk-full",
        section=OUTPUT,
        fault="the disk of the output is full",
        how="tmpfs of 100 kB",
        outcome=f"one line with folder and option, no traceback; with room `--resume`: {SAME_BYTES}",
    ),
    Row(
        id="output-full-of-figures",
        section=OUTPUT,
        fault="the disk of the output is full when the search has ended, before its figures",
        how="tmpfs of 600 kB",
        outcome="exit 1: results and model are there, no figure, one line with folder and option; with room `--resume`:"
        " exit 0, all figures",
    ),
    Row(
        id="output-no-inodes",
        section=OUTPUT,
        fault="the disk of the output has no inode left",
        how="tmpfs of 24 inodes",
        outcome=f"one line with folder and option, no traceback; with room `--resume`: {SAME_BYTES}",
    ),
    Row(
        id="output-read-only",
        section=OUTPUT,
        fault="the output is read-only",
        how="read-only tmpfs",
        outcome=f"{REFUSED} with folder and option",
    ),
    Row(
        id="output-removed-midrun",
        section=OUTPUT,
        fault="the output is removed while a trial trains",
        how="`rm -r OUT` after the first checkpoint",
        outcome=f"survived: said, the plan is written again, exit 0; {SAME_BYTES}",
    ),
    Row(
        id="output-removed-at-start",
        section=OUTPUT,
        fault="the output is removed while the run starts",
        how="`rm -r OUT` as soon as its plan, its lock or its folder of trials is there",
        tries=3,
        outcome="survived as above, or one line with the folder, no traceback",
    ),
    Row(
        id="output-name-too-long",
        section=OUTPUT,
        fault="an output whose name is too long",
        how="300 letters",
        outcome=f"{REFUSED} with option",
    ),
    Row(
        id="trial-folder-read-only",
        section=OUTPUT,
        fault="one trial's folder cannot be written, not even its failure",
        how="read-only tmpfs on `trials/<uid>`, `--resume`",
        outcome=f"exit 1, one line with the folder, the others kept; unmounted, `--resume`: {SAME_BYTES}",
    ),
    # --- a finished trial's files ---
    *(
        Row(
            id=f"finished-file-{name}",
            section=FINISHED,
            fault=f"a file of a finished trial {what}",
            how=f"seeded: result.json, predictions.safetensors or model.safetensors {how}; `--resume`",
            tries=4,
            outcome=f"survived: that trial is trained again, the others are kept; {SAME_BYTES}",
        )
        for name, what, how in (
            ("bit", "has one wrong bit", "with a random bit flipped"),
            ("truncated", "is cut", "cut at a random length"),
            ("emptied", "is empty", "emptied"),
            ("removed", "is gone", "removed"),
            ("foreign", "is another trial's", "replaced by another trial's"),
        )
    ),
    Row(
        id="finished-result-without-fields",
        section=FINISHED,
        fault="`result.json` is JSON without fields, or its loss is not a number",
        how="`{}`, `[]`, a NaN loss; `--resume`",
        tries=3,
        outcome=f"survived: trained again; {SAME_BYTES}",
    ),
    Row(
        id="finished-old-result-without-fields",
        section=FINISHED,
        fault="the same in an older run, which has no checksums",
        how="as above",
        tries=3,
        outcome="survived as above, or refused: exit 2, one line with the file",
    ),
    Row(
        id="finished-checksums-damaged",
        section=FINISHED,
        fault="the checksums beside the files are damaged",
        how="`checksums.json` emptied, cut, `{}`, one digit changed; `--resume`",
        tries=4,
        outcome=f"survived: {SAME_BYTES}",
    ),
    Row(
        id="finished-best-lost-and-fails",
        section=FINISHED,
        fault="the best trial's result is gone and its retraining fails",
        how="`result.json` removed, the worker killed three times under `--resume`",
        outcome="exit 1: the runner-up is reported, its files are made again, equal to `evaluate`'s of it",
    ),
    Row(
        id="checkpoint-nested",
        section=FINISHED,
        fault="a checkpoint's JSON is nested 200,000 deep",
        how="written by hand; `--resume`",
        outcome=f"survived: begun anew; {SAME_BYTES}",
    ),
    Row(
        id="checkpoint-tensors-folder",
        section=FINISHED,
        fault="a checkpoint's tensors are a folder",
        how="made by hand, with a right checksum; `--resume`",
        outcome=f"survived: begun anew; {SAME_BYTES}",
    ),
    Row(
        id="checkpoint-is-a-file",
        section=FINISHED,
        fault="`checkpoint` is a file",
        how="made by hand; `--resume`",
        outcome=f"survived: begun anew; {SAME_BYTES}",
    ),
    Row(
        id="checkpoint-without-keys",
        section=FINISHED,
        fault="a checkpoint without its content, its checksum right",
        how="made by hand; `--resume`",
        outcome=f"survived: begun anew; {SAME_BYTES}",
    ),
    # --- plan.json ---
    *(
        Row(
            id=f"plan-{name}",
            section=PLAN,
            fault=f"{what} edited",
            how=f"{how}; `--resume`",
            outcome=f"{REFUSED} with file and difference, nothing touched",
        )
        for name, what, how in (
            ("epochs", "epochs", "3 to 1"),
            ("seed", "the seed", "0 to 7"),
            ("learning-rate", "a learning rate", "0.001 to 0.01"),
            ("protocol-field", "a field of the protocol", "`order` to `in-order`"),
            ("corpus-hash", "the corpus's checksum", "its first digits"),
            ("uid", "a uid", "another of 12 digits"),
            ("hidden-size", "a hidden size", "to 1,000,000,000"),
            ("uid-path", "a uid", "`../../victim`, whose files lie outside"),
            ("name-path", "the run's name", "`../../x`, with `--storage`"),
            ("num-cpus-text", "`num_cpus`", '`"two"`'),
            ("no-trials", "the trials", "`[]`"),
            ("negative-trials", "`max_trials`", "-5"),
        )
    ),
    # --- the cache ---
    Row(
        id="cache-table-bits",
        section=CACHE,
        fault="one bit of a participant's cached table is wrong",
        how="a random bit of a random table flipped, before a run begins and under one",
        tries=60,
        outcome="survived: made anew, or refused by the client; never read as other values",
    ),
    Row(
        id="cache-table-truncated",
        section=CACHE,
        fault="a participant's cached table is cut",
        how="cut in half, then a federation with `strict`",
        outcome=f"survived: made anew; {SAME_BYTES}",
    ),
    Row(
        id="cache-full-synthesising",
        section=CACHE,
        fault="the cache is full while the embedded corpus is made",
        how="tmpfs of 400 kB",
        outcome=f"{REFUSED} that names AFFECT_ORCHESTRATOR_CACHE",
    ),
    Row(
        id="cache-full-tables",
        section=CACHE,
        fault="the cache is full while a federation's tables are made",
        how="tmpfs of 16 kB",
        outcome=f"{REFUSED} that names AFFECT_ORCHESTRATOR_CACHE",
    ),
    Row(
        id="cache-is-a-file",
        section=CACHE,
        fault="the cache is a file, or cannot be made; federated and not",
        how="AFFECT_ORCHESTRATOR_CACHE to a file, and below a file",
        tries=4,
        outcome=f"{REFUSED} that names AFFECT_ORCHESTRATOR_CACHE",
    ),
    # --- MLflow ---
    Row(
        id="store-answers-empty-object",
        section=STORE,
        fault="the store answers `{}`",
        how="a small server; `track`",
        outcome="exit 1, and what it says is true",
        elsewhere="tests/tracking/test_faults.py::test_a_server_that_answers_braces_is_none_of_mlflows",
    ),
    Row(
        id="store-drips",
        section=STORE,
        fault="the store answers a byte a second",
        how="a small server; `track`",
        outcome="exit 1 within a stated limit",
        elsewhere="tests/tracking/test_faults.py::test_a_server_that_drips_holds_nobody_beyond_the_limit",
    ),
    Row(
        id="store-parent-deleted",
        section=STORE,
        fault="the parent run was deleted in MLflow",
        how="deleted there, then `track`",
        outcome="survived: a new one; no configuration is listed twice",
        elsewhere="tests/tracking/test_faults.py::test_a_deleted_searchs_configurations_are_listed_once",
    ),
    Row(
        id="store-other-schema",
        section=STORE,
        fault="a database of another schema, or of another program, as the store",
        how="the database's version changed, other tables; `ui`, `report`, `track`",
        outcome=f"{REFUSED}",
        elsewhere="tests/tracking/test_faults.py::test_a_database_that_is_no_store_of_ours_is_named_and_left_alone",
    ),
    Row(
        id="store-disk-full",
        section=STORE,
        fault="the disk is full when `tracking.json` is written",
        how="a full tmpfs",
        outcome="survived: the results are whole; `track` writes what is missing",
        elsewhere="tests/tracking/test_faults.py::test_a_full_disk_costs_tracking_json_and_nothing_else",
    ),
    Row(
        id="ui-killed",
        section=STORE,
        fault="`ui` is killed",
        how="`kill -9` of its process",
        outcome="survived: no server is left behind",
        elsewhere="tests/tracking/test_faults.py::test_a_killed_ui_leaves_no_server_behind",
    ),
    # --- security ---
    Row(
        id="secrets-run",
        section=SECRETS,
        fault="a password in the tracking address of a search",
        how="`http://user:p/a@ss w@127.0.0.1:PORT/?token=...` as option and as variable; every file, every process",
        tries=2,
        outcome="in no output, no file but one of mode 0600, no command line, no artifact; `--resume` finds it",
    ),
    Row(
        id="secrets-old-plan",
        section=SECRETS,
        fault="a password in the plan of an older run",
        how="a plan as an earlier version wrote it; `--resume`",
        outcome="survived: moved into a file of mode 0600, the plan rewritten",
        elsewhere="tests/tracking/test_secrets.py::test_an_old_runs_login_is_moved_into_a_file_of_its_owner",
    ),
    Row(
        id="secrets-track",
        section=SECRETS,
        fault="a password in an address that `track` refuses or cannot reach",
        how="eight addresses with `/`, `@`, blanks, `?password=`, `?token=`",
        tries=8,
        outcome="exit 1 or 2; the password is not shown",
    ),
    Row(
        id="secrets-ps",
        section=SECRETS,
        fault="a password in an address on the command line, and in that of the page of `ui`",
        how="the command lines of the processes",
        outcome="survived: the process takes it off its own, the page's program gets it otherwise",
        elsewhere="tests/tracking/test_secrets.py::test_ps_shows_an_address_without_its_login",
    ),
    Row(
        id="umask-077",
        section=SECRETS,
        fault="a user with umask 077",
        how="a search and `data convert`; the mode of every file",
        outcome="survived: nothing is open to others",
    ),
    Row(
        id="umask-027",
        section=SECRETS,
        fault="a group with umask 027",
        how="a search; the mode of every file",
        outcome="survived: the group reads, others do not",
    ),
    Row(
        id="cache-private",
        section=SECRETS,
        fault="the cache and Ray's temporary folder under umask 022",
        how="a search; the modes of both",
        outcome="survived: 0700",
    ),
    Row(
        id="loopback",
        section=SECRETS,
        fault="a local Ray reached from outside",
        how="the listening sockets of every process of a search",
        outcome="survived: on 127.0.0.1 alone",
    ),
    # --- models ---
    *(
        Row(
            id=f"card-{name}",
            section=MODELS,
            fault=f"a model card that says {what}",
            how="the card edited; `predict` in a process of its own, its largest memory looked at",
            outcome=f"{REFUSED}, in less than 60 s and 1.2 GiB",
        )
        for name, what in (
            ("hidden-size-20000", "hidden_size 20,000"),
            ("hidden-size-1000000", "hidden_size 1,000,000"),
            ("num-layers-100000", "num_layers 100,000"),
            ("weights-sha256-number", "that its weights' sha256 is a number"),
        )
    ),
    Row(
        id="predict-output-is-input",
        section=MODELS,
        fault="`predict`, `export` or `data convert` whose output is an input",
        how="the same path, a link to it, a hard link, a file inside an input folder",
        tries=6,
        outcome=f"{REFUSED}; the input is as it was, also with `--force`",
    ),
    Row(
        id="predict-output-exists",
        section=MODELS,
        fault="`predict`, `export` or `data convert` whose output is another file",
        how="an existing file, without and with `--force`",
        tries=3,
        outcome=f"{REFUSED} that names `--force`; replaced with it",
    ),
    Row(
        id="formula-cells",
        section=MODELS,
        fault="people who are called like a formula",
        how="six names that begin with = + - @ or a tab; `predict`",
        outcome="survived: escaped in the CSV, numbers are not",
    ),
)
BY_ID = {row.id: row for row in ROWS}
INJECTED: dict[str, str] = {}


def injects(*ids: str, quick: bool = False) -> Callable[[F], F]:
    """Mark a test as the one that injects these rows; `quick` ones run in `make test`, too."""

    def mark(test: F) -> F:
        file = Path(str(sys.modules[test.__module__].__file__)).relative_to(Path(__file__).parent.parent.parent)
        for one in ids:
            assert one in BY_ID, f"no row {one}"
            assert one not in INJECTED, f"{one} is injected twice"
            INJECTED[one] = f"{file}::{test.__name__}"
        return test if quick else pytest.mark.faults(test)

    return mark


def import_all() -> None:
    """Import the tests of this folder, which fills INJECTED."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("test_") and module.name != "test_table":
            importlib.import_module(f"tests.faults.{module.name}")


def elsewhere() -> list[str]:
    """Return the tests outside this folder that inject a row."""
    return sorted({row.elsewhere for row in ROWS if row.elsewhere})


def as_markdown() -> str:
    """Return the table, a heading a section."""
    import_all()
    lines: list[str] = []
    for section in SECTIONS:
        lines += [f"### {section}", "", "| fault | injected by | tries | outcome | test |", "|---|---|---|---|---|"]
        for row in (one for one in ROWS if one.section == section):
            test = row.elsewhere or INJECTED[row.id].removeprefix("tests/faults/")
            lines.append(f"| {row.fault} | {row.how} | {row.tries} | {row.outcome} | `{row.id}`: `{test}` |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    # Not this copy of INJECTED, which is __main__'s: that of the module the tests import.
    own = importlib.import_module("tests.faults.table")
    print("\n".join(own.elsewhere()) if "elsewhere" in sys.argv else own.as_markdown().rstrip())
