"""Addresses of MLflow stores without their log-ins: parsed at entry, and shown and written with `***` instead.

`whole_address`, which libraries need, is known in this process only; orchestrator/tracking/secrets.py keeps it for
resuming. `hide_password` also removes log-ins from free text: messages of libraries. No MLflow import.
"""

import base64
import html
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, unquote, unquote_plus, unquote_to_bytes

from orchestrator.errors import InputError

URI_VARIABLE = "MLFLOW_TRACKING_URI"
# Carries an address from the command line, which any local user's `ps` shows, into the same process started anew.
COMMAND_LINE_VARIABLE = "AFFECT_ORCHESTRATOR_TRACKING_ADDRESSES"
LOGIN_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
HIDDEN = "***"
LOCAL_SCHEMES = ("sqlite", "file")  # paths, in which an `@` is no log-in
HTTP_SCHEMES = ("http", "https")
SHORTEST_TOKEN = 8  # ours: a log-in without a password is a token over HTTP, and a name elsewhere
SHORTEST_SECRET = 4  # ours: a shorter one is hidden inside addresses only, or every text would lose words

# Values of any other key are hidden: what a driver takes as a password cannot be listed.
HARMLESS_KEYS = (
    *("application_name", "charset", "client_encoding", "driver", "host", "options", "port", "target_session_attrs"),
    *("connect_timeout", "read_timeout", "timeout", "write_timeout"),
    *("encrypt", "ssl", "ssl_ca", "sslmode", "sslrootcert", "trustservercertificate"),
)
_CREDENTIAL_KEY = re.compile(r"pass|pwd|secret|token|key|cred|auth|sig|jwt|session|odbc_connect|dsn", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_QUERY = re.compile(r"[?#](?=[\w.%~+-]+=)")  # a `?` in a password is rarely followed by a name and a `=`
_HOST = re.compile(r"(\[[^\]\s]*\]|[^\s:@\[\]]*)(:\d*)?")
# In free text: up to the next blank, or to the last `@` of the line after a `user:` that is no host with a port.
_IN_TEXT = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://((?=[^/?#@:\[\n]*:(?!\d*(?:[/?#\s,;.'\")]|$)))[^\n]*@\S*|\S+)", re.MULTILINE
)
_ODBC_PASSWORD = re.compile(r"(?:pwd|password)=([^;]+)", re.IGNORECASE)
_QUERY_IN_TEXT = re.compile(r"([?&#;]([\w.%~+-]+)=)([^&\s'\"]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    """An address in two forms; `whole` is None if this text does not say the log-in."""

    public: str
    whole: str | None
    secrets: tuple[str, ...] = ()


_whole: dict[str, str] = {}  # public address -> whole address
_secrets: dict[str, str] = {}  # every form in which a library may print a log-in -> what to print instead


def public_address(address: str) -> str:
    """Return the address with `***` for its log-in and for the values of query keys that may be one."""
    return _parse(address).public


def remember(address: str, *, renew: bool = True) -> str:
    """Parse an address, keep its log-in in this process, and return it without.

    With `renew` it replaces what was known for the same public address.
    """
    parsed = _parse(address)
    if parsed.whole in (None, parsed.public):
        return parsed.public
    assert parsed.whole is not None
    if renew or parsed.public not in _whole:
        _whole[parsed.public] = parsed.whole
    _secrets.update(dict.fromkeys((form for secret in parsed.secrets for form in _forms(secret)), HIDDEN))
    _secrets.update({address: parsed.public, parsed.whole: parsed.public})
    return parsed.public


def remember_environment() -> None:
    """Remember the address in MLFLOW_TRACKING_URI and leave it there without its log-in: workers inherit it."""
    for address in json.loads(os.environ.pop(COMMAND_LINE_VARIABLE, "[]")):
        remember(address)
    given = os.environ.get(URI_VARIABLE)
    if given and (public := remember(given)) != given:
        os.environ[URI_VARIABLE] = public


def whole_address(address: str) -> str:
    """Return the address with its log-in, for the library that opens the store; InputError if it is not known here."""
    parsed = _parse(address)
    whole = parsed.whole or _whole.get(parsed.public)
    if whole is None:
        expected = f"the whole address in {URI_VARIABLE}, or as --tracking-uri"
        raise InputError.of("--tracking-uri", found=f"{parsed.public}, whose log-in is not known", expected=expected)
    return whole


def is_known(address: str) -> bool:
    """Return whether the address is a public one whose log-in this process knows."""
    return address in _whole


def hide_password(text: str) -> str:
    """Return the text without the log-ins of addresses in it, and without those that this process knows."""
    outside = (form for name in LOGIN_VARIABLES for form in _forms(os.environ.get(name, "")))
    known = dict.fromkeys(outside, HIDDEN) | _secrets
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, known[secret])
    return _QUERY_IN_TEXT.sub(_hide_value, _IN_TEXT.sub(_hide_login, text))


def hide_arguments(arguments: Sequence[str]) -> list[str]:
    """Return a command line whose addresses have no log-ins; every other word stays as it is."""
    return [_hide_argument(one) for one in arguments]


def leave_command_line() -> None:
    """Start this process anew if an address with a log-in is on its command line, and take it from there.

    The process keeps its id. Ray, too, records a driver's command line.
    """
    remember_environment()
    words = list(sys.orig_argv)
    hidden = hide_arguments(words)
    if hidden == words or not sys.executable:
        return
    addresses = [_address_in(word)[1] for word, clean in zip(words, hidden, strict=True) if word != clean]
    addresses += [_whole[given] for given in [os.environ.get(URI_VARIABLE, "")] if given in _whole]
    os.execve(sys.executable, hidden, {**os.environ, COMMAND_LINE_VARIABLE: json.dumps(addresses[::-1])})


def _address_in(argument: str) -> tuple[str, str]:
    """Split `--option=` from the address after it."""
    found = re.fullmatch(r"(--[\w-]+=)?(.*)", argument, re.DOTALL)
    assert found is not None
    return found.group(1) or "", found.group(2)


def _hide_argument(argument: str) -> str:
    option, address = _address_in(argument)
    return option + _parse(address).public if _ADDRESS.fullmatch(address) else argument


def _parse(address: str) -> _Parsed:
    """Parse one address. A log-in is all up to the last `@` before `?key=`: passwords have `/@#?` in them."""
    match = _ADDRESS.fullmatch(address)
    if match is None or match.group(1).split("+")[0].lower() in LOCAL_SCHEMES:
        public = address if match else _without_scheme(address)
        return _Parsed(public=public, whole=address)
    scheme, rest = match.groups()
    head, query = _split_query(rest)
    if "@" not in head and "@" in rest and not _is_place(head):
        login, _, place = rest.rpartition("@")
        place, query = _split_query(place)
    else:
        login, _, place = head.rpartition("@")
    if not _is_place(place):
        return _Parsed(public=f"{scheme}://{HIDDEN}", whole=None)
    user, colon, password = login.partition(":")
    shown, encoded, values = _parse_query(query)
    if not login and shown == query:
        return _Parsed(public=address, whole=address)
    public = f"{scheme}://{f'{HIDDEN}@' if login else ''}{place}{shown}"
    if HIDDEN in (login, password) or encoded is None:
        return _Parsed(public=public, whole=None)
    whole = f"{scheme}://{_encoded(user)}{colon}{_encoded(password)}{'@' if login else ''}{place}{encoded}"
    pair = [base64.b64encode(unquote_to_bytes(login)).decode()] if password else []  # as HTTP sends it
    token = user if not password and scheme.lower() in HTTP_SCHEMES and len(user) >= SHORTEST_TOKEN else ""
    secrets = (login if password else "", password, token, *pair, *values)
    return _Parsed(public=public, whole=whole, secrets=tuple(filter(None, secrets)))


def _split_query(rest: str) -> tuple[str, str]:
    found = _QUERY.search(rest)
    return (rest, "") if found is None else (rest[: found.start()], rest[found.start() :])


def _is_place(text: str) -> bool:
    """Return whether the text begins with a host and, if it has a port, a number."""
    return _HOST.fullmatch(re.split(r"[/?#]", text, maxsplit=1)[0]) is not None


def _parse_query(query: str) -> tuple[str, str | None, list[str]]:
    """Return the query without secrets, with them and encoded (None if it has `***`), and the credentials in it."""
    shown, encoded, values = [], [], []
    known = True
    for part in query[1:].split("&") if query else ():
        key, equals, value = part.partition("=")
        harmless = unquote_plus(key).lower() in HARMLESS_KEYS and equals
        known = known and (bool(harmless) or value != HIDDEN)
        shown.append(part if harmless or not part else f"{key}={HIDDEN}" if equals else HIDDEN)
        encoded.append(f"{key}={quote(value, safe='%/:+,~!$()*=')}" if equals else part)
        if not harmless and (_CREDENTIAL_KEY.search(unquote_plus(key)) or not equals):
            values += [value if equals else part, *_ODBC_PASSWORD.findall(unquote_plus(value))]
    return query[:1] + "&".join(shown), query[:1] + "&".join(encoded) if known else None, values


def _encoded(text: str) -> str:
    """Percent-encode a user or a password; what was encoded stays so."""
    return quote(unquote_to_bytes(text), safe="")


def _without_scheme(text: str) -> str:
    """Hide what may be a log-in in a text that is no address at all, such as `postgresql:user:password@host`."""
    _, at, place = text.rpartition("@")
    return _QUERY_IN_TEXT.sub(_hide_value, text if not at or text.startswith("/") else f"{HIDDEN}@{place}")


def _forms(secret: str) -> Iterator[str]:
    """Yield the secret as libraries print it: as given, decoded, encoded, in quotes, in JSON, in HTML."""
    for text in {secret, unquote(secret), unquote_plus(secret)}:
        forms = {text, quote(text), quote(text, safe=""), quote_plus(text)}
        forms |= {re.sub(r"%[0-9A-F]{2}", lambda code: code.group().lower(), form) for form in forms}
        forms |= {repr(text)[1:-1], json.dumps(text)[1:-1], html.escape(text)}
        yield from (form for form in forms if len(form) >= SHORTEST_SECRET and form != HIDDEN)


def _hide_login(match: re.Match[str]) -> str:
    """Hide in an address inside a text; what follows a quote or a comma, without an `@`, is the text's."""
    found = match.group()
    end = re.search(r"""['"<>),;\]}][^@]*$|[.:]$""", found)
    address = found[: end.start()] if end else found
    return _parse(address).public + found[len(address) :]


def _hide_value(match: re.Match[str]) -> str:
    return f"{match.group(1)}{HIDDEN}" if _CREDENTIAL_KEY.search(unquote_plus(match.group(2))) else match.group()
