"""People by a keyed hash in the place of their ids: without the key nobody can try names. The key is a user's file."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

from orchestrator.errors import InputError

KEY_BYTES = 32
KEY_NAME = "pseudonym.key"
PSEUDONYM_DIGITS = 12  # hexadecimal; ours: 48 bits, no two of a corpus's people meet

Rename = Callable[[str], str]


def same_name(person: str) -> str:
    """Return a person's id as it is."""
    return person


def pseudonyms(key: bytes) -> Rename:
    """Return the renaming of people by HMAC-SHA256 with a key: without the key no id can be tried."""

    def renamed(person: str) -> str:
        return hmac.new(key, person.encode(), hashlib.sha256).hexdigest()[:PSEUDONYM_DIGITS]

    return renamed


def fingerprint_of(key: bytes) -> str:
    """Return what tells one key from another without telling the key: the hash of no name."""
    return pseudonyms(key)("")


def user_key_path() -> Path:
    """Return where the user's own key lies, whether it was made yet or not."""
    from platformdirs import user_data_path

    from orchestrator.tracking.location import APP_NAME

    return user_data_path(APP_NAME) / KEY_NAME


def read_key(given: Path | None = None, *, where: str = "--key", make: bool = True) -> bytes | None:
    """Read a key (None: the user's own), and make it if it is not there; None if it may not be made.

    InputError if it cannot be read or made, and for a file too short to be a key.
    """
    path = user_key_path() if given is None else given
    try:
        if not path.exists():
            if not make:
                return None
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(f"{secrets.token_hex(KEY_BYTES)}\n", encoding="ascii")
        key = path.read_bytes().strip()
    except OSError as error:
        found = f"{path}: {error.strerror or error}"
        raise InputError.of(where, found=found, expected="a file to read or make") from error
    if len(key) < KEY_BYTES:
        raise InputError.of(where, found=f"{path} of {len(key)} bytes", expected=f"at least {KEY_BYTES}")
    return key
