"""Write a design: as canonical JSON data, its content hash, and YAML in both shapes.

Each shape begins with its own fields in the guide's order; fields that only the other shape has follow, so that
reading the text again gives the same document.
"""

import hashlib
from decimal import Decimal
from io import StringIO
from typing import Any

import rfc8785
from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import LiteralScalarString

from apps.registry.rules.document import Document
from apps.registry.rules.names import slug_of

_DESIGN_FIELDS = (
    "name",
    "version",
    "owner",
    "purpose",
    "scope",
    "architecture",
    "tools",
    "hitl_requirements",
    "success_metrics",
    "security",
)
_AGENT_FIELDS = (
    "id",
    "version",
    "owner",
    "capabilities",
    "restrictions",
    "runtime_constraints",
    "approval_requirements",
)
_SECURITY_FIELDS = ("data_accessed", "permissions_required", "compliance_requirements")
FIELDS = {
    "agent_design": (*_DESIGN_FIELDS, "id", *_AGENT_FIELDS[3:]),
    "agent": (*_AGENT_FIELDS, "name", *_DESIGN_FIELDS[3:]),
}


def money_text(amount: Decimal) -> str:
    """Return an amount with at least two decimals and no more than it needs.

    >>> money_text(Decimal("0.5"))
    '0.50'
    """
    whole, _, decimals = f"{amount:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def plain(document: Document) -> dict[str, Any]:
    """Return the canonical JSON data of a document: every known field that is set, unknown keys at their place."""
    constraints = document.runtime_constraints
    cost = constraints.max_cost_per_task
    owner, scope, architecture = document.owner, document.scope, document.architecture
    return _filled(
        {
            "name": document.name,
            "id": document.slug,
            "version": document.version,
            "owner": _filled({"team": owner.team, "person": owner.person}, owner.extra),
            "purpose": document.purpose,
            "scope": _filled({"in_scope": list(scope.in_scope), "out_of_scope": list(scope.out_of_scope)}, scope.extra),
            "architecture": _filled(
                {
                    "pattern": architecture.pattern,
                    "framework": architecture.framework,
                    "models": _filled(
                        {"primary": architecture.models.primary, "fallback": architecture.models.fallback},
                        architecture.models.extra,
                    ),
                },
                architecture.extra,
            ),
            "tools": [
                _filled({"name": tool.name, "purpose": tool.purpose, "risk_level": tool.risk_level}, tool.extra)
                for tool in document.tools
            ],
            "hitl_requirements": _lists(document.hitl_requirements, "approval_required", "escalation_triggers"),
            "success_metrics": [
                _filled({"metric": metric.metric, "target": metric.target}, metric.extra)
                for metric in document.success_metrics
            ],
            "security": _lists(document.security, *_SECURITY_FIELDS),
            "capabilities": list(document.capabilities),
            "restrictions": [
                restriction.name if restriction.value is None else {restriction.name: restriction.value}
                for restriction in document.restrictions
            ],
            "runtime_constraints": _filled(
                {
                    "max_cost_per_task": None if cost is None else money_text(cost),
                    "max_duration_seconds": constraints.max_duration_seconds,
                    "max_records_per_query": constraints.max_records_per_query,
                    "max_tool_calls_per_task": constraints.max_tool_calls_per_task,
                    "allowed_models": list(constraints.allowed_models),
                },
                constraints.extra,
            ),
            "approval_requirements": dict(sorted(document.approval_requirements.items())),
        },
        document.extra,
    )


def canonical_bytes(data: Any) -> bytes:
    """Return RFC 8785 canonical JSON."""
    return rfc8785.dumps(data)


def content_hash(document: Document) -> str:
    """Return the SHA-256 of the document's canonical JSON, in hex."""
    return hashlib.sha256(canonical_bytes(plain(document))).hexdigest()


def render_yaml(document: Document, shape: str = "agent_design") -> str:
    """Return the document as YAML in one of the two shapes."""
    data = plain(document)
    ordered = {name: _pretty(data[name], name) for name in FIELDS[shape] if name in data}
    ordered |= {name: _pretty(value, name) for name, value in data.items() if name not in ordered}
    if shape == "agent_design" and ordered["id"] == slug_of(document.name):
        del ordered["id"]
    if shape == "agent" and ordered["name"] == ordered["id"]:
        del ordered["name"]
    if document.owner.team and set(data.get("owner", {})) == {"team"}:
        ordered["owner"] = _pretty(document.owner.team, "team")
    cost = document.runtime_constraints.max_cost_per_task
    if cost is not None:
        ordered["runtime_constraints"]["max_cost_per_task"] = Decimal(money_text(cost))
    stream = StringIO()
    _yaml().dump({shape: ordered}, stream)
    return stream.getvalue()


def _filled(known: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in known.items() if value not in (None, [], {})} | dict(sorted(extra.items()))


def _lists(part: Any, *names: str) -> dict[str, Any]:
    return _filled({name: list(getattr(part, name)) for name in names}, part.extra)


def _pretty(value: Any, name: str) -> Any:
    """Write texts of several lines as blocks, and a security field as the guide does: one text where one is enough."""
    if isinstance(value, dict):
        if name == "security":
            value = {
                key: item[0] if key in _SECURITY_FIELDS and len(item) == 1 else item for key, item in value.items()
            }
        return {key: _pretty(item, "") for key, item in value.items()}
    if isinstance(value, list):
        return [_pretty(item, "") for item in value]
    if isinstance(value, str) and "\n" in value and _fits_a_block(value):
        return LiteralScalarString(value)
    return value


def _fits_a_block(text: str) -> bool:
    """Tell whether a literal block keeps the text exactly: nothing odd, no blanks at the ends of its lines."""
    return all(line.isprintable() and line == line.strip() for line in text.split("\n"))


class _Representer(RoundTripRepresenter):
    """Writes amounts as plain numbers with their decimals."""


_Representer.add_representer(
    Decimal, lambda representer, value: representer.represent_scalar("tag:yaml.org,2002:float", f"{value:f}")
)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 10**9
    yaml.allow_unicode = True
    return yaml
