"""A `table` file shaped like data of whole trials: 141 people with 1 to 42 rows each, 20 action units, three raters.

The people's state drifts from trial to trial; each unit answers to it by its own bend (threshold, saturation, product)
over the person's own rest and gain, with noise. Nothing in it is anybody's data.
"""

from pathlib import Path

import numpy as np

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
NUM_PEOPLE = 141
MOST_ROWS = 42
SECONDS_PER_TRIAL = 5.0


def write_trial_table(path: Path, *, seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    counts = [1, MOST_ROWS, *generator.integers(1, MOST_ROWS + 1, NUM_PEOPLE - 2)]
    names = [f"AU{unit:02d}" for unit in UNITS]
    slopes = generator.normal(size=(len(UNITS), 2))
    thresholds = generator.normal(scale=0.6, size=len(UNITS))
    header = ["participant", "session", "time", *names]
    header += [f"{dimension}_{rater}" for dimension in ("valence", "arousal") for rater in ("r1", "r2", "r3")]
    lines = [",".join(header)]
    for person, count in enumerate(counts, start=1):
        state = np.zeros((count, 2))
        now = generator.normal(scale=0.7, size=2)
        for row in range(count):
            now = 0.85 * now + generator.normal(scale=0.4, size=2)
            state[row] = np.tanh(now)
        drive = state @ slopes.T - thresholds
        bent = np.where(np.arange(len(UNITS)) % 2, np.maximum(drive, 0), drive**2 / (1 + drive**2))
        rest, gain = generator.normal(scale=0.5, size=len(UNITS)), generator.lognormal(sigma=0.3)
        units = np.clip(rest + 2.0 * gain * bent + generator.normal(scale=0.8, size=bent.shape), 0, 5)
        ratings = state[:, :, None] + generator.normal(scale=0.15, size=(count, 2, 3))
        ratings = np.clip(ratings, -1, 1).round(2)
        for row in range(count):
            values = [f"S{person:03d}", "1", f"{row * SECONDS_PER_TRIAL:g}", *(f"{unit:.3f}" for unit in units[row])]
            lines.append(",".join([*values, *(f"{rating:.2f}" for rating in ratings[row].reshape(-1))]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
