"""Bytes that are nearly those of a valid file, and tables of any contents: what real files turn into."""

import random
from collections.abc import Sequence

import pyarrow as pa
from hypothesis import strategies as st

TOKENS: Sequence[bytes] = (
    *(b"", b",", b";", b"\t", b"|", b'"', b"'", b'""', b"\n", b"\r", b"\r\n", b"\x00", b"\xff", b"\xef\xbb\xbf"),
    *(b"\x0b", b"\x0c", b"\x1c", b"\x85", "\u2028".encode(), "\u00a0".encode(), "\uff11".encode(), b"\xc3("),
    *(b"nan", b"NaN", b"inf", b"-inf", b"1e999", b"-1e-999", b"1e", b"0x1F", b"1_000", b"+-1", b"--", b".", b"-0"),
    *(b"1,5", b"1.234,5", b"9" * 400, b"1" * 5000 + b"x", b"0." + b"3" * 400, b"9007199254740993", b"-9" * 9),
    *(b"00:00:03.960", b"00:00:03,960", b"24:00:60", b"2024-05-01T12:00:00Z", b"2024-99-99", b"soon", b"x" * 3000),
    *(b"?", b"NA", b"null", b"None", b"True", b"%", b"{", b"}", b"@data", b"@attribute x", b"sep=;", b"#", b"=1+1"),
    *(b"time", b"time_ms", b"frame", b"participant", b"valence", b"AU01", b"AU1_r", b"face_id", b"-1", b"0", b"1e300"),
)


def mutated(data: bytes, generator: random.Random) -> bytes:
    """Change a few places of a file: bytes, slices, lines, fields."""
    for _ in range(generator.choice((1, 1, 2, 3, 8))):
        data = generator.choice(_CHANGES)(data, generator)
    return data[:2_000_000]


def _flip(data: bytes, generator: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(generator.randint(1, 8)):
        if changed:
            changed[generator.randrange(len(changed))] = generator.randrange(256)
    return bytes(changed)


def _insert(data: bytes, generator: random.Random) -> bytes:
    at = generator.randint(0, len(data))
    return data[:at] + generator.choice(TOKENS) * generator.choice((1, 1, 2, 40)) + data[at:]


def _cut(data: bytes, generator: random.Random) -> bytes:
    first, last = _slice(data, generator)
    return data[:first] + data[last:]


def _end(data: bytes, generator: random.Random) -> bytes:
    return data[: generator.randint(0, len(data))]


def _repeat(data: bytes, generator: random.Random) -> bytes:
    first, last = _slice(data, generator)
    return data[:last] + data[first:last] * generator.randint(1, 3) + data[last:]


def _field(data: bytes, generator: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = generator.randrange(len(lines))
    separator = max((b",", b";", b"\t"), key=lines[at].count)
    fields = lines[at].split(separator)
    fields[generator.randrange(len(fields))] = generator.choice(TOKENS)
    lines[at] = separator.join(fields)
    return b"\n".join(lines)


def _column(data: bytes, generator: random.Random) -> bytes:
    lines = data.split(b"\n")
    separator = max((b",", b";", b"\t"), key=data.count)
    at, token = generator.randrange(lines[0].count(separator) + 1), generator.choice(TOKENS)
    rows = [line.split(separator) for line in lines]
    return b"\n".join(separator.join([*row[:at], token, *row[at + 1 :]]) if len(row) > at else b"" for row in rows)


def _swap(data: bytes, generator: random.Random) -> bytes:
    lines = data.split(b"\n")
    first, second = generator.randrange(len(lines)), generator.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def _line_ends(data: bytes, generator: random.Random) -> bytes:
    return data.replace(b"\n", generator.choice((b"\r", b"\r\n", b"\n\n", b"\n\r")))


def _separator(data: bytes, generator: random.Random) -> bytes:
    return data.replace(b",", generator.choice((b";", b"\t", b"|", b", ", b",,")))


def _encoding(data: bytes, generator: random.Random) -> bytes:
    return data.decode("latin-1").encode(generator.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7")))


_CHANGES = (
    *(_flip, _insert, _insert, _cut, _end, _repeat, _field, _field, _field, _column, _swap),
    *(_line_ends, _separator, _encoding),
)


def _slice(data: bytes, generator: random.Random) -> tuple[int, int]:
    first = generator.randint(0, len(data))
    return first, min(len(data), first + generator.choice((1, 3, 20, 200)))


_NAMES = (
    st.sampled_from(("participant", "session", "time", "time_ms", "Time (ms)", "timestamp", "frame", "face_id"))
    | st.sampled_from(("confidence", "success", "valid", "valence", "arousal", "valence_r1", "arousal_r1"))
    | st.sampled_from(("AU01", "AU01_r", "AU1", "AU02_c", "Yaw", "", " ", "x"))
    | st.text(max_size=8)
)
_CELLS = (
    st.sampled_from([token.decode("latin-1") for token in TOKENS])
    | st.floats(width=32).map(repr)
    | st.integers().map(str)
    | st.text(max_size=6)
)


@st.composite
def text_tables(draw: st.DrawFn) -> bytes:
    """Delimited text: mostly sound rows of numbers under known names, with any cells among them."""
    separator = draw(st.sampled_from((",", ";", "\t")))
    names = draw(st.lists(_NAMES, min_size=1, max_size=8))
    steps = draw(st.sampled_from((0.04, 1.0, 40.0, 40_000.0, 0.0)))
    rows = []
    for row in range(draw(st.integers(0, 12))):
        sound = [f"P{row % 2}", f"{row * steps:g}", *(f"{0.01 * row:g}" for _ in names)][: len(names)]
        rows.append(sound if draw(st.booleans()) else draw(st.lists(_CELLS, max_size=len(names) + 1)))
    end = draw(st.sampled_from(("\n", "\n", "\r\n", "\r")))
    return end.join(separator.join(row) for row in [names, *rows]).encode("utf-8", "surrogatepass")


_COLUMNS = (
    st.lists(st.floats() | st.none(), min_size=6, max_size=6).map(lambda some: pa.array(some, pa.float64())),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=6, max_size=6).map(
        lambda some: pa.array(some, pa.int64())
    ),
    st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6).map(lambda some: pa.array(some, pa.uint64())),
    st.lists(st.text(max_size=5) | st.none(), min_size=6, max_size=6).map(lambda some: pa.array(some, pa.string())),
    st.lists(st.sampled_from(("P1", "0.5", "00:00:01.5", "")), min_size=6, max_size=6).map(
        lambda some: pa.array(some).dictionary_encode()
    ),
    st.lists(st.binary(max_size=4), min_size=6, max_size=6).map(lambda some: pa.array(some, pa.binary())),
    st.lists(st.booleans(), min_size=6, max_size=6).map(pa.array),
    st.lists(st.decimals(-9999, 9999, places=2), min_size=6, max_size=6).map(pa.array),
    st.lists(st.lists(st.floats(), max_size=3), min_size=6, max_size=6).map(
        lambda some: pa.array(some, pa.list_(pa.float64()))
    ),
    st.lists(st.integers(-(2**62), 2**62), min_size=6, max_size=6).map(
        lambda some: pa.array(some, pa.int64()).cast(pa.timestamp("us"), safe=False)
    ),
    st.lists(st.integers(0, 86_399_999), min_size=6, max_size=6).map(lambda some: pa.array(some, pa.time32("ms"))),
    st.lists(st.integers(-(2**62), 2**62), min_size=6, max_size=6).map(lambda some: pa.array(some, pa.duration("ns"))),
    st.lists(st.dates(), min_size=6, max_size=6).map(pa.array),
    st.just(pa.nulls(6)),
    st.just(pa.array([{"a": 1}] * 6)),
    st.just(pa.array(["P1"] * 3 + ["P2"] * 3)),
    st.just(pa.array([0.0, 0.04, 0.08] * 2)),
    st.just(pa.array([0.1, 0.2, 0.3] * 2)),
)


@st.composite
def parquet_tables(draw: st.DrawFn) -> pa.Table:
    """Tables of six rows with any types under known names and others."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=8))
    columns = [draw(st.one_of(*_COLUMNS)) for _ in names]
    metadata = draw(st.dictionaries(st.binary(max_size=4), st.binary(max_size=4), max_size=2))
    schema = pa.schema([pa.field(name, one.type) for name, one in zip(names, columns, strict=True)], metadata=metadata)
    return pa.Table.from_arrays(columns, schema=schema)
