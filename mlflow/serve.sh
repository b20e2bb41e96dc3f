#!/bin/sh
# A small shared tracking server on this checkout's store, without Docker: SQLite and a folder of artifacts.
#   sh mlflow/serve.sh                    this machine only, http://127.0.0.1:5000
#   HOST=0.0.0.0 PORT=8080 ALLOWED_HOSTS=lab.example.org:8080 sh mlflow/serve.sh
# There is no log-in: open it to a network that you trust, or put a proxy with one before it.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$here/../.venv/bin/python
[ -x "$python" ] || python=python3
store=${STORE:-$here}

export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false

set -- --backend-store-uri "sqlite:///$store/mlflow.db" --artifacts-destination "$store/artifacts" \
    --host "${HOST:-127.0.0.1}" --port "${PORT:-5000}" --workers 1 "$@"
[ -z "${ALLOWED_HOSTS:-}" ] || set -- "$@" --allowed-hosts "$ALLOWED_HOSTS"
cd "$store"
exec "$python" -m mlflow server "$@"
