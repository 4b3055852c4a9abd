"""Read a request's body: compressed or not, of known length or chunked, never beyond its limit."""

import zlib
from typing import Protocol

from apps.telemetry.normal import WireError

CHUNK = 256 * 1024


class Readable(Protocol):
    """Anything with a file's read()."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        ...


class BodyTooLarge(WireError):
    """The body, unpacked, is over its announced limit."""


def read_body(stream: Readable, *, length: int | None, encoding: str, limit: int) -> bytes:
    """Return the unpacked body; `length` is None for a chunked one (exporters of several languages send those).

    Raises BodyTooLarge beyond `limit` bytes (of what comes out, so that a small bomb is one too) and WireError for an
    encoding that is unknown or broken.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return _read(stream, length, limit)
    packed = _read(stream, length, limit)
    if encoding in ("gzip", "x-gzip"):
        return _unpack(packed, 16 + zlib.MAX_WBITS, limit)
    if encoding == "deflate":
        return _unpack(packed, zlib.MAX_WBITS, limit)
    raise WireError(f"Content-Encoding {encoding!r} is not understood: send gzip, deflate or none")


def _read(stream: Readable, length: int | None, limit: int) -> bytes:
    if length is not None:
        if length > limit:
            raise BodyTooLarge(f"the body has {length} bytes, the limit is {limit}")
        return stream.read(length) if length else b""
    pieces: list[bytes] = []
    total = 0
    while piece := stream.read(CHUNK):
        total += len(piece)
        if total > limit:
            raise BodyTooLarge(f"the body has more than {limit} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _unpack(packed: bytes, window: int, limit: int) -> bytes:
    unpacker = zlib.decompressobj(window)
    try:
        body = unpacker.decompress(packed, limit + 1)
        if len(body) > limit:
            raise BodyTooLarge(f"the body unpacks to more than {limit} bytes")
        body += unpacker.flush()
    except zlib.error as error:
        raise WireError(f"the compressed body is broken: {error}") from error
    if not unpacker.eof:
        raise WireError("the compressed body is cut off")
    return body
