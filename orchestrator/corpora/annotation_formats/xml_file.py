"""XML read without trust: no document type, so no entity and nothing from outside; bounded size, depth and number.

The standard library's expat, which knows the line of everything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from orchestrator.corpora.findings import Findings
from orchestrator.corpora.reading import Limits
from orchestrator.corpora.tables.packed import read_bytes
from orchestrator.corpora.tables.text_bytes import BYTES_PER_MIB
from orchestrator.errors import cut

MOST_DEPTH = 50  # ours: ELAN's files have 5 levels
MOST_ELEMENTS = 3_000_000  # ours: an hour of 25 values per second in 10 tiers has 2.7 million
MOST_XML_MIB = 512  # ours: elements take several times as much memory


@dataclass(slots=True)
class Element:
    """An element with the line on which it begins."""

    name: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def every(self, name: str) -> Iterator["Element"]:
        """Yield the children of a name."""
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> "Element | None":
        """Return the first child of a name."""
        return next(self.every(name), None)


class _Refused(Exception):  # noqa: N818 - no fault of the program
    """What is found and what is expected, in a file that is read no further."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found)
        self.found, self.expected = found, expected


def read_xml(path: Path, root: str, findings: Findings, limits: Limits) -> Element | None:
    """Read a file whose outermost element is `root`; None with a problem that names the line if it cannot be read."""
    data = _bytes_of(path, root, findings, limits)
    builder = _Builder(limits)
    try:
        builder.parser.Parse(data or b"", True)
    except (expat.ExpatError, _Refused, ValueError, LookupError) as error:  # ValueError, LookupError: of encodings
        if data is not None:
            _report(path, error, builder.parser.CurrentLineNumber, findings)
        return None
    top = builder.top
    if top is None or top.name != root:
        found = f"element {cut(top.name) if top else 'none'}"
        findings.problem(f"{path}:{top.line if top else 1}", found=found, expected=f"element {root}")
        return None
    return top


def _bytes_of(path: Path, root: str, findings: Findings, limits: Limits) -> bytes | None:
    try:
        size = path.stat().st_size
        if size > min(limits.mib, MOST_XML_MIB) * BYTES_PER_MIB:
            option = " (--max-mib)" if limits.mib < MOST_XML_MIB else ""
            expected = f"at most {min(limits.mib, MOST_XML_MIB):,} MiB of XML{option}"
            findings.problem(path, found=f"a file of {size / BYTES_PER_MIB:,.0f} MiB", expected=expected)
            return None
        data = read_bytes(path)
    except OSError as error:
        findings.problem(path, found=error.strerror or error, expected="a readable file")
        return None
    if not data.strip():
        findings.problem(f"{path}:1", found="an empty file", expected=f"an XML file with {root}")
        return None
    return data


def _report(path: Path, error: Exception, line: int, findings: Findings) -> None:
    found, expected = f"XML that cannot be read ({error})", "a whole XML file in the encoding that it names"
    if isinstance(error, expat.ExpatError):
        found, line = f"damaged XML ({expat.ErrorString(error.code)})", error.lineno
    elif isinstance(error, _Refused):
        found, expected = error.found, error.expected
    findings.problem(f"{path}:{line}", found=found, expected=expected)


class _Builder:
    """Builds elements as expat finds them."""

    def __init__(self, limits: Limits) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.top: Element | None = None
        self._open: list[Element] = []
        self._count = 0
        self._limits = limits

    def _doctype(self, *_: object) -> None:
        raise _Refused("a document type (DOCTYPE)", "XML without one: entities are not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS or len(self._open) >= MOST_DEPTH:
            found = f"more than {MOST_ELEMENTS:,} elements" if len(self._open) < MOST_DEPTH else "elements in elements"
            raise _Refused(found, f"at most {MOST_ELEMENTS:,} elements, {MOST_DEPTH} deep")
        element = Element(name, attributes, self.parser.CurrentLineNumber)
        if self._open:
            self._open[-1].children.append(element)
        elif self.top is None:
            self.top = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        element = self._open[-1]
        if len(element.text) + len(text) > self._limits.field:
            raise _Refused("a longer text", f"at most {self._limits.field:,} characters (--max-field)")
        element.text += text
