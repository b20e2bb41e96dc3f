"""The optimism of the protocols: what each reports, corrected for selection, and its difference to strict."""

from collections.abc import Mapping, Sequence

from orchestrator.planning.grid import decisive_part
from orchestrator.protocols import DIMENSIONS, PROTOCOLS, TERMS
from orchestrator.report.blocks import leads, protocol_fields
from orchestrator.report.queries import (
    changes,
    command_for,
    compared_configurations,
    from_summary,
    is_same_corpus,
    method_name,
    methods,
    no_correction,
    number_in,
    of_method,
    protocol_label,
    stopped_configurations,
    summary_of,
)
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table

OPTIMISTIC = ("published", "described")  # beside strict
STRICT = "strict"
NOT_ALIKE = "not alike"
CHOICE = (
    "name",
    "optimistic",
    "epoch_choice",
    "best_by",
)  # the fields that say who chooses the epoch and the configuration
SAME_IN_PLANS = ("seed", "images", "federation")  # what else of a plan decides a result


def optimism(searches: Sequence[Search]) -> Table:
    """Return each protocol's reported score, the score corrected for selection, and the differences to strict."""
    rows: list[Row] = []
    remarks: list[str] = []
    for method in methods():
        by_name = _alike_searches(leads(of_method(searches, method)))
        rows += [_row(method, dimension, by_name) for dimension in DIMENSIONS]
        remarks += _remarks(method, by_name)
    ran = [method for method in methods() if of_method(searches, method)]
    missing = [
        f"{method_name(method)}, {name}: {cells.NOT_RUN}; {command_for(method, searches, protocol=name)}"
        for method in ran
        for name in PROTOCOLS
        if name not in {one.plan["protocol"]["name"] for one in of_method(searches, method)}
    ]
    return Table(
        name="optimism",
        title="Optimism of the protocols",
        caption="CCC by frame, ± standard deviation over the folds. published chooses epoch and configuration on the "
        "reported people, described the configuration; corrected: the choice of the configuration repeated on people "
        "drawn with replacement and scored on those who were not drawn (BBC-CV), where there was a choice among "
        "configurations and the reported fold did not choose the epoch. "
        "In strict nobody who is reported chooses anything. A difference is given where two searches differ in nothing "
        "but who chooses epoch and configuration: corpus, seed, grid and every other field of the protocol (scaling, "
        "target, step, order, folds, epochs, gold standard, loss) are the same.",
        columns=_columns(),
        rows=rows,
        remarks=[*remarks, *missing],
    )


def _columns() -> list[Column]:
    columns = [Column(key="method", heading="Method", numeric=False), Column(key="score", heading="CCC", numeric=False)]
    for name in OPTIMISTIC:
        columns.append(Column(key=f"{name}_reported", heading="reported", group=name))
        columns.append(Column(key=f"{name}_corrected", heading="corrected", group=name))
    columns.append(Column(key="strict_reported", heading="reported", group=STRICT))
    return columns + [
        Column(key=f"{name}_optimism", heading=f"{name} − strict", group="optimism") for name in OPTIMISTIC
    ]


def _alike_searches(found: Sequence[Search]) -> dict[str, Search]:
    """Return a search for each protocol's name: those that differ in the choice alone, where there are such."""
    by_name: dict[str, list[Search]] = {}
    for search in sorted(found, key=lambda one: len(changes(one))):
        by_name.setdefault(str(search.plan["protocol"]["name"]), []).append(search)
    chosen = {name: own[0] for name, own in by_name.items()}
    if STRICT not in by_name:
        return chosen

    def partners(strict: Search) -> dict[str, Search]:
        return {
            name: next(one for one in by_name[name] if not differences(one, strict))
            for name in OPTIMISTIC
            if any(not differences(one, strict) for one in by_name.get(name, ()))
        }

    strict = max(by_name[STRICT], key=lambda one: len(partners(one)))
    return chosen | {STRICT: strict} | partners(strict)


def differences(one: Search, other: Search) -> list[str]:
    """Return in words how two searches differ, other than in the choice of epoch and configuration."""
    first, second = protocol_fields(one), protocol_fields(other)
    keys = sorted((first.keys() | second.keys()) - set(CHOICE))
    found = [TERMS.get(key, key.replace("_", " ")) for key in keys if first.get(key) != second.get(key)]
    found += [key for key in SAME_IN_PLANS if decisive_part(one.plan, key) != decisive_part(other.plan, key)]
    if not is_same_corpus(one, other):
        found.append("corpus")
    return found if _points(one) == _points(other) else [*found, "grid"]


def _points(search: Search) -> set[str]:
    """Return the configurations of a search; their uids differ between protocols."""
    return {
        f"{point.get('network')} {sorted(point.get('hparams', {}).items())}"
        for point in search.plan.get("trials") or ()
    }


def _row(method: str, dimension: str, by_name: Mapping[str, Search]) -> Row:
    reported = {name: from_summary(by_name.get(name), f"ccc_{dimension}") for name in PROTOCOLS}
    line = [cells.plain(method_name(method)), cells.plain(dimension)]
    for name in OPTIMISTIC:
        line += [reported[name], _corrected(by_name.get(name), dimension)]
    line.append(reported[STRICT])
    for name in OPTIMISTIC:
        if {name, STRICT} <= set(by_name) and differences(by_name[name], by_name[STRICT]):
            line.append(cells.missing(NOT_ALIKE))
        else:
            line.append(cells.difference(reported[name], reported[STRICT]))
    synthetic = any(one.synthetic for one in by_name.values())
    absent = None if by_name else (method_name(method), "")
    return Row(cells=line, synthetic=synthetic, first=dimension == DIMENSIONS[0], absent=absent)


def _corrected(search: Search | None, dimension: str) -> Cell:
    word = None if search is None else no_correction(search)
    return from_summary(search, f"ccc_corrected_{dimension}") if word is None else cells.missing(word)


def _stopped(search: Search | None) -> str | None:
    """Return how many the scheduler chose against, and whether the choice among the others is corrected; None: none."""
    if search is None or not (stopped := stopped_configurations(search)):
        return None
    compared = compared_configurations(search)
    words = f"the scheduler stopped {stopped} of {compared} configurations by the reported people"
    corrected = no_correction(search) is None and any(
        number_in(summary_of(search), f"ccc_corrected_{dimension}") is not None for dimension in DIMENSIONS
    )
    return (
        f"{words}; corrected among the {compared - stopped} that finished" if corrected else f"{words}; not corrected"
    )


def _remarks(method: str, by_name: Mapping[str, Search]) -> list[str]:
    """Return which searches the row is of where their names do not, and why a difference is not given."""
    lines = []
    changed = [protocol_label(one) for one in by_name.values() if changes(one)]
    if changed:
        lines.append(f"{method_name(method)}, of: {'; '.join(changed)}")
    lines += [
        f"{method_name(method)}, {name}: {words}" for name in OPTIMISTIC if (words := _stopped(by_name.get(name)))
    ]
    return lines + [
        f"{method_name(method)}, {name} − strict: {NOT_ALIKE} in {', '.join(found)}"
        for name in OPTIMISTIC
        if {name, STRICT} <= set(by_name) and (found := differences(by_name[name], by_name[STRICT]))
    ]
