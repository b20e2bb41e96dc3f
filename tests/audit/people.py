"""Made people for the tests of attacks: streams of the embedded corpus's own model of faces."""

import numpy as np

from orchestrator.audit.windows import Stream
from orchestrator.corpora.synthetic.facial_model import measure, simulate


def made_people(
    identity: float, *, count: int = 8, seconds: float = 150.0, hz: float = 5.0, seed: int = 0
) -> list[Stream]:
    """Return what a tool measures of made people at a setting of the identity dial: a stream each, 20 channels."""
    names = [f"P{number}" for number in range(count)]
    faces = list(simulate(names, num_frames=round(seconds * hz), hz=hz, seed=seed, identity=identity))
    return [
        Stream(
            participant=face.participant,
            session="",
            time=face.time,
            values=np.nan_to_num(values).astype(np.float32),
            valid=np.asarray(np.isfinite(values).all(axis=1)),
        )
        for face, values in zip(faces, measure(faces, seed=seed), strict=True)
    ]
