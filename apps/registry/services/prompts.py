"""Register prompts, revise them and restore earlier texts."""

import hashlib

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError, Missing, Stale
from apps.registry.models import Agent, Prompt, PromptVersion
from apps.registry.rules.difference import lines
from apps.registry.rules.names import is_slug, slug_of

LONGEST_PROMPT = 200_000


def register_prompt(*, actor: Actor, agent: Agent, name: str, text: str, note: str = "") -> Prompt:
    """Register a named prompt of an agent with its first text; raises Conflict if the name is taken."""
    name = " ".join(name.split())
    slug = slug_of(name)
    if not is_slug(slug) or len(name) > 200:
        raise DomainError(
            "Give the prompt a name with letters or digits, up to 200 characters.", code="name_invalid", field="name"
        )
    prompt = Prompt(organization_id=agent.organization_id, agent=agent, slug=slug, name=name)
    with transaction.atomic():
        try:
            with transaction.atomic():
                prompt.save(force_insert=True)
        except IntegrityError as error:
            message = f"{agent.name} has a prompt “{slug}” already."
            raise Conflict(message, code="prompt_exists", field="name") from error
        version = _add_version(actor, prompt, number=1, text=text, note=note)
        prompt.current_version = version
        prompt.save(update_fields=["current_version"])
        _record(actor, "prompt.registered", prompt, number=1, content_hash=version.content_hash, note=note)
    return prompt


def revise_prompt(
    *, actor: Actor, agent: Agent, slug: str, text: str, note: str = "", if_match: str | None = None
) -> tuple[Prompt, PromptVersion | None]:
    """Give a prompt a new text; returns the version, or None where the text did not change."""
    with transaction.atomic():
        prompt = _locked(agent, slug, if_match)
        current = prompt.current_version
        if current and current.text == _clean(text):
            return prompt, None
        version = _add_version(actor, prompt, number=_number(prompt) + 1, text=text, note=note)
        _make_current(prompt, version)
        changed = lines(current.text if current else "", version.text)
        _record(actor, "prompt.revised", prompt, number=version.number, content_hash=version.content_hash, note=note,
                added=sum(line.kind == "added" for line in changed),
                removed=sum(line.kind == "removed" for line in changed))  # fmt: skip
    return prompt, version


def restore_prompt(
    *, actor: Actor, agent: Agent, slug: str, number: int, note: str = "", if_match: str | None = None
) -> tuple[Prompt, PromptVersion]:
    """Make an earlier text current again, as a new version; raises Conflict if it is what is current."""
    with transaction.atomic():
        prompt = _locked(agent, slug, if_match)
        old = prompt.versions.filter(number=number).first()
        if old is None:
            raise Missing(f"{prompt.name} has no version {number}.", code="version_missing")
        if prompt.current_version and prompt.current_version.text == old.text:
            raise Conflict(f"The current text is the one of version {number}.", code="version_current")
        version = _add_version(
            actor,
            prompt,
            number=_number(prompt) + 1,
            text=old.text,
            note=note or f"Restored v{number}",
            restored_from=number,
        )
        _make_current(prompt, version)
        _record(actor, "prompt.restored", prompt, number=version.number, restored=number,
                content_hash=version.content_hash)  # fmt: skip
    return prompt, version


def _locked(agent: Agent, slug: str, if_match: str | None) -> Prompt:
    prompt = Prompt.objects.select_for_update(of=("self",)).filter(agent=agent, slug=slug).first()
    if prompt is None:
        raise Missing("No such prompt.", code="prompt_missing")
    if if_match is not None and if_match != prompt.etag:
        raise Stale(
            f"{prompt.name} was changed meanwhile; read it again and repeat the change.",
            code="prompt_changed",
            extra={"etag": prompt.etag},
        )
    return prompt


def _make_current(prompt: Prompt, version: PromptVersion) -> None:
    prompt.current_version = version
    prompt.revision += 1
    prompt.updated_at = timezone.now()
    prompt.save()


def _number(prompt: Prompt) -> int:
    return prompt.versions.order_by("-number").values_list("number", flat=True).first() or 0


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip()


def _add_version(
    actor: Actor, prompt: Prompt, *, number: int, text: str, note: str, restored_from: int | None = None
) -> PromptVersion:
    text = _clean(text)
    if not text:
        raise DomainError("Write the prompt's text.", code="text_missing", field="text")
    if len(text) > LONGEST_PROMPT or "\x00" in text:
        message = f"A prompt has up to {LONGEST_PROMPT:,} characters and no NUL."
        raise DomainError(message, code="text_invalid", field="text")
    return PromptVersion.objects.create(
        organization_id=prompt.organization_id,
        prompt=prompt,
        number=number,
        text=text,
        content_hash=hashlib.sha256(text.encode()).hexdigest(),
        restored_from=restored_from,
        note=note.strip(),
        created_by_kind=actor.kind,
        created_by_id=actor.id[:100],
        created_by_name=actor.name[:300],
    )


def _record(actor: Actor, action: str, prompt: Prompt, **details) -> None:
    record(
        actor=actor,
        action=action,
        target_kind="prompt",
        target_id=f"{prompt.agent.slug}/{prompt.slug}",
        target_name=f"{prompt.agent.name}: {prompt.name}",
        details=details,
    )
