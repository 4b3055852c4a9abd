"""The design as a form: every field of the document, read by the same rules as YAML."""

import re
from copy import deepcopy
from typing import Any

from django import forms

from apps.organizations.models import Membership
from apps.registry.rules.document import PATTERNS, RISK_LEVELS, Document
from apps.registry.rules.form_text import READERS, WRITERS, fits
from apps.registry.rules.reading import parse_data
from apps.registry.rules.statuses import CRITICALITIES
from apps.registry.rules.tree import Problem, Refused
from apps.registry.rules.writing import plain

# form field → place in the document and how the field shows it
PLACES: dict[str, tuple[tuple[str, ...], str]] = {
    "name": (("name",), "text"),
    "id": (("id",), "text"),
    "version": (("version",), "text"),
    "owner_team": (("owner", "team"), "text"),
    "owner_person": (("owner", "person"), "text"),
    "purpose": (("purpose",), "text"),
    "in_scope": (("scope", "in_scope"), "lines"),
    "out_of_scope": (("scope", "out_of_scope"), "lines"),
    "pattern": (("architecture", "pattern"), "text"),
    "framework": (("architecture", "framework"), "text"),
    "model_primary": (("architecture", "models", "primary"), "text"),
    "model_fallback": (("architecture", "models", "fallback"), "text"),
    "capabilities": (("capabilities",), "lines"),
    "restrictions": (("restrictions",), "limits"),
    "max_cost_per_task": (("runtime_constraints", "max_cost_per_task"), "text"),
    "max_duration_seconds": (("runtime_constraints", "max_duration_seconds"), "text"),
    "max_records_per_query": (("runtime_constraints", "max_records_per_query"), "text"),
    "max_tool_calls_per_task": (("runtime_constraints", "max_tool_calls_per_task"), "text"),
    "allowed_models": (("runtime_constraints", "allowed_models"), "lines"),
    "approval_required": (("hitl_requirements", "approval_required"), "lines"),
    "escalation_triggers": (("hitl_requirements", "escalation_triggers"), "lines"),
    "approval_requirements": (("approval_requirements",), "pairs"),
    "data_accessed": (("security", "data_accessed"), "lines"),
    "permissions_required": (("security", "permissions_required"), "lines"),
    "compliance_requirements": (("security", "compliance_requirements"), "lines"),
}
NO_FIT = "Has entries of several lines; edit it as YAML."


def _one_line(label: str, help_text: str = "", **options: Any) -> forms.CharField:
    return forms.CharField(label=label, help_text=help_text, required=options.pop("required", False), **options)


def _lines(label: str, help_text: str = "One a line.", rows: int = 3) -> forms.CharField:
    return forms.CharField(
        label=label, help_text=help_text, required=False, widget=forms.Textarea(attrs={"rows": rows})
    )


class DesignForm(forms.Form):
    """A whole design. `base` is what is being edited; what no field shows stays as it is there."""

    name = _one_line("Name", required=True, max_length=200)
    id = _one_line("Id", "Lowercase letters, digits and hyphens. Cannot change later.", max_length=100)
    purpose = _lines("Purpose", "What it does, and for whom.")
    owner_team = _one_line("Team", max_length=200)
    owner_person = forms.ChoiceField(label="Person", required=False)
    in_scope = _lines("In scope")
    out_of_scope = _lines("Out of scope")
    pattern = forms.ChoiceField(label="Pattern", required=False, choices=[("", "Not chosen"), *PATTERNS.items()])
    framework = _one_line("Framework", "For example LangGraph.")
    model_primary = _one_line("Primary model")
    model_fallback = _one_line("Fallback model")
    capabilities = _lines("Capabilities", "What it may do, one a line.")
    restrictions = _lines("Restrictions", "One a line: no_admin_access, or a limit like max_records_per_query: 100.")
    max_cost_per_task = _one_line("Cost limit per task, USD")
    max_duration_seconds = _one_line("Time limit per task, seconds")
    max_records_per_query = _one_line("Records per query")
    max_tool_calls_per_task = _one_line("Tool calls per task")
    allowed_models = _lines("Allowed models")
    approval_required = _lines("Approval before", "Actions, one a line.")
    escalation_triggers = _lines("Escalates when")
    approval_requirements = _lines("Who approves", "One a line: refund: manager_approval.")
    data_accessed = _lines("Data it reads")
    permissions_required = _lines("Permissions")
    compliance_requirements = _lines("Regulations")
    version = _one_line("Version", max_length=64)
    note = _one_line("Why this version", max_length=500)
    environment = _one_line("Environment", max_length=40)
    criticality = forms.ChoiceField(label="Criticality", choices=list(CRITICALITIES.items()))
    etag = forms.CharField(required=False, widget=forms.HiddenInput)

    # Two columns of cards: heading and fields.
    LEFT = (
        ("Agent", ("name", "id", "owner_team", "owner_person", "environment", "criticality", "purpose")),
        ("Architecture", ("pattern", "framework", "model_primary", "model_fallback")),
        ("Scope", ("in_scope", "out_of_scope")),
        ("Version", ("version", "note")),
    )
    RIGHT = (
        (
            "Limits",
            (
                "max_cost_per_task",
                "max_duration_seconds",
                "max_records_per_query",
                "max_tool_calls_per_task",
                "allowed_models",
            ),
        ),
        ("Capabilities and restrictions", ("capabilities", "restrictions")),
        ("Human oversight", ("approval_required", "escalation_triggers", "approval_requirements")),
        ("Security", ("data_accessed", "permissions_required", "compliance_requirements")),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        base: Document,
        people: list[Membership],
        is_new: bool,
        initial: dict[str, Any] | None = None,
    ) -> None:
        self.base = plain(base)
        super().__init__(data, initial={**self._initial(), **(initial or {})})
        self.document: Document | None = None
        person = self.fields["owner_person"]
        known = [(member.user.email, str(member.user)) for member in people]
        stated = self.base.get("owner", {}).get("person")
        if stated and stated not in dict(known):
            known.append((stated, stated))
        person.choices = [("", "Nobody"), *known]  # type: ignore[attr-defined]
        if is_new:
            self.fields["version"].help_text = "Three numbers; 0.1.0 if left empty."
        else:
            self.fields["id"].disabled = True
            self.fields["version"].help_text = "Leave empty for the number that fits the changes."
        for name, (path, kind) in PLACES.items():
            if kind != "text" and not fits(kind, _get(self.base, path)):
                self.fields[name].disabled = True
                self.fields[name].help_text = NO_FIT
        self.tools = Rows("tools", ("name", "purpose", "risk_level"), self.base, self.data if self.is_bound else None)
        self.metrics = Rows("success_metrics", ("metric", "target"), self.base, self.data if self.is_bound else None)

    def columns(self) -> list[list[dict[str, Any]]]:
        """Return the fields as cards in two columns; short fields stand side by side."""
        return [[self._card(title, names) for title, names in column] for column in (self.LEFT, self.RIGHT)]

    def _card(self, title: str, names: tuple[str, ...]) -> dict[str, Any]:
        fields = [self[name] for name in names]
        long = [field for field in fields if isinstance(field.field.widget, forms.Textarea)]
        return {"title": title, "short": [field for field in fields if field not in long], "long": long}

    def clean(self) -> dict[str, Any]:
        """Build the document from what was written; every problem is told at its field."""
        cleaned = super().clean() or {}
        data = deepcopy(self.base)
        for name, (path, kind) in PLACES.items():
            if self.fields[name].disabled or name not in cleaned:
                continue
            try:
                _put(data, path, READERS[kind](cleaned[name]) if kind != "text" else cleaned[name].strip())
            except Refused as refused:
                self.add_error(name, str(refused.problems[0]))
        self.tools.write(data)
        self.metrics.write(data)
        if not self.errors:
            try:
                self.document = parse_data(data).document
            except Refused as refused:
                for problem in refused.problems:
                    self._tell(problem)
        return cleaned

    def _initial(self) -> dict[str, Any]:
        values = {}
        for name, (path, kind) in PLACES.items():
            value = _get(self.base, path)
            values[name] = "" if value is None else value if kind == "text" else WRITERS[kind](value)
        # A new version gets a label of its own.
        values["version"] = ""
        return values

    def _tell(self, problem: Problem) -> None:
        for rows in (self.tools, self.metrics):
            if problem.path.startswith(rows.name) and rows.tell(problem):
                self.add_error(None, f"{rows.title}: {problem.message}")
                return
        path = re.sub(r"\[\d+\]", "", problem.path)
        for name, (place, _) in PLACES.items():
            if path == ".".join(place) or path.startswith(".".join(place) + "."):
                self.add_error(name, problem.message)
                return
        self.add_error(None, str(problem))


class Rows:
    """A list of small mappings as rows of a form (tools, success metrics), two empty ones at the end."""

    SPARE = 2
    MOST = 200

    def __init__(self, name: str, columns: tuple[str, ...], base: dict[str, Any], sent: Any) -> None:
        self.name = name
        self.title = name.replace("_", " ").capitalize()
        self.columns = columns
        self.problems: dict[int, str] = {}
        known = base.get(name, [])
        self.known = {row[columns[0]]: row for row in known}
        if sent is None or f"{name}-0-{columns[0]}" not in sent:
            self.rows = [{column: row.get(column, "") for column in columns} for row in known]
        else:
            self.rows = self._sent(sent)
        self.risks = list(RISK_LEVELS.items())

    def _sent(self, sent: Any) -> list[dict[str, str]]:
        rows = []
        for index in range(self.MOST):
            if f"{self.name}-{index}-{self.columns[0]}" not in sent:
                break
            row = {column: sent.get(f"{self.name}-{index}-{column}", "").strip() for column in self.columns}
            if any(row.values()):
                rows.append(row)
        return rows

    def shown(self) -> list[dict[str, Any]]:
        """Return the rows with their index and problem, spare ones at the end."""
        rows = [*self.rows, *(dict.fromkeys(self.columns, "") for _ in range(self.SPARE))]
        return [{**row, "index": index, "problem": self.problems.get(index, "")} for index, row in enumerate(rows)]

    def write(self, data: dict[str, Any]) -> None:
        """Put the rows into the document; what no column shows stays with the row of the same name."""
        data[self.name] = []
        for row in self.rows:
            old = self.known.get(row[self.columns[0]], {})
            kept = {key: value for key, value in old.items() if key not in self.columns}
            data[self.name].append({key: value for key, value in row.items() if value} | kept)

    def tell(self, problem: Problem) -> bool:
        """Note a problem at its row; False if it names none."""
        found = re.match(rf"{self.name}\[(\d+)\]", problem.path)
        if found:
            self.problems[int(found[1])] = problem.message
        return True


def _get(data: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = data
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    place = data
    for part in path[:-1]:
        place = place.setdefault(part, {})
    if value in ("", [], {}):
        place.pop(path[-1], None)
    else:
        place[path[-1]] = value
