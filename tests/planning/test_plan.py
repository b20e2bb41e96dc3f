import dataclasses
from collections import Counter
from typing import Any

import pytest

from fed.options import Federation
from orchestrator.data.image_options import ImageOptions
from orchestrator.errors import InputError
from orchestrator.planning import grid
from orchestrator.planning.grid import decisive, grid_points, make_trials, parse_grid_overrides
from orchestrator.protocols import DESCRIBED, PUBLISHED
from tests.records import CORPUS, SMALL_GRID, make_plan
from tune_spaces import au
from tune_spaces.catalogue import find_method, method_names


def test_the_papers_grid_has_720_points_a_network() -> None:
    points = grid_points(au.NETWORKS, au.GRID)
    assert Counter(network for network, _ in points) == {"rnn": 720, "bigru": 720, "bilstm": 720}
    assert len(set(points)) == 2160


@pytest.mark.parametrize(("name", "points"), [("images", 360), ("fl", 360), ("fl-au", 720)])
def test_the_papers_grids_of_the_other_methods(name: str, points: int) -> None:
    """Section IV.B: images have sequence lengths of their own, action units those of `au` in a federation too."""
    method = find_method(name)
    paper = method.presets["paper"]
    found = grid_points(paper.networks, paper.grid)
    assert Counter(network for network, _ in found) == dict.fromkeys(("rnn", "bigru", "bilstm"), points)
    assert len(set(found)) == 3 * points
    if method.features == "frames":
        assert {hparams.sequence_length for _, hparams in found} == {4, 8, 16, 32}
    else:
        assert set(found) == set(grid_points(au.NETWORKS, au.GRID))


def test_every_method_is_found_by_its_file_and_an_unknown_one_lists_them() -> None:
    assert "au" in method_names()
    for name in method_names():
        method = find_method(name)
        assert method.name == name
        assert set(method.presets) == {"paper", "standard", "demo"}
        paper = method.presets["paper"].grid
        for network, point in method.published.items():
            assert network in method.networks
            assert all(getattr(point, key) in paper[key] for key in paper), f"{name} {network}"
        for key, values in method.presets["demo"].grid.items():
            if key == "learning_rate":  # the demos' few steps may want one between the paper's
                assert min(paper[key]) <= min(values) <= max(values) <= max(paper[key]), name
            else:
                assert set(values) <= set(paper[key]), f"{name} {key}"
    with pytest.raises(ValueError, match=r"no method; known: .*au"):
        find_method("nothing")


def test_uid_depends_on_everything_that_decides_the_result() -> None:
    points = grid_points(("rnn",), SMALL_GRID)

    def first(**changes: Any) -> str:
        fields: dict[str, Any] = {"protocol": DESCRIBED, "seed": 0, "images": None, "federation": None, **changes}
        method, corpus = fields.pop("method", "au"), fields.pop("corpus", CORPUS)
        return make_trials(
            points, method=method, corpus=corpus, decisive=grid.decisive(**fields), refuse=lambda _: None
        )[0][0].uid

    other_data = dataclasses.replace(CORPUS, sha256="cd" * 32)
    moved = dataclasses.replace(CORPUS, path="/elsewhere")
    uids = [first(), first(protocol=PUBLISHED), first(corpus=other_data), first(seed=1), first(method="fl")]
    images = ImageOptions(image_size=48, frame_stride=4, face_crop="none", backbone="trained", weights="none")
    uids += [first(images=images), first(images=dataclasses.replace(images, image_size=64))]
    uids += [first(federation=Federation()), first(federation=Federation(aggregator="median"))]
    adam = Federation(server_optimiser="fedadam")
    uids += [first(federation=adam), first(federation=dataclasses.replace(adam, server_tau=0.1))]
    uids += [first(federation=Federation(aggregator="trimmed-mean", trim_share=share)) for share in (0.1, 0.2)]
    uids += [first(federation=Federation(aggregator="multi-krum", krum_attackers=number)) for number in (None, 0, 1)]
    assert len(set(uids)) == 16
    assert first(corpus=moved) == first()


def test_federations_from_before_later_options_keep_their_uids() -> None:
    """As computed before there was a server optimiser or a share to trim."""
    before = {"mean": "aa5c5e42a463", "trimmed-mean": "b18223c56056", "personalised": "229a831bb6e3"}
    for aggregator, uid in before.items():
        decisive = grid.decisive(DESCRIBED, 0, None, Federation(aggregator=aggregator))
        trials, _ = make_trials(
            grid_points(("rnn",), SMALL_GRID), method="fl-au", corpus=CORPUS, decisive=decisive, refuse=lambda _: None
        )
        assert trials[0].uid == uid


def test_points_longer_than_any_recording_are_refused_with_the_reason() -> None:
    trials, refused = make_trials(
        grid_points(("rnn",), {**SMALL_GRID, "sequence_length": (50, 300, 301)}),
        method="au",
        corpus=CORPUS,
        decisive={},
        refuse=lambda length: "too long" if length > 300 else None,
    )
    assert len(trials) == 8
    assert len(refused) == 4
    assert all(point["why"] == "too long" and "L=301" in point["point"] for point in refused)


def test_overrides_replace_values_and_all_faults_are_named_at_once() -> None:
    preset = au.METHOD.presets["demo"]
    assert parse_grid_overrides(["hidden_size=8,16"], au.METHOD, preset)["hidden_size"] == (8, 16)
    with pytest.raises(InputError) as caught:
        parse_grid_overrides(
            ["hidden=8", "num_layers=two", "learning_rate=-1", "hidden_size=8.5", "sequence_length"],
            au.METHOD,
            preset,
        )
    assert len(caught.value.problems) == 5
    assert "one of learning_rate, hidden_size" in str(caught.value)


def test_random_search_draws_by_seed_without_replacement() -> None:
    trials = make_plan().trials
    once, again, other = (grid.choose_random(trials, 4, seed) for seed in (0, 0, 1))
    assert once == again != other
    assert len({trial.uid for trial in once}) == 4
    assert set(grid.choose_random(trials, None, 0)) == set(trials)


def test_how_predictions_are_joined_is_in_no_uid() -> None:
    """It decides no result of a trial; `label_decimals` does."""
    protocol = dataclasses.replace(DESCRIBED, joining="mean")
    assert decisive(protocol, 0, None, None) == decisive(DESCRIBED, 0, None, None)
    assert "joining" not in decisive(DESCRIBED, 0, None, None)["protocol"]
    rounded = dataclasses.replace(DESCRIBED, label_decimals=2)
    assert decisive(rounded, 0, None, None) != decisive(DESCRIBED, 0, None, None)
