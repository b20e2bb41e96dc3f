"""What an audit writes down, typed: each attack's result, and the whole of `audit.json`. Nothing heavy.

An attack looks at one source. Its main statistic has a chance level and an interval over participants; further
statistics, and what each person has, stand beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from orchestrator import json_records
from orchestrator.files import JsonObject
from orchestrator.json_records import OPTIONAL

# Names of attacks: stable, they are keys on disk and in MLflow.
IDENTITY = "identity"  # who is this?
MEMBERSHIP = "membership"  # was this person in the training data?
LINKABILITY = "linkability"  # are two updates one client's?
UPDATE_MATCH = "update-match"  # whose recordings fit a client's update?
ROW_SPACE = "row-space"  # were these frames in a client's update?
GRADIENT_INVERSION = "gradient-inversion"  # what can be rebuilt from one gradient? a diagnostic
SUM_MEMBERSHIP = "sum-membership"  # which of two candidates is in the sum?
ATTRIBUTE = "attribute"  # which value has this person in a column of participants.csv?
DEFENCE = "defence"  # who is this, after a defence, and what does it cost?
TITLES = {
    IDENTITY: "Who is this?",
    MEMBERSHIP: "Was this person in the training data?",
    LINKABILITY: "What does the server see? Which updates are one client's",
    UPDATE_MATCH: "What does the server see? Whose recordings fit an update",
    ROW_SPACE: "What does the server see? Which frames are in an update",
    GRADIENT_INVERSION: "What does the server see? What can be rebuilt from one gradient (diagnostic)",
    SUM_MEMBERSHIP: "What does the server see? Who is in the sum",
    ATTRIBUTE: "What do the data tell of a new person?",
    DEFENCE: "What can be done about it?",
}
ATTACKS = tuple(TITLES)

# The three tests of anonymity that data protection authorities ask for (Article 29 Working Party, Opinion 05/2014;
# EDPB Opinion 28/2024), in their order, and the attacks that measure each. A defence is no test.
SINGLING_OUT, LINKING, INFERENCE = "singling out", "linking", "inference"
TESTS = {
    SINGLING_OUT: (MEMBERSHIP, SUM_MEMBERSHIP, ROW_SPACE),
    LINKING: (IDENTITY, LINKABILITY, UPDATE_MATCH, GRADIENT_INVERSION),
    INFERENCE: (ATTRIBUTE,),
}
TEST_TITLES = {
    SINGLING_OUT: "Singling out: is somebody in the data?",
    LINKING: "Linking: do two records belong to one person?",
    INFERENCE: "Inference: what attributes do the data tell of a person?",
}

# Attackers on identity as they were published, for comparison with the figures of others: the end of a variant's name.
P_BLEND = "p-blend"
PUBLISHED = (P_BLEND,)

# What an attack looks at.
PIXELS = "pixels"
EMBEDDINGS = "embeddings"
HIDDEN_STATES = "hidden-states"
ACTION_UNITS = "action-units"
TRACES = "traces"
MODEL = "model"  # what a released model answers
UPDATE = "update"  # of one client
SUM = "sum"  # of the clients of a round
SOURCES = (PIXELS, EMBEDDINGS, HIDDEN_STATES, ACTION_UNITS, TRACES, MODEL, UPDATE, SUM)

Newer = Mapping[str, object]
PerPerson = Mapping[str, Mapping[str, float | None]]  # person -> statistic -> value


def place_of(attack: str) -> int:
    """Return the place of an attack's test among the three, which orders records; what is no test comes last."""
    tests = list(TESTS.values())
    return next((place for place, attacks in enumerate(tests) if attack in attacks), len(tests))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A number of an attack with its 95 % interval over participants; None for what is not defined."""

    name: str
    unit: str  # "" of a share or another pure number
    value: float | None
    lower: float | None
    upper: float | None
    chance: float | None  # what somebody reaches who knows nothing
    newer: Newer = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack on one source; its main statistic, from which the verdict is read, and others beside it.

    `variant` tells apart attacks of one name on one source, such as `dynamics` or `lira`. `inputs` is the digest of all
    that decides the result: an audit that goes on keeps what it has of the same inputs. `settings` are the choices that
    the attack made, by name. `footnote` is what stands below a table and is no claim.
    """

    attack: str
    source: str
    variant: str = ""
    threat: str  # who attacks, and what they have: one sentence
    main: Statistic
    others: tuple[Statistic, ...] = ()
    people: int
    verdict: str
    notes: tuple[str, ...] = ()
    footnote: str | None = field(default=None, metadata={OPTIONAL: "footnote"})
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    per_person: PerPerson = field(default_factory=dict)
    seconds: float = 0.0
    inputs: str = ""
    newer: Newer = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called in lines and files: `identity action-units dynamics`."""
        return " ".join(part for part in (self.attack, self.source, self.variant) if part)

    def statistic(self, name: str) -> Statistic | None:
        """Return one of its statistics, the main one too; None if it has none of that name."""
        return next((one for one in (self.main, *self.others) if one.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """`audit.json`: what was audited, and the attacks in the order in which they ended.

    `subject` says what: `run`, `method`, `data`, `model`. `planned` are the names of all attacks that were to be run:
    those without a record were not. `skipped` has why an attack cannot be run here, by name.
    """

    format: int = 1
    subject: Mapping[str, str | None]
    seed: int
    synthetic: bool
    participants: int
    pseudonymised: bool = False
    finished: bool = False
    attacks: tuple[Attack, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    newer: Newer = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: object, source: Path | str) -> Self:
        """Return the record in a JSON object; InputError names `source` and the damaged field."""
        return json_records.from_json(cls, raw, source)

    def to_json(self) -> JsonObject:
        """Return the content of `audit.json`."""
        return json_records.to_json(self)

    def find(self, attack: str, source: str, variant: str = "") -> Attack | None:
        """Return an attack's record, or None."""
        wanted = (attack, source, variant)
        return next((one for one in self.attacks if (one.attack, one.source, one.variant) == wanted), None)
