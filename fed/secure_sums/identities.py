"""Ed25519 identities in files that were exchanged before a federation: a server cannot invent clients.

    python -m fed.secure_sums.identities DIR NAME ...

writes a pair of files for each name that has none. Where a client runs, its private file and everybody's public ones
are needed, elsewhere the public ones.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC, PRIVATE = ".public", ".private"
KEY_BYTES = 32


class IdentityError(ValueError):
    """A key file that is missing or is none; `where` is the file, with what was found and expected."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        """Keep the three; they survive a pickle."""
        super().__init__(where, found, expected)
        self.where, self.found, self.expected = where, found, expected

    def __str__(self) -> str:
        """Return what is wrong, in one line."""
        return f"{self.where}: found {self.found}; expected {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """A client's own signing key, and everybody's public keys of 32 bytes; its own stays in its process."""

    own: bytes
    public: Mapping[str, bytes]

    def signature(self, content: bytes) -> bytes:
        """Sign with the client's own key."""
        return Ed25519PrivateKey.from_private_bytes(self.own).sign(content)

    def holds(self, name: str, signature: bytes, content: bytes) -> bool:
        """Return whether `signature` is of `name`."""
        if name not in self.public:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public[name]).verify(signature, content)
        except InvalidSignature:
            return False
        return True


def file_of(folder: Path, name: str, suffix: str) -> Path:
    """Return where a client's key lies: its name, what no file name can hold written as %XX."""
    safe = re.sub(r"[^A-Za-z0-9_-]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)
    return folder / f"{safe}{suffix}"


def write_identities(folder: Path, names: Sequence[str]) -> None:
    """Write a pair of files for each name that has none: hexadecimal, the private one readable by its owner only."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        private, public = file_of(folder, name, PRIVATE), file_of(folder, name, PUBLIC)
        if public.exists():
            continue
        key = Ed25519PrivateKey.generate()
        private.touch(mode=0o600)
        private.write_text(f"{key.private_bytes_raw().hex()}\n", encoding="ascii")
        public.write_text(f"{key.public_key().public_bytes_raw().hex()}\n", encoding="ascii")


def read_identities(folder: Path, roster: Sequence[str], own: str) -> Identities:
    """Read a client's private key and the public keys of a roster; IdentityError for the first that is not there."""
    return Identities(own=_key(file_of(folder, own, PRIVATE), own), public=read_public(folder, roster))


def read_public(folder: Path, roster: Sequence[str]) -> dict[str, bytes]:
    """Read the public keys of a roster; IdentityError for the first that is not there."""
    return {name: _key(file_of(folder, name, PUBLIC), name) for name in roster}


def _key(file: Path, name: str) -> bytes:
    expected = f"the Ed25519 key of {name}, 64 hexadecimal digits"
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise IdentityError(str(file), getattr(error, "strerror", None) or "no text", expected) from error
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise IdentityError(str(file), f"{len(text)} characters", expected)
    return bytes.fromhex(text)


def main(words: Sequence[str] | None = None) -> None:
    """Write key files as the module's text says."""
    parser = argparse.ArgumentParser(description="Write a pair of Ed25519 key files for each name that has none.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("names", nargs="+", metavar="NAME", help="of participants, as `data check` lists them")
    given = parser.parse_args(words)
    write_identities(given.folder, given.names)


if __name__ == "__main__":
    main()
