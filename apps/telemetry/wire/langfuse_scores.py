"""Langfuse's scores: what somebody or something says about a trace, through either of its two addresses.

A score becomes an outcome only where its meaning is known: a yes or no, or a number from 0 to 1 under a name that
speaks of success or feedback. What measures something else (toxicity, latency, 3 of 5) keeps its name and decides
nothing.
"""

import re
from typing import Any

import msgspec

from apps.telemetry.normal import WireError

# Scores by these names come from people; every other one is an evaluation.
FEEDBACK_NAMES = frozenset(
    {"user_feedback", "feedback", "thumbs", "thumbs_up", "rating", "csat", "user_rating", "satisfaction"}
)
SUCCESS_NAMES = frozenset(
    {
        "success",
        "task_success",
        "is_success",
        "correct",
        "correctness",
        "accuracy",
        "passed",
        "pass",
        "resolved",
        "quality",
    }
    | {"helpfulness", "goal_achieved"}
)
# A high number or a yes is bad here.
ADVERSE_NAMES = re.compile(r"hallucinat|toxic|bias|error|fail|violation|unsafe|harm|leak|pii|jailbreak|refus|escalat")
PASSING = 0.5
YES = frozenset({"true", "pass", "passed", "good", "yes", "success", "correct", "positive", "thumbs_up"})
NO = frozenset({"false", "fail", "failed", "bad", "no", "failure", "incorrect", "negative", "thumbs_down"})


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
    id: str | None = None
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


Scores = list[tuple[str, Score | str]]


def decode_scores(body: bytes) -> Scores:
    """Return (id, score or reason for refusing it) of a POST to /api/public/scores: one, or an array of them.

    Raises WireError for a body that is neither. The SDKs of 2026 send arrays.
    """
    try:
        sent = msgspec.json.decode(body, type=dict[str, Any] | list[Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not a score: {error}") from error
    if isinstance(sent, dict):
        found = _converted("", sent)
        if isinstance(found[1], str):
            raise WireError(f"not a score: {found[1]}")
        return [found]
    return [_converted("", one) for one in sent]


def decode_batch(body: bytes) -> Scores:
    """Return (event id, score or reason for refusing it) of a POST to /api/public/ingestion; raises WireError."""
    try:
        events = msgspec.json.decode(body, type=_Batch).batch
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not an ingestion batch: {error}") from error
    return [
        _converted(event.id, event.body)
        if event.type == "score-create"
        else (event.id, f"{event.type} is not taken here: send traces over OpenTelemetry")
        for event in events
    ]


def _converted(event_id: str, sent: Any) -> tuple[str, Score | str]:
    try:
        body = msgspec.convert(sent, _Body)
    except msgspec.ValidationError as error:
        return event_id, str(error)
    return event_id or body.id or body.traceId, _score(body)


def _score(body: _Body) -> Score:
    name = re.sub(r"[^a-z0-9]+", "_", body.name.lower()).strip("_")
    is_feedback = name in FEEDBACK_NAMES or body.source == "ANNOTATION"
    value = body.value
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    passed: bool | None = None
    if isinstance(value, bool):
        passed = value
    elif isinstance(value, str):
        passed = True if value.lower() in YES else False if value.lower() in NO else None
    elif (number is not None and body.dataType == "BOOLEAN") or (
        number is not None and 0 <= number <= 1 and (is_feedback or name in SUCCESS_NAMES)
    ):
        passed = number >= PASSING
    if ADVERSE_NAMES.search(name):
        passed = None
    score = Score(body.traceId, body.name, comment=body.comment)
    if is_feedback:
        score.user_success, score.user_score = passed, number
    else:
        score.evaluated_success = passed
    return score
