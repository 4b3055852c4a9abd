"""Due work is a row; a sweep claims due rows and calls the service.

    @sweep(every=timedelta(seconds=1))
    def fold_due() -> int: ...

declares a Celery task that beat starts at that interval. A sweep may be lost, run twice or run late: the rows say what
is to be done, so it claims them (FOR UPDATE SKIP LOCKED) and does each exactly once. Ring the bell earlier with
`fold_due.delay_on_commit()`.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import OperationalError

logger = logging.getLogger(__name__)

SWEEPS: dict[str, timedelta] = {}


def sweep(*, every: timedelta, time_limit: int = 300) -> Callable[[Callable[[], Any]], Any]:
    """Register a function without arguments as a task that runs every `every`; `time_limit` in seconds."""

    def decorate(function: Callable[[], Any]) -> Any:
        @wraps(function)
        def attempt() -> Any:
            try:
                return function()
            except OperationalError as error:
                # The rows are still there for the next bell; a page of traceback every second says no more than this.
                logger.warning("%s waits for the database: %s", function.__name__, str(error).split("\n", 1)[0])
                return None

        task = shared_task(
            ignore_result=True,
            acks_late=True,
            time_limit=time_limit,
            soft_time_limit=time_limit - 10,
            # A bell that nobody heard in time is worthless: the next one follows.
            expires=max(30, int(every.total_seconds() * 5)),
        )(attempt)
        SWEEPS[task.name] = every
        settings.CELERY_BEAT_SCHEDULE[task.name] = {"task": task.name, "schedule": every.total_seconds()}
        return task

    return decorate
