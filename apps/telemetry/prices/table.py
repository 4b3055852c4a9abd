"""The public price table, compiled: per-token Decimals for each model, date window and context tier.

The data is the maintained PyPI package `genai-prices`. Its own calculation is general and takes tens of microseconds;
here every model becomes a few numbers once, and a call is priced with four multiplications. What the compiled form does
not know (audio, images, one-hour cache writes) goes to the package itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from genai_prices import data_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices, TimeOfDateConstraint, Usage

from apps.telemetry.prices.names import Candidate, candidates

TABLE_NAME = f"genai-prices {version('genai-prices')}"

# A model that is listed without any price is free at these providers; elsewhere it only means that nobody knows.
NO_CHARGE_PROVIDERS = frozenset({"google", "openai", "openrouter", "github-copilot"})

# Unit of the package → its price key, for what the compiled rates leave to the package.
_SPECIAL_UNITS = {
    "cache_write_1h_tokens": "cache_write_1h_mtok",
    "input_audio_tokens": "input_audio_mtok",
    "cache_audio_read_tokens": "cache_audio_read_mtok",
    "output_audio_tokens": "output_audio_mtok",
    "input_image_tokens": "input_image_mtok",
    "cache_image_read_tokens": "cache_image_read_mtok",
    "output_image_tokens": "output_image_mtok",
    "input_video_tokens": "input_video_mtok",
    "output_video_tokens": "output_video_mtok",
    "output_citation_tokens": "output_citation_mtok",
}
SPECIAL_UNITS = frozenset(_SPECIAL_UNITS)
# The attribute of a span in which such counts are kept, {unit: count}, so that costs can be computed again.
SPECIAL_ATTRIBUTE = "usage.special"
_TOKEN_KEYS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "output_reasoning_mtok")
_MILLION = Decimal(1_000_000)
_ZERO = Decimal(0)


class Rates:
    """USD per token. `tiers` are the rates above a number of input tokens, the highest first."""

    __slots__ = ("cache_read", "cache_write", "input", "output", "reasoning", "tiers")

    def __init__(
        self,
        input_: Any,
        output: Any,
        cache_read: Any,
        cache_write: Any,
        reasoning: Decimal | None = None,
        tiers: tuple[tuple[int, "Rates"], ...] = (),
    ) -> None:
        self.input = input_
        self.output = output
        self.cache_read = cache_read
        self.cache_write = cache_write
        self.reasoning = reasoning
        self.tiers = tiers

    def for_input(self, tokens: int) -> "Rates":
        """Return the rates that apply to a call with so many input tokens (crossing a tier moves the whole call)."""
        for start, rates in self.tiers:
            if tokens > start:
                return rates
        return self

    def parts(self, tokens: int, output: int, read: int, write: int, reasoning: int) -> tuple[Decimal, Decimal]:
        """Return the price of the input and of the output; `tokens` includes the cache, `output` the reasoning."""
        rates = self.for_input(tokens) if self.tiers else self
        if read or write:
            plain = tokens - read - write
            # A client that counts its cache beside the input sends more cache than input; it is billed all the same.
            input_price = rates.cache_read * read + rates.cache_write * write
            if plain > 0:
                input_price += rates.input * plain
        else:
            input_price = rates.input * tokens
        if rates.reasoning is not None and reasoning:
            return input_price, rates.output * max(output - reasoning, 0) + rates.reasoning * reasoning
        return input_price, rates.output * output


@dataclass(frozen=True, slots=True)
class Plan:
    """What one price sheet says: rates per token (None: it has none) and the units only the package can price."""

    rates: Rates | None
    special: frozenset[str]
    sheet: ModelPrice


class Entry:
    """One model of the table, ready to be asked for a moment."""

    __slots__ = ("_by_sheet", "_windows", "fixed", "model", "note", "provider")

    def __init__(self, provider: Provider, model: ModelInfo, note: str = "") -> None:
        self.provider = provider
        self.model = model
        self.note = note
        self._by_sheet: dict[int, Plan] = {}
        self._windows: tuple[tuple[date, Plan], ...] | None = None
        self.fixed: Plan | None = None
        is_free = provider.id in NO_CHARGE_PROVIDERS or model.id.endswith(":free")
        if isinstance(model.prices, ModelPrice):
            self.fixed = compile_sheet(model.prices, is_free=is_free)
            return
        for conditional in model.prices:
            self._by_sheet[id(conditional.prices)] = compile_sheet(conditional.prices, is_free=is_free)
        windows = []
        for conditional in reversed(model.prices):
            if isinstance(conditional.constraint, TimeOfDateConstraint):
                return
            start = conditional.constraint.start_date if conditional.constraint else date.min
            windows.append((start, self._by_sheet[id(conditional.prices)]))
        self._windows = tuple(windows)

    @property
    def source(self) -> str:
        """Name the entry as a person would look it up."""
        name = f"{self.provider.id}/{self.model.id}"
        return f"{name} ({self.note})" if self.note else name

    def plan(self, at: datetime) -> Plan:
        """Return the price sheet in force."""
        if self.fixed is not None:
            return self.fixed
        if self._windows is not None:
            day = at.astimezone(UTC).date()
            for start, plan in self._windows:
                if day >= start:
                    return plan
        # Prices by the hour of the day, and days before the first price: the package decides.
        return self._by_sheet[id(self.model.get_prices(at))]

    def special_parts(self, at: datetime, usage: Mapping[str, int]) -> tuple[Decimal, Decimal] | None:
        """Price units that the compiled rates do not know; None where the counts contradict each other."""
        try:
            result = self.model.calc_price(Usage(**usage), self.provider, genai_request_timestamp=at)
        except ValueError:
            return None
        return result.input_price, result.output_price


def compile_sheet(sheet: ModelPrice, *, is_free: bool = False) -> Plan:
    """Turn a price sheet into rates per token for every context tier."""
    stated: dict[str, Any] = {key: value for key, value in vars(sheet).items() if value is not None}
    special = frozenset(unit for unit, key in _SPECIAL_UNITS.items() if key in stated)
    if not stated:
        return Plan(Rates(_ZERO, _ZERO, _ZERO, _ZERO) if is_free else None, special, sheet)
    if "input_mtok" not in stated:
        return Plan(None, special, sheet)
    starts = {
        tier.start for key in _TOKEN_KEYS if isinstance(stated.get(key), TieredPrices) for tier in stated[key].tiers
    }
    tiers = tuple((start, _rates_above(stated, start)) for start in sorted(starts, reverse=True))
    return Plan(_rates_above(stated, None, tiers), special, sheet)


def _rates_above(stated: Mapping[str, Any], start: int | None, tiers: tuple[tuple[int, Rates], ...] = ()) -> Rates:
    def rate(key: str) -> Decimal | None:
        price = stated.get(key)
        if isinstance(price, TieredPrices):
            reached = [tier.price for tier in price.tiers if start is not None and tier.start <= start]
            price = reached[-1] if reached else price.base
        return None if price is None else price / _MILLION

    input_rate = rate("input_mtok") or _ZERO
    output_rate = rate("output_mtok") or _ZERO
    read, write = rate("cache_read_mtok"), rate("cache_write_mtok")
    return Rates(
        input_rate,
        output_rate,
        input_rate if read is None else read,
        input_rate if write is None else write,
        rate("output_reasoning_mtok"),
        tiers,
    )


def find_entry(provider: str | None, model: str | None) -> Entry | None:
    """Return the table's entry for a model as it was sent, or None."""
    if not model:
        return None
    providers = data_snapshot.get_snapshot().providers
    for candidate in candidates(provider, model):
        owner = _provider(providers, candidate)
        # (Not the package's own look-up: it remembers every name it was ever asked for.)
        info = owner.find_model(candidate.model, all_providers=providers) if owner else None
        if owner is not None and info is not None:
            return Entry(owner, info, candidate.note)
    return None


def _provider(providers: list[Provider], candidate: Candidate) -> Provider | None:
    if candidate.provider is not None:
        return data_snapshot.find_provider_by_id(providers, candidate.provider)
    for provider in providers:
        if provider.model_match is not None and provider.model_match.is_match(candidate.model):
            return provider
    return None
