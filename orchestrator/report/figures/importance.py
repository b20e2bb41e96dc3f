"""How much each hyper-parameter matters: the share of the CCC's variance that its main effect explains.

Analysis of variance by least squares: CCC on indicator variables of the network and of every hyper-parameter that the
search varied. A hyper-parameter's share is what the fit loses without it, less what as many useless indicators
would lose by chance (epsilon squared, Kelley 1935), of the whole variance. On a full grid the shares add up; the
rest is interactions, which this does not name.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from orchestrator.protocols import DIMENSIONS
from orchestrator.report.figures import style
from orchestrator.report.figures.configurations import TITLES, finished, heading, value_of, varying
from orchestrator.report.figures.figure import Figure
from orchestrator.report.search_record import Search
from orchestrator.run_records import TrialResult

FEWEST_TRIALS = 12  # ours: the demo's grid; with fewer a share says what chance gave
NEGLIGIBLE_VARIANCE = 1e-12
HATCHES = ("", "////")


def why_not(trials: Sequence[TrialResult]) -> str | None:
    """Return why nothing can be told from these configurations; None where something can."""
    keys = varying(trials)
    num_effects = sum(len(values) - 1 for values in keys.values())
    if not keys:
        return "nothing was varied"
    if len(trials) < FEWEST_TRIALS:
        return f"{len(trials)} finished configurations, at least {FEWEST_TRIALS} are needed"
    if len(trials) < num_effects + 2:
        return f"{len(trials)} finished configurations for {num_effects} effects"
    if any(_constant([trial.score(f"ccc_{dimension}") for trial in trials]) for dimension in DIMENSIONS):
        return "every configuration has the same CCC"
    return None


def draw(search: Search) -> Figure | None:
    """Draw the shares; None where `why_not` has a reason."""
    trials = finished(search)
    if why_not(trials) is not None:
        return None
    keys = varying(trials)
    shares = {dimension: explained(trials, keys, f"ccc_{dimension}") for dimension in DIMENSIONS}
    drawing, axes = style.panels(1, 1, height_mm=10 * len(keys) + 26, heading=heading(search))
    panel, height = axes[0, 0], 0.38
    places = np.arange(len(keys))
    for i, (dimension, share) in enumerate(shares.items()):
        panel.barh(
            places + (i - 0.5) * height,
            [100 * share[key] for key in keys],
            height,
            label=dimension,
            color=style.COLOURS[i],
            edgecolor="white",
            hatch=HATCHES[i],
            linewidth=0,
        )
    panel.set_yticks(places, [TITLES[key] for key in keys])
    panel.invert_yaxis()
    panel.set_xlim(0, 100)
    panel.set_xlabel("share of the variance of CCC (%)")
    style.legend(drawing, *panel.get_legend_handles_labels())
    rests = ", ".join(f"{100 * (1 - sum(share.values())):.0f} % {name}" for name, share in shares.items())
    return Figure(
        name="importance",
        title="Importance of the hyper-parameters",
        caption=f"Share of the variance of CCC over {len(trials)} configurations that each main effect explains"
        f" (analysis of variance, epsilon squared). Not explained by main effects: {rests}.",
        svg=style.to_svg(drawing),
        drawing=drawing,
    )


def explained(trials: Sequence[TrialResult], keys: dict[str, list[Any]], score: str) -> dict[str, float]:
    """Return each key's share of the variance of `score`, between 0 and 1."""
    scores = np.array([trial.score(score) for trial in trials], dtype=np.float64)
    indicators = {
        key: np.array([[value_of(trial, key) == value for value in values[1:]] for trial in trials], dtype=np.float64)
        for key, values in keys.items()
    }
    total = float(((scores - scores.mean()) ** 2).sum())
    unexplained, num_parameters = _unexplained(scores, list(indicators.values()))
    noise = unexplained / max(1, len(trials) - num_parameters)
    shares = {}
    for key in keys:
        without, fewer = _unexplained(scores, [matrix for other, matrix in indicators.items() if other != key])
        lost = without - unexplained - (num_parameters - fewer) * noise
        shares[key] = min(1.0, max(0.0, lost / total))
    return shares


def _unexplained(scores: np.ndarray, matrices: Sequence[np.ndarray]) -> tuple[float, int]:
    """Return what is left of the squares after the fit, and the number of independent parameters in it."""
    design = np.concatenate([np.ones((len(scores), 1)), *matrices], axis=1)
    solution, _, rank, _ = np.linalg.lstsq(design, scores, rcond=None)
    return float(((scores - design @ solution) ** 2).sum()), int(rank)


def _constant(scores: Sequence[float]) -> bool:
    return float(np.var(scores)) < NEGLIGIBLE_VARIANCE
