"""Seeds without a global generator: each generator's seed is a hash of the run's seed and of what it is for."""

import hashlib


def seed_for(seed: int, *address: str | int) -> int:
    """Derive the 63-bit seed of one place, for instance `seed_for(0, "fold", 3, "epoch", 7)`.

    Equal addresses under equal seeds repeat, any other pair differs; neither the number of workers nor the
    order of calls matters.
    """
    text = "\x1f".join([str(int(seed)), *(f"{type(part).__name__}:{part}" for part in address)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
