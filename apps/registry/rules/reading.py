"""Read a design: from YAML or JSON, in the shape `agent_design:`, `agent:` or bare, into one Document.

Each shape may carry the fields of both, so one text can hold a complete design.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from apps.registry.rules.document import (
    PATTERNS,
    RISK_LEVELS,
    Architecture,
    Document,
    Models,
    Oversight,
    Owner,
    Restriction,
    RuntimeConstraints,
    Scope,
    Security,
    SuccessMetric,
    Tool,
)
from apps.registry.rules.names import LONGEST_SLUG, is_slug, next_version, read_version, slug_of
from apps.registry.rules.statuses import CRITICALITIES
from apps.registry.rules.tree import Node, Problem, Refused, cut, read_data, read_json, read_yaml

SHAPES = ("agent_design", "agent")
# What may stand beside the design: properties of the agent, not of its design.
BESIDE = ("environment", "criticality", "note")
LONGEST_NAME = 200
LONGEST_TEXT = 10_000

_WORD = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PATTERN_NAMES = {
    **{key: key for key in PATTERNS},
    **{label.lower(): key for key, label in PATTERNS.items()},
    "mapreduce": "map_reduce",
}


@dataclass(frozen=True)
class Submission:
    """A design as it was sent, with what stood beside it."""

    document: Document
    shape: str | None = None
    beside: dict[str, str] = field(default_factory=dict)
    # Whether the text names the id itself; otherwise it follows from the name.
    has_id: bool = True


def is_environment(text: str) -> bool:
    """Tell whether a text can name an environment."""
    return _WORD.fullmatch(text) is not None


def parse_yaml(text: str) -> Submission:
    """Return the design in a YAML text; raises Refused with line and column of everything that is wrong."""
    return _submission(read_yaml(text))


def parse_json(text: str) -> Submission:
    """Return the design in a JSON text; raises Refused with the path of everything that is wrong."""
    return _submission(read_json(text))


def parse_data(data: Any) -> Submission:
    """Return the design in Python data (a stored document, a form)."""
    return _submission(read_data(data))


def _submission(root: Node) -> Submission:
    problems: list[Problem] = []
    if not root.is_mapping:
        raise Refused(
            [root.problem(f"A design is a mapping that starts with agent_design: or agent:, not {root.kind}.")]
        )
    keys = {key.value: (key, value) for key, value in root.value}
    wrappers = [name for name in (*SHAPES, "design") if name in keys and keys[name][1].is_mapping]
    if not wrappers:
        if "name" not in keys and "id" not in keys:
            raise Refused([root.problem("Start with agent_design: or agent:, and give the agent a name or an id.")])
        return _checked(Submission(_Reader(problems).document(root), has_id="id" in keys), problems)
    if len(wrappers) > 1:
        key = keys[wrappers[1]][0]
        raise Refused(
            [key.problem(f"Write either {wrappers[0]}: or {wrappers[1]}:, not both; each may hold all fields.")]
        )
    beside: dict[str, str] = {}
    for name, (key, value) in keys.items():
        if name == wrappers[0]:
            continue
        if name not in BESIDE:
            problems.append(
                key.problem(f"“{cut(name)}” cannot stand beside {wrappers[0]}; only {', '.join(BESIDE)} can.")
            )
        elif text := _beside(name, value, problems):
            beside[name] = text
    inner = keys[wrappers[0]][1]
    document = _Reader(problems).document(inner)
    shape = wrappers[0] if wrappers[0] in SHAPES else None
    has_id = any(key.value == "id" for key, _ in inner.value)
    return _checked(Submission(document, shape, beside, has_id), problems)


def _checked(submission: Submission, problems: list[Problem]) -> Submission:
    if problems:
        raise Refused(sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))
    return submission


def _beside(name: str, node: Node, problems: list[Problem]) -> str | None:
    if node.value is None:
        return None
    text = str(node.value).strip()
    if name == "criticality" and text.lower() not in CRITICALITIES:
        problems.append(node.problem(f"Criticality is one of {', '.join(CRITICALITIES)}, not {node.kind}."))
        return None
    if name == "environment" and not is_environment(text.lower()):
        problems.append(node.problem("An environment is one lowercase word, for example production or staging."))
        return None
    if len(text) > LONGEST_TEXT or node.is_mapping or node.is_list:
        problems.append(node.problem(f"Write {name} as one text."))
        return None
    return text if name == "note" else text.lower()


class _Reader:
    """Reads nodes into the document and collects every problem instead of stopping at the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems

    def document(self, node: Node) -> Document:
        """Read a whole design."""
        fields = self.fields(
            node,
            name=self.name,
            id=self.slug,
            version=self.version,
            owner=self.owner,
            purpose=self.text,
            scope=self.part(Scope, in_scope=self.texts, out_of_scope=self.texts),
            architecture=self.part(
                Architecture,
                pattern=self.pattern,
                framework=self.text,
                models=self.part(Models, primary=self.text, fallback=self.text),
            ),
            tools=self.list_of(self.tool),
            hitl_requirements=self.part(Oversight, approval_required=self.texts, escalation_triggers=self.texts),
            success_metrics=self.list_of(self.metric),
            security=self.part(
                Security, data_accessed=self.texts, permissions_required=self.texts, compliance_requirements=self.texts
            ),
            capabilities=self.texts,
            restrictions=self.restrictions,
            runtime_constraints=self.part(
                RuntimeConstraints,
                max_cost_per_task=self.money,
                max_duration_seconds=self.count,
                max_records_per_query=self.count,
                max_tool_calls_per_task=self.count,
                allowed_models=self.texts,
            ),
            approval_requirements=self.approvals,
        )
        slug, name = fields.pop("id", None), fields.pop("name", None)
        if not self.problems and not (slug or name):
            self.problems.append(node.problem("Give the agent a name or an id."))
        if slug is None and name and not is_slug(slug_of(name)) and not self.problems:
            self.problems.append(
                node.problem(
                    f"No id can be made from the name “{cut(name)}”; add id: with lowercase letters and hyphens."
                )
            )
        document = Document(name=name or slug or "?", slug=slug or slug_of(name or "") or "?", **fields)
        self.no_repeats(node, "tools", [tool.name for tool in document.tools])
        self.no_repeats(node, "success_metrics", [metric.metric for metric in document.success_metrics])
        self.no_repeats(node, "restrictions", [restriction.name for restriction in document.restrictions])
        return document

    def fields(self, node: Node, **readers: Callable[[Node], Any]) -> dict[str, Any]:
        """Read a mapping's known keys; what nobody knows is kept under `extra`."""
        found: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for key, value in node.value:
            reader = readers.get(key.value)
            if reader is None:
                extra[key.value] = value.plain(self.problems)
            elif value.value is not None:
                result = reader(value)
                if result is not None:
                    found[key.value] = result
        if extra:
            found["extra"] = extra
        return found

    def part(self, kind: type, **readers: Callable[[Node], Any]) -> Callable[[Node], Any]:
        """Return the reader of a nested mapping."""

        def read(node: Node) -> Any:
            if not node.is_mapping:
                known = ", ".join(readers)
                return self.wrong(node, f"Write a mapping with the keys {known} here, not {node.kind}.")
            return kind(**self.fields(node, **readers))

        return read

    def list_of(self, reader: Callable[[Node], Any]) -> Callable[[Node], tuple]:
        """Return the reader of a list; a single entry may stand without its list."""

        def read(node: Node) -> tuple:
            items = node.value if node.is_list else [node]
            return tuple(result for result in map(reader, items) if result is not None)

        return read

    def wrong(self, node: Node, message: str) -> Any:
        """Note a problem; the field stays empty (None)."""
        self.problems.append(node.problem(message))

    def text(self, node: Node) -> str | None:
        """Read one text; numbers and yes/no are taken as they are written."""
        if node.is_mapping or node.is_list:
            return self.wrong(node, f"Write one text here, not {node.kind}.")
        value = str(node.value).lower() if isinstance(node.value, bool) else str(node.value)
        if len(value) > LONGEST_TEXT:
            return self.wrong(node, f"This text has {len(value):,} characters; {LONGEST_TEXT:,} are allowed.")
        return value.strip() or None

    def texts(self, node: Node) -> tuple[str, ...]:
        """Read a list of texts; one text is a list of one."""
        items = node.value if node.is_list else [node]
        read = (self.text(item) for item in items if item.value is not None)
        return tuple(text for text in read if text)

    def name(self, node: Node) -> str | None:
        """Read a name: one line, not too long."""
        text = self.text(node)
        if text and (len(text) > LONGEST_NAME or "\n" in text):
            return self.wrong(node, f"A name is one line of up to {LONGEST_NAME} characters.")
        return text

    def slug(self, node: Node) -> str | None:
        """Read the id under which addresses and telemetry know the agent."""
        text = self.text(node)
        if text is None or is_slug(text):
            return text
        allowed = f"An id has lowercase letters, digits and single hyphens, up to {LONGEST_SLUG} characters"
        proposal = slug_of(text)
        return self.wrong(node, f"{allowed}; write {proposal}." if is_slug(proposal) else f"{allowed}.")

    def version(self, node: Node) -> str | None:
        """Read a semantic version."""
        text = self.text(node)
        if text is None or read_version(text):
            return text
        parts = [part for part in text.lstrip("vV").split(".") if part.isascii() and part.isdigit()][:3]
        proposal = ".".join([*parts, "0", "0"][:3]) if parts else next_version("1.0.0")
        hint = proposal if read_version(proposal) else "1.0.0"
        return self.wrong(node, f"A version has three numbers like {hint}, not “{cut(text)}”.")

    def owner(self, node: Node) -> Owner | None:
        """Read the owner: a team's name, or a mapping of team and person."""
        if node.is_mapping:
            return Owner(**self.fields(node, team=self.name, person=self.name))
        team = self.name(node)
        return Owner(team=team) if team else None

    def pattern(self, node: Node) -> str | None:
        """Read one of the six architecture patterns."""
        return self.choice(node, PATTERNS, _PATTERN_NAMES, "A pattern")

    def risk_level(self, node: Node) -> str | None:
        """Read how much harm a tool can do."""
        return self.choice(node, RISK_LEVELS, {level: level for level in RISK_LEVELS}, "A risk level")

    def choice(self, node: Node, choices: dict[str, str], names: dict[str, str], what: str) -> str | None:
        """Read one of a few words, in any case."""
        text = self.text(node)
        if text is None:
            return None
        found = names.get(text.lower().replace("-", "_")) or names.get(text.lower())
        if found is None:
            return self.wrong(node, f"{what} is one of {', '.join(choices)}, not “{cut(text)}”.")
        return found

    def tool(self, node: Node) -> Tool | None:
        """Read a tool; its bare name will do."""
        if not node.is_mapping:
            name = self.name(node) if node.value is not None else None
            return Tool(name) if name else None
        fields = self.fields(node, name=self.name, purpose=self.text, risk_level=self.risk_level)
        if "name" not in fields:
            return self.wrong(node, "A tool needs a name.")
        return Tool(**fields)

    def metric(self, node: Node) -> SuccessMetric | None:
        """Read a success metric; its bare name will do."""
        if not node.is_mapping:
            name = self.name(node) if node.value is not None else None
            return SuccessMetric(name) if name else None
        fields = self.fields(node, metric=self.name, target=self.text)
        if "metric" not in fields:
            return self.wrong(node, "A success metric needs the key metric.")
        return SuccessMetric(**fields)

    def restrictions(self, node: Node) -> tuple[Restriction, ...]:
        """Read restrictions: words, and limits with their value."""
        found: list[Restriction] = []
        for item in node.value if node.is_list else [node]:
            if item.is_mapping:
                found += [Restriction(key.value, value.plain(self.problems)) for key, value in item.value]
            elif item.is_list:
                self.wrong(item, "Write a word or a limit like max_records_per_query: 100 here, not a list.")
            elif item.value is not None and (name := self.name(item)):
                found.append(Restriction(name))
        if any(not restriction.name.strip() for restriction in found):
            self.wrong(node, "A restriction needs a name.")
        return tuple(replace(restriction, name=restriction.name.strip()) for restriction in found)

    def approvals(self, node: Node) -> dict[str, str] | None:
        """Read which action needs whose approval."""
        if not node.is_mapping:
            return self.wrong(
                node, f"Write action: who approves, for example refund: manager_approval, not {node.kind}."
            )
        found = {}
        for key, value in node.value:
            who = self.text(value) if value.value is not None else None
            if who is None:
                self.wrong(key, f"Say who approves “{cut(key.value)}”, for example manager_approval.")
            else:
                found[key.value] = who
        return found

    def money(self, node: Node) -> Decimal | None:
        """Read an amount in US dollars; a quoted number will do."""
        value = node.value
        if isinstance(value, str) and re.fullmatch(r"\d{1,12}(\.\d{1,10})?", value.strip()):
            value = Decimal(value.strip())
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return self.wrong(node, f"Write an amount in US dollars, for example 0.50, not {node.kind}.")
        amount = Decimal(value)
        if not 0 < amount < 10**9 or amount != round(amount, 10):
            return self.wrong(node, "An amount is above 0, below 1,000,000,000 and has up to 10 decimals.")
        return amount

    def count(self, node: Node) -> int | None:
        """Read a whole number above 0; a quoted number will do."""
        value = node.value
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 16:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 10**12:
            return self.wrong(node, f"Write a whole number above 0, for example 300, not {node.kind}.")
        return value

    def no_repeats(self, node: Node, field_name: str, names: list[str]) -> None:
        """Refuse two entries of one name: a change could not say which it means."""
        twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
        if twice is not None:
            place = next((value for key, value in node.value if key.value == field_name), node)
            self.problems.append(place.problem(f"“{cut(twice)}” stands twice in {field_name}; keep one of them."))
