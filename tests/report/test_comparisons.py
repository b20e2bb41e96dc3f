"""Results paired over participants: methods, networks, baselines; from sums by person, or from the people's own CCC."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from models.ccc import Moments, ccc
from orchestrator.estimators.facts import RepeatedEstimate
from orchestrator.estimators.paired import CAVEAT, compare
from orchestrator.estimators.sums import PersonMoments
from orchestrator.evaluation.person_records import FoldSums, ScoredPeople
from orchestrator.protocols import DESCRIBED, DIMENSIONS, STRICT, Protocol
from orchestrator.report import person_scores
from orchestrator.report.rendering import shown_rows
from orchestrator.report.search_record import Search
from orchestrator.report.tables.cells import DASH, Row, Table, p_value
from orchestrator.report.tables.method_comparison import comparisons, why_not
from orchestrator.report.tables.paper_tables import table_2
from orchestrator.report.tables.repeats import repeats
from orchestrator.report.tables.searches import measures
from orchestrator.run_records import RepeatedScore, sums_of
from tests.figures.evidence import make_summary, make_trial

FOLDS = (("A", "B"), ("C", "D"), ("E", "F", "G"))
POINT = {"learning_rate": 1e-3, "hidden_size": 8, "sequence_length": 50, "num_layers": 1}
Fold = Mapping[str, PersonMoments]


def folds(seed: int, noise: float, people: Sequence[Sequence[str]] = FOLDS) -> list[Fold]:
    """Traces of a gold standard that is the same for every seed, with so much noise."""
    generator = np.random.default_rng(seed)
    found: list[Fold] = []
    for fold in people:
        own: dict[str, PersonMoments] = {}
        for person in fold:
            gold = np.random.default_rng(ord(person)).normal(size=(2, 60))
            traces = gold + noise * generator.normal(size=(2, 60))
            own[person] = {d: Moments.of(x, y) for d, x, y in zip(DIMENSIONS, traces, gold, strict=True)}
        found.append(own)
    return found


def recorded(parts: Sequence[Fold]) -> tuple[FoldSums, ...]:
    return tuple(FoldSums(moments=sums_of(fold), window_moments=sums_of(fold)) for fold in parts)


def of(parts: Sequence[Fold], dimension: str) -> list[dict[str, Moments]]:
    return [{person: own[dimension] for person, own in fold.items()} for fold in parts]


def made(
    method: str,
    people: ScoredPeople | None,
    *,
    protocol: Protocol = DESCRIBED,
    networks: Sequence[str] = ("rnn",),
    **changes: Any,
) -> Search:
    trials = [make_trial(f"{n:012x}", {"network": name, **POINT}, 0.5 - n / 10, 0.4) for n, name in enumerate(networks)]
    plan = {
        "method": method,
        "title": method,
        "protocol": asdict(replace(protocol, num_folds=3)),
        "corpus": {"synthetic": False, "sha256": "aa" * 32, "kind": "table"},
        "images": None,
        "federation": None,
    }
    summary = replace(make_summary({}, trials[0]), **{"participants": None, **changes.pop("summary", {})})
    return Search(plan=plan | changes, summary=summary, trials=trials, people=people, run_id=method)


ONE, OTHER, THIRD = folds(1, 0.4), folds(2, 0.9), folds(3, 1.5)


def cells(row: Row) -> list[Any]:
    return [one.text if one.value is None else one.value for one in row.cells]


def rows(table: Table) -> dict[tuple[str, str], list[Any]]:
    return {(cells(row)[0], cells(row)[2]): cells(row) for row in table.rows}


@pytest.fixture(scope="module")
def table() -> Table:
    """Two methods, of which one has two networks and two baselines."""
    units = ScoredPeople(
        networks={"rnn": recorded(ONE), "bigru": recorded(THIRD)},
        baselines={"mean": recorded(OTHER), "ridge": recorded(OTHER)},
    )
    first = made("au", units, networks=("rnn", "bigru"))
    return comparisons([first, made("images", ScoredPeople(networks={"rnn": recorded(OTHER)}))])


def test_every_kind_of_pair_has_its_rows(table: Table) -> None:
    assert list(rows(table)) == [
        (words, dimension)
        for words in ("Action Units − Raw Images", "Action Units, BiGRU − Action Units, RNN", "Action Units − ridge")
        for dimension in DIMENSIONS
    ]


@pytest.mark.parametrize(
    ("words", "first", "second"),
    [
        ("Action Units − Raw Images", ONE, OTHER),
        ("Action Units, BiGRU − Action Units, RNN", THIRD, ONE),
        ("Action Units − ridge", ONE, OTHER),
    ],
)
def test_the_numbers_are_those_of_the_people(table: Table, words: str, first: list[Fold], second: list[Fold]) -> None:
    """The difference of the mean over folds in plain lines; of the people a paired t, by scipy."""
    row = dict(zip([one.key for one in table.columns], rows(table)[words, "arousal"], strict=True))
    assert row["people"] == row["own_people"] == 7

    def mean(parts: list[Fold]) -> float:
        return float(np.mean([ccc(sum(fold.values(), Moments.zero())) for fold in of(parts, "arousal")]))

    assert row["difference"] == pytest.approx(mean(first) - mean(second))
    expected = compare(of(first, "arousal"), of(second, "arousal"))
    assert expected is not None
    assert (row["low"], row["high"], row["p"]) == (expected.reported.low, expected.reported.high, expected.p_value)
    own = [[ccc(m) for fold in of(parts, "arousal") for m in fold.values()] for parts in (first, second)]
    tested = stats.ttest_rel(*own)
    assert row["own_difference"] == pytest.approx(np.mean(own[0]) - np.mean(own[1]))
    assert row["own_p"] == pytest.approx(tested.pvalue)
    assert (row["own_low"], row["own_high"]) == pytest.approx(tuple(tested.confidence_interval()))


def test_p_is_corrected_for_all_tests_of_the_table(table: Table) -> None:
    keys = [one.key for one in table.columns]
    for p, holm in (("p", "p_holm"), ("own_p", "own_p_holm")):
        plain, corrected = ([cells(row)[keys.index(key)] for row in table.rows] for key in (p, holm))
        assert len(plain) == 6
        least = min(range(6), key=lambda number: plain[number])
        assert corrected[least] == pytest.approx(min(1.0, 6 * plain[least]))
        assert all(after >= before for before, after in zip(plain, corrected, strict=True))


def test_selection_on_the_same_people_is_said(table: Table) -> None:
    assert CAVEAT in table.caption
    remarks = {words: row[-1] for (words, _), row in rows(table).items()}
    assert remarks["Action Units − ridge"] == "p after selection of the first"  # two configurations were tried
    assert remarks["Action Units, BiGRU − Action Units, RNN"] == ""  # one of each
    assert remarks["Action Units − Raw Images"] == "p after selection of the first"
    both = [
        made(method, ScoredPeople(networks={"rnn": recorded(parts)}), networks=("rnn", "rnn"), protocol=protocol)
        for protocol in (DESCRIBED, STRICT)
        for method, parts in (("au", ONE), ("images", OTHER))
    ]
    found = [cells(row)[-1] for row in comparisons(both).rows]
    assert found == ["p after selection"] * 2 + [""] * 2  # of strict the inner people chose


def test_who_chose_is_said_of_each_side() -> None:
    people = ScoredPeople(networks={"rnn": recorded(ONE)})
    expected = {(1, 1): "", (2, 1): " of the first", (1, 2): " of the second", (2, 2): ""}
    for (first, second), words in expected.items():
        pair = [made(method, people, networks=("rnn",) * n) for method, n in (("au", first), ("images", second))]
        remarks = {cells(row)[-1] for row in comparisons(pair).rows}
        assert remarks == {f"p after selection{words}" if first + second > 2 else ""}


def test_methods_that_score_other_frames_say_so() -> None:
    people = ScoredPeople(networks={"rnn": recorded(ONE)})
    for stride, other, words in ((1, 25, "all and 1 of 25"), (2, 1, "1 of 2 and all"), (25, 25, ""), (None, 1, "")):
        pair = [
            made(method, people, images=None if n is None else {"frame_stride": n})
            for method, n in (("images", stride), ("fl", other))
        ]
        assert {cells(row)[-1] for row in comparisons(pair).rows} == {words and f"scored frames differ: {words}"}


def test_rows_are_marked_by_corpus_and_by_dimension(table: Table) -> None:
    assert [row.first for row in table.rows] == [True, False] * 3
    assert not table.synthetic
    plan: Any = {"corpus": {"synthetic": True, "sha256": "aa" * 32, "kind": "table"}}
    people = ScoredPeople(networks={"rnn": recorded(ONE)})
    pair = [made("au", people), made("images", people, **plan)]
    assert all(row.synthetic for order in (pair, pair[::-1]) for row in comparisons(order).rows)


def test_columns_of_numbers_are_numeric_and_p_has_four_decimals(table: Table) -> None:
    words = {"methods", "protocol", "dimension", "remark"}
    assert {one.key for one in table.columns if not one.numeric} == words
    texts = dict(zip([one.key for one in table.columns], [cell.text for cell in table.rows[0].cells], strict=True))
    for key in ("p", "p_holm", "own_p", "own_p_holm"):
        assert len(texts[key]) == len("0.1234")
    assert len(texts["low"].removeprefix("−")) == len("0.123")


def test_two_people_are_enough_and_one_is_not() -> None:
    """D and E only are in both; then E alone, whom the line counts."""
    for shared, remark in (
        (("D", "E"), ""),
        (("E",), "not compared: 1 of the participants has a score in both, expected 2"),
    ):
        others = folds(2, 0.9, (shared, ("X", "Y"), ("Z",)))
        pair = [
            made(method, ScoredPeople(networks={"rnn": recorded(parts)}))
            for method, parts in (("au", ONE), ("images", others))
        ]
        found = [cells(row) for row in comparisons(pair).rows]
        assert [row[-1] for row in found] == [remark] * 2
        assert [row[3:9] for row in found] == [["–"] * 6] * 2  # both are in one fold: no difference of the CCC of folds
        assert [row[9] for row in found] == [2 if not remark else "–"] * 2


def test_other_corpora_are_named_by_eight_digits() -> None:
    people = ScoredPeople(networks={"rnn": recorded(ONE)})
    corpus = {"synthetic": False, "sha256": "b1" * 32, "kind": "table"}
    assert why_not(made("au", people), made("images", people, corpus=corpus)) == (
        "different corpora (sha256 aaaaaaaa and b1b1b1b1)"
    )


def test_a_network_without_recorded_people_is_left_out() -> None:
    """Of two networks in the leaderboard one has people: no pair, and no crash."""
    search = made("au", ScoredPeople(networks={"rnn": recorded(ONE)}), networks=("rnn", "bigru"))
    assert not comparisons([search]).rows


def test_two_scalings_of_a_method_are_compared_and_two_protocols_are_not() -> None:
    people = [ScoredPeople(networks={"rnn": recorded(parts)}) for parts in (ONE, OTHER, THIRD)]
    scaled = replace(DESCRIBED, scaling="train")
    found = comparisons(
        [made("au", people[0]), made("au", people[1], protocol=scaled), made("au", people[2], protocol=STRICT)]
    )
    assert [row[:3] for row in rows(found).values()] == [
        ["Action Units − Action Units", "described, 3 folds / described, 3 folds, scaling train", dimension]
        for dimension in DIMENSIONS
    ]


def test_other_folds_are_paired_person_by_person() -> None:
    other = folds(2, 0.9, (("A", "C"), ("B", "E"), ("D", "F", "G")))
    searches = [
        made(method, ScoredPeople(networks={"rnn": recorded(parts)}))
        for method, parts in (("au", ONE), ("images", other))
    ]
    row = rows(comparisons(searches))["Action Units − Raw Images", "valence"]
    expected = compare(of(ONE, "valence"), of(other, "valence"))
    assert expected is not None
    assert expected.reported.conservative
    assert row[4:8] == [expected.reported.estimate, expected.reported.low, expected.reported.high, expected.p_value]


def test_a_federation_has_the_peoples_own_scores_alone() -> None:
    own = {person: {d: ccc(m) for d, m in one.items()} for fold in OTHER for person, one in fold.items()}
    parts = tuple(FoldSums(own={person: own[person] for person in fold}) for fold in FOLDS)
    searches = [
        made("au", ScoredPeople(networks={"rnn": recorded(ONE)})),
        made("fl-au", ScoredPeople(networks={"rnn": parts})),
    ]
    (row, _) = rows(comparisons(searches)).values()
    differences = [ccc(m) - own[person]["valence"] for fold in of(ONE, "valence") for person, m in fold.items()]
    assert row[3:9] == ["–"] * 6
    assert row[9:11] == [7, pytest.approx(np.mean(differences))]
    assert row[13] == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)


def test_nested_choices_are_compared_by_what_each_fold_reports() -> None:
    """The two networks share the folds, so that what is reported is neither's."""
    mixed = [ONE[0], OTHER[1], ONE[2]]
    people = ScoredPeople(
        networks={"rnn": recorded(ONE), "bigru": recorded(OTHER)},
        reported=recorded(mixed),
        baselines={"ridge": recorded(THIRD)},
    )
    found = rows(comparisons([made("au", people, protocol=STRICT, networks=("rnn", "bigru"))]))
    expected = compare(of(mixed, "valence"), of(THIRD, "valence"))
    assert expected is not None
    assert found["Action Units − ridge", "valence"][4] == expected.reported.estimate


def test_a_search_without_people_is_not_compared() -> None:
    searches = [made("au", ScoredPeople(networks={"rnn": recorded(ONE)})), made("images", None)]
    found = comparisons(searches)
    assert [row[-1] for row in rows(found).values()] == [
        "not compared: the participants' scores of Raw Images are not recorded"
    ] * 2
    assert person_scores.of_reported(searches[1]) is None
    alone = comparisons(searches[1:])
    assert not alone.rows
    assert alone.remarks == ("Needs two methods with the same protocol, two networks, or baselines.",)


def test_baselines_have_rows_of_their_own_below_their_method() -> None:
    scores = {"ccc_valence": 0.25, "ccc_valence_sd": 0.05, "ccc_valence_low": 0.1, "ccc_window_valence": 0.3}
    scores |= {"ccc_arousal": 0.5}
    search = made("au", None, summary={"baseline": {"ridge": scores, "boosting-person": {}}})
    found = rows(measures([search]))
    assert [words for words, _ in found] == ["Action Units"] * 2 + ["baseline ridge"] * 2
    read = [[cell.text for cell in texts[:3]] for _, texts in shown_rows(measures([search]))]
    assert [one[0] for one in read] == ["Action Units", "", "baseline ridge", ""]  # each name once
    row = found["baseline ridge", "valence"]
    assert row[3:9] == [0.25, 0.1, "–", 0.3, pytest.approx(0.05), "–"]
    assert measures([search]).rows[2].cells[3].text == "0.250 ± 0.050"
    assert measures([search]).rows[2].cells[3].key == "ridge_ccc_valence"


def test_baselines_stand_in_table_2_below_their_methods_networks() -> None:
    scores = {"ccc_valence": 0.25, "ccc_valence_sd": 0.05, "ccc_window_valence": 0.3, "ccc_arousal": 0.5}
    search = made("au", None, summary={"baseline": {"ridge": scores, "boosting-person": {}}})
    found = [[cell.text for cell in row.cells] for row in table_2([search]).rows]
    names = [row[1] for row in found if row[0] == "Action Units"]
    assert names[-1] == "baseline ridge"
    assert len([name for name in names if name.startswith("baseline")]) == 1
    (row,) = (row for row in found if row[1] == "baseline ridge")
    assert row[4:] == ["0.250 ± 0.050", DASH, DASH, "0.500", DASH, DASH]


def test_repeats_have_a_table_where_there_are_any() -> None:
    estimate = RepeatedEstimate(
        value=0.4, low=0.3, high=0.5, people_low=0.35, people_high=None, by_repeat=(0.38, 0.44, 0.38)
    )
    hparams = make_trial("a", {"network": "rnn", **POINT}, 0.5, 0.4).hparams
    one = RepeatedScore(
        network="rnn",
        hparams=hparams,
        uid="a",
        uids=("a", "b", "c"),
        seeds=(0, 1, 2),
        planned=3,
        failed=0,
        folds=8,
        people=23,
        estimates={"ccc_window_arousal": estimate},
    )
    table = repeats([made("au", None), made("images", None, summary={"repeats": (one,)})])
    assert table is not None
    assert [cells(row) for row in table.rows] == [
        [
            "Raw Images",
            "RNN",
            "described, 3 folds",
            "arousal",
            "window means",
            0.4,
            0.38,
            0.44,
            0.3,
            0.5,
            0.35,
            "–",
            3,
            8,
            23,
            "0, 1, 2",
        ]
    ]
    assert repeats([made("au", None), made("images", None, summary={"repeats": (replace(one, uids=("a",)),)})]) is None


def test_no_p_is_zero() -> None:
    assert [p_value(one).text for one in (0.0, 0.00004, 0.0001, 0.25)] == [
        "<0.0001",
        "<0.0001",
        "0.0001",
        "0.2500",
    ]
    assert p_value(0.00004).value == 0.00004


def test_each_difference_has_its_own_number_of_people() -> None:
    """G's labels never vary: part of the CCC of a fold, and without a CCC of their own."""

    def constant(parts: list[Fold]) -> list[Fold]:
        off = np.random.default_rng(0).normal(size=60)
        return [*parts[:2], {**parts[2], "G": dict.fromkeys(DIMENSIONS, Moments.of(off, np.full(60, 0.5)))}]

    searches = [
        made(method, ScoredPeople(networks={"rnn": recorded(constant(parts))}))
        for method, parts in (("au", ONE), ("images", OTHER))
    ]
    found = comparisons(searches)
    row = dict(zip([one.key for one in found.columns], cells(found.rows[0]), strict=True))
    expected = compare(of(constant(ONE), "valence"), of(constant(OTHER), "valence"))
    assert expected is not None
    assert expected.of_people is not None
    assert (row["people"], row["difference"]) == (7, expected.reported.estimate)
    assert (row["own_people"], row["own_difference"]) == (6, pytest.approx(expected.of_people.estimate))
    assert "n: people; those with constant labels" in found.caption
