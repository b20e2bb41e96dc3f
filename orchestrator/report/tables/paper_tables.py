"""Tables I, II and IV: ours, the paper's, and the difference (paper, sections IV.B and V)."""

from collections.abc import Mapping, Sequence

from models.sizes import title_of
from orchestrator.protocols import DIMENSIONS
from orchestrator.report import paper
from orchestrator.report.blocks import Block, blocks, headline
from orchestrator.report.queries import (
    LEVELS,
    NetworkBest,
    command_for,
    from_baseline,
    from_summary,
    is_comparable,
    is_of_papers_kind,
    method_name,
    methods,
    of_method,
    papers_measure,
    protocol_label,
    summary_of,
)
from orchestrator.report.search_record import Search
from orchestrator.report.tables import cells
from orchestrator.report.tables.cells import Cell, Column, Row, Table
from tune_spaces.catalogue import find_method
from tune_spaces.method import hyper_parameters

OURS, THEIRS, DIFFERENCE = "ours", "paper", "difference"
CCC_COLUMNS = {"valence": "Valence CCC", "arousal": "Arousal CCC"}


def triples(names: Mapping[str, str]) -> list[Column]:
    """Return three columns for each quantity."""
    return [
        Column(key=f"{key}_{part}", heading=part, group=name)
        for key, name in names.items()
        for part in (OURS, THEIRS, DIFFERENCE)
    ]


def triple(own: Cell, theirs: Cell, *, digits: int | None = cells.CCC_DIGITS, search: Search | None) -> list[Cell]:
    """Return our cell, the paper's and the difference, which is given for RECOLA's people alone."""
    compared = cells.missing()
    if is_of_papers_kind(search):
        compared = cells.difference(own, theirs, digits=digits, comparable=is_comparable(search))
    return [own, theirs, compared]


WHERE_COMPARED = "The paper's people are RECOLA's: ours − paper is given for recordings of RECOLA and AVEC alone."
WHICH_CCC = (
    "The paper's CCC are of window means, as its code computes them (docs/protocols.md): published is compared by the "
    f"CCC of window means, described and strict by the CCC of frames. {WHERE_COMPARED}"
)


def level(search: Search | None) -> Cell:
    """Return the cell that says what the CCC of a row are of."""
    return cells.missing() if search is None else cells.plain(LEVELS[papers_measure(search)])


LEVEL_COLUMN = Column(key="ccc_of", heading="CCC of", numeric=False)


def table_1(searches: Sequence[Search]) -> Table:
    """Return Table I: the best configuration of each method and network."""
    columns = sorted(hyper_parameters(), key=lambda one: one.about.place)  # as the paper has them
    titles = {one.name: one.about.title for one in columns}
    rows = []
    for first, (method, search, network, best) in _by_network(searches):
        published = find_method(method).published.get(network)
        found = [cells.missing(cells.NOT_RUN)] if best is None else [cells.ours(best.num_finished, digits=None)]
        for one in columns:
            theirs = cells.paper(None if published is None else getattr(published, one.name), digits=None)
            own = cells.missing(cells.NOT_RUN)
            if search is not None and best is not None:
                source = (search.run_ids.get(best.trial.uid), one.name)
                own = cells.ours(getattr(best.trial.hparams, one.name), digits=None, source=source)
            found += triple(own, theirs, digits=None, search=search)
        rows.append(_row(searches, (method, search, network, best), found, first=first))
    return Table(
        name="table-1",
        title="Table I: best configurations",
        caption="The configuration with the least validation loss of each method and network, of so many that "
        "finished; paper: Table I. In the protocol strict each fold chooses its own; shown is that of least mean loss. "
        f"{WHERE_COMPARED}",
        columns=[*_leading_columns(), Column(key="configurations", heading="Configurations"), *triples(titles)],
        rows=rows,
    )


def table_2(searches: Sequence[Search]) -> Table:
    """Return Table II: the mean CCC of each method and network."""
    published = {(row.method, row.network): row for row in paper.TABLE_2}
    rows = []
    for block, places in _by_block(searches):
        for index, (method, search, network, best) in enumerate(places):
            theirs = published.get((method, network))
            found: list[Cell] = [level(None if best is None else search)]
            for dimension in DIMENSIONS:
                key = f"{papers_measure(search)}_{dimension}"
                own = cells.missing(cells.NOT_RUN)
                if best is not None:
                    own = cells.ours(
                        best.scores.get(key), spread=best.scores.get(f"{key}_sd"), source=(best.run_id, key)
                    )
                value = cells.paper(None if theirs is None else getattr(theirs, dimension))
                found += triple(own, value, search=search)
            notes = () if theirs is None else theirs.notes
            rows.append(_row(searches, (method, search, network, best), found, first=index == 0, notes=notes))
        if block is not None:
            rows += _baseline_rows(block.lead)
    return Table(
        name="table-2",
        title="Table II: average CCC",
        caption="Concordance correlation, mean over the folds ± its standard deviation over the folds where it is "
        f"recorded (the paper gives no spread), of the configurations of Table I; paper: Table II. Below the "
        f"networks the baselines on the same folds, which the paper does not have. {WHICH_CCC}",
        columns=[*_leading_columns(), LEVEL_COLUMN, *triples(CCC_COLUMNS)],
        rows=rows,
    )


def _baseline_rows(search: Search) -> list[Row]:
    """Return a row for each baseline on the folds of a search that the paper has none of."""
    rows = []
    for name, scores in summary_of(search).baseline.items():
        if not scores:
            continue
        found = [level(search)]
        for dimension in DIMENSIONS:
            own = from_baseline(search, name, f"{papers_measure(search)}_{dimension}")
            found += triple(own, cells.missing(), search=search)
        leading = (method_name(search.plan["method"]), f"baseline {name}", protocol_label(search))
        rows.append(Row(cells=[*map(cells.plain, leading), *found], synthetic=not is_comparable(search), first=False))
    return rows


Place = tuple[str, Search | None, str, NetworkBest | None]


def _by_network(searches: Sequence[Search]) -> list[tuple[bool, Place]]:
    """List the rows' method, search, network and best configuration, and whether a row begins a block."""
    return [(index == 0, place) for _, places in _by_block(searches) for index, place in enumerate(places)]


def _by_block(searches: Sequence[Search]) -> list[tuple[Block | None, list[Place]]]:
    """List each block of rows with its method, search, network and best configuration; None: a method without a search.

    A network of the paper is listed as not run if no search of the method and the protocol has it; others that were
    searched follow in alphabetical order.
    """
    found: list[tuple[Block | None, list[Place]]] = []
    for method in methods():
        own = blocks(of_method(searches, method))
        if not own:
            found.append((None, [(method, None, network, None) for network in paper.NETWORKS]))
        seen = {(block.protocol, name) for block in own for name in block.networks if block.best(name) is not None}
        for block in own:
            names = (*paper.NETWORKS, *(name for name in block.networks if name not in paper.NETWORKS))
            places = [place for network in names if (place := _place(method, block, network, seen)) is not None]
            seen |= {(block.protocol, network) for network in names}
            found.append((block, places))
    return found


def _place(method: str, block: Block, network: str, seen: set[tuple[str, str]]) -> Place | None:
    best = block.best(network)
    if best is not None:
        return method, best[0], network, best[1]
    return None if (block.protocol, network) in seen else (method, block.lead, network, None)


def _row(
    searches: Sequence[Search], place: Place, found: list[Cell], *, first: bool, notes: tuple[str, ...] = ()
) -> Row:
    method, search, network, best = place
    if search is not None and best is not None:
        words = protocol_label(search)
    else:
        protocol = None if search is None else search.plan["protocol"]["name"]
        command = command_for(method, searches, network=None if search is None else network, protocol=protocol)
        words = f"{cells.NOT_RUN}: {command}"
    leading = [
        cells.plain(method_name(method)),
        cells.plain(title_of(network), notes=notes),
        cells.plain(words),
    ]
    synthetic = best is not None and not is_comparable(search)
    absent = None
    if search is None:
        absent = (method_name(method), "")
    elif best is None:
        absent = (f"{method_name(method)}, {search.plan['protocol']['name']}", title_of(network))
    return Row(cells=[*leading, *found], synthetic=synthetic, first=first, absent=absent)


def _leading_columns() -> list[Column]:
    return [
        Column(key="method", heading="Method", numeric=False),
        Column(key="network", heading="Network", numeric=False),
        Column(key="protocol", heading="Protocol", numeric=False),
    ]


def table_4(searches: Sequence[Search]) -> Table:
    """Return Table IV: other studies on RECOLA, each with our result of the same group."""
    rows: list[Row] = []
    for group in methods():
        search = headline(searches, group)
        words = f"{cells.NOT_RUN}: {command_for(group, searches)}" if search is None else protocol_label(search)
        studies: list[paper.Study | None] = [study for study in paper.TABLE_4 if study.group == group]
        for index, study in enumerate(studies or [None]):
            found: list[Cell] = [level(search)]
            for dimension in DIMENSIONS:
                own = from_summary(search, f"{papers_measure(search)}_{dimension}")
                value = cells.paper(None if study is None else getattr(study, dimension))
                found += triple(own, value, search=search)
            name = cells.plain(paper.GROUPS.get(group, method_name(group)))
            line = [name, *_study(study), cells.plain(words), *found]
            absent = (name.text, "") if search is None else None
            rows.append(Row(cells=line, synthetic=not is_comparable(search), first=index == 0, absent=absent))
    return Table(
        name="table-4",
        title="Table IV: other studies on RECOLA",
        caption="Published CCC of other studies and of the paper (its Table IV; a dash is its dash), beside our best "
        "configuration on the same kind of data. By section V.B the other studies use one split in training and test. "
        f"{WHICH_CCC}",
        columns=[
            Column(key="group", heading="Group", numeric=False),
            Column(key="model", heading="Their model", numeric=False),
            Column(key="reference", heading="Study", numeric=False),
            Column(key="protocol", heading="Our protocol", numeric=False),
            LEVEL_COLUMN,
            *triples(CCC_COLUMNS),
        ],
        rows=rows,
    )


def _study(study: paper.Study | None) -> list[Cell]:
    if study is None:
        return [cells.plain("no published study"), cells.missing()]
    return [cells.plain(study.model, notes=study.notes), cells.plain(study.reference or "the paper")]
