"""The design document as JSON Schema, for the OpenAPI document."""

from typing import Any

from apps.registry.rules.document import PATTERNS, RISK_LEVELS
from apps.registry.rules.statuses import CRITICALITIES

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}


def _mapping(*required: str, **properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": True}
    return found | {"required": list(required)} if required else found


DESIGN: dict[str, Any] = _mapping(
    name={**_TEXT, "maxLength": 200},
    id={**_TEXT, "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 100, "description": "Follows from the name."},
    version={**_TEXT, "description": "A semantic version; left out, the registry chooses the next one."},
    owner={"oneOf": [_TEXT, _mapping(team=_TEXT, person={**_TEXT, "format": "email"})]},
    purpose=_TEXT,
    scope=_mapping(in_scope=_TEXTS, out_of_scope=_TEXTS),
    architecture=_mapping(
        pattern={"enum": list(PATTERNS)}, framework=_TEXT, models=_mapping(primary=_TEXT, fallback=_TEXT)
    ),
    tools={
        "type": "array",
        "items": _mapping("name", name=_TEXT, purpose=_TEXT, risk_level={"enum": list(RISK_LEVELS)}),
    },
    hitl_requirements=_mapping(approval_required=_TEXTS, escalation_triggers=_TEXTS),
    success_metrics={"type": "array", "items": _mapping("metric", metric=_TEXT, target=_TEXT)},
    security=_mapping(data_accessed=_TEXTS, permissions_required=_TEXTS, compliance_requirements=_TEXTS),
    capabilities=_TEXTS,
    restrictions={
        "type": "array",
        "items": {"oneOf": [_TEXT, {"type": "object", "additionalProperties": True}]},
        "description": 'Words (`no_admin_access`) and limits (`{"max_records_per_query": 100}`).',
    },
    runtime_constraints=_mapping(
        max_cost_per_task={"type": ["string", "number"], "description": "US dollars; answered as a decimal string."},
        max_duration_seconds={"type": "integer", "minimum": 1},
        max_records_per_query={"type": "integer", "minimum": 1},
        max_tool_calls_per_task={"type": "integer", "minimum": 1},
        allowed_models=_TEXTS,
    ),
    approval_requirements={"type": "object", "additionalProperties": _TEXT, "description": "Action: who approves."},
)

SUBMISSION: dict[str, Any] = {
    "description": "A design as `agent_design`, `agent` or `design`; every shape may carry the fields of all.",
    "type": "object",
    "properties": {
        "agent_design": DESIGN,
        "agent": DESIGN,
        "design": DESIGN,
        "environment": {**_TEXT, "examples": ["production"]},
        "criticality": {"enum": list(CRITICALITIES)},
        "note": {**_TEXT, "description": "Why this version exists."},
    },
}
