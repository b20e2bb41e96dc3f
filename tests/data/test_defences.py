"""Defences: what each does to features, what a protocol keeps of them, and that clients and drivers see the same."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from models.windows import Series
from orchestrator.corpora.recording import Corpus, Recording
from orchestrator.data.dataset import make_dataset
from orchestrator.data.defence_names import DEFENCES, canonical, changes_values, parts
from orchestrator.data.defences import SLOW_SECONDS, check_low_pass, defended, defended_corpus, without_dropped
from orchestrator.errors import InputError
from orchestrator.planning.grid import decisive
from orchestrator.protocols import DESCRIBED, Protocol
from tests.data.test_dataset import make_corpus


def recording(features: np.ndarray, hz: float = 10.0, participant: str = "P1") -> Recording:
    return Recording(
        participant=participant,
        session="",
        time=np.arange(len(features)) / hz,
        features=features.astype(np.float32),
        valid=np.asarray(np.isfinite(features).all(axis=1)),
        raters=("r",),
        ratings=np.zeros((len(features), 1, 2), np.float32),
    )


def protocol(*defences: str) -> Protocol:
    return dataclasses.replace(DESCRIBED, num_folds=3, defence=canonical(defences))


def corpus_of(names: tuple[str, ...]) -> Corpus:
    made = make_corpus()
    generator = np.random.default_rng(0)
    recordings = tuple(
        dataclasses.replace(one, features=generator.normal(size=(len(one.time), len(names))).astype(np.float32))
        for one in made.recordings
    )
    return dataclasses.replace(made, feature_names=names, recordings=recordings, sha256="de" * 32)


@pytest.mark.parametrize(("hz", "left"), [(0.05, 1.0), (0.5, 0.707), (2.0, 0.0)])
def test_low_pass_halves_the_power_at_its_frequency(hz: float, left: float) -> None:
    time = np.arange(4000) / 50.0
    wave = np.sin(2 * np.pi * hz * time)[:, None]
    shown = defended(recording(wave, hz=50.0), "low-pass=0.5")[500:-500, 0]
    assert np.abs(shown).max() == pytest.approx(left, abs=0.25 if not left else 0.03)


def test_low_pass_averages_what_is_known() -> None:
    values = np.full((100, 1), 2.0)
    values[40:45] = np.nan
    shown = defended(recording(values), "low-pass=0.5")
    assert np.isnan(shown[40:45]).all()
    assert np.allclose(np.delete(shown, range(40, 45), axis=0), 2.0)


def test_quantise_rounds_to_the_step() -> None:
    shown = defended(recording(np.array([[0.2], [0.3], [1.24], [-0.8]])), "quantise=0.5")
    assert shown[:, 0].tolist() == [0.0, 0.5, 1.0, -1.0]


def test_noise_has_its_deviation_whatever_the_signal_and_is_of_its_own_in_every_frame() -> None:
    for scale in (0.1, 10.0):
        signal = scale * np.random.default_rng(1).normal(size=(4000, 3))
        added = defended(recording(signal), "noise=2") - signal
        assert added.std(axis=0) == pytest.approx([2.0] * 3, rel=0.05)
        assert abs(np.corrcoef(added[:-1, 0], added[1:, 0])[0, 1]) < 0.05
        assert abs(np.asarray(np.corrcoef(added.T))[0, 1]) < 0.05


def test_correlated_noise_goes_along_in_time_and_in_half_along_the_columns() -> None:
    signal = np.zeros((200_000, 2))
    added = defended(recording(signal), "correlated-noise=2")
    assert added.std(axis=0) == pytest.approx([2.0] * 2, rel=0.05)
    assert np.asarray(np.corrcoef(added.T))[0, 1] == pytest.approx(0.5, abs=0.05)
    late = int(SLOW_SECONDS * 10)
    assert np.asarray(np.corrcoef(added[:-late, 0], added[late:, 0]))[0, 1] == pytest.approx(np.exp(-1), abs=0.05)


def test_noise_repeats_for_a_person_and_differs_between_people() -> None:
    signal = np.zeros((50, 2))
    one, again, other = (defended(recording(signal, participant=person), "noise=1") for person in ("P1", "P1", "P2"))
    assert np.array_equal(one, again)
    assert not np.isclose(one, other).any()


def test_defences_are_written_in_the_order_in_which_they_are_applied() -> None:
    text = canonical(["quantise=0.50", "drop=flow+pose", "low-pass= 1"])
    assert text == "drop=pose+flow,low-pass=1,quantise=0.5"
    assert parts(text) == {"drop": "pose+flow", "low-pass": "1", "quantise": "0.5"}
    assert canonical([]) is None
    assert not changes_values("drop=pose")
    assert changes_values(text)
    signal = np.random.default_rng(0).normal(size=(60, 2))
    shown = defended(recording(signal), "low-pass=1,quantise=0.5")
    assert np.array_equal(shown, np.round(shown * 2) / 2)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["fog=1"], "'fog=1'; expected NAME=VALUE, NAME one of drop, low-pass, noise"),
        (["noise"], "'noise'; expected noise= and a number above 0"),
        (["noise=0"], "'noise=0'; expected noise= and"),
        (["noise=inf"], "'noise=inf'; expected noise= and"),
        (["noise=nan"], "'noise=nan'; expected noise= and"),
        (["drop=mouth"], "'drop=mouth'; expected drop= and of pose, gaze, flow"),
        (["noise=1", "noise=2"], "noise twice; expected each defence once"),
    ],
)
def test_what_is_no_defence_is_named(given: list[str], found: str) -> None:
    with pytest.raises(InputError) as error:
        canonical(given)
    assert str(error.value).startswith(f"--defence: found {found}")


@pytest.mark.parametrize("text", ["quantise=0.5,low-pass=1", "noise=1.0", "fog=1", "noise"])
def test_a_protocol_that_was_edited_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parts(text)


def test_dropped_columns_are_in_no_series_and_not_among_the_names() -> None:
    names = ("AU01", "Yaw", "gaze_0_x", "AU12", "Opt_mean", "Yaw_delta", "pose_Rx")
    corpus = corpus_of(names)
    dataset = make_dataset(corpus, dataclasses.replace(protocol("drop=pose+flow"), scaling="none"), seed=0)
    assert dataset.feature_names == ("AU01", "gaze_0_x", "AU12")
    assert dataset.num_features == 3
    series = dataset.series[0]
    assert isinstance(series, Series)
    assert np.array_equal(series.features_TF, corpus.recordings[0].features[:, [0, 2, 3]])


@pytest.mark.parametrize(("names", "what"), [(("AU01", "AU02"), "none of 2"), (("Yaw", "Roll"), "all of 2")])
def test_dropping_nothing_or_everything_is_refused(names: tuple[str, ...], what: str) -> None:
    with pytest.raises(InputError, match=f"--defence: found drop=pose, which takes {what} columns"):
        without_dropped(corpus_of(names), "drop=pose")


def test_a_low_pass_that_reaches_no_other_frame_is_refused() -> None:
    one = recording(np.zeros((50, 1)), hz=25.0)
    corpus = dataclasses.replace(corpus_of(("AU01",)), recordings=(one,))
    for harmless in (None, "noise=1", "low-pass=5.53"):
        check_low_pass(corpus, harmless)
    steep = recording(np.arange(50.0)[:, None] ** 2, hz=25.0)
    assert not np.allclose(defended(steep, "low-pass=5.53"), steep.features)
    assert np.allclose(defended(steep, "low-pass=5.54"), steep.features)
    said = (
        r"--defence: found low-pass=5.54, an average over 0.08 s, .*; expected at most low-pass=5.53 with frames 0.04 s"
    )
    with pytest.raises(InputError, match=said):
        check_low_pass(corpus, "low-pass=5.54")


def test_clients_see_what_the_driver_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECT_ORCHESTRATOR_CACHE", str(tmp_path))
    corpus = corpus_of(("AU01", "Yaw", "AU12"))
    for defences in ((), ("drop=pose", "noise=1", "low-pass=2"), ("quantise=0.5",)):
        own = protocol(*defences)
        central = make_dataset(corpus, own, seed=0).local_series()
        federated = make_dataset(corpus, own, seed=0, federated=True)
        there = [one for client in federated.clients for one in client.load()]
        for one, other in zip(central, there, strict=True):
            assert isinstance(one, Series)
            assert isinstance(other, Series)
            assert np.array_equal(one.features_TF, other.features_TF)


def test_a_shared_corpus_is_what_training_reads() -> None:
    corpus = corpus_of(("AU01", "Yaw", "AU12"))
    text = canonical(["drop=pose", "noise=1"])
    shared = defended_corpus(corpus, text)
    plain = dataclasses.replace(protocol(), scaling="none")
    one = make_dataset(shared, plain, seed=0).local_series()
    other = make_dataset(corpus, dataclasses.replace(plain, defence=text), seed=0).local_series()
    for left, right in zip(one, other, strict=True):
        assert isinstance(left, Series)
        assert isinstance(right, Series)
        assert np.array_equal(left.features_TF, right.features_TF)
    assert shared.sha256 != corpus.sha256 != defended_corpus(corpus, "noise=1").sha256
    assert defended_corpus(corpus, None) is corpus


def test_a_defence_decides_a_uid_and_none_leaves_uids_as_they_were() -> None:
    with_it, without = (decisive(protocol(*given), 0, None, None, (), groups=()) for given in (["noise=1"], []))
    assert with_it != without
    assert "defence" not in str(without)


def test_every_defence_is_a_function_that_keeps_the_shape() -> None:
    assert DEFENCES
    values = np.random.default_rng(0).normal(size=(30, 2))
    for name in DEFENCES:
        shown = defended(recording(values), f"{name}=0.5")
        assert shown.shape == values.shape
        assert not np.array_equal(shown, values.astype(np.float32))
