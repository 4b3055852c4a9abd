"""The table of the fleet: what is shown of an agent, and which agents a request asks for."""

from dataclasses import dataclass
from typing import NamedTuple

from django.http import QueryDict

from apps.core import formats
from apps.registry.rules.statuses import STATUSES
from apps.telemetry.rules.six import Metric
from apps.telemetry.selectors.fleet import METRIC_KEYS, FleetRow
from apps.telemetry.views.tiles import SHAPES, spaced, words


class Column(NamedTuple):
    """A column that sorts: its key, its head, which way is sensible first, and from which width on it shows."""

    key: str
    head: str
    is_descending: bool = False
    priority: str = ""
    is_numeric: bool = True


COLUMNS = (
    Column("name", "Agent", is_numeric=False),
    Column("verdict", "Verdict", is_numeric=False),
    Column("status", "Status", priority="2", is_numeric=False),
    Column("success_rate", "Success", priority="2"),
    Column("cost_per_task", "Cost a task", True, "3"),
    Column("latency", "p95", True, "3"),
    Column("escalation_rate", "Escalated", True, "3"),
    Column("error_rate", "Errors", True, "2"),
    Column("business_outcome", "Outcome", priority="3"),
    Column("tasks", "Tasks", True, "2"),
)
_DESCENDING = {column.key for column in COLUMNS if column.is_descending}
# How a metric is called where its verdict follows: “Errors above 5%”.
_SHORT = {
    "success_rate": "Success",
    "cost_per_task": "Cost",
    "latency": "p95",
    "escalation_rate": "Escalation",
    "error_rate": "Errors",
    "business_outcome": "Outcome",
}


class Cell(NamedTuple):
    """One metric of one agent."""

    text: str
    verdict: str
    reason: str
    priority: str


class Shown(NamedTuple):
    """One agent in the table: its verdict in words and six cells."""

    row: FleetRow
    verdict: str
    words: str
    cells: list[Cell]


@dataclass(frozen=True)
class FleetFilter:
    """Which agents are asked for, and in which order."""

    text: str = ""
    state: str = ""
    team: str = ""
    sort: str = "verdict"
    is_descending: bool = False

    @property
    def is_narrowed(self) -> bool:
        """Tell whether some agents may be left out."""
        return bool(self.text or self.state or self.team)

    @property
    def wording(self) -> str:
        """Return what is asked for as people say it: “refund”, Production, Customer care."""
        parts = [f"“{self.text}”" if self.text else "", STATES.get(self.state, self.state), self.team]
        return ", ".join(part for part in parts if part)

    def fits(self, row: FleetRow) -> bool:
        """Tell whether an agent is asked for."""
        agent = row.agent
        if self.text:
            words = [row.slug, agent.name, agent.purpose, agent.owner_team] if agent else [row.slug]
            if self.text.lower() not in " ".join(words).lower():
                return False
        if self.team and (agent is None or agent.owner_team != self.team):
            return False
        if self.state == "attention":
            return row.needs_attention
        if self.state == "unowned":
            return row.is_unowned
        return not self.state or row.status == self.state


STATES = {"attention": "Needs attention", **STATUSES, "unowned": "No owner", "unregistered": "Not registered"}


def read_fleet_filter(query: QueryDict) -> FleetFilter:
    """Read the filter from the address; a minus before `sort` turns the column's sensible direction around."""
    sort = query.get("sort", "verdict")
    key = sort.removeprefix("-")
    if key not in {column.key for column in COLUMNS}:
        sort = key = "verdict"
    state = query.get("status", "")
    return FleetFilter(
        text=query.get("text", "").strip(),
        state=state if state in STATES else "",
        team=query.get("team", "").strip(),
        sort=key,
        is_descending=(key in _DESCENDING) != sort.startswith("-"),
    )


def heads(wanted: FleetFilter) -> list[tuple[Column, str, str]]:
    """Return the columns with what `aria-sort` says and the value of `sort` behind their link."""
    found = []
    for column in COLUMNS:
        state, turn = "", ""
        if column.key == wanted.sort:
            state = "descending" if wanted.is_descending else "ascending"
            turn = "-" if wanted.is_descending == column.is_descending else ""
        found.append((column, state, turn + column.key))
    return found


def states(rows: list[FleetRow], wanted: FleetFilter) -> list[tuple[str, str, int]]:
    """Return the states that some agent is in, with how many are: key, name, number."""
    counts = {key: sum(FleetFilter(state=key).fits(row) for row in rows) for key in STATES}
    return [("", "All", len(rows))] + [
        (key, name, counts[key]) for key, name in STATES.items() if counts[key] or key == wanted.state
    ]


def shown(row: FleetRow) -> Shown:
    """Return an agent as the table shows it."""
    cells = [
        Cell("".join(spaced(row.metrics[column.key])), SHAPES[row.metrics[column.key].verdict],
             row.metrics[column.key].reason, column.priority)
        for column in COLUMNS
        if column.key in METRIC_KEYS
    ]  # fmt: skip
    return Shown(row, SHAPES[row.verdict], finding(row.metrics, row.verdict, row.task_count), cells)


def finding(metrics: dict[str, Metric], verdict: str, task_count: int) -> str:
    """Return the verdict on an agent in a few words: Errors above 5%; 12 tasks."""
    if verdict == "no_data":
        return f"{formats.count(task_count)} task{'' if task_count == 1 else 's'}" if task_count else "No tasks"
    if verdict == "healthy":
        return "Healthy"
    worst = [metric for metric in metrics.values() if metric.verdict == verdict]
    more = f", {len(worst) - 1} more" if len(worst) > 1 else ""
    text = words(worst[0])
    colon = "" if text.startswith(("Above", "Below")) else ":"
    return f"{_SHORT[worst[0].key]}{colon} {text[:1].lower()}{text[1:]}{more}"
