"""The price book: what one model call costs, by the organization's own prices first, then by the public table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase

import msgspec

from apps.telemetry.prices.names import provider_id, spelled
from apps.telemetry.prices.table import Entry, Plan, Rates, find_entry

PRICED, OWN, REPORTED, UNPRICED, NONE = "priced", "own", "reported", "unpriced", "none"
STATES = (PRICED, OWN, REPORTED, UNPRICED, NONE)

# Models are named by clients, so the memory for them is bounded; beyond it the book starts afresh.
_REMEMBERED = 20_000
_HUNDRED = Decimal(100)
_MILLION = Decimal(1_000_000)


class Priced(msgspec.Struct, gc=False, frozen=True):
    """An amount in USD with where it comes from.

    `state` is priced (public table), own (the organization's price or discount), reported (nobody knows a price; the
    client's amount), unpriced (tokens and no price: the amount is None, never 0) or none (nothing to price).
    """

    amount: Decimal | None
    state: str
    source: str = ""
    input_price: Decimal | None = None
    output_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OwnRate:
    """An organization's price for the models that match, from one day to another (both included).

    Either prices in USD per million tokens (cache prices that are not given equal the input price) or a discount on
    the public price. Patterns are as in a shell: `*` stands for anything; an empty provider matches all.
    """

    provider: str
    model: str
    valid_from: date
    valid_until: date | None = None
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    discount_percent: Decimal | None = None

    def matches(self, provider: str | None, model: str) -> bool:
        """Tell whether a call as it was sent is meant."""
        wanted = spelled(self.provider)
        if wanted not in ("", "*"):
            sent = {spelled(provider or ""), provider_id(provider) or ""}
            if not any(fnmatchcase(name, wanted) for name in sent) and provider_id(self.provider) not in sent - {""}:
                return False
        name = model.strip().lower()
        pattern = self.model.strip().lower()
        return fnmatchcase(name, pattern) or fnmatchcase(name.rpartition("/")[2], pattern)

    def is_valid_on(self, day: date) -> bool:
        """Tell whether the price holds on a day (UTC)."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    @property
    def weight(self) -> tuple[bool, bool, int, date]:
        """Order prices that match the same call: the exact name beats a pattern, the longer beats the shorter."""
        return (
            "*" not in self.model and "?" not in self.model and "[" not in self.model,
            self.provider.strip() not in ("", "*"),
            len(self.model),
            self.valid_from,
        )

    def rates(self) -> Rates | None:
        """Return USD per token, or None for a discount."""
        if self.input is None or self.output is None:
            return None
        cache_read = self.input if self.cache_read is None else self.cache_read
        cache_write = self.input if self.cache_write is None else self.cache_write
        return Rates(self.input / _MILLION, self.output / _MILLION, cache_read / _MILLION, cache_write / _MILLION)

    @property
    def source(self) -> str:
        """Say which price this is."""
        return f"own price from {self.valid_from}"

    def discounted(self, public: Priced | None) -> Priced | None:
        """Return the public price less the discount; without a public price there is nothing to deduct from."""
        if public is None or public.input_price is None or public.output_price is None:
            return None
        percent = self.discount_percent or Decimal(0)
        factor = (_HUNDRED - percent) / _HUNDRED
        paid_in, paid_out = public.input_price * factor, public.output_price * factor
        return Priced(paid_in + paid_out, OWN, f"{public.source} less {percent.normalize():f} %", paid_in, paid_out)


class Book:
    """Prices for one organization. Answers are computed from a compiled entry per (provider, model) as sent."""

    __slots__ = ("_known", "_own")

    def __init__(self, own: Sequence[OwnRate] = ()) -> None:
        self._own = sorted(own, key=lambda rate: rate.weight, reverse=True)
        self._known: dict[tuple[str | None, str | None], _Known] = {}

    def cost_of(
        self,
        provider: str | None,
        model: str | None,
        at: datetime,
        input_tokens: int | None,
        output_tokens: int | None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        *,
        special: Mapping[str, int] | None = None,
        reported: Decimal | None = None,
    ) -> Priced:
        """Price one call. `input_tokens` includes cache reads and writes, `output_tokens` includes reasoning.

        `special` holds counts of units with prices of their own (see table.SPECIAL_UNITS); they are contained in the
        others. `reported` is the client's amount, used only where there is no price, and not if it is 0: clients say
        0 for a model they do not know.
        """
        read, write = cache_read_tokens or 0, cache_write_tokens or 0
        tokens, output = input_tokens or 0, output_tokens or 0
        if tokens or output or read or write:
            known = self._known.get((provider, model)) or self._learn(provider, model)
            answer = known.price(at, tokens, output, read, write, reasoning_tokens or 0, special)
            if answer is not None:
                return answer
            state = _UNPRICED
        else:
            state = _NONE
        if reported is not None and reported > 0:
            return Priced(reported, REPORTED, "reported by the client")
        return state

    def source_of(self, provider: str | None, model: str | None, at: datetime) -> tuple[str, str]:
        """Return the state and source that a call with tokens would get."""
        answer = self.cost_of(provider, model, at, 1, 1)
        return answer.state, answer.source

    def _learn(self, provider: str | None, model: str | None) -> "_Known":
        if len(self._known) >= _REMEMBERED:
            self._known = {}
        own = tuple((rate, rate.rates()) for rate in self._own if model and rate.matches(provider, model))
        known = _Known(find_public(provider, model), own)
        self._known[provider, model] = known
        return known


class _Known:
    """What the book knows about one (provider, model), found or not."""

    __slots__ = ("entry", "fixed", "own", "source")

    def __init__(self, entry: Entry | None, own: tuple[tuple[OwnRate, Rates | None], ...]) -> None:
        self.entry = entry
        self.own = own
        self.source = entry.source if entry else ""
        # The usual case in one attribute: a model with one price sheet and no special units.
        plan = entry.fixed if entry else None
        self.fixed = plan.rates if plan is not None and not own else None

    def price(
        self, at: datetime, tokens: int, output: int, read: int, write: int, reasoning: int, special: Mapping | None
    ) -> Priced | None:
        if self.fixed is not None and not special:
            paid_in, paid_out = self.fixed.parts(tokens, output, read, write, reasoning)
            return Priced(paid_in + paid_out, PRICED, self.source, paid_in, paid_out)
        if self.own:
            day = at.astimezone(UTC).date()
            for rate, rates in self.own:
                if not rate.is_valid_on(day):
                    continue
                if rates is None:
                    public = self._public_price(at, tokens, output, read, write, reasoning, special)
                    return rate.discounted(public)
                paid_in, paid_out = rates.parts(tokens, output, read, write, reasoning)
                return Priced(paid_in + paid_out, OWN, rate.source, paid_in, paid_out)
        return self._public_price(at, tokens, output, read, write, reasoning, special)

    def _public_price(
        self, at: datetime, tokens: int, output: int, read: int, write: int, reasoning: int, special: Mapping | None
    ) -> Priced | None:
        if self.entry is None:
            return None
        plan = self.entry.plan(at)
        parts = None
        if special and plan.special & special.keys():
            parts = self.entry.special_parts(at, _usage(plan, tokens, output, read, write, reasoning, special))
        if parts is None:
            # An embedding model has no output price and none is due; a model without an input price (speech by the
            # hour) cannot be priced by tokens.
            if plan.rates is None:
                return None
            parts = plan.rates.parts(tokens, output, read, write, reasoning)
        return Priced(parts[0] + parts[1], PRICED, self.source, parts[0], parts[1])


def _usage(
    plan: Plan, tokens: int, output: int, read: int, write: int, reasoning: int, special: Mapping[str, int]
) -> dict[str, int]:
    usage = {
        "input_tokens": tokens,
        "output_tokens": output,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "output_reasoning_tokens": reasoning,
    }
    usage |= {unit: count for unit, count in special.items() if unit in plan.special}
    return {unit: count for unit, count in usage.items() if count}


_UNPRICED = Priced(None, UNPRICED)
_NONE = Priced(None, NONE)
_public: dict[tuple[str | None, str | None], Entry | None] = {}


def find_public(provider: str | None, model: str | None) -> Entry | None:
    """Return the public table's entry, remembering what was found and what was not (shared by all organizations)."""
    key = (provider, model)
    try:
        return _public[key]
    except KeyError:
        entry = find_entry(provider, model)
    if len(_public) >= _REMEMBERED:
        _public.clear()
    _public[key] = entry
    return entry
