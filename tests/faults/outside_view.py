"""Looking at a run from outside: its sockets, its command lines, the modes and the contents of its files."""

import contextlib
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, quote_plus

from tests.faults.harness import of_marker

LISTENING = "0A"
LOOPBACK = ("0100007F", "0" * 24 + "01000000", "0000000000000000FFFF00000100007F")


def listeners(marker: str) -> tuple[set[str], int]:
    """Return where the processes of a marker listen beyond 127.0.0.1 and ::1, and on how many ports in all."""
    own = set()
    for process in of_marker(marker):
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):
                    own.add(str(link.readlink()))
    outside, count = set(), 0
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            address, _, port = words[1].partition(":")
            if words[3] == LISTENING and f"socket:[{words[9]}]" in own:
                count += 1
                if address not in LOOPBACK:
                    outside.add(f"{address}:{int(port, 16)}")
    return outside, count


def modes(*folders: Path) -> dict[str, int]:
    """Return the mode of every file and folder below, the folders themselves included; links have none."""
    found = {}
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                found[str(path)] = stat.S_IMODE(path.stat().st_mode)
    return found


def forms_of(secret: str) -> set[str]:
    """Return a secret as it stands, and as addresses quote it."""
    return {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}


def files_with(secrets: set[str], *folders: Path) -> list[Path]:
    """Return the files below that hold one of the secrets."""
    marks = [secret.encode() for secret in secrets]
    return [
        file
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file() and any(mark in file.read_bytes() for mark in marks)
    ]


@contextlib.contextmanager
def refusing_server() -> Iterator[tuple[int, list[str]]]:
    """Run a server that refuses everybody at once; gives its port and the log-ins it was told."""
    told: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers.get("Authorization") or "")
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1], told
        finally:
            server.shutdown()
