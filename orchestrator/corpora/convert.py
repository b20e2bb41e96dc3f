"""Any corpus as one long table in Parquet, which the table reader reads back to the same recordings.

What stays the same is what `Corpus.sha256` covers: names, times, features, validity, ratings. Remarks, shares
joined and the format's name belong to the reading, not to the contents.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from orchestrator.corpora.recording import Corpus
from orchestrator.corpora.tables.feature_tools import TOOL_KEY
from orchestrator.corpora.tables.tracks import JUDGED, JUDGED_KEY, ORIGIN_KEY
from orchestrator.errors import InputError
from orchestrator.files import atomic
from orchestrator.protocols import DIMENSIONS


def convert(corpus: Corpus, out: Path) -> None:
    """Write the corpus to `out` (.parquet); a kill leaves the old file or the new one.

    Columns: participant, session, time, features, valid, valence_<rater>, arousal_<rater>; for generated data
    synthetic, as in the file's metadata, which also says that times are seconds.
    InputError if `out` does not end so or cannot be written.
    """
    check_name(out)
    table = _table(corpus)
    try:
        with atomic(out) as partial, partial.open("wb") as file:
            parquet.write_table(table, file)
    except OSError as error:
        found = f"{out}: {error.strerror or error}"
        raise InputError.of("--output", found=found, expected="a file that can be written") from error


def check_name(out: Path) -> None:
    """Refuse a name that does not say what is written (InputError)."""
    if out.suffix.lower() != ".parquet":
        raise InputError.of("--output", found=str(out), expected="a file name that ends in .parquet")


def as_bytes(corpus: Corpus) -> bytes:
    """Return what `convert` writes."""
    file = pa.BufferOutputStream()
    parquet.write_table(_table(corpus), file)
    return bytes(file.getvalue().to_pybytes())


def _table(corpus: Corpus) -> pa.Table:
    recordings = corpus.recordings
    rows = [len(recording.time) for recording in recordings]
    features = np.concatenate([recording.features for recording in recordings])
    ratings = np.concatenate([recording.ratings for recording in recordings])
    columns: dict[str, pa.Array] = {
        "participant": pa.array(np.repeat([recording.participant for recording in recordings], rows).tolist()),
        "session": pa.array(np.repeat([recording.session for recording in recordings], rows).tolist()),
        "time": pa.array(np.concatenate([recording.time for recording in recordings])),
    }
    for index, name in enumerate(corpus.feature_names):
        columns[name] = pa.array(features[:, index])
    columns["valid"] = pa.array(np.concatenate([recording.valid for recording in recordings]))
    for dimension_index, dimension in enumerate(DIMENSIONS):
        for index, rater in enumerate(recordings[0].raters):
            columns[f"{dimension}_{rater}"] = pa.array(ratings[:, index, dimension_index])
    if corpus.synthetic:
        columns["synthetic"] = pa.array(np.ones(sum(rows), dtype=bool))
    table = pa.table(columns)
    said = {"synthetic": "true" if corpus.synthetic else "false", "time_unit": "s"}
    said |= {TOOL_KEY: corpus.features_tool} if corpus.features_tool else {}
    return table.replace_schema_metadata({**said, JUDGED_KEY: JUDGED, ORIGIN_KEY: corpus.origin})
