"""Read what arrives: each module turns one kind of body into normal spans."""

from apps.telemetry.normal import NormalSpan, Rejection


class Decoded:
    """The spans of one request that can be kept, and why the others cannot."""

    __slots__ = ("rejected", "spans")

    def __init__(self) -> None:
        self.spans: list[NormalSpan] = []
        self.rejected: list[Rejection] = []
