"""Successive halving (ASHA, Li et al. 2020): when trials are compared, and how many epochs a search trains."""

GRACE_EPOCHS = 10  # ours: nobody is stopped before
REDUCTION = 3  # ours: one in three goes on at each rung


def rungs_of(epochs: int) -> tuple[int, ...]:
    """Return the epochs, rising, at which configurations of so many epochs are compared."""
    rungs = [min(GRACE_EPOCHS, epochs)]
    while rungs[-1] * REDUCTION <= epochs:
        rungs.append(rungs[-1] * REDUCTION)
    return tuple(rungs)


def epochs_with_halving(trials: int, epochs: int) -> float:
    """Return the epochs that all trials together train, if which of them is better is a matter of chance.

    A trial goes on at a rung (10 epochs, 30, 90) if it is better than two thirds of those that came there before it,
    the threshold interpolated between them: after m of them with the chance (m + 2) / (3 m + 3), the first always.
    """
    total, arriving, rung = 0.0, float(trials), min(GRACE_EPOCHS, epochs)
    before = 0
    while True:
        total += arriving * (rung - before)
        if rung >= epochs:
            return total
        arriving = _going_on(arriving)
        before, rung = rung, min(rung * REDUCTION, epochs)


def _going_on(arriving: float) -> float:
    """Return how many go on of those that arrive at a rung one after another, a broken number in proportion."""
    whole = int(arriving)
    going = min(1.0, arriving) + sum((m + 2) / (3 * m + 3) for m in range(1, whole))
    return going + (arriving - whole) * (whole + 2) / (3 * whole + 3) if whole else going
