"""The embedded corpus: writes a synthetic tree in RECOLA's layout, for the `recola` reader like anyone's.

Or a folder of a tool's tables beside labels, for the `folder` reader.

What the tree holds comes from `facial_model` (docs/synthetic.md); no recording of a person is in it, and
every tree says so: SYNTHETIC.txt, synthetic.json, the relation and the comments of its ARFF files.
Shapes: T frames, A = 20 facial actions, R = 6 raters.
"""

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.corpora.cache import cache_folder, remove, written_to
from orchestrator.corpora.extraction.tool_names import NAMES as TOOLS
from orchestrator.corpora.synthetic import face_videos, facial_model, raters, recola_files, tool_files
from orchestrator.corpora.synthetic.face_videos import FACE_SIZE_DEFAULT, MAX_FACE_SIZE, MIN_FACE_SIZE
from orchestrator.corpora.synthetic.facial_model import IDENTITY_DEFAULT, FacialActions
from orchestrator.errors import InputError, Problem
from orchestrator.files import NAME_BYTES, locked
from orchestrator.output_checks import check_output_folder
from orchestrator.process.processors import num_processors

GENERATOR_VERSION = 3  # to be raised whenever other bytes come out: the cache is keyed by it
PARTICIPANTS_DEFAULT = 23  # these three are RECOLA's: Ringeval et al., 2013
SECONDS_DEFAULT = 300.0
HZ_DEFAULT = 25.0
RECOLA_IDS = tuple(
    f"P{number}"
    for number in (16, 17, 19, 21, 23, 25, 26, 28, 30, 34, 37, 39, 41, 42, 43, 45, 46, 48, 56, 58, 62, 64, 65)
)
MARKER = "SYNTHETIC.txt"
MANIFEST = "synthetic.json"

# Ours, measured: least bytes of a frame of a participant while a block is simulated, and of its rows on the disk.
_MEMORY_BYTES = 1200
_DISK_BYTES = 320
_BLOCK_PARTICIPANTS = 32  # simulated together: the loops over time are the cost, memory the limit
RECOLA = "recola"  # the layout that is not a tool's
LAYOUTS = (RECOLA, *TOOLS)
_MARKER_TEXT = """\
SYNTHETIC DATA - this is not {what}.

Every number below this folder was made by a random generator (affect-orchestrator, synthetic corpus).
It has the layout of {layout} so that one reader serves both; it holds no recording, rating or measure
of any person. The parameters are in synthetic.json.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameters:
    participants: int
    seconds: float
    hz: float
    seed: int
    identity: float
    faces: bool
    face_size: int
    tool: str = RECOLA

    @property
    def num_frames(self) -> int:
        """Feature rows of a participant; labels have one more, at 0 s."""
        return round(self.seconds * self.hz)

    @property
    def ids(self) -> tuple[str, ...]:
        """RECOLA's 23 ids in their order, then P66, P67 and so on."""
        further = (f"P{66 + index}" for index in range(self.participants - len(RECOLA_IDS)))
        return (*RECOLA_IDS[: self.participants], *further)

    def identifying(self) -> dict[str, object]:
        """Return the parameters that change a byte: a tree is what it was before there were faces and tools."""
        absent = ({"faces", "face_size"} if not self.faces else set()) | ({"tool"} if self.tool == RECOLA else set())
        return {name: value for name, value in asdict(self).items() if name not in absent}

    def manifest(self) -> dict[str, object]:
        return {
            "synthetic": True,
            "generator": "affect-orchestrator synthetic corpus",
            "generator_version": GENERATOR_VERSION,
            "parameters": self.identifying(),
            "participant_ids": list(self.ids),
        }


def synthesize(  # noqa: PLR0913
    out: Path,
    *,
    participants: int = PARTICIPANTS_DEFAULT,
    seconds: float = SECONDS_DEFAULT,
    hz: float = HZ_DEFAULT,
    seed: int = 0,
    identity: float = IDENTITY_DEFAULT,
    faces: bool = False,
    face_size: int = FACE_SIZE_DEFAULT,
    tool: str = RECOLA,
) -> Path:
    """Write a synthetic RECOLA tree of so many `participants` to `out`, at once and whole, and return its path.

    Features have `seconds * hz` rows per participant, labels one more (0 s). `seed` decides all that is drawn.
    `identity`, 0 to 1, says how much of a person's resting face, dynamics and looks shows. With `faces` there are
    videos, `face_size` pixels on each side, with their timings. `tool`, one of LAYOUTS: "recola", or the tool of
    `data extract` whose tables stand in for RECOLA's. Equal parameters give equal bytes. `out` may be an empty folder;
    InputError for anything else that exists and for bad parameters, all of them at once.
    """
    parameters = _checked(participants, seconds, hz, seed, identity, faces, face_size, tool)
    check_output_folder("--output", out, inputs={})
    _check_room(out, parameters)
    out = out.resolve()
    try:
        _write_whole(out, parameters)
    except OSError as error:
        found = f"{out}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a new or empty folder that can be written") from error
    return out


def _write_whole(out: Path, parameters: _Parameters) -> None:
    """Write the tree beside its place and rename it when it is whole; OSError."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name[:NAME_BYTES]}.synthetic-", dir=out.parent) as temporary:
        if out.is_file() or (out.is_dir() and any(out.iterdir())):
            raise InputError.of("--output", found=f"{out}, which holds something", expected="a new or empty folder")
        tree = Path(temporary) / "tree"  # not the temporary folder itself, which is private to this user
        _write_tree(tree, parameters)
        tree.replace(out)


def _check_room(out: Path, parameters: _Parameters) -> None:
    """Refuse a tree that neither this machine's memory nor the disk of `out` can hold, by arithmetic (InputError)."""
    frames = parameters.num_frames + 1
    at_once = min(parameters.participants, _BLOCK_PARTICIPANTS) * frames * _MEMORY_BYTES
    on_disk = parameters.participants * frames * _DISK_BYTES
    place = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    memory, disk = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), shutil.disk_usage(place).free
    for need, there, what in ((at_once, memory, "memory"), (on_disk, disk, f"free disk at {place}")):
        if need > there:
            asked = f"{parameters.participants} participants of {frames:.3g} frames, which take {_size(need)}"
            expected = f"no more than the {_size(there)} of {what}"
            raise InputError.of("--seconds, --hz, --participants", found=asked, expected=expected)


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 2**30:,.1f} GiB" if num_bytes >= 2**30 else f"{num_bytes / 2**20:,.1f} MiB"


def cached_synthetic(  # noqa: PLR0913
    *,
    participants: int = PARTICIPANTS_DEFAULT,
    seconds: float = SECONDS_DEFAULT,
    hz: float = HZ_DEFAULT,
    seed: int = 0,
    identity: float = IDENTITY_DEFAULT,
    faces: bool = False,
    face_size: int = FACE_SIZE_DEFAULT,
) -> Path:
    """Return the path of a synthetic tree in the user's cache, written if it is missing or not whole.

    `participants`, `seconds`, `hz`, `seed`, `identity`, `faces` and `face_size` as in `synthesize`. The folder's name
    holds a hash of them and the generator's version. Callers in several processes wait for the one that writes.
    AFFECT_ORCHESTRATOR_CACHE names another cache folder. InputError as `synthesize`.
    """
    parameters = _checked(participants, seconds, hz, seed, identity, faces, face_size)
    cache = cache_folder()
    identifying = json.dumps([GENERATOR_VERSION, parameters.identifying()], sort_keys=True)
    target = cache / f"synthetic-{hashlib.sha256(identifying.encode()).hexdigest()[:16]}"
    with written_to(cache), locked(target.with_suffix(".lock")):
        if not _is_whole(target, parameters):
            # Also what a writer that was killed has left.
            for leftover in (target, *cache.glob(f".{target.name}.synthetic-*")):
                remove(leftover)
            _write_whole(target, parameters)
    return target


def _checked(  # noqa: PLR0913, PLR0917
    participants: int,
    seconds: float,
    hz: float,
    seed: int,
    identity: float,
    faces: bool,
    face_size: int,
    tool: str = RECOLA,
) -> _Parameters:
    """Return the parameters; InputError for every one of `participants`, `seconds`, `hz`, `seed`, `identity`, `faces`,
    `face_size` and `tool` (as in `synthesize`) that makes no sense.
    """
    problems = []

    def check(holds: bool, option: str, found: object, expected: str) -> None:
        if not holds:
            problems.append(Problem(where=option, found=str(found), expected=expected))

    check(participants >= 1, "--participants", participants, "at least 1")
    check(0.0 < seconds < math.inf, "--seconds", seconds, "a number above 0")
    check(0.0 < hz < math.inf, "--hz", hz, "a number above 0")
    check(0.0 <= identity <= 1.0, "--identity", identity, "a number from 0 to 1")
    check(tool in LAYOUTS, "--tool", tool, ", ".join(LAYOUTS))
    if faces:  # yuv420p halves the sides
        even = MIN_FACE_SIZE <= face_size <= MAX_FACE_SIZE and face_size % 2 == 0
        check(even, "--face-size", face_size, f"an even number from {MIN_FACE_SIZE} to {MAX_FACE_SIZE}")
    if not problems:
        check(seconds * hz < math.inf, "--seconds", seconds, f"a finite number of frames at {hz} Hz")
    if not problems:
        check(round(seconds * hz) >= 1, "--seconds", seconds, f"at least one frame at {hz} Hz")
    if problems:
        raise InputError(problems)
    return _Parameters(
        participants=int(participants),
        seconds=float(seconds),
        hz=float(hz),
        seed=int(seed),
        identity=float(identity),
        faces=bool(faces),
        face_size=int(face_size),
        tool=tool,
    )


def _write_tree(root: Path, parameters: _Parameters) -> None:
    what, layout = ("RECOLA", "a RECOLA tree") if parameters.tool == RECOLA else ("of people", "a tool's tables")
    files: dict[str, bytes] = {MARKER: _MARKER_TEXT.format(what=what, layout=layout).encode()}
    hashes: dict[str, str] = {}
    for start in range(0, parameters.participants, _BLOCK_PARTICIPANTS):
        faces = facial_model.simulate(
            parameters.ids[start : start + _BLOCK_PARTICIPANTS],
            num_frames=parameters.num_frames + 1,
            hz=parameters.hz,
            seed=parameters.seed,
            identity=parameters.identity,
        )
        observed = zip(
            facial_model.measure(faces, seed=parameters.seed),
            raters.rate(faces, seed=parameters.seed),
            strict=True,
        )
        for face, (measured_ta, ratings_tr2) in zip(faces, observed, strict=True):
            if parameters.tool == RECOLA:
                files |= recola_files.participant_files(face, measured_ta, ratings_tr2)
            else:
                files |= tool_files.participant_files(
                    face, measured_ta, ratings_tr2, tool=parameters.tool, seed=parameters.seed
                )
            hashes |= _write(root, files)
            files = {}
        if parameters.faces:
            hashes |= _write_videos(root, faces, parameters)
    manifest = parameters.manifest() | {"files": dict(sorted(hashes.items()))}
    _write(root, {MANIFEST: (json.dumps(manifest, indent=2) + "\n").encode()})


def _write_videos(root: Path, people: Sequence[FacialActions], parameters: _Parameters) -> dict[str, str]:
    """Draw and encode the videos of some participants side by side: both run outside Python's lock."""

    layout = recola_files if parameters.tool == RECOLA else tool_files
    folders = (layout.VIDEOS, layout.TIMINGS)

    def write(face: FacialActions) -> dict[str, str]:
        size, seed, identity = parameters.face_size, parameters.seed, parameters.identity
        return _write(root, face_videos.video_files(face, size=size, seed=seed, identity=identity, folders=folders))

    with ThreadPoolExecutor(num_processors(), thread_name_prefix="faces") as pool:
        return {name: sha for written in pool.map(write, people) for name, sha in written.items()}


def _write(root: Path, files: dict[str, bytes]) -> dict[str, str]:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _is_whole(tree: Path, parameters: _Parameters) -> bool:
    try:
        manifest = json.loads((tree / MANIFEST).read_bytes())
        files = manifest.pop("files")
        there = {str(one.relative_to(tree)) for one in tree.rglob("*") if not one.is_dir()}
        return bool(
            manifest == parameters.manifest()
            and MARKER in files
            and there == {MANIFEST, *files}
            and all(hashlib.sha256((tree / name).read_bytes()).hexdigest() == sha for name, sha in files.items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
