"""How recordings are read where their files leave it open: what the user said, as plans and model cards keep it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

SIDES = ("features", "annotations")  # whose clocks may differ in their unit
UNITS = ("s", "ms", "us", "ns", "min")
UNIT_OPTION = "--time-unit"
# The version of this package that last changed what is read from files that earlier versions read as well.
READ_ANEW_IN = "0.2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one file may hold, checked before it is unpacked. All are ours; a larger one is an option."""

    columns: int = 10_000  # ours: OpenFace with all landmarks has 714, Py-Feat 2 with its meshes 2,200
    rows: int = 20_000_000  # ours: 220 hours at 25 frames per second
    field: int = 1_000_000  # ours: characters of one field; numbers have 25, paths some hundred
    mib: int = 1_500  # ours: of memory for one file's numbers; reading takes about three times as much for a moment

    def given(self) -> dict[str, int]:
        """Return those that differ from the defaults."""
        default = Limits()
        names = (one.name for one in dataclasses.fields(self))
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(default, name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The user's statements about the files; none: what the files say, and a question where they do not."""

    frame_rate: float | None = None  # Hz of frame numbers in files without times
    time_unit: Mapping[str, str] = field(default_factory=dict)  # of SIDES: s, ms, us, ns or min
    limits: Limits = field(default_factory=Limits)
    # Of the features in training: taken for a clock whose unit would be asked for. Empty: ask.
    trained_unit: str = ""
    trained_hz: float = 0.0  # rows per second in training; 0: unknown
    # A plan of before clocks were compared is read as it was: seconds, with a note where they do not look like it.
    believed: bool = False

    def unit_of(self, side: str) -> str | None:
        """Return the unit that was stated for one of SIDES, None without."""
        return self.time_unit.get(side)


AS_IT_IS = Reading()
# Of files that this package wrote itself.
UNBOUNDED = Limits(columns=2**31, rows=2**62, field=2**31, mib=2**43)
OURS = Reading(time_unit=dict.fromkeys(SIDES, "s"), limits=UNBOUNDED)
