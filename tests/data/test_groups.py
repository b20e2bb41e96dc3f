"""Groups of people in one fold: dyads, unequal groups, and what cannot be split so."""

import dataclasses
import json
from pathlib import Path

import pytest

from orchestrator.corpora.recording import Corpus
from orchestrator.data.dataset import make_dataset
from orchestrator.data.folds import make_folds
from orchestrator.data.groups import groups_of
from orchestrator.errors import InputError
from orchestrator.planning import grid, plan_file
from orchestrator.protocols import DESCRIBED, STRICT
from tests.data.test_dataset import make_corpus
from tests.records import make_plan

RECOLA = [f"P{number}" for number in range(16, 39)]
# Pairs that are no neighbours: P16 with P28, P17 with P29 ...; P27 has lost the other.
DYADS = (*((f"P{number}", f"P{number + 12}") for number in range(16, 27)), ("P27",))


def values(*column: str | None) -> dict[str, dict[str, str]]:
    return {f"P{number}": {"dyad": value} for number, value in enumerate(column) if value is not None}


def corpus_with(*column: str | None, kind: str = "table") -> Corpus:
    return dataclasses.replace(make_corpus(len(column)), attributes=values(*column), kind=kind)


def test_dyads_are_in_one_fold_and_everybody_is_held_out_once() -> None:
    folds = make_folds(RECOLA, 8, groups=DYADS)
    # Folds of 3 people would end at 3, 6, 9 ..., pairs do at 4, 6, 10 ...: the later of two places equally near.
    assert [len(fold.held_out) for fold in folds] == [4, 2, 4, 2, 4, 2, 4, 1]
    assert folds[0].held_out == ("P16", "P17", "P28", "P29")  # in the corpus's order
    assert sorted(person for fold in folds for person in fold.held_out) == RECOLA
    for fold in folds:
        assert sorted([*fold.train, *fold.held_out]) == RECOLA
        for group in DYADS:
            assert len({person in fold.held_out for person in group}) == 1


@pytest.mark.parametrize("share", [0.01, 0.2, 0.99])
def test_people_who_choose_the_epoch_are_whole_groups_of_the_training_people(share: float) -> None:
    for fold in make_folds(RECOLA, 8, groups=DYADS, inner_share=share, seed=3):
        assert fold.inner
        assert fold.train
        assert sorted([*fold.train, *fold.inner, *fold.held_out]) == RECOLA
        for group in DYADS:
            assert len({(person in fold.inner, person in fold.held_out) for person in group}) == 1


def test_groups_of_one_give_the_folds_without_groups() -> None:
    alone = tuple((person,) for person in RECOLA)
    for k in (2, 5, 8, 23):
        assert make_folds(RECOLA, k, groups=alone, inner_share=0.2, seed=4) == make_folds(
            RECOLA, k, inner_share=0.2, seed=4
        )


def test_as_many_folds_as_groups_leave_one_group_out_whatever_its_size() -> None:
    groups = (("a", "b", "c", "d", "e"), ("f",), ("g", "h"))
    folds = make_folds("abcdefgh", 3, groups=groups)
    assert [fold.held_out for fold in folds] == list(groups)


@pytest.mark.parametrize(
    ("groups", "k", "inner", "words"),
    [
        ((("a", "b"), ("c", "d")), 3, 0.0, r"--folds: found 2 groups for 3 folds; expected at least 3 groups"),
        (
            (("a", "b", "c"), ("d",), ("e",), ("f",)),
            3,
            0.0,
            r"--group-by: found a group of 3 people \(a, b ...\); expected at most 2.*or --folds 4, one group each",
        ),
        ((("a", "b"), ("c", "d")), 2, 0.2, r"--folds: found 2 groups for 2 folds; expected at least 3 groups"),
        ((("a",), ("b",), ("c", "d")), 2, 0.2, r"--folds: found 3 groups, of which fold 0 holds out 2; expected two"),
    ],
)
def test_groups_that_cannot_be_split_so_are_one_error(
    groups: tuple[tuple[str, ...], ...], k: int, inner: float, words: str
) -> None:
    people = [person for group in groups for person in group]
    with pytest.raises(InputError, match=words) as caught:
        make_folds(people, k, groups=groups, inner_share=inner)
    assert len(caught.value.problems) == 1


def test_nobody_chooses_the_epoch_on_the_people_who_are_reported() -> None:
    """Three people in two folds: the first holds out two and leaves one."""
    with pytest.raises(InputError, match="--folds: found 3 participants, of which fold 0 holds out 2"):
        make_folds(RECOLA[:3], 2, inner_share=0.2)
    make_folds(RECOLA[:4], 2, inner_share=0.2)


def test_groups_are_read_from_the_attributes_in_the_corpus_order() -> None:
    assert groups_of(corpus_with("x", "y", "x", "y", "z"), "dyad") == (("P0", "P2"), ("P1", "P3"), ("P4",))


@pytest.mark.parametrize(
    ("column", "kind", "words"),
    [
        ([None, None, None], "table", "--group-by: found dyad: no column of participants.csv; expected a column of"),
        ([None, None, None], "recola", "RECOLA's pairs stand in its metadata.*columns participant and dyad"),
        (["1", None, None], "table", "--group-by dyad: found no dyad of P1, P2; expected a value for everybody"),
    ],
)
def test_people_without_a_value_are_named(column: list[str | None], kind: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        groups_of(corpus_with(*column, kind=kind), "dyad")
    assert len(caught.value.problems) == 1


def test_another_column_is_answered_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"--group-by: found pair: participants.csv has dyad; expected"):
        groups_of(corpus_with("1", "1"), "pair")


@pytest.mark.parametrize("federated", [False, True])
def test_a_protocol_with_groups_splits_by_them_and_a_run_goes_on_by_its_own(federated: bool) -> None:
    protocol = dataclasses.replace(DESCRIBED, num_folds=3, group_by="dyad")
    corpus = corpus_with("x", "y", "z", "x", "y", "z")
    dataset = make_dataset(corpus, protocol, seed=0, federated=federated)
    assert dataset.groups == (("P0", "P3"), ("P1", "P4"), ("P2", "P5"))
    assert [fold.held_out for fold in dataset.folds] == [("P0", "P3"), ("P1", "P4"), ("P2", "P5")]
    assert [split.held_out for split in dataset.splits] == [(0, 3), (1, 4), (2, 5)]
    if federated:
        assert {client.name for client in dataset.clients} == set(corpus.participants)
    edited = dataclasses.replace(corpus, attributes={})
    resumed = make_dataset(edited, protocol, seed=0, federated=federated, groups=dataset.groups)
    assert resumed.folds == dataset.folds


def test_strict_keeps_groups_together_inside_and_outside() -> None:
    protocol = dataclasses.replace(STRICT, num_folds=3, group_by="dyad", scaling="none")
    dataset = make_dataset(corpus_with("x", "y", "z", "x", "y", "z"), protocol, seed=0)
    for fold, split in zip(dataset.folds, dataset.splits, strict=True):
        assert len(fold.inner) == 2
        assert fold.inner in dataset.groups
        assert split.validation == tuple(int(person[1]) for person in fold.inner)


def test_groups_are_in_the_plan_and_decide_its_uids(tmp_path: Path) -> None:
    grouped = dataclasses.replace(DESCRIBED, group_by="dyad")
    pairs, others = (("P0", "P1"), ("P2", "P3")), (("P0", "P2"), ("P1", "P3"))
    kinds = [grid.decisive(grouped, 0, None, None, groups=groups) for groups in (pairs, others)]
    assert kinds[0] != kinds[1]
    assert grid.decisive(DESCRIBED, 0, None, None) == grid.decisive(DESCRIBED, 0, None, None, groups=())
    assert "groups" not in grid.decisive(DESCRIBED, 0, None, None)
    plan = make_plan(protocol=grouped)
    decides = {"method": "au", "corpus": plan.corpus.sha256, **kinds[0]}
    trials = tuple(
        dataclasses.replace(one, uid=grid.uid_of(one.network, dataclasses.asdict(one.hparams), decides))
        for one in plan.trials
    )
    plan = dataclasses.replace(plan, trials=trials, groups=pairs)
    plan = dataclasses.replace(plan, decisive=grid.decisive_of(dataclasses.asdict(plan)))
    plan_file.save_plan(plan, tmp_path)
    assert plan_file.load_plan(tmp_path) == plan
    file = tmp_path / "plan.json"
    raw = json.loads(file.read_text())
    file.write_text(json.dumps({**raw, "groups": [list(group) for group in others]}))
    with pytest.raises(InputError, match=r"plan\.json: groups: found .*as when the run began"):
        plan_file.load_plan(tmp_path)


def test_the_last_places_are_left_for_the_groups_to_come() -> None:
    groups = (("A", "B", "C", "D"), ("E",), ("F",))
    assert [fold.held_out for fold in make_folds("ABCDEF", 3, groups=groups)] == list(groups)
