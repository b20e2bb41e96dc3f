import contextlib
import itertools
import random

import pytest

from models.seeds import seed_for
from orchestrator.data.folds import in_drawn_order, make_folds
from orchestrator.data.groups import alone
from orchestrator.errors import InputError

RECOLA = [f"P{number}" for number in range(16, 39)]


def test_recola_gives_seven_folds_of_three_and_one_of_two_in_order() -> None:
    folds = make_folds(RECOLA, 8)
    assert [len(fold.held_out) for fold in folds] == [3] * 7 + [2]
    assert [person for fold in folds for person in fold.held_out] == RECOLA
    assert all(set(fold.train) == set(RECOLA) - set(fold.held_out) for fold in folds)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.99])
def test_inner_people_come_from_the_training_people(share: float) -> None:
    for fold in make_folds(RECOLA, 8, inner_share=share, seed=3):
        assert fold.inner
        assert fold.train
        assert sorted([*fold.train, *fold.inner, *fold.held_out]) == RECOLA


@pytest.mark.parametrize(
    ("share", "of_20", "of_21"), [(0.2, 4, 4), (0.01, 1, 1), (0.13, 3, 3), (0.88, 18, 18), (0.99, 19, 20)]
)
def test_so_many_inner_people_are_the_share_of_the_training_people(share: float, of_20: int, of_21: int) -> None:
    """Rounded, at least one, and somebody is left to train on. Seven folds train on 20 people, the last on 21."""
    assert [len(fold.inner) for fold in make_folds(RECOLA, 8, inner_share=share)] == [of_20] * 7 + [of_21]


def test_inner_and_training_people_stay_in_the_order_of_the_corpus() -> None:
    for fold in make_folds(RECOLA, 8, inner_share=0.4, seed=5):
        assert list(fold.inner) == sorted(fold.inner)
        assert list(fold.train) == sorted(fold.train)


def test_every_fold_draws_its_inner_people_by_a_seed_of_its_own() -> None:
    """The last two of three folds of one person in 40 have equal others but for one: which places are drawn differs."""
    people = [f"P{number:02d}" for number in range(40)]
    folds = make_folds(people, 40, inner_share=0.2)
    places = [
        tuple([one for one in people if one not in fold.held_out].index(one) for one in fold.inner) for fold in folds
    ]
    assert len(set(places)) == 40


def test_the_drawn_people_are_those_of_the_seed_named_in_the_code() -> None:
    """Fold 1 of seed 3, by Python's own generator: a draw by another fold's seed, or another order, is another list."""
    fold = make_folds(RECOLA, 8, inner_share=0.2, seed=3)[1]
    others = [one for one in RECOLA if one not in fold.held_out]
    drawn = random.Random(seed_for(3, "fold", 1, "inner")).sample(others, 4)
    assert fold.inner == tuple(sorted(drawn))
    assert make_folds(RECOLA, 8, inner_share=0.2) == make_folds(RECOLA, 8, inner_share=0.2, seed=0)


def test_inner_people_depend_on_the_seed_and_differ_between_folds() -> None:
    once, again, other = (make_folds(RECOLA, 8, inner_share=0.2, seed=seed) for seed in (1, 1, 2))
    assert once == again
    assert [fold.inner for fold in once] != [fold.inner for fold in other]
    assert len({fold.inner for fold in once}) > 1


@pytest.mark.parametrize(
    ("people", "k", "inner", "least"),
    [(1, 2, 0.0, 2), (7, 8, 0.0, 8), (2, 2, 0.2, 3), (0, 2, 0.0, 2), (7, 8, 0.2, 8)],
)
def test_too_few_people_are_refused_with_how_many_are_needed(people: int, k: int, inner: float, least: int) -> None:
    found = rf"--folds: found {people} participants? for {k} folds; expected at least {least} participants"
    with pytest.raises(InputError, match=found):
        make_folds(RECOLA[:people], k, inner_share=inner)


def test_a_fold_beside_which_one_person_is_left_cannot_choose() -> None:
    """Halves of three people: the first holds two out, and the third can train or choose, not both."""
    with pytest.raises(InputError, match=r"--folds: found 3 participants, of which fold 0 holds out 2; expected two"):
        make_folds(RECOLA[:3], 2, inner_share=0.2)


def test_why_there_are_few_people_is_told_where_it_is_known() -> None:
    with pytest.raises(InputError, match=r"for 8 folds \(one file was left out\); expected"):
        make_folds(RECOLA[:7], 8, hint="one file was left out")


@pytest.mark.parametrize("k", [1, 0, -1])
def test_one_fold_is_none(k: int) -> None:
    with pytest.raises(InputError, match=f"--folds: found {k}; expected at least 2"):
        make_folds(RECOLA, k)


def test_the_fewest_people_that_can_be_parted() -> None:
    assert [(fold.train, fold.held_out) for fold in make_folds(RECOLA[:2], 2)] == [
        (("P17",), ("P16",)),
        (("P16",), ("P17",)),
    ]
    for people, k in ((4, 2), (3, 3)):
        folds = make_folds(RECOLA[:people], k, inner_share=0.2)
        assert [(len(fold.train), len(fold.inner)) for fold in folds] == [(1, 1)] * k


def test_with_inner_people_no_fold_is_without_one() -> None:
    """Else the people who are reported would choose: where there is nobody inside, the fold itself validates."""
    for people, k in itertools.product(range(13), range(2, 13)):
        with contextlib.suppress(InputError):
            folds = make_folds(RECOLA[:people], k, inner_share=0.2)
            assert all(fold.inner and fold.train for fold in folds), (people, k)


def test_leave_one_out_is_allowed() -> None:
    assert [fold.held_out for fold in make_folds(RECOLA[:3], 3)] == [("P16",), ("P17",), ("P18",)]


def test_only_later_draws_shuffle_people_each_in_its_own_way() -> None:
    units = alone(RECOLA)
    assert in_drawn_order(units, 0, seed=4) == units
    draws = [in_drawn_order(units, draw, seed=seed) for draw, seed in ((1, 4), (2, 4), (1, 5))]
    assert len({*draws, units}) == 4
    assert all(tuple(sorted(draw)) == units for draw in draws)
    assert draws[0] == in_drawn_order(units, 1, seed=4)


def test_groups_stay_together_in_every_draw() -> None:
    groups = tuple(tuple(RECOLA[place : place + 2]) for place in range(0, 8, 2))
    drawn = in_drawn_order(groups, 2, seed=1)
    assert drawn != groups
    folds = make_folds([person for unit in drawn for person in unit], 4, groups=drawn)
    assert {fold.held_out for fold in folds} == set(groups)
