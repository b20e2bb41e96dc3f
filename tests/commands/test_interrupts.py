"""Signals that real processes get, where their errors go, and a door that is closed."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from orchestrator.search.lifeline import Answering
from tests.conftest import ROOT

BEGIN = (
    "import pathlib, signal, time\n"
    # Whoever started the tests may ignore these, as nohup and shells do; it is passed on.
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
    "from orchestrator.process.interrupts import asked_to_end, take_as_ctrl_c\n"
    "take_as_ctrl_c()\n"
)
PATIENCE_SECONDS = 120.0


def signalled(folder: Path, text: str, number: signal.Signals) -> "subprocess.CompletedProcess[str]":
    """Run a program, send it the signal as soon as it has made the file `ready`, and return what came of it."""
    (folder / "program.py").write_text(BEGIN + text)
    process = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (folder / "ready").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return subprocess.CompletedProcess([], process.returncode, output, errors)


READY = "pathlib.Path('ready').touch()\n"
UNTIL_ASKED = "while not asked_to_end(): time.sleep(0.01)\n"


def test_sigterm_and_sighup_are_ctrl_c(tmp_path: Path) -> None:
    waits = f"try:\n    {READY}    time.sleep(1000)\nexcept KeyboardInterrupt:\n    print('as Ctrl-C')\n"
    for number in (signal.SIGTERM, signal.SIGHUP):
        assert signalled(tmp_path, waits, number).stdout == "as Ctrl-C\n"
        (tmp_path / "ready").unlink()


def test_where_ctrl_c_is_ignored_sigterm_is_not(tmp_path: Path) -> None:
    waits = "signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + READY + "time.sleep(1000)\n"
    assert "KeyboardInterrupt" in signalled(tmp_path, waits, signal.SIGTERM).stderr


def test_who_wants_to_outlive_the_terminal_does(tmp_path: Path) -> None:
    again = (
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\ntake_as_ctrl_c()\n"
        + READY
        + "time.sleep(1)\nprint('still here')"
    )
    assert signalled(tmp_path, again, signal.SIGHUP).stdout == "still here\n"


def test_an_import_is_finished_first(tmp_path: Path) -> None:
    """One that is broken off keeps its lock for ever, and a thread that imports the same waits for it."""
    (tmp_path / "slow.py").write_text("import pathlib, time\npathlib.Path('ready').touch()\ntime.sleep(1)\n")
    waits = "    import slow\n    print('imported')\n    time.sleep(1000)\n"
    imports = f"try:\n{waits}except KeyboardInterrupt:\n    print('ended')\n"
    assert signalled(tmp_path, imports, signal.SIGTERM).stdout == "imported\nended\n"
    (tmp_path / "ready").unlink()
    let_end = "from orchestrator.process.interrupts import let_imports_end\nlet_imports_end()\n"
    assert signalled(tmp_path, let_end + imports, signal.SIGINT).stdout == "imported\nended\n"


def test_a_second_ctrl_c_breaks_an_import_off(tmp_path: Path) -> None:
    again = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"  # as the first, in the midst of the import
    (tmp_path / "slow.py").write_text(f"import pathlib, time\n{again}pathlib.Path('ready').touch()\ntime.sleep(1000)\n")
    waits = "    import slow\n"
    imports = f"let_imports_end()\ntry:\n{waits}except KeyboardInterrupt:\n    print('ended')\n"
    text = "from orchestrator.process.interrupts import let_imports_end\n" + imports
    assert signalled(tmp_path, text, signal.SIGINT).stdout == "ended\n"


def test_who_takes_ctrl_c_already_keeps_it(tmp_path: Path) -> None:
    own = "signal.signal(signal.SIGINT, lambda *_: print('own', flush=True))\n"
    let_end = "from orchestrator.process.interrupts import let_imports_end\nlet_imports_end()\n"
    assert signalled(tmp_path, own + let_end + READY + "time.sleep(1)\n", signal.SIGINT).stdout == "own\n"


def test_what_python_drops_is_remembered(tmp_path: Path) -> None:
    """An exception raised in a finaliser goes nowhere."""
    finaliser = f"class One:\n    def __del__(self):\n        {READY}        time.sleep(1000)\nOne()\n"
    done = signalled(tmp_path, finaliser + UNTIL_ASKED + "print('asked')\n", signal.SIGTERM)
    assert "ignored" in done.stderr
    assert done.stdout == "asked\n"


def test_native_errors_go_into_the_log_and_people_read_the_terminal(tmp_path: Path) -> None:
    text = (
        "import os, pathlib, sys\nfrom orchestrator.process.run_log import errors_into, terminal\n"
        "with errors_into(pathlib.Path('run.log')):\n"
        "    os.write(2, b'native\\n')\n    print('library', file=sys.stderr)\n"
        "    print('for people', file=terminal())\n"
        "print('afterwards', file=sys.stderr)\nprint('and here', file=terminal())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "for people\nafterwards\nand here\n"
    first, *rest = (tmp_path / "run.log").read_text().splitlines()
    assert first.startswith("--- 20")
    assert rest == ["native", "library"]


def test_a_door_counts_as_closed_once_it_was_refused_for_long_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        patient, hasty = (Answering("127.0.0.1", server.getsockname()[1], seconds) for seconds in (1000.0, 0.0))
        assert patient()
        assert hasty()
    assert patient()
    assert not hasty()
