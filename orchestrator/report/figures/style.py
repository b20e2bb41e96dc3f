"""How every figure looks: one column of a paper, colours of Okabe and Ito, each with a line and a marker."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

COLUMN_MM = 88.0  # IEEE's column is 3.5 inches; figures are drawn at this width, so their type is as large as it says
MM_PER_INCH = 25.4
FONT_POINTS = 7.0
LONGEST_NAME = 28  # characters of a participant, a session or a network in a picture
LONGEST_HEADING = 74
PNG_DPI = 300  # ours: what journals ask of pictures in one column
# Tables of a font that place and replace letters: both is done when a PDF is written. Reading them was half its time.
PLACING_TABLES = ("GDEF", "GPOS", "GSUB")

# Okabe and Ito, "Color universal design" (2008), without the yellow, which is too light on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#666666"
# Even steps of lightness, the same to the colour-blind; few enough that a colour bar is drawn as shapes, not pixels.
SHADES = mpl.colormaps["cividis_r"].resampled(40)

# `svg.fonttype` none keeps text as text; `text.parse_math` off, or a `$` in a name would become a formula.
SETTINGS: Any = {  # matplotlib types its keys one by one
    "svg.fonttype": "none",
    "svg.hashsalt": "affect-orchestrator",
    "pdf.fonttype": 42,  # the font itself is in the file, as TrueType, so that text stays text
    "text.parse_math": False,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": FONT_POINTS,
    "axes.titlesize": FONT_POINTS,
    "axes.labelsize": FONT_POINTS,
    "xtick.labelsize": FONT_POINTS,
    "ytick.labelsize": FONT_POINTS,
    "legend.fontsize": FONT_POINTS,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "path.simplify": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one of several things is drawn: never told by its colour alone."""

    colour: str
    line: Any
    marker: str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return each name's look; after seven they repeat."""
    return {
        name: Look(
            colour=COLOURS[i % len(COLOURS)],
            line=LINES[(i + i // len(COLOURS)) % len(LINES)],
            marker=MARKERS[(i + i // len(COLOURS)) % len(MARKERS)],
        )
        for i, name in enumerate(names)
    }


def plain(text: object, longest: int = LONGEST_NAME) -> str:
    """Return somebody's text as one short line that any XML can hold."""
    line = re.sub(r"[^\S ]+", " ", str(text).encode("utf-8", "replace").decode())
    line = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)
    return line if len(line) <= longest else line[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


@contextmanager
def styled() -> Iterator[None]:
    """Draw with our settings, whatever the user's own are, and put these back."""
    with warnings.catch_warnings(), mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        # A name in a script that our font lacks is drawn by the reader's browser, with its own fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def panels(rows: int, columns: int, *, height_mm: float, heading: str, **settings: Any) -> tuple[Drawing, Any]:
    """Return a drawing of one column's width and its axes, an array of (rows, columns)."""
    drawing = Drawing(figsize=(COLUMN_MM / MM_PER_INCH, height_mm / MM_PER_INCH), layout="constrained")
    drawing.suptitle(plain(heading, LONGEST_HEADING), fontsize=FONT_POINTS, color=GREY)
    return drawing, drawing.subplots(rows, columns, squeeze=False, **settings)


def legend(drawing: Drawing, handles: Sequence[Any], labels: Sequence[str], *, columns: int = 3) -> None:
    """Draw one legend below all panels."""
    drawing.legend(handles, labels, loc="outside lower center", ncols=min(columns, max(1, len(labels))))


def categories(axes: Axes, values: Sequence[Any]) -> None:
    """Label the positions 0, 1, ... of the x axis: the values of a grid are steps, not a scale."""
    axes.set_xticks(range(len(values)), [plain(number(value)) for value in values])
    axes.set_xlim(-0.5, len(values) - 0.5)


def number(value: Any) -> str:
    """Return a grid's value as people write it: 1e-5 and not 1e-05."""
    return (
        re.sub(r"e([-+])0*", lambda found: f"e{found[1].replace('+', '')}", f"{value:g}")
        if isinstance(value, int | float)
        else str(value)
    )


def limits_of(values: Sequence[float], *, least: float, most: float) -> tuple[float, float]:
    """Return limits that hold all values and reach at least from `least` to `most`."""
    low, high = min([least, *values]), max([most, *values])
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def limits_around(values: Sequence[float], *, span: float) -> tuple[float, float]:
    """Return limits that hold all values in their middle and are at least `span` apart."""
    low, high = min(values), max(values)
    lacking = max(0.0, span - (high - low)) / 2
    return limits_of(values, least=low - lacking, most=high + lacking)


def to_svg(drawing: Drawing) -> str:
    """Return the drawing as SVG, without date and random ids; its panels keep their places from then on."""
    buffer = io.StringIO()
    canvas: Any = FigureCanvasSVG(drawing)
    engine = drawing.get_layout_engine()
    if engine is not None:
        engine.execute(drawing)  # panels of equal axes get their size while they are drawn, after the first layout
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})  # `savefig` draws everything twice
    drawing.set_layout_engine("none")  # its other formats have the same places: finding them again took time
    return buffer.getvalue()


def to_pdf(drawing: Drawing) -> bytes:
    """Return the drawing as PDF with its font in it; equal drawings give equal bytes."""
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasPdf(drawing)
    own = drawing.dpi  # matplotlib leaves it at 72
    with _letters_alone():
        canvas.print_pdf(buffer, metadata={"CreationDate": None, "Producer": None, "Creator": None})
    drawing.set_dpi(own)
    return buffer.getvalue()


@contextmanager
def _letters_alone() -> Iterator[None]:
    """Take the letters of a font into a PDF without PLACING_TABLES; matplotlib has no setting of it."""
    from fontTools.subset import Options  # type: ignore[import-untyped]

    before = Options._drop_tables_default
    Options._drop_tables_default = [*before, *PLACING_TABLES]
    try:
        yield
    finally:
        Options._drop_tables_default = before


def to_png(drawing: Drawing) -> bytes:
    """Return the drawing as PNG of PNG_DPI dots per inch; equal drawings give equal bytes."""
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(drawing)
    own = drawing.dpi
    drawing.set_dpi(PNG_DPI)
    canvas.print_png(buffer, metadata={"Software": None})
    drawing.set_dpi(own)
    return buffer.getvalue()


def means_of(values: np.ndarray, width: int) -> np.ndarray:
    """Return the means of successive `width` values, NaN where all of them are NaN."""
    count = -(-len(values) // width)
    padded = np.full(count * width, np.nan)
    padded[: len(values)] = values
    blocks = padded.reshape(count, width)
    known = np.isfinite(blocks)
    sums = np.where(known, blocks, 0.0).sum(axis=1)
    means: np.ndarray = np.divide(sums, known.sum(axis=1), out=np.full(count, np.nan), where=known.any(axis=1))
    return means
