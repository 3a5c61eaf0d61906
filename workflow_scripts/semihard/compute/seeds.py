"""Seeds that are a function of what they are for, so that no result depends on order, batch, shard or worker."""

import hashlib


def seed_for(*parts: int | str) -> int:
    """A 63-bit seed for e.g. `seed_for(seed, "noise", identity, index)`: the same parts give the same seed everywhere."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
