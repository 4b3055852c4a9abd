"""Langfuse's scores: what somebody or something says about a trace, through either of its two addresses."""

from typing import Any

import msgspec

from apps.telemetry.normal import WireError

# Scores by these names come from people; every other one is an evaluation.
FEEDBACK_NAMES = frozenset({"user-feedback", "user_feedback", "feedback", "thumbs", "rating", "csat"})
PASSING = 0.5


class Score(msgspec.Struct):
    """A score in the terms of an outcome."""

    trace_id: str
    name: str
    evaluated_success: bool | None = None
    user_success: bool | None = None
    user_score: float | None = None
    comment: str | None = None


class _Body(msgspec.Struct):
    traceId: str
    name: str
    value: float | bool | str | None = None
    dataType: str | None = None
    source: str | None = None
    comment: str | None = None


class _Event(msgspec.Struct):
    id: str
    type: str
    body: dict[str, Any]


class _Batch(msgspec.Struct):
    batch: list[_Event]


def decode_score(body: bytes) -> Score:
    """Return the score of a POST to /api/public/scores; raises WireError."""
    try:
        return _score(msgspec.json.decode(body, type=_Body))
    except msgspec.DecodeError as error:
        raise WireError(f"not a score: {error}") from error


def decode_batch(body: bytes) -> list[tuple[str, Score | str]]:
    """Return (event id, score or reason for refusing it) of a POST to /api/public/ingestion; raises WireError."""
    try:
        events = msgspec.json.decode(body, type=_Batch).batch
    except msgspec.DecodeError as error:
        raise WireError(f"not an ingestion batch: {error}") from error
    found: list[tuple[str, Score | str]] = []
    for event in events:
        if event.type != "score-create":
            found.append((event.id, f"{event.type} is not taken here: send traces over OpenTelemetry"))
            continue
        try:
            found.append((event.id, _score(msgspec.convert(event.body, _Body))))
        except msgspec.ValidationError as error:
            found.append((event.id, str(error)))
    return found


def _score(body: _Body) -> Score:
    value = body.value
    passed: bool | None = None
    number: float | None = None
    if isinstance(value, bool):
        passed = value
    elif isinstance(value, int | float):
        number = float(value)
        passed = value >= PASSING
    elif isinstance(value, str):
        passed = {"true": True, "pass": True, "good": True, "false": False, "fail": False, "bad": False}.get(
            value.lower()
        )
    score = Score(body.traceId, body.name, comment=body.comment)
    if body.name.lower() in FEEDBACK_NAMES or body.source == "ANNOTATION":
        score.user_success, score.user_score = passed, number
    else:
        score.evaluated_success = passed
    return score
