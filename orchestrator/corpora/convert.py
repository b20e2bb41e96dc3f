"""Any corpus as one long table in Parquet, which the table reader reads back to the same recordings.

What stays the same is what `Corpus.sha256` covers: names, times, features, validity, ratings. Remarks, shares
joined and the format's name belong to the reading, not to the contents.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from orchestrator.corpora.recording import DIMENSIONS, Corpus
from orchestrator.errors import InputError


def convert(corpus: Corpus, out: Path) -> None:
    """Write the corpus to `out` (.parquet); a kill leaves the old file or the new one.

    Columns: participant, session, time, features, valid, valence_<rater>, arousal_<rater>; for generated data
    synthetic, as in the file's metadata. InputError where `out` does not end so or cannot be written.
    """
    if out.suffix.lower() != ".parquet":
        raise InputError.of("--out", found=str(out), expected="a file name that ends in .parquet")
    if out.is_dir():
        raise InputError.of("--out", found=f"{out} is a folder", expected="a file name")
    table = _table(corpus)
    name = ""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
        with os.fdopen(handle, "wb") as file:
            parquet.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(out)
    except OSError as error:
        found = f"{out}: {error.strerror or error}"
        raise InputError.of("--out", found=found, expected="a file that can be written") from error
    finally:
        if name:
            Path(name).unlink(missing_ok=True)


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
    return table.replace_schema_metadata({"synthetic": "true" if corpus.synthetic else "false"})
