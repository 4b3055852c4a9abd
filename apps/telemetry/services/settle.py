"""Make answers fresh: a reader folds what little is pending, a worker the rest."""

import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from apps.core.tenancy import scope
from apps.telemetry.models import StaleHour, Touch
from apps.telemetry.services.fold import fold_pending
from apps.telemetry.services.rollups import roll_up_pending

# What a reader folds before it is answered: about a tenth of a second's work.
READER_BATCHES = 1
READER_HOURS = 4
# How long a reader waits for a worker that is folding just now what the reader wants to see.
PATIENCE_SECONDS = 1.0
_STEP_SECONDS = 0.01


def settle(organization_id: UUID) -> None:
    """Bring traces, tasks and rollups up to date if little is pending; called by doors before they read.

    Nothing is pending: two index look-ups. Much is pending: one batch, the worker goes on with the rest. Marks that a
    worker has claimed but not committed are still visible here, so the reader waits for it and misses nothing that was
    acknowledged before.
    """
    with scope(organization_id):
        if Touch.objects.exists():
            _patiently(partial(fold_pending, organization_id, batches=READER_BATCHES))
        if StaleHour.objects.exists():
            _patiently(partial(roll_up_pending, organization_id, hours=READER_HOURS, is_reader=True))


def _patiently(work: Callable[[], int | None]) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while work() is None and time.monotonic() < give_up:
        time.sleep(_STEP_SECONDS)
