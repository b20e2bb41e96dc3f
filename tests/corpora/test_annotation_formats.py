"""What ELAN, DARMA, CARMA and NOVA write, and tables of both dimensions and all raters, are read as the same labels."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.corpora.align import join
from orchestrator.corpora.annotation_formats.trace import named
from orchestrator.corpora.manifest import manifest_text
from orchestrator.corpora.outline import digest_of_files
from orchestrator.corpora.read_options import ReadOptions
from orchestrator.corpora.readers import open_corpus
from orchestrator.corpora.reading import SIDES, Reading
from orchestrator.corpora.recording import Recording
from orchestrator.errors import InputError
from tests.corpora.annotators_files import (
    COUNT,
    DIMENSIONS,
    INTERVALS,
    PEOPLE,
    RATERS,
    SAMPLES,
    STEP,
    darma_lines,
    eaf,
    labels_of,
    nova_header,
    wide_lines,
    write,
    write_features,
)


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        open_corpus(root)
    return str(caught.value)


def expected(recording: Recording, *, constant: bool) -> NDArray[np.floating]:
    """Labels (T, R, 2) on the frames: constant over each interval, or between samples."""
    labels = labels_of(recording.participant)
    values: NDArray[np.float64] = np.stack([[labels[one, rater] for one in DIMENSIONS] for rater in RATERS]).transpose(
        2, 0, 1
    )
    if constant:
        index = np.floor(recording.time / STEP + 1e-9).astype(int)
        return np.asarray(values[np.minimum(index, COUNT - 1)])
    times = np.arange(COUNT, dtype=np.float64) * STEP
    return np.stack(
        [
            join(np.asarray(recording.time, np.float64), times, np.asarray(values[:, :, one], np.float64))
            for one in range(2)
        ],
        axis=2,
    )


@pytest.mark.parametrize("kind", [*INTERVALS, *SAMPLES])
def test_every_format_gives_the_same_labels(tmp_path: Path, kind: str) -> None:
    {**INTERVALS, **SAMPLES}[kind](write_features(tmp_path))
    corpus = open_corpus(tmp_path)
    assert corpus.kind == "folder"
    assert corpus.participants == PEOPLE
    for recording in corpus.recordings:
        assert sorted(recording.raters) == list(RATERS)
        order = [recording.raters.index(rater) for rater in RATERS]
        found = recording.ratings[:, order]
        wanted = expected(recording, constant=kind in INTERVALS)
        last = COUNT * STEP - 0.02 if kind in INTERVALS else (COUNT - 1) * STEP + 1e-6
        inside = recording.time < last
        assert inside.sum() > 200
        np.testing.assert_allclose(found[inside], wanted[inside], atol=1e-6)
        assert np.isnan(found[recording.time > last + 0.05]).all()
    assert "Anna" in manifest_text(corpus)
    assert min(corpus.labels_used.values()) == 1


def test_other_tiers_are_named(tmp_path: Path) -> None:
    INTERVALS["elan"](write_features(tmp_path))
    dropped = {one.what: one.why for one in open_corpus(tmp_path).dropped}
    assert dropped["tier gesture [P1.eaf, P2.eaf]"] == "its name has no dimension, valence or arousal"


def test_raters_with_clocks_of_their_own(tmp_path: Path) -> None:
    """Ben's samples lie a hundredth of a second behind Anna's: each is joined by their own steps."""
    write_features(tmp_path, ["P1"])
    for rater, delay in (("Anna", 0.0), ("Ben", 0.01)):
        rows = [f"{n * STEP + delay:g},{n / COUNT:g},{-n / COUNT:g}" for n in range(COUNT)]
        write(tmp_path / "annotations" / rater / "P1.csv", "time,valence,arousal", *rows)
    recording = open_corpus(tmp_path).recordings[0]
    inside = (recording.time > 0.02) & (recording.time < (COUNT - 1) * STEP)
    slope = 1 / COUNT / STEP
    np.testing.assert_allclose(recording.ratings[inside, 0, 0], recording.time[inside] * slope, atol=1e-5)
    np.testing.assert_allclose(recording.ratings[inside, 1, 1], (0.01 - recording.time[inside]) * slope, atol=1e-5)


def test_attributes_name_raters_and_people(tmp_path: Path) -> None:
    """ANNOTATOR is the rater of a tier without one; a tier of another person of the corpus is that person's."""
    write_features(tmp_path, PEOPLE)
    tiers = {f"{one}{end}": [0.1, 0.2] for one in DIMENSIONS for end in ("", "@P2")}
    own = dict.fromkeys(DIMENSIONS, 'ANNOTATOR="Eva" PARTICIPANT="P1"')
    other = {f"{one}@P2": 'PARTICIPANT="P2" ANNOTATOR="Eva"' for one in DIMENSIONS}
    for person in PEOPLE:
        write(tmp_path / "annotations" / f"{person}.eaf", eaf(tiers, {**own, **other}))
    corpus = open_corpus(tmp_path)
    assert corpus.recordings[0].raters == ("Eva",)
    assert any("of participant P2" in one.why for one in corpus.dropped)


def test_dependent_tiers_have_the_time_of_their_parents(tmp_path: Path) -> None:
    write_features(tmp_path, ["P1"])
    text = eaf({"segments": ["a", "b"], "valence_Eva": [], "arousal_Eva": [0.5, 0.6]})
    tier = '<TIER LINGUISTIC_TYPE_REF="default" TIER_ID="valence_Eva" >'
    refs = [
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="r{n}" ANNOTATION_REF="a0_{n}">'
        f"<ANNOTATION_VALUE>0,{n + 1}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
        for n in range(2)
    ]
    write(tmp_path / "annotations" / "P1.eaf", text.replace(tier, tier + "".join(refs)))
    ratings = open_corpus(tmp_path).recordings[0].ratings
    np.testing.assert_allclose(ratings[[0, 20], 0, 0], [0.1, 0.2], atol=1e-6)


def test_garbage_and_missing_values_of_nova(tmp_path: Path) -> None:
    write_features(tmp_path, ["P1"])
    for one in DIMENSIONS:
        path = write(tmp_path / "annotations" / "P1" / f"{one}.annotation", *nova_header(one, "Eva", COUNT))
        write(path.with_name(path.name + "~"), *(("NaN" if n in (5, 6, 7) else "0,5") + ";0,2" for n in range(COUNT)))
    corpus = open_corpus(tmp_path)
    found = corpus.recordings[0].ratings[:, 0, 0]
    assert np.isnan(found[int(6 * STEP * 25)])
    assert found[0] == 0.5
    assert any("confidence below 0.5" in note for note in corpus.notes)


def test_scale_of_the_file_and_of_the_option(tmp_path: Path) -> None:
    """DARMA's own range maps its labels; ELAN's are on the scale that the user names."""
    write_features(tmp_path, ["P1"])
    write(tmp_path / "annotations" / "P1.csv", *darma_lines(labels_of("P1"), "Anna", magnitude=4))
    corpus = open_corpus(tmp_path)
    assert corpus.recordings[0].ratings[0, 0, 0] == pytest.approx(labels_of("P1")["valence", "Anna"][0])
    (tmp_path / "annotations" / "P1.csv").unlink()
    write(tmp_path / "annotations" / "P1.eaf", eaf({f"{one}_Eva": [1, 5, 9] for one in DIMENSIONS}))
    assert "--label-range" in refusal(tmp_path)
    ratings = open_corpus(tmp_path, options=ReadOptions(label_range=(1, 9))).recordings[0].ratings
    np.testing.assert_allclose(ratings[[0, 15, 30], 0, 0], [-1, 0, 1])


def test_changed_files_are_noticed(tmp_path: Path) -> None:
    SAMPLES["nova"](write_features(tmp_path))
    before = digest_of_files(tmp_path)
    data = next(tmp_path.rglob("*.annotation~"))
    data.write_bytes(data.read_bytes()[::-1])
    assert digest_of_files(tmp_path) != before


BOTH = {f"{one}_Eva": [0.1, 0.2] for one in DIMENSIONS}
ELAN = eaf(BOTH)
DARMA = "\n".join(darma_lines(labels_of("P1"), "Anna"))
WIDE = "\n".join(wide_lines("P1"))
NOVA = "\n".join(nova_header("valence", "Eva", COUNT))
DOCTYPE = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><ANNOTATION_DOCUMENT>&c;</ANNOTATION_DOCUMENT>'
BROKEN = {
    "truncated XML": ("P1.eaf", ELAN[:-60], "P1.eaf:20: found damaged XML"),
    "entities": ("P1.eaf", DOCTYPE, "P1.eaf:1: found a document type (DOCTYPE)"),
    "another XML": ("P1.eaf", "<html></html>", "P1.eaf:1: found element html; expected element ANNOTATION_DOCUMENT"),
    "deep XML": ("P1.eaf", "<a>" * 99 + "</a>" * 99, "P1.eaf:1: found elements in elements"),
    "wrong encoding": ("P1.eaf", ELAN.replace("<HEADER", "<H\udce9ADER"), "P1.eaf:3: found damaged XML"),
    "no encoding": ("P1.eaf", ELAN.replace("UTF-8", "UTF-99"), "P1.eaf:1: found"),
    "empty file": ("P1.eaf", "", "P1.eaf:1: found an empty file"),
    "text in a tier": ("P1.eaf", ELAN.replace(">0.2<", ">high<", 1), "P1.eaf:13: found 'high' in tier valence_Eva"),
    "overlap": (
        "P1.eaf",
        ELAN.replace('"ts1"/>', "").replace('REF1="ts1"', 'REF1="ts0"', 1),
        "P1.eaf:13: found 0 to 1 s, which overlaps 0 to 0.5 s",
    ),
    "backwards": ("P1.eaf", ELAN.replace('VALUE="0"', 'VALUE="700"'), "P1.eaf:11: found 0.7 to 0.5 s"),
    "tier twice": (
        "P1.eaf",
        ELAN.replace("arousal_Eva", "valence_Eva"),
        "found tier valence_Eva twice, also on line 10",
    ),
    "rater twice": ("P1.eaf", eaf({**BOTH, "Eva valence": [0.1]}), "valence of P1 by rater Eva twice"),
    "one dimension": ("P1.eaf", eaf({"valence_Eva": [0.1]}), "found valence of P1 by rater Eva, and no arousal"),
    "empty tier": ("P1.eaf", eaf({**BOTH, "arousal_Eva": []}), "found valence of P1 by rater Eva, and no arousal"),
    "outside": (
        "P1.eaf",
        ELAN.replace(">0.2<", ">2<"),
        "P1.eaf:13: found 2 in tier valence_Eva; labels from 0.1 to 2; expected",
    ),
    "frames": ("P1.eaf", ELAN.replace("milliseconds", "PAL-frames"), "P1.eaf:3: found TIME_UNITS PAL-frames"),
    "another clock": (
        "P1.eaf",
        eaf({one: ["", 0.1] for one in DIMENSIONS}, step=90),
        "found labels of P1 from 90 to 179.99 s",
    ),
    "outside of DARMA's range": (
        "P1.csv",
        DARMA + "\n10,1200,0,0",
        "P1.csv:26: found 1200; expected labels from -1000",
    ),
    "DARMA without times": ("P1.csv", DARMA[: DARMA.rindex("%") + 1] + "\nx,1,1,0", "P1.csv:4: found no numbers in a"),
    "DARMA cut off": ("P1.csv", DARMA + "\n10,1", "P1.csv:26: found 2 values"),
    "DARMA backwards": ("P1.csv", DARMA + "\n3,1,1,0", "P1.csv:26: found time 3 after 9.5"),
    "DARMA's axes": ("P1.csv", DARMA.replace("Valence", "Agency").replace("Arousal", "Communion"), "P1.csv:4: found"),
    "DARMA's magnitude": (
        "P1.csv",
        DARMA.replace("Magnitude,1000", "Magnitude,much"),
        "P1.csv:3: found magnitude much",
    ),
    "decimal commas": ("P1.csv", WIDE.replace(".", ",", 1), "this looks like a decimal comma"),
    "two names without rater": ("P1.csv", "time,valence\n0,0\n1,1", "P1.csv: column valence: found valence of P1 by"),
    "NOVA without data": ("P1/v.annotation", NOVA, "v.annotation~: found nothing there"),
    "NOVA without rate": ("P1/v.annotation", NOVA.replace('sr="2"', ""), "v.annotation~: found nothing there"),
    "ELAN text": ("P1.txt", "valence_E\t00:00:00.000\t00:00:01.000\tlow\n", "P1.txt:1: found 'low' in tier valence_E"),
    "ELAN text cut off": ("P1.txt", "valence_E\t00:00:00.000\t00:00:01.000\t1\nvalence_E\t00:0", "P1.txt:2: found"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_fault_is_one_error_with_its_place(tmp_path: Path, fault: str) -> None:
    name, text, wanted = BROKEN[fault]
    write_features(tmp_path, ["P1"])
    path = tmp_path / "annotations" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode(errors="surrogateescape"))
    found = refusal(tmp_path)
    assert wanted in found
    assert len(found.splitlines()) == 1


def test_a_broken_table_of_all_people_is_one_error(tmp_path: Path) -> None:
    """The folders of labels, which nobody then needs, are not missed beside it."""
    write_features(tmp_path, ["P1"])
    write(tmp_path / "annotations.csv", "participant,time,valence,arousal", "P1,0,0.1,high", "P1,1,0.2,0.3")
    found = refusal(tmp_path)
    assert "annotations.csv:2: found 'high' in column arousal" in found
    assert len(found.splitlines()) == 1


@pytest.mark.parametrize(("rows", "wanted"), [(("x;1",), "'x'"), (("0.1",), "1 values"), (("0;1",), "1 values")])
def test_faults_of_novas_data(tmp_path: Path, rows: tuple[str, ...], wanted: str) -> None:
    write_features(tmp_path, ["P1"])
    path = write(tmp_path / "annotations" / "P1" / "v.annotation", NOVA)
    write(path.with_name("v.annotation~"), *rows)
    assert wanted in refusal(tmp_path)


def test_folders_beside_tables_of_all_raters_are_no_raters(tmp_path: Path) -> None:
    write_features(tmp_path, ["P1"])
    for one in DIMENSIONS:
        rows = [f"{n * STEP:g},{n / COUNT:g},{n / COUNT:g}" for n in range(COUNT)]
        write(tmp_path / "annotations" / one / "P1.csv", "time,Anna,Ben", *rows)
        write(tmp_path / "annotations" / one / "old" / "P1.csv", "time,Anna,Ben", *rows)
    corpus = open_corpus(tmp_path)
    assert corpus.recordings[0].raters == RATERS
    assert any("a folder in a folder is not read" in one.why for one in corpus.dropped)


def test_a_file_of_nobody_is_named(tmp_path: Path) -> None:
    INTERVALS["elan"](write_features(tmp_path))
    write(tmp_path / "annotations" / "P3.eaf", ELAN)
    write(tmp_path / "annotations" / "Cleo" / "p-02.csv", WIDE)
    corpus = open_corpus(tmp_path)
    dropped = {one.what: one.why for one in corpus.dropped}
    assert dropped["file annotations/P3.eaf"].startswith("of no recording in features/")
    assert [one for one in corpus.questions if "P2 and p-02" in one]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("valence_Anna", ("valence", "Anna")),
        ("Anna-Arousal", ("arousal", "Anna")),
        ("Valence (Anna B.)", ("valence", "Anna B")),
        ("valence", ("valence", "")),
        ("valence_arousal", None),
        ("ambivalence", None),
    ],
)
def test_names_of_tiers_and_columns(name: str, wanted: tuple[str, str] | None) -> None:
    assert named(name) == wanted


def test_elans_time_begins_at_the_mediums_origin(tmp_path: Path) -> None:
    write_features(tmp_path, ["P1"])
    media = '<MEDIA_DESCRIPTOR MEDIA_URL="a.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="2000"/>'
    write(tmp_path / "annotations" / "P1.eaf", ELAN.replace("</HEADER>", media + "</HEADER>"))
    labels = open_corpus(tmp_path).recordings[0].ratings[:, 0, 0]
    assert np.isnan(labels[:48]).all()
    assert labels[51] == pytest.approx(0.1)


def test_discrete_schemes_of_nova(tmp_path: Path) -> None:
    """Names of classes are the labels; GARBAGE is none, and the annotator is told by the file's name."""
    write_features(tmp_path, ["P1"])
    items = ['<item name="-1" id="0"/>', '<item name="1" id="1"/>']
    for one in DIMENSIONS:
        path = tmp_path / "annotations" / "P1" / f"subject.{one}.eva.annotation"
        scheme = [f'<scheme name="{one}" type="DISCRETE">', *items, "</scheme>"]
        write(path, '<annotation ssi-v="3">', '<info ftype="ASCII" size="3"/>', *scheme, "</annotation>")
        write(path.with_name(path.name + "~"), "0;1;0;1.0;", "1;2;-1;1.0", "2;3;1;1.0;")
    recording = open_corpus(tmp_path).recordings[0]
    assert recording.raters == ("eva",)
    labels = recording.ratings[:, 0, 0]
    assert (labels[10], labels[60]) == (-1, 1)
    assert np.isnan(labels[35])


def test_a_name_goes_on_behind_a_dot_or_with_a_dimension_only(tmp_path: Path) -> None:
    """P1_2 may be a recording of its own, whose labels are nobody else's."""
    write_features(tmp_path, ["P1"])
    for name in ("P1.eva.csv", "P1_2.csv"):
        write(tmp_path / "annotations" / name, "time,valence,arousal", "0,0,0", "1,0.5,0.5")
    corpus = open_corpus(tmp_path)
    assert corpus.recordings[0].raters == ("eva",)
    assert "file annotations/P1_2.csv" in {one.what for one in corpus.dropped}


def test_raters_that_are_asked_for(tmp_path: Path) -> None:
    INTERVALS["elan"](write_features(tmp_path))
    corpus = open_corpus(tmp_path, options=ReadOptions(raters=("An*",)))
    assert corpus.recordings[0].raters == ("Anna",)
    assert any("not asked for" in one.why for one in corpus.dropped)


@pytest.mark.parametrize("kind", INTERVALS)
def test_a_unit_is_none_of_formats_that_have_one(tmp_path: Path, kind: str) -> None:
    INTERVALS[kind](write_features(tmp_path))
    with pytest.raises(
        InputError, match=r"--time-unit: found no clock that takes it: labels whose format has one unit"
    ):
        open_corpus(tmp_path, reading=Reading(time_unit={"annotations": "ms"}))
    found = open_corpus(tmp_path, reading=Reading(time_unit={"features": "s", "annotations": "ms"}))
    assert any(note.startswith("--time-unit is not used: labels whose format has one unit [") for note in found.notes)
    same = open_corpus(tmp_path, reading=Reading(time_unit=dict.fromkeys(SIDES, "s")))
    assert same.sha256 == found.sha256
    assert not any("--time-unit" in note for note in same.notes)


def test_every_clock_is_compared(tmp_path: Path) -> None:
    """Ben's few times are milliseconds, which the name of his column does not say."""
    write_features(tmp_path, ["P1"])
    for rater, step, count in (("Anna", 0.02, 500), ("Ben", 500, COUNT)):
        rows = [f"{n * step:g},{n / count:g},{-n / count:g}" for n in range(count)]
        write(tmp_path / "annotations" / rater / "P1.csv", "time,valence,arousal", *rows)
    assert "--time-unit annotations=ms" in refusal(tmp_path)


def test_the_kinds_of_faults_of_elans_text(tmp_path: Path) -> None:
    write_features(tmp_path, ["P1"])
    path = tmp_path / "annotations" / "P1.txt"
    write(path, "valence_E\t00:00:02.000\t00:00:01.000\t1", "valence_E\t00:00:02.000\t00:00:03.000\t1")
    assert "P1.txt:1: found 2 to 1 s; expected an end after the begin" in refusal(tmp_path)
