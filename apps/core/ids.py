"""Identifiers: time-ordered UUIDs (RFC 9562, version 7), so that new rows land at the end of their index."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """Return a UUID whose first 48 bits are the Unix time in milliseconds and whose rest is random."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (milliseconds << 80) | random
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return UUID(int=value)
