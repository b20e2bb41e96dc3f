"""Every command of the README is run, shortened where its full length is hours; none may be forgotten."""

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models.backbones import new_backbone
from orchestrator.corpora.extraction.landmarker import BLENDSHAPES
from tests.conftest import LEFT_OPEN, ROOT, Run, read_summary, without_figures
from tests.corpora.extraction import fake_mediapipe
from tests.corpora.video.video_files import grey, write_video
from tests.corpora.writers import write_folder
from tests.trial_table import write_trial_table

pytestmark = LEFT_OPEN
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    re.sub(r"\s+#.*", "", line).strip()
    for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
OURS = "python -m orchestrator "

# Appended to a command to make it short; the last value of an option given twice counts.
TINY = [
    "--preset",
    "demo",
    "--epochs",
    "1",
    "--folds",
    "2",
    "--network",
    "rnn",
    "--set",
    "hidden_size=8",
    "--set",
    "sequence_length=50",
    "--no-log-model",
]
ONE_EPOCH = ["--epochs", "1", "--folds", "2", "--no-log-model"]
# The published BiGRU has 28 million parameters, which take minutes on three short recordings too; the BiLSTM 2.5.
PUBLISHED = [*ONE_EPOCH, "--network", "bilstm"]
FACES = ["sequence_length=4" if word == "sequence_length=50" else word for word in TINY]
FACES = [*FACES, "--frame-stride", "10", "--image-size", "48", "--data", "FACES"]
SHORTER = {
    "tune --method au --data /data/RECOLA": TINY,
    "tune --method au --data /data/RECOLA --dry-run": ["--folds", "2"],
    "evaluate --method au --network bigru --published --data /data/RECOLA": PUBLISHED,
    "evaluate --method au --network bigru --published --data /data/RECOLA --repeats 5": [*PUBLISHED, "--repeats", "2"],
    "tune --method au --data /data/RECOLA --network bigru --set hidden_size=8,64 --set num_layers=1"
    " --output runs/small": [
        *ONE_EPOCH,
        *["--set", "learning_rate=0.001", "--set", "sequence_length=50"],
    ],
    "tune --method au --data /data/RECOLA --search optuna --trials 40 --scheduler asha --hours 8 --output runs/long": [
        *TINY,
        *["--set", "num_layers=1,2,4", "--trials", "2"],
    ],
    "tune --resume runs/long": [],
    "tune --extend runs/small --set hidden_size=16 --trials 60": [],
    "tune --extend runs/long --trials 60": ["--trials", "3"],
    "tune --method images": FACES,
    "tune --method fl": FACES,
    "tune --method fl-au": [*TINY, "--data", "FACES"],
    "tune --method fl --data /data/RECOLA --weights resnet18.pth --client-actors 4 --gpus-per-client 0.25"
    " --on-client-failure quorum": [*FACES, "--cpus-per-client", "0.2", "--gpus-per-client", "0"],
    "tune --method au --data /data/RECOLA --protocol strict": [*TINY, "--folds", "3"],  # of three people
    "tune --method au --data mine.parquet --preset demo --gold ewe --label-delay 2": TINY,
    "tune --method au --preset demo --scaling train --data trials.csv": [*ONE_EPOCH, "--network", "rnn"],
    "evaluate --method au --network bilstm --learning-rate 0.001 --hidden-size 16 --sequence-length 42 --num-layers 1"
    " --scaling train --data trials.csv": ONE_EPOCH,
    "data check /data/RECOLA": [],
    "data check mine": [],
    "data convert mine --output mine.parquet": [],
    "data synthesize --output synthetic-corpus --participants 8 --seconds 30 --identity 0.8": [],
    "data synthesize --tool mediapipe --seconds 50 --output synthetic-mediapipe": [
        "--participants",
        "3",
        "--seconds",
        "20",
    ],
    "tune --method au --data synthetic-mediapipe --preset demo": TINY,
    "predict --model latest --input me.mp4 --output me.csv --plot me.svg": ["--model-file", "face_landmarker.task"],
    "predict --model runs/small --input /data/RECOLA --output predictions.csv --plot traces.svg": [],
    "score --model runs/small --data /data/AVEC --output runs/new-people": ["--data", "RECOLA", "--include-seen"],
    "export --model runs/small --format onnx --output model.onnx": [],
    "benchmark inference --model runs/small": [],
    "fuse runs/small runs/long --output runs/fused": [],
    "compare runs/small runs/long --output runs/compared": [],
    "runs list": [],
    "audit runs/small": ["--question", "identity"],
    "track runs/small": [],
    "report --output runs/report": [],
}
NEEDS_RAY = ("optuna", "runs/long", "--client-actors")
ELSEWHERE = {  # run by a test of its own below
    "make tune",
    "make test",
    "source .venv/bin/activate",
    "pip install -e '.[mediapipe]'",
    "ray start --head --port 6379 --block",
    f"{OURS}tune --method au --data /data/RECOLA --address 127.0.0.1:6379 --storage /shared/runs --cpus-per-trial 1",
    f"{OURS}ui --port 5000",
    f"{OURS}data extract videos/ --output mine",
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's commands name: recordings, videos, a table; a stand-in for MediaPipe."""
    from orchestrator.corpora.synthetic.tree import synthesize
    from tests.corpora.writers import content

    folder = tmp_path_factory.mktemp("readme")
    synthesize(folder / "RECOLA", participants=3, seconds=26.0, seed=4)
    people = [content(name, num_rows=120, names=["AU01", "AU12"], seed=seed) for seed, name in enumerate("ABC")]
    write_folder(folder / "made", people)
    shutil.move(next((folder / "made").rglob("features")).parent, folder / "mine")
    write_trial_table(folder / "trials.csv")
    synthesize(folder / "faces", participants=3, seconds=8.0, seed=4, faces=True)
    torch.save(new_backbone("resnet18", seed=0).state_dict(), folder / "resnet18.pth")
    write_video(folder / "me.mp4", [grey(20 + 4 * index, 48, 32) for index in range(50)])
    fake_mediapipe.install(folder / "site", BLENDSHAPES)
    (folder / "face_landmarker.task").write_bytes(b"model")
    return folder


def test_no_command_of_the_readme_is_forgotten() -> None:
    assert len(COMMANDS) > 15
    assert {command for command in COMMANDS if command.startswith(OURS)} - ELSEWHERE == {OURS + one for one in SHORTER}
    assert {command for command in COMMANDS if not command.startswith(OURS)} < ELSEWHERE


def test_commands_in_the_order_of_the_readme(
    workplace: Path, run_here: Run, run_inside: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Ray what only Ray or Tune can do; the other searches train here. Figures are drawn of one search."""
    monkeypatch.setenv("PYTHONPATH", str(workplace / "site"))
    monkeypatch.setenv("FAKE_MEDIAPIPE_LOG", str(workplace / "frames.log"))
    ran = 0
    for command in COMMANDS:
        if command in ELSEWHERE:
            continue
        short = command.removeprefix(OURS)
        words = short.replace("/data/RECOLA", str(workplace / "RECOLA")).split() + SHORTER[short]
        words = [str(workplace / "faces") if word == "FACES" else word for word in words]
        if "--output" not in words and words[0] in ("tune", "evaluate") and not {"--resume", "--extend"} & set(words):
            words += ["--output", f"runs/{ran}"]
        run = run_inside if any(word in short for word in NEEDS_RAY) else run_here
        with contextlib.nullcontext() if "runs/small" in short else without_figures():
            done = run(*words, cwd=workplace)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        ran += 1
    assert ran == len(SHORTER)
    assert read_summary(workplace / "runs" / "long")["trials"]["planned"] == 3


@pytest.fixture
def head(environment: dict[str, str]) -> Iterator[str]:
    """A Ray head as the README starts it, on a port of its own; ended by its own process."""
    command = COMMANDS[COMMANDS.index("ray start --head --port 6379 --block")].replace("6379", "6398").split()
    command = [str(Path(sys.executable).with_name("ray")), *command[1:]]
    local = ["--num-cpus", "2", "--node-ip-address", "127.0.0.1", "--include-dashboard=false", "--disable-usage-stats"]
    process = subprocess.Popen(
        [*command, *local], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "--block" in line:
            break
    yield "127.0.0.1:6398"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def test_a_search_on_a_cluster(head: str, workplace: Path, run_command: Run) -> None:
    (command,) = [one for one in COMMANDS if "--address" in one]
    words = (
        command.removeprefix(OURS).replace("127.0.0.1:6379", head).replace("/shared/runs", str(workplace / "shared"))
    )
    words = words.replace("/data/RECOLA", str(workplace / "RECOLA"))
    output = workplace / "runs" / "cluster"
    done = run_command(*words.split(), *TINY, "--output", output)
    assert done.returncode == 0, done.stderr
    assert read_summary(output)["trials"]["finished"] == 1
    assert list((workplace / "shared").rglob("result.json"))
    assert (output / "trials").is_symlink()


def test_a_cluster_that_is_not_there_is_named(workplace: Path, run_command: Run) -> None:
    done = run_command(
        "tune", "--data", workplace / "RECOLA", *TINY, "--address", "127.0.0.1:9", "--output", workplace / "x"
    )
    assert done.returncode == 2
    assert "--address: found 127.0.0.1:9" in done.stderr


def test_the_ui_answers_and_ends_with_ctrl_c(environment: dict[str, str], workplace: Path) -> None:
    address = f"sqlite:///{workplace}/ui.db"
    from orchestrator.tracking.tracker import write_missing

    assert write_missing(workplace / "runs" / "small", address).complete
    port = "5017"
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "ui", "--port", port, "--tracking-uri", address],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        answer = b""
        while not answer:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                    answer = response.read()
            except OSError:
                time.sleep(0.2)
        assert b"MLflow" in answer
    finally:
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told


def test_extracting_action_units(workplace: Path, run_command: Run, environment: dict[str, str]) -> None:
    videos = workplace / "videos"
    videos.mkdir()
    write_video(videos / "D.mp4", [grey(0, 32, 32)] * 25)
    program = workplace / "FeatureExtraction"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "tests/corpora/extraction/fake_openface.py"} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (command,) = [one for one in COMMANDS if "data extract" in one]
    found = {**environment, "PATH": f"{workplace}{os.pathsep}{environment['PATH']}"}
    done = run_command(*command.removeprefix(OURS).split(), cwd=workplace, env=found)
    assert done.returncode == 0, done.stderr
    assert "1 table written" in done.stdout
    assert (workplace / "mine" / "features" / "D.csv").is_file()
    assert (videos / "D.mp4").exists()
