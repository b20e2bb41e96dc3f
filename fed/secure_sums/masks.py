"""Key agreement, key derivation, key streams and sealed messages: X25519, HKDF-SHA256, ChaCha20, ChaCha20-Poly1305.

RFC 7748, 5869, 8439; all by the library `cryptography`, nothing of it is our own.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fed.secure_sums.ring import Ring

KEY_BYTES = 32
TAG_BYTES = 16
# Bytes of key stream that are added while they lie in the processor's cache.
BLOCK = 1 << 18
# Every key is used for one stream or one message only.
NONCE = bytes(12)

_ZEROS = bytes(BLOCK)


class SealBroken(ValueError):  # noqa: N818 - it names what was found
    """A sealed message that was made with another key, for another purpose, or was changed on its way."""


def digest(*parts: bytes | memoryview) -> bytes:
    """Return SHA-256 of parts of any length; no two lists of parts look alike."""
    found = hashlib.sha256()
    for one in parts:
        found.update(len(one).to_bytes(8, "big"))
        found.update(one)
    return found.digest()


def public_of(private: bytes) -> bytes:
    """Return the public key of a private one, 32 bytes each."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def agreed(private: bytes, public: bytes) -> bytes:
    """Return the secret of two key pairs, the same from either side; ValueError for a public key of low order."""
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def derived(secret: bytes, info: bytes, *, salt: bytes | None = None, length: int = KEY_BYTES) -> bytes:
    """Return a key for one purpose, which `info` names."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)


def key_stream(key: bytes) -> Any:
    """Return the encryptor whose ciphertext of zeros is the key's stream, from its beginning."""
    return Cipher(algorithms.ChaCha20(key, bytes(4) + NONCE), mode=None).encryptor()


def add_masks(vector: Sequence[Ring], masks: Iterable[tuple[bytes, int]]) -> None:
    """Add key streams to a vector in place, each of `masks` a key and a sign (1 or -1); parts follow one another.

    Block by block over all keys: a block of the vector is read once.
    """
    streams = [(key_stream(key), np.add if sign > 0 else np.subtract) for key, sign in masks]
    buffer = np.empty(BLOCK, np.uint8)
    for part in vector:
        size = BLOCK // part.dtype.itemsize
        for start in range(0, len(part), size):
            piece = part[start : start + size]
            count = piece.nbytes
            mask = buffer[:count].view(part.dtype)
            zeros = memoryview(_ZEROS)[:count]
            for stream, change in streams:
                stream.update_into(zeros, buffer[:count])
                change(piece, mask, out=piece)


def sealed(key: bytes, message: bytes, purpose: bytes) -> bytes:
    """Encrypt and authenticate a message; the key must be of this message alone."""
    return ChaCha20Poly1305(key).encrypt(NONCE, message, purpose)


def opened(key: bytes, message: bytes, purpose: bytes) -> bytes:
    """Undo `sealed`; SealBroken."""
    try:
        return ChaCha20Poly1305(key).decrypt(NONCE, message, purpose)
    except InvalidTag as error:
        raise SealBroken("a sealed message does not open") from error
