"""`compare` of run folders that were written without any training."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import orchestrator
from models.ccc import Moments, ccc
from orchestrator.cli import cli
from orchestrator.errors import InputError
from orchestrator.estimators.intervals import pooled_interval
from orchestrator.estimators.paired import holm, own_interval
from orchestrator.estimators.permutation import sign_flip_p
from orchestrator.files import read_json, write_json
from orchestrator.report.run_comparison import compare_runs
from orchestrator.report.run_comparison_output import text
from tests.report.made_runs import make_run

PEOPLE = tuple(f"P{number}" for number in range(8))
Folds = list[dict[str, dict[str, Moments]]]
OWN = [{"own": {person: {"valence": 0.5, "arousal": 0.4}}} for person in PEOPLE]  # as of a federation


def moments_of(noise: float, people: tuple[str, ...] = PEOPLE, shift: float = 0.0) -> Folds:
    """Four folds of people whose gold standard is the same for any noise; P7's is shifted."""
    random = np.random.default_rng(7)
    own = {}
    for person in people:
        gold, off = random.normal(size=(2, 50)) + shift * (person == "P7"), random.normal(size=(2, 50))
        own[person] = {d: Moments.of(gold[k] + noise * off[k], gold[k]) for k, d in enumerate(("valence", "arousal"))}
    return [{person: own[person] for person in people[k::4]} for k in range(4)]


def made(
    folder: Path,
    noise: float,
    *,
    people: tuple[str, ...] = PEOPLE,
    shift: float = 0.0,
    constant: tuple[str, ...] = (),
    **fields: Any,
) -> Path:
    """Write a run; the labels of the `constant` people never vary."""
    make_run(folder, {"rnn": (0.3,)}, **fields)
    folds = moments_of(noise, people, shift)
    flat = {d: Moments.of(noise * np.arange(50.0), np.full(50, 0.5)) for d in ("valence", "arousal")}
    folds = [{p: flat if p in constant else one for p, one in fold.items()} for fold in folds]
    sums = [{"moments": {p: {d: m.to_list() for d, m in one.items()} for p, one in f.items()}} for f in folds]
    write_json(folder / "moments.json", {"networks": {"rnn": sums}, "reported": None, "baselines": {}})
    return folder


def test_a_pair_has_the_differences_of_its_people(tmp_path: Path) -> None:
    runs = [str(made(tmp_path / name, noise)) for name, noise in (("a", 0.3), ("b", 0.6), ("c", 0.9))]
    found = compare_runs(runs)
    assert [(one.first, one.second) for one in found.pairs[::2]] == [(1, 2), (1, 3), (2, 3)]
    one = found.pairs[3]
    assert (one.first, one.second, one.dimension) == (1, 3, "arousal")
    own = [
        {person: ccc(m["arousal"]) for fold in moments_of(noise) for person, m in fold.items()} for noise in (0.3, 0.9)
    ]
    assert one.own == own_interval(*own)
    differences = [own[0][person] - own[1][person] for person in PEOPLE]
    assert one.p == sign_flip_p(differences) == 2 / 2**8
    pooled = [
        pooled_interval([{p: m["arousal"] for p, m in fold.items()} for fold in moments_of(noise)])
        for noise in (0.3, 0.9)
    ]
    assert one.reported is not None
    assert pooled[0] is not None
    assert pooled[1] is not None
    assert one.reported.estimate == pytest.approx(pooled[0].estimate - pooled[1].estimate)
    assert [pair.p_holm for pair in found.pairs] == holm([pair.p for pair in found.pairs])
    assert one.p_holm > one.p


def test_what_differs_is_said(tmp_path: Path) -> None:
    first = made(tmp_path / "a", 0.3)
    second = made(tmp_path / "b", 0.6, changes={"scaling": "train", "epochs": 7})
    found = compare_runs([str(first), str(second)])
    assert "scaling: 1 participant; 2 train" in found.differing
    assert any(line.startswith("epochs: ") for line in found.differing)
    assert not any(line.startswith(("method", "loss")) for line in found.differing)
    assert all(len(line) <= 80 for line in text(found).splitlines() if not line.startswith("differs"))


def with_corpus(folder: Path, **changes: Any) -> Path:
    plan = read_json(folder / "plan.json")
    write_json(folder / "plan.json", plan | {"corpus": plan["corpus"] | changes})
    return folder


def test_the_same_files_with_other_features_are_compared(tmp_path: Path) -> None:
    first = with_corpus(made(tmp_path / "a", 0.3), read={"files": "f" * 64}, feature_names=["AU01", "AU12"])
    second = with_corpus(
        made(tmp_path / "b", 0.6), read={"files": "f" * 64}, sha256="dd" * 32, feature_names=["loudness"]
    )
    assert "features: 1 AU01, AU12; 2 loudness" in compare_runs([str(first), str(second)]).differing
    more = with_corpus(made(tmp_path / "more", 0.6), read={"files": "f" * 64}, feature_names=["AU01", "gaze", "AU12"])
    assert "features: 2 in all; besides 1 none; 2 gaze" in compare_runs([str(first), str(more)]).differing
    assert not any(line.startswith("files") for line in compare_runs([str(first), str(more)]).differing)


def test_other_files_of_the_same_people_and_labels_are_compared(tmp_path: Path) -> None:
    first = with_corpus(made(tmp_path / "a", 0.3), read={"files": "f" * 64}, path="openface")

    def other(name: str, **fields: Any) -> str:
        return str(
            with_corpus(
                made(tmp_path / name, 0.6, **fields), read={"files": "e" * 64}, sha256="dd" * 32, path="mediapipe"
            )
        )

    for shift in (0.0, 0.019):
        found = compare_runs([str(first), other(f"b{shift}", shift=shift)])
        assert "files: 1 openface; 2 mediapipe" in found.differing
        assert len(found.pairs) == 2
    expected = r"P7, whose gold standard of valence has a mean of -?0\.\d+ and -?0\.\d+; expected runs on the same rec"
    with pytest.raises(InputError, match=expected):
        compare_runs([str(first), other("c", shift=0.021)])
    federated = other("d")
    write_json(Path(federated) / "moments.json", {"networks": {"rnn": OWN}, "reported": None, "baselines": {}})
    with pytest.raises(
        InputError, match=r"sha256 aaaaaaaaaaaa and dddddddddddd, and labels that stayed with the people"
    ):
        compare_runs([str(first), federated])
    others = with_corpus(made(tmp_path / "d", 0.6, people=(*PEOPLE[:7], "Q1")), sha256="dd" * 32)
    with pytest.raises(InputError, match="different people: P7, Q1 in one of them only"):
        compare_runs([str(first), str(others)])


def test_other_labels_are_refused(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a", 0.3), made(tmp_path / "b", 0.3, changes={"gold": "ewe"})
    with pytest.raises(InputError, match="labels made otherwise: --gold mean and ewe; "):
        compare_runs([str(first), str(second)])


def test_what_is_no_pair_of_runs_is_refused(tmp_path: Path) -> None:
    first = made(tmp_path / "a", 0.3)
    with pytest.raises(InputError, match="at least two"):
        compare_runs([str(first)])
    with pytest.raises(InputError, match="one run twice"):
        compare_runs([str(first), f"{first}/"])
    with pytest.raises(InputError, match=r"no plan.json"):
        compare_runs([str(first), str(tmp_path / "nowhere")])
    bare = make_run(tmp_path / "bare", {"rnn": (0.3,)})
    with pytest.raises(InputError, match="no scores of its participants"):
        compare_runs([str(first), str(bare)])


def test_the_command_writes_a_table_and_a_figure(tmp_path: Path) -> None:
    runs = [str(made(tmp_path / name, noise)) for name, noise in (("a", 0.3), ("b", 0.6))]
    done = CliRunner().invoke(cli, ["compare", *runs, "--output", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader((tmp_path / "out" / "comparisons.csv").read_text().splitlines()))
    assert [row["dimension"] for row in rows] == ["valence", "arousal"]
    assert float(rows[0]["people_low"]) < float(rows[0]["people_difference"]) < float(rows[0]["people_high"])
    assert (rows[0]["participants"], rows[0]["own_people"]) == ("8", "8")
    assert (tmp_path / "out" / "comparisons.svg").read_text().startswith("<?xml")
    assert "nan" not in (tmp_path / "out" / "comparisons.csv").read_text().lower()


def test_python_has_the_same_table(tmp_path: Path) -> None:
    runs = [
        made(tmp_path / name, noise, changes={"epochs": n})
        for n, (name, noise) in enumerate((("a", 0.3), ("b", 0.6)), 3)
    ]
    table = orchestrator.compare(orchestrator.load_run(runs[0]), runs[1])
    assert list(table["dimension"]) == ["valence", "arousal"]
    assert table["p"][0] == compare_runs([*map(str, runs)]).pairs[0].p
    assert "epochs: 1 3; 2 4" in table.attrs["differing"]


def test_each_difference_has_its_own_number_of_people(tmp_path: Path) -> None:
    """P7's labels never vary: part of the CCC of a fold, and without a CCC of their own."""
    runs = [made(tmp_path / name, noise, constant=("P7",)) for name, noise in (("a", 0.3), ("b", 0.6))]
    table = orchestrator.compare(*runs)
    assert list(table["participants"]) == [8, 8]
    assert list(table["own_people"]) == [7, 7]
    for run in runs:
        write_json(run / "moments.json", {"networks": {"rnn": OWN}, "reported": None, "baselines": {}})
    table = orchestrator.compare(*runs)  # of a federation: no CCC of frames is compared
    assert table["participants"].isna().all()
    assert table["ccc_difference"].isna().all()
    assert list(table["own_people"]) == [8, 8]
