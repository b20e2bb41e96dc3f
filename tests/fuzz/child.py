"""Feeds a reader changed files, in a process of its own: memory is capped, each input has a deadline.

`python -m tests.fuzz.child TARGET --inputs N --seconds S --seed K` prints a line of JSON for each finding, then one
with counts. The input that is being read lies in the folder `--keep`, should the process die of it.
"""

import argparse
import functools
import json
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, seed, settings
from pyarrow import parquet

from benchmarks.deadlines import deadline
from orchestrator.errors import InputError
from tests.fuzz.mutations import mutated, parquet_tables, text_tables
from tests.fuzz.targets import TARGETS, Target, copied

MEMORY_BYTES = 3 << 30  # of addresses, beyond what the libraries and their threads have
DEADLINE_SECONDS = 10.0  # for an input that is read in a few milliseconds; machines are busy
LONGEST_LINE = 2_000  # characters of one problem
BY_HYPOTHESIS, BATCH = 9, 4  # of so many inputs so many are made by Hypothesis, for the files that are tables
TABLES = {"t.csv", "P1.csv", "live.csv", "p.csv", "t.parquet", "annotations/valence/P1.csv"}


class HangError(BaseException):
    """An input took longer than its deadline; no reader catches it."""


class Fuzzing:
    """Reads inputs and keeps what should not have happened."""

    def __init__(self, name: str, target: Target, keep: Path) -> None:
        self.name, self.target, self.keep = name, target, keep
        self.read = self.refused = 0
        self.found: list[str] = []

    def feed(self, root: Path) -> None:
        """Read a folder's files: InputError with short lines, or sound recordings, and soon."""
        try:
            with deadline(DEADLINE_SECONDS, HangError), warnings.catch_warnings():
                warnings.simplefilter("error")
                self.target.read(root)
            self.read += 1
        except InputError as error:
            self.refused += 1
            long = [str(one)[:200] for one in error.problems if len(str(one)) > LONGEST_LINE or "\n" in str(one)]
            if long or len(error.problems) > 8:
                self.report(f"{len(error.problems)} problems: {long or error.problems[:2]}", root)
        except HangError:
            self.report(f"longer than {DEADLINE_SECONDS:g} s", root)
        except BaseException as error:  # whatever it is, it is a finding
            trace = traceback.extract_tb(error.__traceback__)[-1]
            self.report(
                f"{type(error).__name__}: {str(error)[:200]} at {Path(trace.filename).name}:{trace.lineno}", root
            )

    def report(self, what: str, root: Path) -> None:
        if what in self.found:
            return
        self.found.append(what)
        number = len(list(self.keep.iterdir()))
        kept = copied(root, self.keep / f"{self.name.replace(' ', '-')}-{number}")
        print(json.dumps({"target": self.name, "found": what, "input": str(kept)}), flush=True)


def fuzz(name: str, *, inputs: int, seconds: float, number: int, keep: Path) -> Fuzzing:
    """Feed a target with `inputs` files, or with as many as `seconds` allow, whichever comes first."""
    target, end = TARGETS[name], time.monotonic() + seconds
    fuzzing = Fuzzing(name, target, keep)
    with tempfile.TemporaryDirectory() as folder:
        made, work = Path(folder) / "made", Path(folder) / "work"
        made.mkdir()
        target.make(made)
        fuzzing.feed(copied(made, work))
        assert fuzzing.read == 1, f"{name}: the valid input is not read"
        files = [one.relative_to(made) for one in sorted(made.glob(target.changed)) if one.is_file()]
        assert files, f"{name}: nothing to change"
        count = 0
        while count < inputs and time.monotonic() < end:
            generator = random.Random(f"{name}/{number}/{count}")
            file = generator.choice(files)
            root = copied(made, work)
            if str(file) in TABLES and count % BY_HYPOTHESIS < BATCH:
                count += _by_hypothesis(
                    functools.partial(fuzzing.feed, root), root / file, number + count, inputs - count
                )
                continue
            (root / file).write_bytes(mutated((root / file).read_bytes(), generator))
            fuzzing.feed(root)
            count += 1
    return fuzzing


def _by_hypothesis(feed: Callable[[], None], file: Path, number: int, most: int) -> int:
    """Feed tables of any contents; return how many."""
    count = 0
    tables = parquet_tables() if file.suffix == ".parquet" else text_tables()

    @seed(number)
    @settings(
        max_examples=min(BATCH, most),
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(tables)
    def each(table: object) -> None:
        nonlocal count
        count += 1
        if isinstance(table, bytes):
            file.write_bytes(table)
        else:
            parquet.write_table(table, file)
        feed()

    each()
    return count


def main() -> None:
    """Run one target, or `all` of them one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--inputs", type=int, default=10**9)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, required=True)
    given_options = parser.parse_args()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    if sys.platform == "linux":  # elsewhere the system does not keep to such a limit
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES,) * 2)
    names = list(TARGETS) if given_options.targets == ["all"] else given_options.targets
    for name in names:
        done = fuzz(
            name,
            inputs=given_options.inputs,
            seconds=given_options.seconds,
            number=given_options.seed,
            keep=given_options.keep,
        )
        counts = {"target": name, "read": done.read, "refused": done.refused, "findings": len(done.found)}
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
    sys.exit(0)
