"""Compare this package with answers computed elsewhere: usage bodies with the expected price per provider."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.telemetry.prices.book import Book
from apps.telemetry.prices.usage import Tokens, tokens_from_usage

# An answer's API flavour → the convention whose bodies it reads rightly. The oracle also lists what an API's rules make
# of another API's body (cache forgotten, output missing); nobody should be billed by that.
_FLAVOURS = {
    "chat": {"chat"},
    "responses": {"responses", "plain"},
    "anthropic": {"anthropic", "plain"},
    "tokens": {"cohere"},
    "realtime": {"realtime"},
    "images": {"responses"},
}


@dataclass
class Comparison:
    """How many bodies were priced to the last digit, and why the others were not."""

    body_count: int = 0
    exact_count: int = 0
    priced_count: int = 0
    answer_count: int = 0
    foreign_count: int = 0
    without_answer_count: int = 0
    differences: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def exact_share(self) -> float:
        """Return the share of bodies with an answer that are exact."""
        return self.exact_count / self.body_count if self.body_count else 0.0


def compare_usages(entries: Iterable[Mapping[str, Any]], *, at: datetime) -> Comparison:
    """Price every body for every provider that the oracle priced it for; exact means input and output price equal."""
    result = Comparison()
    book = Book()
    for entry in entries:
        answers, foreign = answers_of(entry)
        result.foreign_count += foreign
        if not answers:
            result.without_answer_count += 1
            continue
        result.body_count += 1
        is_exact = True
        for answer in answers:
            result.answer_count += 1
            if reason := _difference(book, entry, answer, at):
                is_exact = False
                result.reasons[reason] += 1
                result.differences.append(f"{entry['body'].get('file', '?')}: {answer['provider_id']}: {reason}")
            else:
                result.priced_count += 1
        result.exact_count += is_exact
    return result


def answers_of(entry: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], int]:
    """Return the prices that the oracle has for a body as its own API means it, and how many others it lists."""
    answers, foreign = [], 0
    for extraction in entry["extracted"]:
        for answer in extraction["extractors"]:
            if "input_price" not in answer:
                continue
            read = tokens_from_usage(entry["body"], answer["provider_id"])
            if _reads(answer["api_flavor"], read):
                answers.append(answer)
            else:
                foreign += 1
    return answers, foreign


def _reads(flavour: str, read: Tokens | None) -> bool:
    if read is None:
        return True
    if flavour == "embeddings":
        return read.output is None
    return read.convention in _FLAVOURS.get(flavour, {read.convention})


def _difference(book: Book, entry: Mapping[str, Any], answer: Mapping[str, Any], at: datetime) -> str | None:
    provider = answer["provider_id"]
    read = tokens_from_usage(entry["body"], provider)
    if read is None:
        return "no convention reads this body"
    model = entry["body"].get("model") or entry["model"]
    counts = (read.input or 0, read.output or 0, read.cache_read or 0, read.cache_write or 0, read.reasoning or 0)
    found = book.parts(provider, model, at, *counts, special=read.special)
    expected = Decimal(answer["input_price"]), Decimal(answer["output_price"])
    if found is None:
        return f"{model} is unpriced"
    if found != expected:
        return f"{model} ({answer['api_flavor']}): {found[0]} + {found[1]}, not {expected[0]} + {expected[1]}"
    return None
