"""Own prices and the days to recompute."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone


def _amount(label: str) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=0,
        max_digits=14,
        decimal_places=6,
        error_messages={
            "invalid": "Write an amount, for example 2.50.",
            "min_value": "Write an amount of 0 or more, for example 2.50.",
        },
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )


def _day(label: str, *, required: bool = True, help_text: str = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        required=required,
        help_text=help_text,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Write a day, for example 2026-01-31.", "required": "Choose a day."},
    )


class PriceForm(forms.Form):
    """A price: the models it is for, its amounts and its days."""

    model = forms.CharField(
        label="Model",
        max_length=200,
        help_text="As your agents send it. * stands for anything: gpt-4o*",
        error_messages={"required": "Name a model, for example gpt-4o or gpt-4o*."},
    )
    provider = forms.CharField(label="Provider", max_length=100, required=False, help_text="Empty: any provider")
    input_per_million = _amount("Input, USD per million tokens")
    output_per_million = _amount("Output, USD per million tokens")
    cache_read_per_million = _amount("Cache read, USD per million tokens")
    cache_write_per_million = _amount("Cache write, USD per million tokens")
    discount_percent = forms.DecimalField(
        label="Discount, %",
        required=False,
        min_value=0,
        max_value=100,
        max_digits=5,
        decimal_places=2,
        help_text="On the amounts above, or on the public price",
        error_messages={"invalid": "Write a percentage from 0 to 100."},
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )
    valid_from = _day("First day")
    valid_until = _day("Last day", required=False, help_text="Empty: until another price follows")

    def clean_discount_percent(self) -> Decimal:
        """Read an empty discount as none."""
        return self.cleaned_data["discount_percent"] or Decimal(0)


class EndForm(forms.Form):
    """The last day of a price."""

    last_day = _day("Last day")


class RecomputeForm(forms.Form):
    """The days whose costs are computed anew."""

    since = _day("First day")
    until = _day("Last day")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        today = timezone.now().date()
        kwargs["initial"] = {"since": today - timedelta(days=30), "until": today, **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
