"""A tracking server on 127.0.0.1 that misbehaves in one way, in threads of the test's process."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

RUN_ID = "0123456789abcdef" * 2
API = "/api/2.0/mlflow"
DRIP_SECONDS = 1.0  # between two bytes: below every limit between two


@dataclass
class Server:
    """What it does, what it was asked, and where it is; `files` are the artifacts of its one run."""

    behaviour: str
    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    run_id: str = RUN_ID
    run_name: str = "a run"
    asked: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def misbehaving(behaviour: str, **settings: Any) -> Iterator[Server]:
    """Serve until the block ends.

    `drip`: a byte a second for every answer. `braces`: `{}`. `repeat`: an error with what it was told, decoded.
    `fetch`: an MLflow server with one finished search, whose artifacts are `files`; `drip files`: they drip.
    """
    server = Server(behaviour=behaviour, **settings)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            _answer(self, server)

        do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 - the library's names

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        listening.block_on_close = False
        server.address = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            listening.shutdown()


def _answer(request: BaseHTTPRequestHandler, server: Server) -> None:
    body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    server.asked.append(request.path)
    server.headers.append(request.headers.get("Authorization") or "")
    with contextlib.suppress(OSError):  # the client is gone
        if server.behaviour == "drip":
            _send(request, b" " * 10_000, server, drips=True)
        elif server.behaviour == "braces":
            _send(request, b"{}", server)
        elif server.behaviour == "repeat":
            said = f"{request.path} {unquote(request.path)} {_login(request)} \x1b]0;title\x07"
            _send(request, json.dumps({"error_code": "BAD_REQUEST", "message": said}).encode(), server, code=400)
        else:
            _serve(request, server, body)


def _serve(request: BaseHTTPRequestHandler, server: Server, body: bytes) -> None:
    """Answer as MLflow does."""
    path = urlsplit(request.path)
    run = {
        "info": {
            "run_id": server.run_id,
            "run_name": server.run_name,
            "experiment_id": "1",
            "status": "FINISHED",
            "start_time": 1,
            "artifact_uri": "mlflow-artifacts:/1/run/artifacts",
        },
        "data": {
            "tags": [{"key": "kind", "value": "search"}, {"key": "method", "value": "au"}],
            "metrics": [{"key": "ccc_valence", "value": 0.5, "timestamp": 1, "step": 0}],
        },
    }
    answers = {
        f"{API}/experiments/search": {"experiments": [{"experiment_id": "1", "name": "affect-au"}]},
        f"{API}/runs/search": {"runs": [run] if b"search" in body else []},
        f"{API}/runs/get": {"run": run},
    }
    name = path.path.partition("/artifacts/1/run/artifacts/")[2]
    if path.path.endswith("/mlflow-artifacts/artifacts"):
        _send(request, json.dumps({"files": _listed(server, parse_qs(path.query)["path"][0])}).encode(), server)
    elif name:
        _send(request, server.files[unquote(name)], server, drips=server.behaviour == "drip files")
    else:
        _send(request, json.dumps(answers.get(path.path, {})).encode(), server)


def _listed(server: Server, path: str) -> list[dict[str, Any]]:
    """List a folder of the run's artifacts; a name with `..` stands where it says."""
    inside = path.removeprefix("1/run/artifacts").strip("/")
    prefix = f"{inside}/" if inside else ""
    found: dict[str, dict[str, Any]] = {}
    for name, content in server.files.items():
        rest = name.removeprefix(prefix)
        if rest != name or not prefix:
            first, slash, _ = rest.partition("/") if ".." not in rest else (rest, "", "")
            found[first] = {"path": first, "is_dir": bool(slash), "file_size": len(content)}
    return list(found.values())


def _send(
    request: BaseHTTPRequestHandler, content: bytes, server: Server, *, code: int = 200, drips: bool = False
) -> None:
    request.send_response(code)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if not drips:
        request.wfile.write(content)
    for byte in content if drips else b"":
        request.wfile.write(bytes([byte]))
        request.wfile.flush()
        if server.ended.wait(DRIP_SECONDS):
            return


def _login(request: BaseHTTPRequestHandler) -> str:
    import base64

    return base64.b64decode((request.headers.get("Authorization") or "").removeprefix("Basic ")).decode()
