"""Settings → Redaction: the rules, suggestions, and a box to try them in."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from apps.core.doors import PageRequest, actor_of, requires
from apps.core.errors import DomainError
from apps.core.pages import page
from apps.telemetry.forms.redaction import RedactionRuleForm, TryForm
from apps.telemetry.models import RedactionRule
from apps.telemetry.rules.redaction import SUGGESTIONS, Redaction, redact_text
from apps.telemetry.services.redaction import add_redaction_rule, remove_redaction_rule, switch_redaction_rule


def _page(request: PageRequest, form: RedactionRuleForm, *, status: int = 200) -> HttpResponse:
    rules = list(RedactionRule.objects.order_by("name"))
    tried = TryForm(request.GET or None)
    text = tried.cleaned_data["text"] if tried.is_bound and tried.is_valid() else ""
    active = [Redaction(rule.key, rule.pattern, rule.replacement) for rule in rules if rule.is_enabled]
    known = {rule.name for rule in rules}
    context = {
        "rules": rules,
        "form": form,
        "try_form": tried,
        "redacted": redact_text(text, active) if text else "",
        "suggestions": [(name, pattern) for name, pattern in SUGGESTIONS.items() if name not in known],
    }
    return page(request, "telemetry/redaction_rules.html", context, status=status)


@require_GET
@requires("redaction.view")
def redaction_rules(request: PageRequest) -> HttpResponse:
    """Show the rules; with ?text= what they would make of it."""
    return _page(request, RedactionRuleForm())


@require_POST
@requires("redaction.edit")
def add(request: PageRequest) -> HttpResponse:
    """Add a rule."""
    form = RedactionRuleForm(request.POST)
    if form.is_valid():
        try:
            rule = add_redaction_rule(actor=actor_of(request), **form.cleaned_data)
        except DomainError as error:
            form.add_error(error.field, error.message)
        else:
            messages.success(request, f"“{rule.name}” acts on what arrives from now on.")
            return redirect("telemetry:redaction_rules", request.organization.slug)
    return _page(request, form, status=422)


@require_POST
@requires("redaction.edit")
def switch(request: PageRequest, rule_id: UUID) -> HttpResponse:
    """Let a rule act, or rest."""
    rule = switch_redaction_rule(
        actor=actor_of(request), rule_id=rule_id, is_enabled=request.POST.get("is_enabled") == "1"
    )
    messages.success(request, f"“{rule.name}” {'acts' if rule.is_enabled else 'rests'} now.")
    return redirect("telemetry:redaction_rules", request.organization.slug)


@require_POST
@requires("redaction.edit")
def remove(request: PageRequest, rule_id: UUID) -> HttpResponse:
    """Take a rule away."""
    remove_redaction_rule(actor=actor_of(request), rule_id=rule_id)
    messages.success(request, "The rule is removed.")
    return redirect("telemetry:redaction_rules", request.organization.slug)
