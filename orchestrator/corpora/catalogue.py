"""The formats of recordings and the gold standards of raters, by name: plain facts, read without numpy or a decoder."""

from dataclasses import dataclass

RECOLA_LICENCE = "RECOLA's end-user licence agreement: academic research only, no redistribution of the data"
UNKNOWN_LICENCE = "not stated; ask whoever holds the recordings"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusFormat:
    """One form in which recordings lie on a disk.

    `module` has `find(path) -> bool`, `read(root, findings, reading) -> list of sources` and `LOOKS_LIKE`, a line that
    says how the format is recognised. `licence` of the data goes into the cards of models that were trained on them.
    """

    module: str
    title: str
    licence: str = UNKNOWN_LICENCE
    of_the_paper: bool = False  # its recordings and features are those of the paper, so that scores are comparable


# In the order in which a path is compared with them.
CORPORA: dict[str, CorpusFormat] = {
    "recola": CorpusFormat(
        module="orchestrator.corpora.formats.recola",
        title="RECOLA's original tree",
        licence=RECOLA_LICENCE,
        of_the_paper=True,
    ),
    "avec": CorpusFormat(
        module="orchestrator.corpora.formats.avec",
        title="the part of RECOLA that AVEC 2015-2018 distributed",
        licence=RECOLA_LICENCE,
        of_the_paper=True,
    ),
    "folder": CorpusFormat(
        module="orchestrator.corpora.formats.folder", title="a folder with features/ and annotations/"
    ),
    "table": CorpusFormat(module="orchestrator.corpora.formats.table", title="one table of all recordings"),
}


def is_of_the_paper(kind: object) -> bool:
    """Return whether recordings of that format are the paper's; False for a name that is not known."""
    return isinstance(kind, str) and kind in CORPORA and CORPORA[kind].of_the_paper


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldStandard:
    """One way from the labels of several raters to one trace; `function` takes ratings (T, R, 2) and returns (T, 2)."""

    function: str  # `module:name`
    help: str


GOLD_STANDARDS: dict[str, GoldStandard] = {
    "mean": GoldStandard(
        function="orchestrator.corpora.gold_standard:mean", help="of the raters who have a label; the paper's"
    ),
    "median": GoldStandard(function="orchestrator.corpora.gold_standard:median", help="of the raters who have a label"),
    "ccc-centred": GoldStandard(
        function="orchestrator.corpora.gold_standard:ccc_centred",
        help="raters moved to a common level, weighted by their agreement; a negative one counts as 0",
    ),
    "ccc-centred-avec": GoldStandard(
        function="orchestrator.corpora.gold_standard:ccc_centred_avec",
        help="the same as AVEC 2018's script has it: a negative agreement counts",
    ),
    "ewe": GoldStandard(
        function="orchestrator.corpora.gold_standard:evaluator_weighted",
        help="raters weighted by their agreement with the others (Grimm and Kroschel 2005)",
    ),
}
