"""Telemetry: spans as they came, and what is computed from them (traces, tasks, hours).

Tables that grow are keyed by organization first and carry no foreign keys, so that they can be distributed.
"""

from apps.telemetry.models.ownership import OwnPrice, Recomputation, RedactionRule
from apps.telemetry.models.rollups import StaleHour, TaskHour, UsageHour
from apps.telemetry.models.spans import Payload, Span, Touch
from apps.telemetry.models.tasks import Outcome, Sighting, Task, Trace

__all__ = [
    "Outcome",
    "OwnPrice",
    "Payload",
    "Recomputation",
    "RedactionRule",
    "Sighting",
    "Span",
    "StaleHour",
    "Task",
    "TaskHour",
    "Touch",
    "Trace",
    "UsageHour",
]
