from collections.abc import Sequence

import numpy as np
import pytest

from models.ccc import Moments
from orchestrator.estimators.label_variance import LabelVariance, label_variance, scaling_warning


def people(*labels: Sequence[float]) -> dict[str, Moments]:
    return {f"P{i}": Moments.of(np.zeros(len(one)), np.array(one)) for i, one in enumerate(labels)}


def test_icc_1_is_pingouins() -> None:
    """People as targets, frames as ratings of them: pingouin 0.7.0, ICC(1,1) of Shrout and Fleiss's table 2."""
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = label_variance(people(*table))
    assert found is not None
    assert found.between == pytest.approx(0.1657417684054755, abs=1e-12)
    assert (found.constant_share, found.num_people, found.warns) == (0.0, 6, False)


def test_unequal_recordings_by_hand() -> None:
    """Labels 0, 2 and 4, 4, 7: MSB = 19.2, MSW = (2 + 6) / 3, n0 = 5 - 13/5 = 2.4."""
    found = label_variance(people([0, 2], [4, 4, 7]))
    assert found is not None
    inside, between = 8 / 3, 2 * (1 - 3.4) ** 2 + 3 * (5 - 3.4) ** 2
    assert found.between == pytest.approx((between - inside) / (between + 1.4 * inside))


def test_one_frame_more_than_people() -> None:
    """Labels 0, 2 and 5: the only degree of freedom inside people is 1. n0 = 3 - 5/3."""
    found = label_variance(people([0, 2], [5]))
    assert found is not None
    inside, between = 2.0, 2 * (1 - 7 / 3) ** 2 + (5 - 7 / 3) ** 2
    assert found.between == pytest.approx((between - inside) / (between + inside / 3))


def test_all_between_all_within_and_nothing() -> None:
    between = label_variance(people([0.1] * 4, [0.5] * 4, [0.3] * 4))
    assert between == LabelVariance(between=1.0, constant_share=1.0, num_people=3)
    assert between is not None
    assert between.warns
    within = label_variance(people([-1, 1], [-1, 1], [-1, 1]))
    assert within == LabelVariance(between=0.0, constant_share=0.0, num_people=3)
    still = label_variance(people([0.2, 0.2], [0.2, 0.2]))
    assert still is not None
    assert still.between == 0.0
    assert label_variance(people([0.1, 0.2], [])) is None
    assert label_variance({}) is None


def test_the_warning_has_the_figure_and_names_the_other_scalings() -> None:
    above = LabelVariance(between=0.412, constant_share=1 / 3, num_people=20)
    below = LabelVariance(between=1 / 3, constant_share=1 / 3, num_people=20)
    found = scaling_warning({"valence": above, "arousal": below}, "participant")
    assert found is not None
    assert "41% of the variance of valence lies between people" in found
    assert "arousal" not in found
    assert "single" not in found
    assert "--scaling train" in found
    assert "--scaling both" in found
    constant = scaling_warning(
        {"arousal": LabelVariance(between=0.0, constant_share=0.5, num_people=40)}, "participant"
    )
    assert constant is not None
    assert "50% of 40 people have a single arousal label" in constant


@pytest.mark.parametrize("scaling", ["train", "none", "both"])
def test_no_warning_where_nothing_is_taken_away(scaling: str) -> None:
    above = LabelVariance(between=0.9, constant_share=0.9, num_people=20)
    assert scaling_warning({"valence": above}, scaling) is None
    low = LabelVariance(between=0.1, constant_share=0.0, num_people=20)
    assert scaling_warning({"valence": low, "arousal": None}, "participant") is None
