"""What a report's tables are made of: cells that keep the full value and where it came from, beside the text."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from orchestrator.json_records import number

DASH = "–"
NOT_RUN = "not run"
NOT_MEASURED = "not measured"
NOT_RECORDED = "not recorded"
CCC_DIGITS = 3  # as the paper prints
P_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell. `value` has the full precision of the source, `text` what is read.

    `run` and `key` name the MLflow run and the metric (or key of its summary.json) that `value` is; both are None for
    numbers of the paper and for what is computed from others. `notes` are names of footnotes.
    """

    text: str
    value: float | None = None
    spread: float | None = None  # standard deviation over the folds
    ends: tuple[float, float] | None = None  # of the interval that stands beside the number
    name: str = ""  # of what the number is, where the text begins with it
    kind: str = "text"  # text | ours | paper | difference | missing
    run: str | None = None
    key: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; `group` is the heading above those of its neighbours with the same group."""

    key: str
    heading: str
    group: str = ""
    numeric: bool = True
    once: bool = False  # is read in the first row of a block only; files have it in each row


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row; `synthetic` when one of our numbers in it comes from a synthetic corpus; `first` begins a block.

    `absent`: of something that was not run, what it is (a method) and which part of it ("": all). Such a row is in the
    CSV file alone; where the table is read, one line names them all.
    """

    cells: Sequence[Cell]
    synthetic: bool = False
    first: bool = False
    absent: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table. `name` is the file's name without suffix."""

    name: str
    title: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    remarks: Sequence[str] = field(default=())
    stacked: bool = False  # on a narrow screen a row is a list of headings and cells

    def __post_init__(self) -> None:
        """Every row has a cell for every column."""
        assert all(len(row.cells) == len(self.columns) for row in self.rows), self.name

    @property
    def lines(self) -> list[str]:
        """Return what stands below the table: the remarks, and what was not run."""
        parts: dict[str, list[str]] = {}
        for what, part in (row.absent for row in self.rows if row.absent is not None):
            own = parts.setdefault(what, [])
            own += [part] if part and part not in own else []
        named = "; ".join(f"{what} ({', '.join(own)})" if own else what for what, own in parts.items())
        return [*self.remarks, *([f"{NOT_RUN.capitalize()}, in {self.name}.csv only: {named}."] if named else [])]

    @property
    def synthetic(self) -> bool:
        """Return whether a number in it comes from a synthetic corpus."""
        return any(row.synthetic for row in self.rows)


def plain(text: object, *, notes: tuple[str, ...] = ()) -> Cell:
    """Make a cell of words."""
    return Cell(text=str(text), notes=notes)


def missing(text: str = DASH) -> Cell:
    """Make a cell that says why there is no number."""
    return Cell(text=text, kind="missing")


def ours(
    value: object,
    *,
    digits: int | None = CCC_DIGITS,
    spread: object = None,
    source: tuple[str | None, str] | None = None,
    absent: str = NOT_RECORDED,
) -> Cell:
    """Make a cell of a number of ours, with its spread over the folds; `absent` where there is none.

    `source`: the run and the metric that the number is.
    """
    found, sd = number(value), number(spread)
    if found is None:
        return missing(absent)
    text = written(found, digits) + ("" if sd is None else f" ± {written(sd, digits)}")
    run, key = source if source is not None and source[0] is not None else (None, None)
    return Cell(text=text, value=found, spread=sd, kind="ours", run=run, key=key)


def p_value(value: float) -> Cell:
    """Make a cell of a p, which is never 0: one that four decimals would round to it is said to be below."""
    return replace(ours(value, digits=P_DIGITS), text=written_p(value))


def written_p(value: float) -> str:
    """Write a p with four decimals, `<0.0001` below."""
    return f"<{10**-P_DIGITS:.{P_DIGITS}f}" if value < 10**-P_DIGITS else f"{value:.{P_DIGITS}f}"


def paper(value: float | None, *, digits: int | None = CCC_DIGITS, notes: tuple[str, ...] = ()) -> Cell:
    """Make a cell of a number of the paper."""
    if value is None:
        return missing()
    return Cell(text=written(value, digits), value=value, kind="paper", notes=notes)


def difference(left: Cell, right: Cell, *, digits: int | None = CCC_DIGITS, comparable: bool = True) -> Cell:
    """Make the cell left - right; in brackets where the two are of different corpora and it means nothing."""
    if left.value is None or right.value is None:
        return missing()
    value = left.value - right.value
    text = signed(value, digits)
    return Cell(text=text if comparable else f"({text})", value=value, kind="difference")


def written(value: float, digits: int | None) -> str:
    """Write a number with so many decimals, or as short as it is for None; the minus is a minus."""
    text = f"{value:g}" if digits is None else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.replace("-", "")
    return text.replace("-", "−") if "e" not in text else text


def signed(value: float, digits: int | None) -> str:
    """Write a difference with its sign."""
    text = written(value, digits)
    zero = not any(digit in text for digit in "123456789")
    return text if zero or text.startswith(("−", "-")) else f"+{text}"
