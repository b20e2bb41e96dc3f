import pytest

from orchestrator.data.folds import make_folds
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


def test_inner_people_depend_on_the_seed_and_differ_between_folds() -> None:
    once, again, other = (make_folds(RECOLA, 8, inner_share=0.2, seed=seed) for seed in (1, 1, 2))
    assert once == again
    assert [fold.inner for fold in once] != [fold.inner for fold in other]
    assert len({fold.inner for fold in once}) > 1


@pytest.mark.parametrize(("people", "k", "inner"), [(1, 2, 0.0), (7, 8, 0.0), (2, 2, 0.2)])
def test_too_few_people_are_refused(people: int, k: int, inner: float) -> None:
    with pytest.raises(InputError, match="--folds: found"):
        make_folds(RECOLA[:people], k, inner_share=inner)


def test_leave_one_out_is_allowed() -> None:
    assert [fold.held_out for fold in make_folds(RECOLA[:3], 3)] == [("P16",), ("P17",), ("P18",)]
