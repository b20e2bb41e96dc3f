"""`--frame-rate` from the corpus to the prediction, on tables as Py-Feat wrote them before 0.6: no time in them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.corpora.reading import Reading
from orchestrator.errors import InputError
from orchestrator.planning.launch import prepare, reopen
from orchestrator.planning.plan_file import load_plan
from orchestrator.planning.request import DataOptions
from tests.conftest import LEFT_OPEN, Run, read_summary
from tests.corpora.tool_files import NUM_ROWS, PY_FEAT_0_5, write_labels, write_tool
from tests.search.small_searches import make_request

pytestmark = [pytest.mark.usefixtures("no_figures"), *LEFT_OPEN]
COLUMNS = {"frame": [*range(NUM_ROWS)], "FaceScore": [0.99] * NUM_ROWS, "input": ["001.mp4"] * NUM_ROWS}
SMALL = (
    *("evaluate", "--network", "rnn", "--learning-rate", 0.001, "--hidden-size", 4, "--sequence-length", 20),
    *("--num-layers", 1, "--epochs", 1, "--folds", 2, "--no-log-model"),
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for seed, name in enumerate("ABC"):
        write_tool(tmp_path / "own" / "features" / f"{name}.csv", PY_FEAT_0_5, COLUMNS, seed=seed)
        write_labels(tmp_path / "own", name)
    return tmp_path / "own"


def test_the_rate_is_the_corpus_s_and_a_resumed_run_reads_it_again(own: Path, store: str, tmp_path: Path) -> None:
    overrides = ("hidden_size=8", "sequence_length=20", "num_layers=1")
    request = make_request(own, tmp_path / "30", store, overrides=overrides)
    with pytest.raises(InputError, match=r"A\.csv:1: found no time.*--frame-rate HZ"):
        prepare(request, claim=False)
    at = {}
    for hz in (30.0, 25.0):
        data = DataOptions(path=own, corpus=None, reading=Reading(frame_rate=hz))
        at[hz] = prepare(replace(request, output=tmp_path / f"{hz:g}", data=data), claim=True)
    assert at[30.0].plan.corpus.sha256 != at[25.0].plan.corpus.sha256
    assert not {one.uid for one in at[30.0].plan.trials} & {one.uid for one in at[25.0].plan.trials}
    plan = load_plan(tmp_path / "30")
    assert plan.corpus.frame_rate == 30.0
    assert reopen(plan).times[0][-1] == pytest.approx((NUM_ROWS - 1) / 30)
    with pytest.raises(InputError, match="results of two corpora do not mix"):
        reopen(replace(plan, corpus=replace(plan.corpus, frame_rate=25.0)))
    raw = json.loads((tmp_path / "30" / "plan.json").read_text())
    del raw["corpus"]["frame_rate"]  # a plan from before there was such an option
    (tmp_path / "30" / "plan.json").write_text(json.dumps(raw))
    assert load_plan(tmp_path / "30").corpus.frame_rate is None


def test_check_convert_evaluate_and_predict_take_it(own: Path, run_here: Run, tmp_path: Path) -> None:
    rate = ("--frame-rate", 30)
    checked = json.loads(run_here("data", "check", own, "--json", *rate).stdout)
    assert checked["hz"] == 30.0
    assert "times from frame numbers at 30 frames per second: --frame-rate [A, B, C]" in checked["notes"]
    converted = run_here("data", "convert", own, "--output", tmp_path / "own.parquet", *rate)
    assert converted.returncode == 0, converted.stderr
    assert json.loads(run_here("data", "check", tmp_path / "own.parquet", "--json").stdout)["hz"] == 30.0

    done = run_here(*SMALL, "--data", own, *rate, "--output", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "at 30 frames per second: --frame-rate" in done.stdout
    assert read_summary(tmp_path / "run")["corpus"]["frame_rate"] == 30.0
    card = json.loads((tmp_path / "run" / "model" / "card.json").read_text())
    assert (card["hz"], card["corpus"]["frame_rate"]) == (30.0, 30.0)

    stranger = write_tool(tmp_path / "stranger.csv", PY_FEAT_0_5, COLUMNS, seed=9)
    predict = ("predict", "--model", tmp_path / "run", "--input", stranger)
    refused = run_here(*predict, "--output", tmp_path / "none.csv")
    assert refused.returncode == 2
    assert "--frame-rate HZ, or a file hz.txt beside it" in refused.stderr
    assert not (tmp_path / "none.csv").exists()
    done = run_here(*predict, "--output", tmp_path / "some.csv", *rate)
    assert done.returncode == 0, done.stderr
    last = (tmp_path / "some.csv").read_text().splitlines()[-1].split(",")
    assert float(last[2]) == pytest.approx((NUM_ROWS - 1) / 30, abs=1e-5)
    live = run_here(*predict, "--follow", "--idle", 0.2, "--scaling-from", stranger, *rate)
    assert live.returncode == 0, live.stderr
    assert float(live.stdout.splitlines()[-1].split(",")[0]) == pytest.approx((NUM_ROWS - 1) / 30, abs=1e-5)
