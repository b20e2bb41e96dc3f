"""Coverage and bias of every estimator in made corpora whose truth is known; the tables go into docs/statistics.md.

    python -m benchmarks.coverage [--corpora 3000] [--only intervals|selection|ceiling|repeats] [--print]

One core, some minutes. Each table is seeded and replaced between its own two markers; --print leaves the file alone.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated_people import WORLDS, World, as_windows, draw, folds_of
from orchestrator.estimators import agreement, intervals, repeats, selection_correction
from orchestrator.estimators.intervals import PARTICIPANT, POOLED
from orchestrator.estimators.sums import Array, by_fold, ccc_of

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "statistics.md"
SEED = 0
# People and folds: eight folds, and leave-one-person-out.
DESIGNS = ((8, 8), (12, 8), (20, 8), (23, 8), (40, 8), (80, 8), (150, 8), (20, 20), (40, 40), (150, 150))
BLOCK_PEOPLE = 60_000  # people drawn at once: bounds the memory
CONFIGURATIONS = 16
FEW = 200  # corpora, and draws, of the bootstrap: it takes the most time and is the farthest off
WINDOW_FRAMES = 50


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--corpora", type=int, default=3000)
    arguments.add_argument("--only", choices=sorted(TABLES))
    arguments.add_argument("--print", action="store_true")
    given = arguments.parse_args()
    for name, make in TABLES.items():
        if given.only in (None, name):
            lines = make(given.corpora)
            print(*lines, sep="\n", flush=True)
            if not given.print:
                replace_table(DOCUMENT, name, lines)


def replace_table(document: Path, name: str, lines: Sequence[str]) -> None:
    """Put lines between `<!-- name -->` and `<!-- end of name -->`."""
    text = document.read_text(encoding="utf-8")
    first, last = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, _, rest = text.partition(first)
    _, found, after = rest.partition(last)
    assert found, f"{document} has no place for the table {name!r}"
    document.write_text(before + first + "\n".join(lines) + "\n" + last + after, encoding="utf-8")


def intervals_table(corpora: int) -> list[str]:
    """Give the coverage of the 95 % intervals: least and most over the worlds, for each measure and design."""
    rows = [
        "| people, folds | frame CCC | window CCC | participant CCC | difference of frame CCC | of participant CCC"
        " | bootstrap before |",
        "|---|---|---|---|---|---|---|",
    ]
    for people, folds in DESIGNS:
        measured = [coverages(world, people, folds, corpora) for world in WORLDS.values()]
        shown = [_range([one[name] for one in measured]) for name in measured[0]]
        rows.append(f"| {people}, {folds} | {' | '.join(shown)} |")
    return rows


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.1%} to {max(values):.1%}".replace("%", "", 1)


def coverages(world: World, people: int, folds: int, corpora: int) -> dict[str, float]:
    """Measure the coverage of every interval in one world and design."""
    generator, fold = np.random.default_rng([SEED, people, folds]), folds_of(people, folds)
    truth = dict.fromkeys(("frame", "window", "participant"), 0.0)
    blocks = _blocks(3 * corpora, people)
    for size in blocks:
        (frames,) = draw(generator, world, size, people)
        share = size / sum(blocks)
        windows = as_windows(generator, frames, frames=WINDOW_FRAMES)
        for name, sums, measure in _measured(frames, windows):
            truth[name] += share * float(intervals.fold_values(sums, fold, measure=measure).mean())
    hits: dict[str, list[NDArray[np.bool_]]] = {}
    for size in _blocks(corpora, people):
        first, second = draw(generator, world, size, people, runs=2)
        windows = as_windows(generator, first, frames=WINDOW_FRAMES)
        for name, sums, measure in _measured(first, windows):
            spread = intervals.spread_of(sums, fold, measure=measure)
            hits.setdefault(name, []).append(_hit(intervals.limits(spread, limited=True), truth[name]))
        for name, measure in (("difference", POOLED), ("participant difference", PARTICIPANT)):
            # Both runs are of equal people: the true difference is 0.
            spread = intervals.spread_of(first, fold, measure=measure, minus_PS=second)
            hits.setdefault(name, []).append(_hit(intervals.limits(spread, limited=False), 0.0))
        few = first[: max(1, FEW * size // corpora)]
        hits.setdefault("before", []).append(_hit(old_bootstrap(generator, few, fold, draws=FEW), truth["frame"]))
    return {name: float(np.concatenate(found).mean()) for name, found in hits.items()}


def _measured(frames: Array, windows: Array) -> tuple[tuple[str, Array, str], ...]:
    return ("frame", frames, POOLED), ("window", windows, POOLED), ("participant", frames, PARTICIPANT)


def _hit(ends: tuple[Array, Array], truth: float) -> NDArray[np.bool_]:
    return np.asarray((ends[0] <= truth) & (truth <= ends[1]))


def _blocks(corpora: int, people: int) -> list[int]:
    size = max(1, BLOCK_PEOPLE // people)
    return [min(size, corpora - start) for start in range(0, corpora, size)]


def old_bootstrap(
    generator: np.random.Generator, sums: Array, fold: NDArray[np.int64], *, draws: int
) -> tuple[Array, Array]:
    """Give the percentile interval that was used before: people drawn anew, a fold counts once whoever was drawn."""
    corpora, people, _ = sums.shape
    scores = np.empty((draws, corpora))
    for number in range(draws):
        weight = generator.multinomial(people, np.full(people, 1 / people), size=corpora)
        drawn = by_fold(weight[..., None] * sums, fold)
        there = drawn[..., 0] > 0
        scores[number] = (ccc_of(drawn) * there).sum(axis=1) / there.sum(axis=1)
    low, high = np.percentile(scores, (2.5, 97.5), axis=0)
    return low, high


def selection_table(corpora: int) -> list[str]:
    """Give bias and coverage of the corrected score of the best of 16 configurations."""
    rows = [
        "| world | people, folds | true CCC of the configurations | bias selected | corrected | coverage corrected |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("labels within people", "labels between people"):
        for people, folds in ((8, 8), (20, 8), (40, 8), (80, 8), (20, 20)):
            for spread in (0.0, 0.1):
                truth, plain, fixed, covered = _selected(WORLDS[name], people, folds, spread, max(50, corpora // 10))
                between = f"{truth.min():.3f} to {truth.max():.3f}"
                rows.append(f"| {name} | {people}, {folds} | {between} | {plain:+.3f} | {fixed:+.3f} | {covered:.1%} |")
    return rows


def _selected(world: World, people: int, folds: int, spread: float, corpora: int) -> tuple[Array, float, float, float]:
    generator, fold = np.random.default_rng([SEED, people, folds, int(1000 * spread)]), folds_of(people, folds)
    better = spread * generator.normal(size=CONFIGURATIONS)
    truth = intervals.fold_values(_sloped(generator, world, 1000, people, better), fold, measure=POOLED).mean((1, 2))
    found = []
    for sums in np.moveaxis(_sloped(generator, world, corpora, people, better), 1, 0):
        value = selection_correction.influences(sums, fold)
        loss = selection_correction.losses_of({"valence": sums}, fold, loss="mse")
        chosen = int(loss.sum(axis=1).argmin())
        estimate, low, high, _ = selection_correction.correction(value, loss, generator, draws=300)
        found.append((value[chosen].mean() - truth[chosen], estimate - truth[chosen], low <= truth[chosen] <= high))
    plain, fixed, covered = np.array(found, dtype=np.float64).mean(axis=0)
    return truth, float(plain), float(fixed), float(covered)


def _sloped(generator: np.random.Generator, world: World, corpora: int, people: int, better: Array) -> Array:
    """Draw configurations of one set of people whose slopes lie `better` above the world's: (C, R, P, S)."""
    sums = draw(generator, world, corpora, people, runs=len(better))
    mean = sums / sums[..., :1]
    gain = better[:, None, None]
    mean_x, mean_y = mean[..., 1], mean[..., 2]
    var_y, covariance = mean[..., 4] - mean_y**2, mean[..., 5] - mean_x * mean_y
    slope = covariance / var_y
    noise = mean[..., 3] - mean_x**2 - slope**2 * var_y
    slope, mean_x = slope + gain, mean_x + gain * mean_y
    mean[..., 1] = mean_x
    mean[..., 3] = slope**2 * var_y + noise + mean_x**2
    mean[..., 5] = slope * var_y + mean_x * mean_y
    return np.asarray(sums[..., :1] * mean)


def ceiling_table(corpora: int) -> list[str]:
    """Give the raters' ceiling beside what the truth scores, and its coverage."""
    rows = [
        "| raters, people, folds | best CCC of the truth | ceiling, mean | coverage | a rater against the others |",
        "|---|---|---|---|---|",
    ]
    for raters, people, folds in ((2, 20, 8), (3, 8, 8), (3, 20, 8), (3, 80, 8), (6, 20, 8), (6, 150, 8), (3, 20, 20)):
        best, found, covered, single = rated(raters, people, folds, max(50, corpora // 10))
        rows.append(f"| {raters}, {people}, {folds} | {best:.3f} | {found:.3f} | {covered:.1%} | {single:.3f} |")
    return rows


def rated(
    raters: int, people: int, folds: int, corpora: int, *, frames: int = 100
) -> tuple[float, float, float, float]:
    """Simulate truth + noise of each rater; return the truth's best CCC, the ceiling, its coverage, a single rater's.

    Raters have levels of their own (of the corpus, and of each person) and noise that lasts for some frames.
    """
    generator, fold = np.random.default_rng([SEED, raters, people, folds]), folds_of(people, folds)
    members = [[f"P{i}" for i in np.flatnonzero(fold == k)] for k in range(folds)]
    best, found, ends, single = [], [], [], []
    for _ in range(corpora):
        truth = generator.normal(0, 0.1, (people, 1)) + _lasting(generator, (people, frames), 0.2)
        levels = generator.normal(0, 0.1, raters) + generator.normal(0, 0.05, (people, 1, raters))
        labels = truth[..., None] + levels + np.moveaxis(_lasting(generator, (people, raters, frames), 0.15), 1, 2)
        gold = labels.mean(axis=-1)
        # One line through the truth, of the spread and level of the labels: what a perfect prediction can know.
        line = gold.mean() + (truth - truth.mean()) * gold.std() / truth.std()
        best.append(float(ccc_of(by_fold(_sums(line, gold), fold)).mean()))
        others = [_agree(labels, r, fold) for r in range(raters)]
        single.append(float(np.mean(others)))
        recordings = [
            agreement.Rated(
                participant=f"P{i}",
                raters=tuple(map(str, range(raters))),
                ratings_TR=labels[i],
                scored_T=np.ones(frames, dtype=bool),
            )
            for i in range(people)
        ]
        interval = agreement.ceiling(agreement.rating_sums(recordings), members)
        assert interval is not None
        found.append(interval.estimate)
        ends.append((interval.low, interval.high))
    low, high = np.array(ends).T
    truth_of_all = float(np.mean(best))
    return truth_of_all, float(np.mean(found)), float(np.mean(_hit((low, high), truth_of_all))), float(np.mean(single))


def _lasting(generator: np.random.Generator, shape: tuple[int, ...], sd: float) -> Array:
    """Draw noise along the last axis whose neighbours correlate by 0.9."""
    noise = generator.normal(size=shape)
    for step in range(1, shape[-1]):
        noise[..., step] = 0.9 * noise[..., step - 1] + np.sqrt(1 - 0.81) * noise[..., step]
    return np.asarray(sd * noise)


def _sums(one: Array, other: Array) -> Array:
    """Sum traces of people (P, T) into moments (P, S)."""
    parts = (np.full(one.shape, 1.0), one, other, one**2, other**2, one * other, np.abs(one - other))
    return np.stack([part.sum(axis=1) for part in parts], axis=-1)


def _agree(labels: Array, rater: int, fold: NDArray[np.int64]) -> float:
    """Give the mean over the folds of one rater's CCC with the mean of the others."""
    others = np.delete(labels, rater, axis=-1).mean(axis=-1)
    return float(ccc_of(by_fold(_sums(labels[..., rater], others), fold)).mean())


def repeats_table(corpora: int) -> list[str]:
    """Give how often two equal methods are called different at 5 %, by three tests over 10 repeats of 8 folds."""
    rows = [
        "| people | plain t over folds x repeats (never used) | corrected resampled t | person jackknife |",
        "|---|---|---|---|",
    ]
    for people in (16, 40, 80):
        shown = " | ".join(f"{share:.1%}" for share in false_alarms(people, max(50, corpora // 6)))
        rows.append(f"| {people} | {shown} |")
    return rows


def false_alarms(people: int, corpora: int, *, number: int = 10, folds: int = 8) -> tuple[float, float, float]:
    """Simulate repeats whose folds are drawn anew and whose models differ a little each time."""
    from scipy.stats import t

    generator, world = np.random.default_rng([SEED, people, number]), WORLDS["labels within people"]
    alarms = []
    for _ in range(corpora):
        runs = draw(generator, world, 1, people, runs=2)[:, 0]
        scores, left_out = [], []
        for _ in range(number):
            order = generator.permutation(people)
            fold = folds_of(people, folds)
            one, other = (_retrained(generator, run)[order] for run in runs)
            scores.append(list(_folds(one, fold) - _folds(other, fold)))
            changed = np.empty(people)
            changed[order] = intervals.left_out_of(one, fold, measure=POOLED) - intervals.left_out_of(
                other, fold, measure=POOLED
            )
            left_out.append(changed)
        flat = np.array(scores).ravel()
        plain = abs(flat.mean()) > t.ppf(0.975, len(flat) - 1) * flat.std(ddof=1) / np.sqrt(len(flat))
        corrected = repeats.corrected_resampled_t(scores, num_people=people)
        by_person = intervals.interval_of_left_out(float(flat.mean()), np.mean(left_out, axis=0), num_folds=folds)
        assert corrected is not None
        assert by_person is not None
        alarms.append((plain, corrected.p_value < 0.05, not by_person.low <= 0.0 <= by_person.high))
    plain_share, corrected_share, person_share = np.mean(alarms, axis=0)
    return float(plain_share), float(corrected_share), float(person_share)


def _folds(sums: Array, fold: NDArray[np.int64]) -> Array:
    return intervals.fold_values(sums, fold, measure=POOLED)


def _retrained(generator: np.random.Generator, sums: Array) -> Array:
    """Move each person's predictions a little, as another seed does."""
    moved = sums.copy()
    n, shift = sums[:, 0], generator.normal(0, 0.03, len(sums))
    moved[:, 1] += n * shift
    moved[:, 3] += 2 * shift * sums[:, 1] + n * shift**2
    moved[:, 5] += shift * sums[:, 2]
    return moved


TABLES: dict[str, Callable[[int], list[str]]] = {
    "intervals": intervals_table,
    "selection": selection_table,
    "ceiling": ceiling_table,
    "repeats": repeats_table,
}

if __name__ == "__main__":
    main()
