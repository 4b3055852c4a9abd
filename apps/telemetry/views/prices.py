"""Settings → Prices: own prices, the models in use with their price, and costs computed anew."""

from typing import Any
from uuid import UUID

from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from apps.core.doors import PageRequest, actor_of, requires
from apps.core.errors import DomainError
from apps.core.pages import page
from apps.telemetry.forms.prices import EndForm, PriceForm, RecomputeForm
from apps.telemetry.prices.table import TABLE_NAME
from apps.telemetry.selectors.prices import SEEN_DAYS, models_seen, own_prices, recomputations
from apps.telemetry.services.costs import recompute_costs
from apps.telemetry.services.prices import end_price, set_price, withdraw_price
from apps.telemetry.services.settle import settle

TEMPLATE = "telemetry/price_settings.html"


@require_GET
@requires("prices.view")
def price_settings(request: PageRequest) -> HttpResponse:
    """Show what calls cost and by which price; `?model=&provider=` fills the form for a model without one."""
    wanted = {"model": request.GET.get("model", ""), "provider": request.GET.get("provider", "")}
    return _show(request, price_form=PriceForm(initial={**wanted, "valid_from": timezone.now().date()}))


@require_POST
@requires("prices.edit")
def price_create(request: PageRequest) -> HttpResponse:
    """Set a price."""
    form = PriceForm(request.POST)
    if _succeeds(form, lambda data: set_price(actor=actor_of(request), **data)):
        return _back(request)
    return _show(request, price_form=form, status=422)


@require_POST
@requires("prices.edit")
def price_end(request: PageRequest, price_id: UUID) -> HttpResponse:
    """Let a price end on a day."""
    form = EndForm(request.POST)
    if _succeeds(form, lambda data: end_price(actor=actor_of(request), price_id=price_id, **data)):
        return _back(request)
    return _show(request, end_form=form, end_id=price_id, status=422)


@require_POST
@requires("prices.edit")
def price_withdraw(request: PageRequest, price_id: UUID) -> HttpResponse:
    """Take a mistaken price back."""
    withdraw_price(actor=actor_of(request), price_id=price_id)
    return _back(request)


@require_POST
@requires("prices.edit")
def cost_recompute(request: PageRequest) -> HttpResponse:
    """Ask for costs to be computed anew."""
    form = RecomputeForm(request.POST)
    if _succeeds(form, lambda data: recompute_costs(actor=actor_of(request), **data)):
        return _back(request, "#recompute")
    return _show(request, recompute_form=form, status=422)


@require_GET
@requires("prices.view")
def recompute_progress(request: PageRequest) -> HttpResponse:
    """Show how far recomputations are (polled while one is open)."""
    if not getattr(request, "htmx", None):
        return _back(request, "#recompute")
    return page(request, TEMPLATE, {"recomputations": list(recomputations())}, part="progress")


def _succeeds(form: Form, act: Any) -> bool:
    """Carry out the act with the form's data; a refusal becomes an error of the form."""
    if not form.is_valid():
        return False
    try:
        act(form.cleaned_data)
    except DomainError as error:
        if error.status in (403, 404):
            raise
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return False
    return True


def _back(request: PageRequest, anchor: str = "") -> HttpResponse:
    slug = request.organization.slug
    response = redirect("telemetry:price_settings", slug)
    response["Location"] += anchor
    return response


def _show(request: PageRequest, *, status: int = 200, **forms: Any) -> HttpResponse:
    settle(request.organization.id)
    seen = models_seen(now=timezone.now())
    works = list(recomputations())
    context = {
        "models": seen,
        "unpriced_count": sum(1 for model in seen if model.state == "unpriced"),
        "behind_count": sum(1 for model in seen if model.is_behind),
        "own_prices": list(own_prices()),
        "recomputations": works,
        "is_recomputing": any(work.finished_at is None for work in works),
        "table_name": TABLE_NAME,
        "seen_days": SEEN_DAYS,
        "price_form": PriceForm(initial={"valid_from": timezone.now().date()}),
        "end_form": EndForm(),
        "recompute_form": RecomputeForm(),
        **forms,
    }
    return page(request, TEMPLATE, context, status=status)
