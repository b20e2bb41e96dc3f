# ruff: noqa: N806 - shape suffixes, by the legend of the code under test
"""A server's attacks on federations of small people: the federation's own code, what is seen of it, and the records."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from fed.executors.in_process import in_process
from fed.options import Federation
from fed.rounds import FederatedFolds
from fed.updates import Layout, flatten
from orchestrator.audit.folder import AuditFolder
from orchestrator.audit.membership.models import local_clients
from orchestrator.audit.records import UPDATE, Audit
from orchestrator.audit.server import sums as server_sums
from orchestrator.audit.server.question import RULES, server_tasks, sum_attacks, update_attacks
from orchestrator.audit.server.rounds import (
    LocalTraining,
    first_layer,
    mean_step,
    network_of,
    rounds,
    watched,
)
from orchestrator.audit.server.sums import sums_seen
from orchestrator.audit.server.updates import frames_of, has_other_sessions, other_recordings, updates_seen
from orchestrator.audit.subject import Subject
from orchestrator.audit.tasks import Task, run_tasks
from orchestrator.corpora.readers import open_corpus
from orchestrator.data.image_options import ImageOptions
from orchestrator.protocols import DESCRIBED
from tests.audit.toys import material, people
from tests.models.toys import toy_frames
from tune_spaces.method import HParams


def federated(num_people=6, *, epochs=3, series=None, **changes):
    federation = Federation(**changes.pop("federation", {}))
    made = people(num_people) if series is None else series
    return material(made, federation=federation, epochs=epochs, learning_rate=1e-2, num_folds=3, **changes)


def trained(made, start, split):
    training = FederatedFolds(
        local_clients(made.series),
        [one.participant for one in made.series],
        [split],
        made.recipe,
        made.federation,
        seed=made.seed,
        start=start,
    )
    return training, [epoch.validation_loss for epoch in training.epochs()]


@pytest.mark.parametrize("aggregator", ["mean", "weighted-mean", "median", "personalised"])
def test_a_watched_federation_is_the_same_to_the_last_bit(aggregator):
    made = federated(4, federation={"aggregator": aggregator})
    split = made.split(made.people[1:])
    seen = []
    plain, losses = trained(made, in_process, split)
    looked_at, same = trained(made, watched(in_process, lambda call, answer: seen.append((call, answer))), split)
    assert losses == same
    for name, value in plain.fold_state(0).items():
        assert torch.equal(value, looked_at.fold_state(0)[name]), name
    assert [sorted(answer.values) for _, answer in seen] == [["P1", "P2", "P3"]] * 3


def test_steps_are_what_the_next_round_is_made_of():
    made = federated(4)
    split = made.split(made.people)
    first, second, _ = rounds(made, split, 3)
    mean_N = np.mean([first.steps()[name] for name in first.names], axis=0)
    assert first.names == made.people
    assert second.weights - first.weights == pytest.approx(mean_N, abs=1e-6)
    assert mean_step(first, made.federation, network_of(made)) == pytest.approx(mean_N)


def test_a_weighted_mean_weighs_by_windows():
    series = [dataclasses.replace(people(4, frames=frames)[n]) for n, frames in enumerate((16, 32, 48, 160))]
    made = federated(series=series, federation={"aggregator": "weighted-mean"}, epochs=2)
    first, second = rounds(made, made.split(made.people), 2)
    found = mean_step(first, made.federation, network_of(made))
    assert second.weights - first.weights == pytest.approx(found, abs=1e-6)
    assert np.abs(np.mean(list(first.steps().values()), axis=0) - found).max() > 1e-4


def test_a_secure_sum_is_read_from_the_ring():
    made = federated(4, federation={"secure_sum": True})
    (seen,) = rounds(made, made.split(made.people), 1)
    clear = np.mean(list(seen.steps().values()), axis=0)
    found = mean_step(seen, made.federation, network_of(made))
    assert found == pytest.approx(clear, abs=1e-5)
    assert (found != clear).any()  # fixed-point numbers
    coarse = Federation(secure_sum=True, secure_bound=1e-4)
    assert not mean_step(seen, coarse, network_of(made)).any()  # nobody's update fits


def test_an_attackers_guess_is_the_clients_own_training_but_for_the_order():
    made = federated(3, order="in-order")
    split = made.split(made.people)
    (seen,) = rounds(made, split, 1)
    guessed = LocalTraining(made.series, made, split, seed=99).steps(seen)
    for name, step_N in seen.steps().items():
        assert guessed[name] == pytest.approx(step_N, abs=1e-7)
    shuffled = federated(series=people(3, frames=160))
    (seen,) = rounds(shuffled, split, 1)
    guessed = LocalTraining(shuffled.series, shuffled, split, seed=99).steps(seen)
    assert np.abs(guessed["P0"] - seen.steps()["P0"]).max() > 1e-4


def test_the_first_layers_rows_are_found():
    made = federated(3, network="bigru")
    network = network_of(made)
    flat, _ = flatten(network.state_dict(), Layout.of(network.state_dict()))
    found = first_layer(flat.astype(np.float64), Layout.of(network.state_dict()))
    both = [network.state_dict()[f"recurrence.weight_ih_l0{suffix}"].numpy() for suffix in ("", "_reverse")]
    assert (found == np.concatenate(both)).all()


def test_people_who_differ_are_exposed_to_a_server(tmp_path):
    made = federated(6, epochs=3)
    attacks: dict[str, Any] = {
        one.name: one for one in update_attacks(made, updates_seen(made, tmp_path, lambda _: None))
    }
    assert set(attacks) == {"linkability update", "update-match update", "row-space update"}
    for name, one in attacks.items():
        assert one.main.chance == pytest.approx(1 / 6), name
        assert one.main.value > 0.8, name
        assert set(one.per_person) == set(made.people), name


def test_people_who_are_alike_are_linked_by_chance(tmp_path):
    alike = [dataclasses.replace(people(1)[0], participant=f"P{number}") for number in range(8)]
    made = federated(series=alike, epochs=2, order="in-order")
    found = updates_seen(made, tmp_path, lambda _: None)
    for name, right_C in found.items():
        assert right_C == pytest.approx(1 / 8), name


def test_a_sum_tells_which_of_two_candidates_is_in_it(tmp_path):
    made = federated(6, epochs=3)
    attacks: list[Any] = sum_attacks(made, *sums_seen(made, tmp_path, lambda _: None))
    assert [one.name for one in attacks] == ["sum-membership sum 1-round", "sum-membership sum all-rounds"]
    assert attacks[0].main.value > 0.8
    assert attacks[-1].settings == {"rounds": 3, "secure": False}
    assert "sums of 4 clients" in attacks[0].notes[0]


def test_a_moment_has_the_rounds_up_to_it(tmp_path):
    found, _ = sums_seen(federated(6, epochs=3), tmp_path / "three", lambda _: None)
    first, _ = sums_seen(federated(6, epochs=1), tmp_path / "one", lambda _: None)
    assert (found[0] == first[0]).all()
    assert (found[1] != found[0]).all()


def test_secure_sums_tell_as_much_as_plain_ones(tmp_path):
    plain, _ = sums_seen(federated(6, epochs=1), tmp_path / "plain", lambda _: None)
    made = federated(6, epochs=1, federation={"secure_sum": True})
    secure, member_KP = sums_seen(made, tmp_path / "secure", lambda _: None)
    assert secure == pytest.approx(plain, rel=1e-3)
    one: Any
    (one,) = sum_attacks(made, secure, member_KP)
    assert one.main.value > 0.8
    assert "masks of secure sums have cancelled" in one.notes[0]


def test_whose_recordings_the_attacker_has_decides(tmp_path):
    # Everybody's other session is the next person's: nobody's update is matched with their own name.
    there = people(6, sessions=2)
    others = [dataclasses.replace(there[2 * n + 1], participant=f"P{(n + 1) % 6}") for n in range(6)]
    made = federated(series=[one for n in range(6) for one in (there[2 * n], others[n - 1])], epochs=2)
    assert updates_seen(made, tmp_path, lambda _: None)["matched"].max() < 0.5


def test_a_sum_of_people_who_are_alike_tells_nothing(tmp_path):
    alike = [dataclasses.replace(people(1)[0], participant=f"P{number}") for number in range(6)]
    made = federated(series=alike, epochs=2, order="in-order")
    for one in sum_attacks(made, *sums_seen(made, tmp_path, lambda _: None)):
        assert one.main.value == pytest.approx(0.5), one.name


def test_federations_that_are_done_are_not_trained_again(tmp_path, monkeypatch):
    made, lines = federated(6, epochs=1), []
    expected = sums_seen(made, tmp_path / "whole", lambda _: None)[0]

    def broken(line):
        lines.append(line)
        if "fold 1" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sums_seen(made, tmp_path / "killed", broken)
    del lines[:]
    found = sums_seen(made, tmp_path / "killed", lines.append)[0]
    assert (found == expected).all()
    assert [line.split("fold ")[1][0] for line in lines] == ["1", "2"]
    updates_seen(made, tmp_path / "whole", lambda _: None)
    monkeypatch.setattr(server_sums, "_amounts", lambda *_: pytest.fail("trained again"))
    sums_seen(made, tmp_path / "killed", lambda _: None)
    updates_seen(made, tmp_path / "whole", lambda _: pytest.fail("trained again"))


def test_recordings_are_divided_by_session_or_by_time():
    sessions = people(3, sessions=2)
    client: Any
    attacker: Any
    client, attacker = other_recordings(sessions)
    assert [one.session for one in client] == ["0"] * 3
    assert [one.session for one in attacker] == ["1"] * 3
    assert has_other_sessions(sessions)
    mixed = sessions[1:]
    assert not has_other_sessions(mixed)
    client, attacker = other_recordings(mixed)
    assert [len(one.valid_T) for one in (*client, *attacker)] == [20] * 5 + [20] * 5
    assert (client[0].features_TF == mixed[0].features_TF[:20]).all()
    assert (attacker[0].gold_T2 == mixed[0].gold_T2[28:]).all()


def test_images_are_divided_too_and_have_no_rows():
    (one,) = toy_frames(1)
    client: Any
    attacker: Any
    client, attacker = other_recordings([one])
    assert (client[0].index_T == one.index_T[:12]).all()
    assert (attacker[0].index_T == one.index_T[18:]).all()
    assert frames_of(dataclasses.replace(material(people(2)), series=(one,))) == []


@pytest.fixture(scope="module")
def subject(small_corpus):
    return Subject(
        corpus=open_corpus(small_corpus, corpus="recola"),
        method="fl-au",
        protocol=dataclasses.replace(DESCRIBED, epochs=2, num_folds=3),
        network="rnn",
        hparams=HParams(learning_rate=1e-3, hidden_size=4, sequence_length=50, num_layers=1),
        seed=0,
        federation=Federation(),
    )


def test_tasks_leave_their_records(subject, tmp_path):
    begun = Audit(subject={"data": "here"}, seed=0, synthetic=True, participants=6)
    tasks, skipped = server_tasks(subject)
    found: Any = run_tasks(AuditFolder.begin(tmp_path, begun), tasks, lambda _: None, skipped=skipped)
    # Singling out before linking, whatever order they were made in.
    assert [one.name for one in found.attacks] == [
        "row-space update",
        "sum-membership sum 1-round",
        "sum-membership sum all-rounds",
        "linkability update",
        "update-match update",
        "gradient-inversion update",
    ]
    assert {one.name for one in found.attacks} == {name for task in tasks for name in task.names}
    assert not skipped
    # What audits of before have found of the other attacks is kept.
    updates = {**subject.identity, "rules": RULES, "attack": UPDATE}
    names = ("linkability update", "update-match update", "row-space update")
    assert tasks[0].digest == Task(names=names, inputs=updates, run=tasks[0].run).digest
    assert all(one.main.lower <= one.main.value <= one.main.upper for one in found.attacks)


def test_what_a_server_cannot_do_is_said(subject):
    assert server_tasks(dataclasses.replace(subject, federation=None)) == ([], {})
    tasks, skipped = server_tasks(dataclasses.replace(subject, federation=Federation(secure_sum=True)))
    assert [name for task in tasks for name in task.names] == [
        "sum-membership sum 1-round",
        "sum-membership sum all-rounds",
    ]
    assert set(skipped.values()) == {"with secure sums the server has no client's update"}
    images = ImageOptions(backbone="trained", image_size=36, frame_stride=5, weights="none", face_crop="none")
    tasks, skipped = server_tasks(dataclasses.replace(subject, images=images))
    assert tasks[0].names == ("linkability update", "update-match update")
    assert list(skipped) == ["row-space update", "gradient-inversion update"]
    assert "takes hours on a CPU" in skipped["gradient-inversion update"]
    frozen = dataclasses.replace(images, backbone="frozen")
    assert not server_tasks(dataclasses.replace(subject, images=frozen))[1]
    large = dataclasses.replace(subject.hparams, hidden_size=1024, num_layers=6)
    tasks, skipped = server_tasks(dataclasses.replace(subject, hparams=large))
    assert list(skipped) == ["gradient-inversion update"]
    assert "0 people fit into the time" in skipped["gradient-inversion update"]
    assert "gradient-inversion update" not in [name for task in tasks for name in task.names]
    one_round = dataclasses.replace(subject, protocol=dataclasses.replace(subject.protocol, epochs=1))
    assert list(server_tasks(one_round)[1]) == ["linkability update"]
    few = dataclasses.replace(subject.corpus, recordings=subject.corpus.recordings[:3])
    tasks, skipped = server_tasks(dataclasses.replace(subject, corpus=few))
    assert not tasks
    assert len(skipped) == 6
