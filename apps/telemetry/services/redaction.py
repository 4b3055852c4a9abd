"""Say what must not be stored: rules that act on every span before storage, from the next few seconds on."""

from uuid import UUID

from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError, Missing
from apps.core.tenancy import current_organization_id
from apps.telemetry.models import RedactionRule
from apps.telemetry.rules.redaction import LONGEST_PATTERN, RedactionError, check_pattern
from apps.telemetry.selectors.ingest_settings import forget_ingest_settings

MOST_RULES = 50


def add_redaction_rule(
    *, actor: Actor, name: str, key: str = "", pattern: str = "", replacement: str = "[redacted]"
) -> RedactionRule:
    """Add a rule for an attribute key or a pattern; raises DomainError naming the field at fault."""
    name, key, pattern = name.strip(), key.strip(), pattern.strip()
    if not 1 <= len(name) <= 100:
        raise DomainError("Write a name of 1 to 100 characters.", code="name_length", field="name")
    if bool(key) == bool(pattern):
        raise DomainError("Write either a key or a pattern.", code="key_or_pattern", field="pattern")
    if len(pattern) > LONGEST_PATTERN:
        raise DomainError(f"Write at most {LONGEST_PATTERN} characters.", code="too_long", field="pattern")
    if len(replacement) > 100:
        raise DomainError("Write at most 100 characters.", code="too_long", field="replacement")
    if pattern:
        try:
            check_pattern(pattern)
        except RedactionError as error:
            raise DomainError(f"{error}.", code="pattern_invalid", field="pattern") from error
    with transaction.atomic():
        if RedactionRule.objects.count() >= MOST_RULES:
            raise Conflict(f"An organization has at most {MOST_RULES} rules.", code="too_many_rules")
        try:
            with transaction.atomic():
                rule = RedactionRule.objects.create(
                    organization_id=current_organization_id(),
                    name=name,
                    key=key,
                    pattern=pattern,
                    replacement=replacement,
                )
        except IntegrityError as error:
            raise Conflict(f"There is a rule “{name}” already.", code="name_taken", field="name") from error
        _record(actor, "redaction_rule.added", rule)
    return rule


def switch_redaction_rule(*, actor: Actor, rule_id: UUID, is_enabled: bool) -> RedactionRule:
    """Let a rule act, or rest."""
    with transaction.atomic():
        rule = _locked(rule_id)
        if rule.is_enabled != is_enabled:
            rule.is_enabled = is_enabled
            rule.save(update_fields=["is_enabled"])
            _record(actor, "redaction_rule.enabled" if is_enabled else "redaction_rule.disabled", rule)
    return rule


def remove_redaction_rule(*, actor: Actor, rule_id: UUID) -> None:
    """Take a rule away; what it replaced stays replaced."""
    with transaction.atomic():
        rule = _locked(rule_id)
        _record(actor, "redaction_rule.removed", rule)
        rule.delete()


def _locked(rule_id: UUID) -> RedactionRule:
    rule = RedactionRule.objects.select_for_update().filter(pk=rule_id).first()
    if rule is None:
        raise Missing("This rule does not exist.", code="rule_unknown")
    return rule


def _record(actor: Actor, action: str, rule: RedactionRule) -> None:
    record(
        actor=actor,
        action=action,
        target_kind="redaction_rule",
        target_id=rule.pk,
        target_name=rule.name,
        details={"key": rule.key, "pattern": rule.pattern, "replacement": rule.replacement},
    )
    transaction.on_commit(forget_ingest_settings)
