"""The price book: what one model call costs, by the organization's own prices first, then by the public table."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from apps.telemetry.prices.names import provider_id, spelled
from apps.telemetry.prices.table import Entry, Plan, Rates, find_entry

PRICED, OWN, REPORTED, UNPRICED, NONE = "priced", "own", "reported", "unpriced", "none"
STATES = (PRICED, OWN, REPORTED, UNPRICED, NONE)

# Models are named by clients, so the memory for them is bounded; beyond it the book starts afresh.
_REMEMBERED = 20_000
_HUNDRED = Decimal(100)
_MILLION = Decimal(1_000_000)
_ZERO = Decimal(0)

Parts = tuple[Decimal, Decimal]


class Priced(NamedTuple):
    """An amount in USD and where it comes from.

    `state` is priced (public table), own (the organization's price or discount), reported (nobody knows a price; the
    client's amount), unpriced (tokens and no price: the amount is None, never 0) or none (nothing to price).
    """

    amount: Decimal | None
    state: str
    source: str


class Quote(NamedTuple):
    """The price of a model at a moment, in USD per million tokens; `has_tiers`: long contexts cost more."""

    state: str
    source: str
    input: Decimal | None
    output: Decimal | None
    cache_read: Decimal | None
    cache_write: Decimal | None
    has_tiers: bool


_UNPRICED = Priced(None, UNPRICED, "")
_NONE = Priced(None, NONE, "")


class OwnRate(msgspec.Struct, frozen=True, kw_only=True):
    """What the organization pays for the models that match, from one day to another (both included).

    Rates are in USD per million tokens. A rate that is not stated is the public one, except that a stated input price
    without cache prices means that the cache is not cheaper. `discount_percent` lowers the whole amount. Patterns are
    as in a shell: `*` stands for anything, no provider for all.
    """

    model: str
    provider: str | None = None
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    discount_percent: Decimal = _ZERO
    valid_from: date = date.min
    valid_until: date | None = None

    def matches(self, provider: str | None, model: str | None) -> bool:
        """Tell whether a call as it was sent is meant."""
        if not model:
            return False
        wanted = spelled(self.provider or "")
        if wanted not in ("", "*"):
            sent = spelled(provider or "")
            stated = provider_id(provider)
            if not fnmatchcase(sent, wanted) and (stated is None or stated != provider_id(wanted)):
                return False
        name, pattern = model.strip().lower(), self.model.strip().lower()
        return fnmatchcase(name, pattern) or fnmatchcase(name.rpartition("/")[2], pattern)

    def is_valid_on(self, day: date) -> bool:
        """Tell whether the price holds on a day (UTC)."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    @property
    def weight(self) -> tuple[bool, bool, int, date]:
        """Order prices that match the same call: a name beats a pattern, then the longer, then the later."""
        is_exact = not any(sign in self.model for sign in "*?[")
        return is_exact, bool(self.provider) and self.provider != "*", len(self.model), self.valid_from

    @property
    def has_rates(self) -> bool:
        """Tell whether the price names amounts, not only a discount."""
        return self.input is not None or self.output is not None

    @property
    def source(self) -> str:
        """Say which price this is."""
        text = f"own price from {self.valid_from}" if self.has_rates else "public price"
        return f"{text} less {self.discount_percent.normalize():f} %" if self.discount_percent else text

    def rates(self, public: Rates | None) -> Rates | None:
        """Return USD per token before the discount, or None where neither this price nor the public one says it."""
        base = public or Rates(None, None, None, None)
        input_rate = _per_token(self.input, base.input)
        output_rate = _per_token(self.output, base.output)
        if input_rate is None or output_rate is None:
            return None
        is_stated = self.input is not None
        return Rates(
            input_rate,
            output_rate,
            _per_token(self.cache_read, input_rate if is_stated else base.cache_read),
            _per_token(self.cache_write, input_rate if is_stated else base.cache_write),
            None if self.output is not None else base.reasoning,
        )

    def discounted(self, parts: Parts) -> Parts:
        """Take the discount off an input and an output price."""
        if not self.discount_percent:
            return parts
        factor = (_HUNDRED - self.discount_percent) / _HUNDRED
        return parts[0] * factor, parts[1] * factor


class Book:
    """Prices for one organization, to be kept for as long as its own prices do not change.

    A call is priced from a compiled entry per (provider, model) as sent; what is not found is remembered as well.
    """

    __slots__ = ("_known", "_own")

    def __init__(self, own: Iterable[OwnRate] = ()) -> None:
        self._own = sorted(own, key=lambda rate: rate.weight, reverse=True)
        self._known: dict[tuple[str | None, str | None, str | None], _Known] = {}

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
        request_model: str | None = None,
        special: Mapping[str, int] | None = None,
        reported: Decimal | None = None,
    ) -> Priced:
        """Price one call. `input_tokens` includes cache reads and writes, `output_tokens` includes reasoning.

        `request_model` is what was asked for, tried where the answering `model` has no price. `special` holds counts of
        units with prices of their own (table.SPECIAL_UNITS), contained in the others. `reported` is what the client
        said, used only where there is no price, and not if it is 0: clients say 0 for a model they do not know.
        """
        read, write = cache_read_tokens or 0, cache_write_tokens or 0
        tokens, output = input_tokens or 0, output_tokens or 0
        if tokens or output or read or write:
            known = self._known.get((provider, model, request_model)) or self._learn(provider, model, request_model)
            rates = known.fixed
            if rates is not None and not special:
                paid = rates.parts(tokens, output, read, write, reasoning_tokens or 0)
                return Priced(paid[0] + paid[1], PRICED, known.source)
            parts, state, source = known.parts(at, tokens, output, read, write, reasoning_tokens or 0, special)
            if parts is not None:
                return Priced(parts[0] + parts[1], state, source)
            answer = _UNPRICED
        else:
            answer = _NONE
        if reported is not None and reported > 0:
            return Priced(reported, REPORTED, "reported by the client")
        return answer

    def parts(
        self, provider: str | None, model: str | None, at: datetime, *counts: int, special: Mapping | None = None
    ) -> Parts | None:
        """Return input and output price apart; `counts` are input, output, cache read, cache write, reasoning."""
        tokens, output, read, write, reasoning = (*counts, 0, 0, 0)[:5]
        known = self._known.get((provider, model, None)) or self._learn(provider, model, None)
        return known.parts(at, tokens, output, read, write, reasoning, special)[0]

    def quote(self, provider: str | None, model: str | None, at: datetime) -> "Quote":
        """Return what a call at that moment would be priced by."""
        known = self._known.get((provider, model, None)) or self._learn(provider, model, None)
        parts, state, source = known.parts(at, 1, 1, 0, 0, 0, None)
        if parts is None:
            return Quote(UNPRICED, "", None, None, None, None, has_tiers=False)

        def per_million(tokens: int, output: int, read: int, write: int) -> Decimal | None:
            found = known.parts(at, tokens, output, read, write, 0, None)[0]
            return (found[0] + found[1]) * _MILLION if found else None

        rates = known.entry.plan(at).rates if known.entry else None
        return Quote(
            state,
            source,
            input=per_million(1, 0, 0, 0),
            output=per_million(0, 1, 0, 0),
            cache_read=per_million(1, 0, 1, 0),
            cache_write=per_million(1, 0, 0, 1),
            has_tiers=bool(rates and rates.tiers),
        )

    def _learn(self, provider: str | None, model: str | None, request_model: str | None) -> "_Known":
        if len(self._known) >= _REMEMBERED:
            self._known = {}
        entry = find_public(provider, model) or find_public(provider, request_model)
        names = (model, request_model)
        own = tuple(rate for rate in self._own if any(rate.matches(provider, name) for name in names))
        known = self._known[provider, model, request_model] = _Known(entry, own)
        return known


class _Known:
    """What the book knows about one model as sent, found or not."""

    __slots__ = ("entry", "fixed", "own", "source")

    def __init__(self, entry: Entry | None, own: tuple[OwnRate, ...]) -> None:
        self.entry = entry
        self.own = own
        self.source = entry.source if entry else ""
        # The usual case in one attribute: a model with one price sheet and no price of the organization's own.
        plan = entry.fixed if entry else None
        self.fixed = plan.rates if plan is not None and not own else None

    def parts(
        self, at: datetime, tokens: int, output: int, read: int, write: int, reasoning: int, special: Mapping | None
    ) -> tuple[Parts | None, str, str]:
        """Return the input and output price (None: there is none), whose price it is and its source."""
        if self.own:
            day = at.astimezone(UTC).date()
            for rate in self.own:
                if rate.is_valid_on(day):
                    return self._own_parts(rate, at, tokens, output, read, write, reasoning, special)
        return self._public_parts(at, tokens, output, read, write, reasoning, special), PRICED, self.source

    def _own_parts(
        self,
        rate: OwnRate,
        at: datetime,
        tokens: int,
        output: int,
        read: int,
        write: int,
        reasoning: int,
        special: Mapping | None,
    ) -> tuple[Parts | None, str, str]:
        parts: Parts | None
        if rate.has_rates:
            public = self.entry.plan(at).rates if self.entry else None
            rates = rate.rates(public.for_input(tokens) if public else None)
            parts = rates.parts(tokens, output, read, write, reasoning) if rates else None
            source = rate.source
        else:
            parts = self._public_parts(at, tokens, output, read, write, reasoning, special)
            source = f"{self.source}{rate.source.removeprefix('public price')}"
        return (rate.discounted(parts) if parts else None), OWN, source

    def _public_parts(
        self, at: datetime, tokens: int, output: int, read: int, write: int, reasoning: int, special: Mapping | None
    ) -> Parts | None:
        if self.entry is None:
            return None
        plan = self.entry.plan(at)
        if special and plan.special & special.keys():
            parts = self.entry.special_parts(at, _usage(plan, tokens, output, read, write, reasoning, special))
            if parts is not None:
                return parts
        # An embedding model has no output price and none is due; a model without an input price (speech by the hour)
        # cannot be priced by tokens.
        return plan.rates.parts(tokens, output, read, write, reasoning) if plan.rates else None


def _per_token(stated: Decimal | None, fallback: Decimal | None) -> Decimal | None:
    return fallback if stated is None else stated / _MILLION


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
