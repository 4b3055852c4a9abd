"""The dialects' tables as one, and plans made from it: what to do with the attributes of a span.

Spans of one instrumentation carry the same names over and over. So who wins, what stays an attribute and what needs
reading is decided once for each set of names, and then only followed.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from apps.telemetry.dialects import agentops_sdk, genai, langfuse, mlflow, openinference, openllmetry, pydantic_ai
from apps.telemetry.dialects.metadata import read_metadata, read_word
from apps.telemetry.dialects.values import Found

# The earlier wins.
DIALECTS = (genai, openinference, openllmetry, langfuse, mlflow, agentops_sdk, pydantic_ai)

Reader = Callable[[Found, Any], None]

METADATA_RANK = 10_000
NESTED_RANK = 20_000
# Sets of names are made by clients, so the memory for them is bounded, in number and in size.
PLANS_KEPT = 4_096
LONGEST_KEPT = 20_000

TOKENS = frozenset({"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"})
TEXTS = frozenset(
    {
        "agent",
        "agent_version",
        "environment",
        "task_id",
        "task_type",
        "conversation_id",
        "user_id",
        "provider",
        "model",
        "request_model",
        "tool",
        "escalation_reason",
        "error_type",
        "status_message",
    }
)
# Read, but kept as attributes too: the field holds less than the value says.
_LOSSY = frozenset({"kind", "node", "function", "total_tokens"})


class Use(NamedTuple):
    """What an attribute is good for: a field, a reader, or (with a prefix) a flattened list."""

    rank: int
    field: str = ""
    reader: Reader | None = None
    prefix: str = ""


class Plan(NamedTuple):
    """Attributes by use. `rest` stay attributes; `doubles` do too where they differ from the one that won."""

    texts: tuple[tuple[str, str], ...]
    tokens: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    late: tuple[tuple[str, Use], ...]
    rest: tuple[str, ...]
    doubles: tuple[tuple[str, str], ...]
    winners: dict[str, str]


def _tables() -> tuple[dict[str, Use], dict[str, Use], dict[str, str]]:
    names: dict[str, Use] = {}
    prefixes: dict[str, Use] = {}
    kinds: dict[str, str] = {}
    rank = 0
    for dialect in DIALECTS:
        for key, field in dialect.FIELDS.items():
            rank += 1
            names.setdefault(key, Use(rank, field))
        for word, kind in getattr(dialect, "KINDS", {}).items():
            kinds.setdefault(word, kind)
    for dialect in DIALECTS:
        for key, reader in getattr(dialect, "READERS", {}).items():
            rank += 1
            names.setdefault(key, Use(rank, reader=reader))
        for key in getattr(dialect, "METADATA", ()):
            if key.endswith("."):
                prefixes[key] = Use(METADATA_RANK)
            else:
                names.setdefault(key, Use(METADATA_RANK, reader=read_metadata))
        for prefix in getattr(dialect, "NESTED", ()):
            prefixes[prefix] = Use(NESTED_RANK, prefix=prefix)
    return names, prefixes, kinds


_NAMES, _PREFIXES, KINDS_BY_WORD = _tables()
_STARTS = tuple(_PREFIXES)
_plans: dict[tuple[str, ...], Plan] = {}


def plan_of(keys: tuple[str, ...]) -> Plan:
    """Return the plan for a set of names, in the order in which they were sent."""
    plan = _plans.get(keys)
    if plan is None:
        plan = _made(keys)
        if sum(map(len, keys)) <= LONGEST_KEPT:
            if len(_plans) >= PLANS_KEPT:
                _plans.clear()
            _plans[keys] = plan
    return plan


def _made(keys: tuple[str, ...]) -> Plan:
    by_field: dict[str, list[tuple[int, str]]] = defaultdict(list)
    late: list[tuple[str, Use]] = []
    rest: list[str] = []
    for key in keys:
        use = _use_of(key)
        if use is None:
            rest.append(key)
        elif use.field:
            by_field[use.field].append((use.rank, key))
        else:
            late.append((key, use))
    doubles = []
    winners = {}
    for field, ranked in by_field.items():
        (_, winner), *others = sorted(ranked)
        winners[field] = winner
        doubles += [(key, winner) for _, key in others]
        if field in _LOSSY:
            rest.append(winner)
    late.sort(key=lambda item: (item[1].rank, item[0]))
    return Plan(
        texts=tuple((field, key) for field, key in winners.items() if field in TEXTS),
        tokens=tuple((field, key) for field, key in winners.items() if field in TOKENS),
        others=tuple((field, key) for field, key in winners.items() if field not in TEXTS and field not in TOKENS),
        late=tuple(late),
        rest=tuple(rest),
        doubles=tuple(doubles),
        winners=winners,
    )


def _use_of(key: str) -> Use | None:
    """Return what an attribute is good for by its name, else by the start of its name."""
    use = _NAMES.get(key)
    if use is None and key.startswith(_STARTS):
        prefix = next(prefix for prefix in _STARTS if key.startswith(prefix))
        use = _PREFIXES[prefix]
        if use.rank == METADATA_RANK:
            reader = read_word(key.removeprefix(prefix))
            return Use(METADATA_RANK, reader=reader) if reader else None
    return use
