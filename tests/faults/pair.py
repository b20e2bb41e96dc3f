"""Two commands that begin at once: processes of one parent, which has imported what takes long.

`python -m tests.faults.pair JSON`, with {"commands": [[...], [...]], "delays": [seconds, seconds], "folder": ...}.
Command k's output goes to FOLDER/k.stdout and FOLDER/k.stderr, its exit code to FOLDER/k.code as soon as it has ended.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def child(number: int, given: dict[str, Any], begin: int) -> None:
    folder = Path(given["folder"])
    for stream, name in ((1, "stdout"), (2, "stderr")):
        handle = os.open(folder / f"{number}.{name}", os.O_WRONLY | os.O_CREAT)
        os.dup2(handle, stream)
    os.read(begin, 1)
    time.sleep(given["delays"][number])
    sys.argv = ["orchestrator", *given["commands"][number]]
    from orchestrator.cli import main

    main()


def main() -> None:
    import orchestrator.cli
    import orchestrator.planning.launch  # noqa: F401 - torch and all that reads a corpus, but not Ray

    given = json.loads(sys.argv[1])
    begin, starter = os.pipe()
    numbers = {}
    for number in range(len(given["commands"])):
        process = os.fork()
        if process == 0:
            os.close(starter)
            child(number, given, begin)
            sys.exit(0)
        numbers[process] = number
    os.write(starter, b"x" * len(numbers))
    while numbers:
        process, status = os.wait()
        partial = Path(given["folder"]) / f"{numbers[process]}.partial"
        partial.write_text(str(os.waitstatus_to_exitcode(status)))
        partial.rename(partial.with_suffix(".code"))
        del numbers[process]


if __name__ == "__main__":
    main()
