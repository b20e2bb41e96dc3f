"""Tables I, II and IV: ours, the paper's, and the difference (paper, sections IV.B and V)."""

from collections.abc import Mapping, Sequence

from orchestrator import paper
from orchestrator.corpora.recording import DIMENSIONS
from orchestrator.report import cells
from orchestrator.report.cells import Cell, Column, Row, Table
from orchestrator.report.evidence import Search
from orchestrator.report.reading import (
    NetworkBest,
    best_of_network,
    command_for,
    from_summary,
    headline,
    is_comparable,
    method_name,
    methods,
    of_method,
    protocol_label,
)
from tune_spaces.catalogue import find_method
from tune_spaces.method import hyper_parameters

OURS, THEIRS, DIFFERENCE = "ours", "paper", "difference"
CCC_COLUMNS = {"valence": "Valence CCC", "arousal": "Arousal CCC"}
NETWORKS = tuple(paper.NETWORK_NAMES)


def triples(names: Mapping[str, str]) -> list[Column]:
    """Return three columns for each quantity."""
    return [
        Column(key=f"{key}_{part}", heading=part, group=name)
        for key, name in names.items()
        for part in (OURS, THEIRS, DIFFERENCE)
    ]


def triple(own: Cell, theirs: Cell, *, digits: int | None = cells.CCC_DIGITS, comparable: bool) -> list[Cell]:
    """Return our cell, the paper's and the difference."""
    return [own, theirs, cells.difference(own, theirs, digits=digits, comparable=comparable)]


def table_1(searches: Sequence[Search]) -> Table:
    """Return Table I: the best configuration of each method and network."""
    columns = sorted(hyper_parameters(), key=lambda one: one.about.place)  # as the paper has them
    titles = {one.name: one.about.title for one in columns}
    rows = []
    for method, search, network, best in _by_network(searches):
        published = find_method(method).published.get(network)
        found = [cells.missing(cells.NOT_RUN)] if best is None else [cells.ours(best.num_finished, digits=None)]
        for one in columns:
            theirs = cells.paper(None if published is None else getattr(published, one.name), digits=None)
            own = cells.missing(cells.NOT_RUN)
            if search is not None and best is not None:
                source = (search.run_ids.get(best.trial.uid), one.name)
                own = cells.ours(getattr(best.trial.hparams, one.name), digits=None, source=source)
            found += triple(own, theirs, digits=None, comparable=is_comparable(search))
        rows.append(_row(searches, (method, search, network, best), found))
    return Table(
        name="table-1",
        title="Table I: best configurations",
        caption="The configuration with the least validation loss of each method and network, of so many that "
        "finished; paper: Table I. In the protocol strict each fold chooses its own; shown is that of least mean loss.",
        columns=[*_leading_columns(), Column(key="configurations", heading="Configurations"), *triples(titles)],
        rows=rows,
    )


def table_2(searches: Sequence[Search]) -> Table:
    """Return Table II: the mean CCC of each method and network."""
    published = {(row.method, row.network): row for row in paper.TABLE_2}
    rows = []
    for method, search, network, best in _by_network(searches):
        theirs = published.get((method, network))
        found: list[Cell] = []
        for dimension in DIMENSIONS:
            key = f"ccc_{dimension}"
            own = cells.missing(cells.NOT_RUN)
            if best is not None:
                own = cells.ours(best.scores[key], spread=best.scores[f"{key}_sd"], source=(best.run_id, key))
            value = cells.paper(None if theirs is None else getattr(theirs, dimension))
            found += triple(own, value, comparable=is_comparable(search))
        notes = () if theirs is None else theirs.notes
        rows.append(_row(searches, (method, search, network, best), found, notes=notes))
    return Table(
        name="table-2",
        title="Table II: average CCC",
        caption="Concordance correlation by frame, mean over the folds ± its standard deviation over the folds (the "
        "paper gives no spread), of the configurations of Table I; paper: Table II.",
        columns=[*_leading_columns(), *triples(CCC_COLUMNS)],
        rows=rows,
    )


Place = tuple[str, Search | None, str, NetworkBest | None]


def _by_network(searches: Sequence[Search]) -> list[Place]:
    """List the rows' method, search, network and best configuration; a method without a search has its rows, too."""
    rows: list[Place] = []
    for method in methods():
        own: list[Search | None] = list(of_method(searches, method)) or [None]
        for search in own:
            for network in NETWORKS:
                best = None if search is None else best_of_network(search, network)
                rows.append((method, search, network, best))
    return rows


def _row(searches: Sequence[Search], place: Place, found: list[Cell], *, notes: tuple[str, ...] = ()) -> Row:
    method, search, network, best = place
    if search is not None and best is not None:
        words = protocol_label(search)
    else:
        protocol = None if search is None else search.plan["protocol"]["name"]
        command = command_for(method, searches, network=None if search is None else network, protocol=protocol)
        words = f"{cells.NOT_RUN}: {command}"
    leading = [
        cells.plain(method_name(method)),
        cells.plain(paper.NETWORK_NAMES[network], notes=notes),
        cells.plain(words),
    ]
    synthetic = best is not None and not is_comparable(search)
    return Row(cells=[*leading, *found], synthetic=synthetic, first=network == NETWORKS[0])


def _leading_columns() -> list[Column]:
    return [
        Column(key="method", heading="Method", numeric=False),
        Column(key="network", heading="Network", numeric=False),
        Column(key="protocol", heading="Protocol", numeric=False),
    ]


def table_4(searches: Sequence[Search]) -> Table:
    """Return Table IV: other studies on RECOLA, each beside ours of the same group."""
    rows: list[Row] = []
    for group in methods():
        search = headline(searches, group)
        words = f"{cells.NOT_RUN}: {command_for(group, searches)}" if search is None else protocol_label(search)
        studies: list[paper.Study | None] = [study for study in paper.TABLE_4 if study.group == group]
        for index, study in enumerate(studies or [None]):
            found: list[Cell] = []
            for dimension in DIMENSIONS:
                own = from_summary(search, f"ccc_{dimension}")
                value = cells.paper(None if study is None else getattr(study, dimension))
                found += triple(own, value, comparable=is_comparable(search))
            name = cells.plain(paper.GROUPS.get(group, method_name(group)))
            line = [name, *_study(study), cells.plain(words), *found]
            rows.append(Row(cells=line, synthetic=not is_comparable(search), first=index == 0))
    return Table(
        name="table-4",
        title="Table IV: other studies on RECOLA",
        caption="Published CCC of other studies and of the paper (its Table IV; a dash is its dash), beside our best "
        "configuration on the same kind of data. By section V.B the other studies use one split in training and test.",
        columns=[
            Column(key="group", heading="Group", numeric=False),
            Column(key="model", heading="Their model", numeric=False),
            Column(key="reference", heading="Study", numeric=False),
            Column(key="protocol", heading="Our protocol", numeric=False),
            *triples(CCC_COLUMNS),
        ],
        rows=rows,
    )


def _study(study: paper.Study | None) -> list[Cell]:
    if study is None:
        return [cells.plain("no published study"), cells.missing()]
    return [cells.plain(study.model, notes=study.notes), cells.plain(study.reference or "the paper")]
