"""The model behind the embedded corpus: affect moves a face, a tool measures it badly, raters watch it.

All constants are ours; `docs/synthetic.md` explains them. Nothing is fitted to recordings of people.
Shapes: T frames, P participants of one block, A = 20 facial actions, R = 6 raters, 2 = valence and arousal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.corpora.synthetic.processes import Array, low_pass, ornstein_uhlenbeck, seeded_generator

UNITS = tuple(f"AU{number}" for number in (1, 2, 4, 5, 6, 7, 9, 11, 12, 15, 17, 20, 23, 24, 25))
POSE = ("Yaw", "Pitch", "Roll")  # degrees
FLOW = ("Opt_mean", "Opt_std")  # optical flow of the face, in our own arbitrary unit
ACTIONS = (*UNITS, *POSE, *FLOW)
RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
UNIT_RANGE = (0.0, 5.0)  # intensities, from absent to the maximum
POSE_RANGE = (-45.0, 45.0)
FLOW_RANGE = (0.0, 20.0)
IDENTITY_DEFAULT = 0.5

# Affect: sums of Ornstein-Uhlenbeck processes, squashed.
AFFECT_SECONDS = (2.0, 6.0, 18.0)
AFFECT_WEIGHTS = (0.6, 0.6, 0.45)  # about unit variance together
AFFECT_SMOOTHING_SECONDS = 0.3  # two low-passes: affect has no corners
AFFECT_GAIN = 0.85  # inside the tanh; larger pushes towards -1 and 1
AFFECT_CORRELATION = 0.15  # of arousal with valence

# Expressions: products and thresholds of affect, each between 0 and about 1.
JOY_THRESHOLD = 0.1
UPSET_THRESHOLD = 0.05
SURPRISE_THRESHOLD = 0.1
FATIGUE_THRESHOLD = 0.1
UNIT_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "AU1": {"surprise": 2.4, "sadness": 2.2},
    "AU2": {"surprise": 2.8},
    "AU4": {"anger": 4.0, "sadness": 1.5},
    "AU5": {"surprise": 2.6, "anger": 1.2},
    "AU6": {"delight": 4.5},
    "AU7": {"anger": 2.5, "delight": 2.0, "fatigue": 1.2},
    "AU9": {"anger": 2.5},
    "AU11": {"sadness": 1.5, "anger": 0.8},
    "AU12": {"smile": 4.5},
    "AU15": {"sadness": 3.0},
    "AU17": {"sadness": 2.2, "anger": 1.0},
    "AU20": {"anger": 1.2, "surprise": 0.8},
    "AU23": {"anger": 2.4},
    "AU24": {"sadness": 1.0, "anger": 1.4, "fatigue": 0.6},
    "AU25": {"smile": 1.2, "surprise": 1.5, "delight": 1.2},
}
ONSET_SECONDS = 0.3  # an expression builds up faster
OFFSET_SECONDS = 1.0  # than it fades

# Head, mouth and lids: they move with arousal, in no direction in particular.
SWAY_SECONDS = 0.7
SWAY_SMOOTHING_SECONDS = 0.15  # a head has mass
SWAY_DEGREES = 1.5  # spread of the pose at the lowest arousal
SWAY_AROUSAL_DEGREES = 6.0  # added at the highest
AVERSION_DEGREES = 10.0  # an upset person looks away, to a side of their choice
DROOP_DEGREES = 6.0  # a tired head sinks
TILT_DEGREES = 5.0  # a smiling head tilts
SPEECH_SECONDS = 1.5
SPEECH_THRESHOLD = 0.3
SPEECH_AROUSAL = 0.5  # aroused people speak more
SYLLABLE_SECONDS = 0.08
SPEECH_WEIGHTS: Mapping[str, float] = {"AU25": 1.8, "AU20": 0.8, "AU17": 0.4, "AU12": 0.3}
BLINKS_PER_SECOND = 0.3
BLINK_SECONDS = 0.2
FLOW_PER_DEGREE = 0.06  # a degree per second
FLOW_PER_UNIT = 0.1  # an intensity step per second, summed over the units
FLOW_SPREAD = 0.6  # of the flow's standard deviation over its mean

# Colour: blood rises to an aroused face (Benitez-Quiroz, Srinivasan and Martinez 2018, PNAS 115, 3581-3586, on colour
# that tells emotions apart), and for reasons of its own. No tool for action units reports it.
FLUSH_AROUSAL = 0.9
FLUSH_SECONDS = 1.0  # a low-pass: vessels are slower than muscles
FLUSH_OWN = 0.35  # spread of what has nothing to do with affect
FLUSH_OWN_SECONDS = 20.0

# People: how far they differ when the identity dial is at 1 (log-normal where a factor).
REST_UNITS = 1.2
REST_DEGREES = 9.0
EXPRESSIVITY_SPREAD = 0.45
TEMPO_SPREAD = 0.4
SWAY_SPREAD = 0.5
BLINK_SPREAD = 0.5
FLUSH_SPREAD = 0.5

# The extraction tool's errors.
NOISE_UNITS = 1.35
NOISE_DEGREES = 3.5
NOISE_FLOW = 1.2
NOISE_WHITE_SHARE = 0.4  # of the variance; the rest is coloured
NOISE_SECONDS = 0.6
NOISE_PER_DEGREE = 0.04  # worse on a turned head
NOISE_SPEAKING = 0.5  # worse on a speaking mouth
NOISE_AROUSAL = 0.4  # worse in motion
MOUTH_UNITS = ("AU11", "AU12", "AU15", "AU17", "AU20", "AU23", "AU24", "AU25")
BLINK_ON_LIDS: Mapping[str, float] = {"AU5": -1.5, "AU7": 1.5, "AU4": 0.5}
LOSSES_PER_SECOND = 0.02  # of tracking, on a face looking ahead
LOSSES_PER_DEGREE = 0.10  # share by which each degree of yaw raises it
LOSS_SECONDS = 0.8  # mean length

# Raters.
RATER_BIAS = 0.08
RATER_GAIN = (0.6, 0.15)  # mean and spread
RATER_LAG_SECONDS = (0.9, 0.3)
RATER_SMOOTHING_SECONDS = 0.5
RATER_NOISE = 0.12
RATER_NOISE_SECONDS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What stays with a participant. At identity 0 everybody is the average person."""

    rest: Array  # (A,) resting face: units in intensity, pose in degrees, flow 0
    expressivity: Array  # (15,) factor on each unit
    tempo: float  # factor on onset and offset times
    sway: float  # factor on head movements
    blink: float  # factor on the rate of blinks
    flush: float  # factor on how far the colour changes


@dataclass(frozen=True, slots=True, kw_only=True)
class FacialActions:
    """One participant's true face, before any tool has measured it: what images are to be rendered from."""

    participant: str
    person: Person
    time: Array  # (T,) seconds from 0, one frame every 1/hz
    affect: Array  # (T, 2) latent valence and arousal in (-1, 1)
    actions: Array  # (T, A) in the order of ACTIONS: intensities 0-5, degrees, flow
    speaking: Array  # (T,) 0 or 1
    blink: Array  # (T,) 0 open to 1 closed
    flush: Array  # (T,) 0 pale to 1 red; no tool reports it

    @property
    def hz(self) -> float:
        """Frames per second."""
        return 1.0 / float(self.time[1] - self.time[0])


def simulate(
    participants: Sequence[str], *, num_frames: int, hz: float, seed: int, identity: float
) -> tuple[FacialActions, ...]:
    """Simulate the true faces of some participants, each from its own random stream.

    A participant's face depends on the seed, its name and the parameters, not on who else is simulated.
    """
    generators = [seeded_generator(seed, participant, "face") for participant in participants]
    people = [_person(seeded_generator(seed, participant, "person"), identity) for participant in participants]

    def normal(*shape: int) -> Array:
        return np.stack([generator.standard_normal((num_frames, *shape)) for generator in generators], axis=1)

    affect = _affect(normal(2, len(AFFECT_SECONDS)), hz)
    sway = ornstein_uhlenbeck(normal(len(POSE)), SWAY_SECONDS, hz)
    sway = low_pass(sway, SWAY_SMOOTHING_SECONDS, hz)
    sides = np.tanh(3.0 * ornstein_uhlenbeck(normal(2), AFFECT_SECONDS[-1], hz))
    talk = ornstein_uhlenbeck(normal(), SPEECH_SECONDS, hz)
    syllables = np.abs(ornstein_uhlenbeck(normal(), SYLLABLE_SECONDS, hz))
    speaking = (talk + SPEECH_AROUSAL * affect[..., 1] > SPEECH_THRESHOLD).astype(np.float64)
    expressions = _expressions(affect)
    units = _units(expressions, people, hz)
    for name, weight in SPEECH_WEIGHTS.items():
        units[..., UNITS.index(name)] += weight * speaking * syllables
    units = np.clip(units, *UNIT_RANGE)
    pose = _pose(affect, expressions, sway, sides, people)
    actions = np.concatenate([units, pose, _flow(units, pose, hz)], axis=-1)
    blink = np.stack([_blinks(g, num_frames, hz, p) for g, p in zip(generators, people, strict=True)], axis=1)
    flush = _flush(affect, participants, people, seed=seed, hz=hz)
    time = np.arange(num_frames) / hz
    return tuple(
        FacialActions(
            participant=participant,
            person=people[index],
            time=time,
            affect=affect[:, index],
            actions=actions[:, index],
            speaking=speaking[:, index],
            blink=blink[:, index],
            flush=flush[:, index],
        )
        for index, participant in enumerate(participants)
    )


def measure(faces: Sequence[FacialActions], *, seed: int) -> Iterator[Array]:
    """Measure true faces as a poor tool does: (T, A) for each, whole rows NaN while tracking is lost."""
    generators = [seeded_generator(seed, face.participant, "extraction") for face in faces]
    hz = faces[0].hz
    scale = np.repeat((NOISE_UNITS, NOISE_DEGREES, NOISE_FLOW), (len(UNITS), len(POSE), len(FLOW)))
    white = np.stack([g.standard_normal(f.actions.shape) for g, f in zip(generators, faces, strict=True)], axis=1)
    coloured = np.stack([g.standard_normal(f.actions.shape) for g, f in zip(generators, faces, strict=True)], axis=1)
    coloured = ornstein_uhlenbeck(coloured, NOISE_SECONDS, hz)
    noise = scale * (np.sqrt(NOISE_WHITE_SHARE) * white + np.sqrt(1.0 - NOISE_WHITE_SHARE) * coloured)
    mouth = np.isin(ACTIONS, MOUTH_UNITS)
    yaw = ACTIONS.index("Yaw")
    for index, (face, generator) in enumerate(zip(faces, generators, strict=True)):
        turned = np.abs(face.actions[:, yaw])
        worse = 1.0 + NOISE_PER_DEGREE * turned + NOISE_AROUSAL * face.affect[:, 1]
        measured = face.actions + noise[:, index] * worse[:, None]
        measured += noise[:, index] * (NOISE_SPEAKING * face.speaking[:, None] * mouth)
        for name, weight in BLINK_ON_LIDS.items():
            measured[:, ACTIONS.index(name)] += weight * face.blink
        measured = _clip_actions(measured)
        measured[_lost(generator, turned, hz)] = np.nan
        yield measured


def _person(generator: np.random.Generator, identity: float) -> Person:
    rest = np.zeros(len(ACTIONS))
    rest[: len(UNITS)] = np.abs(generator.normal(0.0, REST_UNITS, len(UNITS)))
    rest[len(UNITS) : len(UNITS) + len(POSE)] = generator.normal(0.0, REST_DEGREES, len(POSE))
    spreads = np.array([EXPRESSIVITY_SPREAD] * len(UNITS) + [TEMPO_SPREAD, SWAY_SPREAD, BLINK_SPREAD, FLUSH_SPREAD])
    factors = np.exp(identity * spreads * generator.standard_normal(len(spreads)))
    tempo, sway, blink, flush = (float(factor) for factor in factors[len(UNITS) :])
    return Person(
        rest=identity * rest,
        expressivity=factors[: len(UNITS)],
        tempo=tempo,
        sway=sway,
        blink=blink,
        flush=flush,
    )


def _affect(noise: Array, hz: float) -> Array:
    """Compute affect (T, P, 2) from noise (T, P, 2, number of time scales)."""
    slow = sum(
        weight * ornstein_uhlenbeck(noise[..., index], seconds, hz)
        for index, (seconds, weight) in enumerate(zip(AFFECT_SECONDS, AFFECT_WEIGHTS, strict=True))
    )
    assert isinstance(slow, np.ndarray)
    slow[..., 1] = np.sqrt(1.0 - AFFECT_CORRELATION**2) * slow[..., 1] + AFFECT_CORRELATION * slow[..., 0]
    smooth = low_pass(low_pass(slow, AFFECT_SMOOTHING_SECONDS, hz), AFFECT_SMOOTHING_SECONDS, hz)
    squashed: Array = np.tanh(AFFECT_GAIN * smooth)
    return squashed


def _expressions(affect: Array) -> Mapping[str, Array]:
    valence, arousal = affect[..., 0], affect[..., 1]
    joy = np.maximum(valence - JOY_THRESHOLD, 0.0)
    upset = np.maximum(-valence - UPSET_THRESHOLD, 0.0)
    energy = (1.0 + arousal) / 2.0
    return {
        "smile": joy * (0.5 + 0.5 * energy),
        "delight": joy * energy**2,
        "anger": upset * energy,
        "sadness": upset * (1.0 - energy),
        "surprise": np.maximum(arousal - SURPRISE_THRESHOLD, 0.0) * (1.0 - upset),
        "fatigue": np.maximum(-arousal - FATIGUE_THRESHOLD, 0.0),
    }


def _units(expressions: Mapping[str, Array], people: Sequence[Person], hz: float) -> Array:
    """Follow the expressions at each person's tempo, saturating towards the maximum: (T, P, 15)."""
    raw = np.stack([sum(w * expressions[name] for name, w in UNIT_WEIGHTS[unit].items()) for unit in UNITS], axis=-1)
    top = UNIT_RANGE[1]
    target = top * np.tanh(np.stack([person.expressivity for person in people]) * raw / top)
    tempo = np.array([[person.tempo] for person in people])
    rise, fall = (1.0 - np.exp(-1.0 / (seconds * tempo * hz)) for seconds in (ONSET_SECONDS, OFFSET_SECONDS))
    out = target.copy()
    for frame in range(1, len(out)):
        gap = target[frame] - out[frame - 1]
        out[frame] = out[frame - 1] + np.where(gap > 0.0, rise, fall) * gap
    rested: Array = out + np.stack([person.rest[: len(UNITS)] for person in people])
    return rested


def _pose(
    affect: Array, expressions: Mapping[str, Array], sway: Array, sides: Array, people: Sequence[Person]
) -> Array:
    energy = (1.0 + affect[..., 1]) / 2.0
    degrees = SWAY_DEGREES + SWAY_AROUSAL_DEGREES * energy**2
    pose: Array = sway * (degrees * np.array([person.sway for person in people]))[..., None]
    pose[..., 0] += AVERSION_DEGREES * sides[..., 0] * (expressions["anger"] + expressions["sadness"])
    pose[..., 1] -= DROOP_DEGREES * expressions["fatigue"]
    pose[..., 2] += TILT_DEGREES * sides[..., 1] * expressions["smile"]
    rest = np.stack([person.rest[len(UNITS) : len(UNITS) + len(POSE)] for person in people])
    pose += rest
    return pose.clip(*POSE_RANGE)


def _flow(units: Array, pose: Array, hz: float) -> Array:
    turning = np.sqrt(np.sum((np.diff(pose, axis=0, prepend=pose[:1]) * hz) ** 2, axis=-1))
    moving = np.sum(np.abs(np.diff(units, axis=0, prepend=units[:1])) * hz, axis=-1)
    mean = FLOW_PER_DEGREE * turning + FLOW_PER_UNIT * moving
    flow: Array = np.stack([mean, FLOW_SPREAD * mean], axis=-1)
    return flow.clip(*FLOW_RANGE)


def _blinks(generator: np.random.Generator, num_frames: int, hz: float, person: Person) -> Array:
    starts = generator.random(num_frames) < BLINKS_PER_SECOND * person.blink / hz
    half = max(round(BLINK_SECONDS * hz / 2), 1)
    shape = np.minimum(np.arange(1, 2 * half), np.arange(2 * half - 1, 0, -1)) / half
    closed: Array = np.convolve(starts, shape)[:num_frames]
    return closed.clip(0.0, 1.0)


def _flush(affect: Array, participants: Sequence[str], people: Sequence[Person], *, seed: int, hz: float) -> Array:
    """Colour the faces (T, P) from random streams of their own: nothing else moves with them."""
    draws = [seeded_generator(seed, participant, "flush").standard_normal(len(affect)) for participant in participants]
    own = FLUSH_OWN * ornstein_uhlenbeck(np.stack(draws, axis=1), FLUSH_OWN_SECONDS, hz)
    aroused = FLUSH_AROUSAL * low_pass(affect[..., 1], FLUSH_SECONDS, hz)
    strength = np.array([person.flush for person in people])
    flush: Array = 0.5 + 0.5 * strength * (aroused + own)
    return flush.clip(0.0, 1.0)


def _lost(generator: np.random.Generator, turned: Array, hz: float) -> NDArray[np.bool_]:
    """Frames without tracking: losses start more often on a turned head and last an exponential time."""
    chance = LOSSES_PER_SECOND * (1.0 + LOSSES_PER_DEGREE * turned) / hz
    lost = np.zeros(len(turned), dtype=np.bool_)
    for start in np.flatnonzero(generator.random(len(turned)) < chance):
        lost[start : start + 1 + round(generator.exponential(LOSS_SECONDS) * hz)] = True
    return lost


def _clip_actions(actions: Array) -> Array:
    ranges = np.array([UNIT_RANGE, POSE_RANGE, FLOW_RANGE])
    low, high = np.repeat(ranges, [len(UNITS), len(POSE), len(FLOW)], axis=0).T
    return actions.clip(low, high)
