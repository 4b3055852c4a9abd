"""Due work is a row; a sweep claims due rows and calls the service.

    @sweep(every=timedelta(seconds=1))
    def fold_due() -> int: ...

declares a Celery task that beat starts at that interval. A sweep may be lost, run twice or run late: the rows say what
is to be done, so it claims them (FOR UPDATE SKIP LOCKED) and does each exactly once. Ring the bell earlier with
`fold_due.delay_on_commit()`.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery import shared_task
from django.conf import settings

SWEEPS: dict[str, timedelta] = {}


def sweep(*, every: timedelta, time_limit: int = 300) -> Callable[[Callable[[], Any]], Any]:
    """Register a function without arguments as a task that runs every `every`; `time_limit` in seconds."""

    def decorate(function: Callable[[], Any]) -> Any:
        task = shared_task(
            ignore_result=True,
            acks_late=True,
            time_limit=time_limit,
            soft_time_limit=time_limit - 10,
            # A bell that nobody heard in time is worthless: the next one follows.
            expires=max(30, int(every.total_seconds() * 5)),
        )(function)
        SWEEPS[task.name] = every
        settings.CELERY_BEAT_SCHEDULE[task.name] = {"task": task.name, "schedule": every.total_seconds()}
        return task

    return decorate
