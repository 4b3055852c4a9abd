"""Which task a trace belongs to. No Django here.

A stated task id decides. Otherwise a trace that begins after another of the same conversation and agent stopped for a
person continues that task; every other trace is a task of its own. The answer depends on the set of traces alone, not
on the order in which they arrived.
"""

from collections.abc import Iterable
from typing import NamedTuple

# A task that nobody resumed for so long is not continued by what happens later in its conversation.
LONGEST_WAIT_US = 30 * 24 * 3600 * 1_000_000


class Member(NamedTuple):
    """One trace of a conversation."""

    trace_id: str
    started_us: int
    agent: str
    status: str
    explicit_task_id: str | None


def assign_tasks(members: Iterable[Member]) -> dict[str, str]:
    """Return the task of each trace of one conversation."""
    assigned: dict[str, str] = {}
    # Tasks that wait for a person: agent and start of the trace that stopped.
    waiting: dict[str, tuple[str, int]] = {}
    for member in sorted(members, key=lambda member: (member.started_us, member.trace_id)):
        task_id = member.explicit_task_id
        if task_id is None:
            resumed = [
                (since, task)
                for task, (agent, since) in waiting.items()
                if agent == member.agent and since < member.started_us <= since + LONGEST_WAIT_US
            ]
            task_id = max(resumed)[1] if resumed else member.trace_id
        assigned[member.trace_id] = task_id
        if member.status == "waiting":
            waiting[task_id] = (member.agent, member.started_us)
        else:
            waiting.pop(task_id, None)
    return assigned
