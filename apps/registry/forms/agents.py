"""The smaller forms of the registry: YAML, status, owner, prompts."""

from typing import Any

from django import forms

from apps.organizations.models import Membership
from apps.registry.models import Agent
from apps.registry.rules.reading import Submission, parse_yaml
from apps.registry.rules.statuses import STATUSES, TRANSITIONS
from apps.registry.rules.tree import MAX_CHARACTERS, Problem, Refused
from apps.registry.services.prompts import LONGEST_PROMPT


class YamlForm(forms.Form):
    """A design as YAML, written or uploaded."""

    yaml = forms.CharField(
        label="Design",
        required=False,
        strip=False,
        help_text="Begins with agent_design: or agent:.",
        widget=forms.Textarea(attrs={"rows": 26, "spellcheck": "false", "autocapitalize": "off", "data-mono": ""}),
    )
    file = forms.FileField(
        label="Or a file", required=False, widget=forms.ClearableFileInput(attrs={"accept": ".yaml,.yml,.json"})
    )
    note = forms.CharField(label="Why this version", required=False, max_length=500)
    etag = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.submission: Submission | None = None
        self.problems: list[Problem] = []
        self.text = ""

    def clean(self) -> dict[str, Any]:
        """Read the text; problems keep their line and column."""
        cleaned = super().clean() or {}
        self.text = cleaned.get("yaml", "")
        if file := cleaned.get("file"):
            if file.size > MAX_CHARACTERS * 4:
                self.problems = [Problem(f"A design has up to {MAX_CHARACTERS:,} characters.")]
            else:
                self.text = file.read().decode("utf-8-sig", errors="replace")
                # What is wrong is shown, and corrected, in the text field.
                self.data = {**self.data.dict(), "yaml": self.text}  # type: ignore[attr-defined]
        self.text = self.text.replace("\r\n", "\n")
        if not self.problems:
            try:
                self.submission = parse_yaml(self.text)
            except Refused as refused:
                self.problems = refused.problems
        if self.problems:
            count = len(self.problems)
            self.add_error("yaml", f"{count} thing{'s' if count > 1 else ''} to correct; nothing was saved.")
        return cleaned

    def numbered(self) -> list[dict[str, Any]]:
        """Return the text's lines with what is wrong in each."""
        lines = self.text.split("\n")
        found: dict[int, list[Problem]] = {}
        for problem in self.problems:
            found.setdefault(min(problem.line or 1, len(lines)), []).append(problem)
        near = {number + step for number in found for step in range(-2, 3)}
        return [
            {"number": number, "text": text, "problems": found.get(number, [])}
            for number, text in enumerate(lines, 1)
            if number in near
        ]


class StatusForm(forms.Form):
    """Another status for an agent."""

    status = forms.ChoiceField(label="New status", widget=forms.RadioSelect)
    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=2000,
        help_text="Needed to stop an agent or take it back.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    etag = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, agent: Agent, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"etag": agent.etag, "status": TRANSITIONS[agent.status][0]})
        super().__init__(*args, **kwargs)
        self.fields["status"].choices = [(key, STATUSES[key]) for key in TRANSITIONS[agent.status]]  # type: ignore[attr-defined]


class OwnerForm(forms.Form):
    """Who answers for an agent."""

    team = forms.CharField(label="Team", required=False, max_length=200)
    person = forms.TypedChoiceField(label="Person", required=False, coerce=lambda key: key, empty_value=None)
    etag = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, agent: Agent, people: list[Membership], **kwargs: Any) -> None:
        person = str(agent.owner_person_id or "")
        kwargs.setdefault("initial", {"etag": agent.etag, "team": agent.owner_team, "person": person})
        super().__init__(*args, **kwargs)
        choices = [(str(member.pk), str(member.user)) for member in people]
        self.fields["person"].choices = [("", "Nobody"), *choices]  # type: ignore[attr-defined]


class PromptForm(forms.Form):
    """A prompt's text."""

    name = forms.CharField(label="Name", max_length=200)
    text = forms.CharField(
        label="Text",
        max_length=LONGEST_PROMPT,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 20, "spellcheck": "false", "data-mono": ""}),
    )
    note = forms.CharField(label="Why this version", required=False, max_length=500)
    etag = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, is_new: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_new:
            self.fields["name"].disabled = True
