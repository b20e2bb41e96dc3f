"""Late fusion: known answers, nobody's labels in their own prediction, inputs that do not belong together."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.ccc import Moments, ccc
from orchestrator.errors import InputError
from orchestrator.evaluation import fusion
from orchestrator.files import write_json
from tests.conftest import Run

PEOPLE = ("A", "B", "C", "D")
NUM_FRAMES = 120
HZ = 25.0


def traces(seed: int, person: str) -> np.ndarray:
    """Slow random movement (T, 2)."""
    generator = np.random.default_rng([seed, ord(person)])
    return np.cumsum(generator.normal(0, 0.1, (NUM_FRAMES, 2)), axis=0)


def gold_of(person: str) -> np.ndarray:
    """A sum of what the two inputs see."""
    return 0.3 * traces(1, person) + 0.6 * traces(2, person) + 0.1


def write_run(folder: Path, seed: int, *, gold: bool = True, people: tuple[str, ...] = PEOPLE) -> Path:
    """A run's predictions; people A and B were held out by fold 0."""
    blocks = []
    for person in people:
        columns = {
            "participant": [person] * NUM_FRAMES,
            "session": [""] * NUM_FRAMES,
            "time": np.arange(1, NUM_FRAMES + 1) / HZ,
            "fold": np.full(NUM_FRAMES, PEOPLE.index(person) // 2, np.int32),
        }
        for d, dimension in enumerate(("valence", "arousal")):
            values = gold_of(person)[:, d] if gold else [None] * NUM_FRAMES
            columns[f"{dimension}_gold"] = pa.array(values, pa.float32())
        for d, dimension in enumerate(("valence", "arousal")):
            columns[f"{dimension}_pred"] = pa.array(traces(seed, person)[:, d], pa.float32())
        blocks.append(pa.table(columns))
    folder.mkdir()
    table = pa.concat_tables(blocks).replace_schema_metadata({"synthetic": "true"})
    pq.write_table(table, folder / "predictions.parquet")
    return folder


def write_csv(path: Path, seed: int, *, step: int = 1, shift: float = 0.0, people: tuple[str, ...] = PEOPLE) -> Path:
    """A table of an audio model, every `step`-th frame, its clock off by `shift` seconds; a few cells are empty."""
    lines = ["participant,session,time,valence,arousal"]
    for person in people:
        for n, (valence, arousal) in enumerate(traces(seed, person)[::step]):
            cells = ",".join(("", "") if n == 3 else (f"{valence:.6f}", f"{arousal:.6f}"))
            lines.append(f"{person},,{(n * step + 1) / HZ + shift:.4f},{cells}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_two_halves_make_a_whole(tmp_path: Path) -> None:
    one, two = write_run(tmp_path / "one", 1), write_csv(tmp_path / "two.csv", 2, shift=0.01)
    text = fusion.fuse([one, two], tmp_path / "fused")
    record = json.loads((tmp_path / "fused" / "fusion.json").read_text())
    assert record["frames"] == len(PEOPLE) * (NUM_FRAMES - 1)  # one frame a person has no second input
    for dimension in ("valence", "arousal"):
        assert record["fusion"][f"ccc_{dimension}"] > 0.999
        assert max(given[f"ccc_{dimension}"] for given in record["inputs"]) < 0.95
        assert len(record["fusion"][f"ccc_{dimension}_folds"]) == 2
    (weights,) = {tuple(np.round([w["valence"] for w in fold["valence"]["inputs"]], 2)) for fold in record["folds"]}
    assert weights == (0.3, 0.6)
    assert "fusion" in text
    assert "SYNTHETIC" in text
    table = pq.read_table(tmp_path / "fused" / "predictions.parquet")
    assert table.column_names == pq.read_table(one / "predictions.parquet").column_names
    assert table.column("valence_pred").null_count == len(PEOPLE)


def test_inputs_and_fusion_are_scored_on_the_same_frames(tmp_path: Path) -> None:
    one, two = write_run(tmp_path / "one", 1), write_csv(tmp_path / "two.csv", 2)
    fusion.fuse([one, two], tmp_path / "fused")
    record = json.loads((tmp_path / "fused" / "fusion.json").read_text())
    kept = np.arange(NUM_FRAMES) != 3
    for fold, people in enumerate((PEOPLE[:2], PEOPLE[2:])):
        moments = Moments.zero()
        for person in people:
            gold = gold_of(person)[kept, 1].astype(np.float32)
            moments += Moments.of(traces(1, person)[kept, 1].astype(np.float32), gold)
        assert record["inputs"][0]["ccc_arousal_folds"][fold] == pytest.approx(ccc(moments), abs=1e-6)


def test_a_person_s_own_labels_never_reach_their_prediction(tmp_path: Path) -> None:
    one, two = write_run(tmp_path / "one", 1), write_csv(tmp_path / "two.csv", 2)
    fusion.fuse([one, two], tmp_path / "before")
    table = pq.read_table(one / "predictions.parquet")
    held_out = np.isin(table.column("participant").to_pylist(), PEOPLE[:2])
    changed = np.where(held_out, -table.column("valence_gold").to_numpy(), table.column("valence_gold").to_numpy())
    place = table.column_names.index("valence_gold")
    pq.write_table(
        table.set_column(place, "valence_gold", pa.array(changed, pa.float32())), one / "predictions.parquet"
    )
    fusion.fuse([one, two], tmp_path / "after")
    before, after = (
        pq.read_table(tmp_path / name / "predictions.parquet").column("valence_pred").to_numpy(zero_copy_only=False)
        for name in ("before", "after")
    )
    np.testing.assert_array_equal(before[held_out], after[held_out])
    assert np.nanmax(np.abs(before[~held_out] - after[~held_out])) > 0.1


def test_a_slower_input_holds_for_the_frames_around_it(tmp_path: Path) -> None:
    one, two = write_run(tmp_path / "one", 1), write_csv(tmp_path / "two.csv", 2, step=5)
    fusion.fuse([one, two], tmp_path / "fused")
    record = json.loads((tmp_path / "fused" / "fusion.json").read_text())
    # 24 samples a person less one, each for the 5 frames around it; the first has none before it and so only 3.
    assert 4 * 5 * 22 <= record["frames"] <= 4 * 5 * 24
    assert record["fusion"]["ccc_valence"] > record["inputs"][0]["ccc_valence"]


def test_a_federation_s_gold_comes_from_another_run(tmp_path: Path) -> None:
    federated, central = write_run(tmp_path / "fl", 1, gold=False), write_run(tmp_path / "au", 2)
    fusion.fuse([federated, central], tmp_path / "fused")
    assert json.loads((tmp_path / "fused" / "fusion.json").read_text())["fusion"]["ccc_valence"] > 0.999
    other = write_run(tmp_path / "fl2", 2, gold=False)
    with pytest.raises(InputError, match="no gold standard in any input"):
        fusion.fuse([federated, other], tmp_path / "none")
    assert not (tmp_path / "none").exists()


BAD: dict[str, tuple[Callable[[Path], list[Path]], str]] = {
    "one input": (lambda f: [write_run(f / "one", 1)], "at least two"),
    "other people": (
        lambda f: [write_run(f / "one", 1), write_run(f / "two", 2, people=PEOPLE[:3])],
        r"two: found no predictions of D",
    ),
    "more people": (
        lambda f: [write_run(f / "one", 1, people=PEOPLE[:3]), write_run(f / "two", 2)],
        r"two: found others of D",
    ),
    "a first one without folds": (
        lambda f: [write_csv(f / "one.csv", 1), write_run(f / "two", 2)],
        r"one.csv: found predictions without folds",
    ),
    "times that do not meet": (
        lambda f: [write_run(f / "one", 1), write_csv(f / "two.csv", 2, shift=100.0)],
        r"0 frames .* inputs that meet in time",
    ),
    "no predictions": (lambda f: [write_run(f / "one", 1), f / "nowhere"], r"nowhere: found no predictions"),
}


@pytest.mark.parametrize("name", BAD)
def test_inputs_that_do_not_belong_together(name: str, tmp_path: Path) -> None:
    make, message = BAD[name]
    with pytest.raises(InputError, match=message):
        fusion.fuse(make(tmp_path), tmp_path / "fused")
    assert not (tmp_path / "fused").exists()


def test_other_labels_are_another_corpus(tmp_path: Path) -> None:
    one, two = write_run(tmp_path / "one", 1), write_run(tmp_path / "two", 2)
    table = pq.read_table(two / "predictions.parquet")
    other = pa.array(table.column("arousal_gold").to_numpy() + 0.2, pa.float32())
    place = table.column_names.index("arousal_gold")
    pq.write_table(table.set_column(place, "arousal_gold", other), two / "predictions.parquet")
    with pytest.raises(InputError, match=r"two: found gold of A that differs by up to 0.20"):
        fusion.fuse([one, two], tmp_path / "fused")
    plans = {one: {"protocol": {"gold": "mean", "label_delay_seconds": 0.0}, "corpus": {}}}
    plans[two] = {"protocol": {"gold": "ewe", "label_delay_seconds": 0.0}, "corpus": {"options": {"raters": ["A"]}}}
    plans[two]["protocol"] |= {"label_shift": "nearest", "label_rounding": "float32"}  # as of the older plan
    for run, plan in plans.items():
        write_json(run / "plan.json", plan)
    with pytest.raises(
        InputError, match=r"up to 0.20 \(--gold mean and ewe, --raters None and \['A'\] in .*one and .*two\);"
    ):
        fusion.fuse([one, two], tmp_path / "fused")


def test_the_command_says_what_came_of_it(tmp_path: Path, run_here: Run) -> None:
    one, two = write_run(tmp_path / "one", 1), write_csv(tmp_path / "two.csv", 2)
    done = run_here("fuse", one, two, "--output", tmp_path / "fused")
    assert done.returncode == 0, done.stderr
    assert f"written to {tmp_path / 'fused'}" in done.stdout
    again = run_here("fuse", one, two, "--output", tmp_path / "fused")
    assert again.returncode == 2
    assert "is not empty" in again.stderr
