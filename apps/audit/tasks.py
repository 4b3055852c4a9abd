"""Sign what has been written."""

from datetime import timedelta

from django.db.models import F

from apps.audit.models import AuditHead
from apps.audit.services import sign_checkpoint
from apps.core.background import sweep
from apps.core.tenancy import everyone, scope


@sweep(every=timedelta(minutes=5))
def sign_due() -> int:
    """Sign the chains that grew since their last checkpoint."""
    with everyone(reason="list the chains that grew"):
        grown = list(
            AuditHead.objects.filter(sequence__gt=F("signed_sequence")).values_list("organization_id", flat=True)
        )
    signed = 0
    for organization_id in grown:
        with scope(organization_id):
            signed += sign_checkpoint() is not None
    return signed
