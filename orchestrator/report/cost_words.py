"""What a configuration cost, in words: minutes, MiB, bytes of a federation, money."""

from orchestrator.report.configuration_points import SECONDS_PER_MINUTE, Point
from orchestrator.report.tables.cells import NOT_RECORDED, written

UNITS = ("bytes", "kB", "MB", "GB", "TB")
ONE = 1.0
LEAST = 0.001  # minutes, MiB or money that is written as a number


def minutes_words(point: Point) -> str:
    """Return the minutes of the training."""
    return NOT_RECORDED if point.seconds is None else _short(point.seconds / SECONDS_PER_MINUTE)


def mib_words(point: Point) -> str:
    """Return the MiB of one model."""
    return NOT_RECORDED if point.mib is None else _short(point.mib)


def sent_words(point: Point) -> str:
    """Return what clients and server sent each other, in decimal units."""
    if not point.federated:
        return "none: no clients"
    return NOT_RECORDED if point.sent_bytes is None else bytes_words(point.sent_bytes)


def money_words(point: Point, price_per_hour: float) -> str:
    """Return the training's price, in the unit of the price per hour."""
    money = point.money(price_per_hour)
    return NOT_RECORDED if money is None else _short(money)


def cost_words(point: Point, price_per_hour: float | None) -> str:
    """Return all of it in one line."""
    parts = [f"{minutes_words(point)} min", f"{mib_words(point)} MiB"]
    parts += [f"{sent_words(point)} sent"] if point.federated else []
    parts += [f"money {money_words(point, price_per_hour)}"] if price_per_hour is not None else []
    return ", ".join(parts)


def bytes_words(count: int) -> str:
    """Return a number of bytes with three digits: 12.3 MB."""
    value, unit = float(count), UNITS[0]
    for unit in UNITS:
        if value < 999.5 or unit == UNITS[-1]:
            break
        value /= 1000.0
    return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"


def _short(value: float) -> str:
    """Write a small number with three digits, another one with one decimal, so that none is written as nothing."""
    if 0 < value < LEAST:
        return f"< {LEAST:g}"  # three digits of it would be a power of ten
    return written(value, 1) if value >= ONE else f"{value:.3g}"
