"""`python -m orchestrator`."""

import os
import sys
from pathlib import Path

# Python puts the current folder first: a user's own `models` or `fed` would be taken for ours.
ROOT = str(Path(__file__).resolve().parent.parent)
try:
    os.getcwd()  # noqa: PTH109 - before anything is imported
except FileNotFoundError:
    print("error: the current folder: found one that was removed; expected one that is there (cd)", file=sys.stderr)
    sys.exit(2)
if os.path.realpath(os.curdir) != ROOT:
    sys.path[:] = [one for one in sys.path if os.path.realpath(one or os.curdir) != os.path.realpath(os.curdir)]

from orchestrator.process.interrupts import let_imports_end, take_as_ctrl_c  # noqa: E402 - see above
from orchestrator.tracking.address import leave_command_line  # noqa: E402

leave_command_line()  # before the rest is imported: until then everyone's `ps` shows the command line
take_as_ctrl_c()
let_imports_end()
try:
    from orchestrator.cli import main

    main()
except KeyboardInterrupt:
    from orchestrator.process.exit_codes import INTERRUPTED

    sys.exit(INTERRUPTED)
