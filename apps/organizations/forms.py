"""What people write about organizations, checked before a service is asked."""

from datetime import timedelta
from zoneinfo import available_timezones

from django import forms
from django.utils import timezone

from apps.organizations.rules import ROLES, SCOPES

EXPIRIES = {"30": "in 30 days", "90": "in 90 days", "365": "in a year", "": "never"}


class OrganizationForm(forms.Form):
    """A new organization."""

    name = forms.CharField(label="Name", max_length=200, help_text="Your company or department.")
    slug = forms.CharField(
        label="Address",
        max_length=63,
        help_text="Lowercase letters, digits and hyphens. Cannot change later.",
        widget=forms.TextInput(attrs={"data-slug-from": "id_name", "autocapitalize": "none", "spellcheck": "false"}),
    )


class OrganizationSettingsForm(forms.Form):
    """Name and time zone of an organization."""

    name = forms.CharField(label="Name", max_length=200)
    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=[(zone, zone) for zone in sorted(available_timezones())],
        help_text="Days of reports begin at midnight here.",
    )


class InvitationForm(forms.Form):
    """Who to invite, and as what."""

    email = forms.EmailField(label="E-mail", max_length=254)
    role = forms.ChoiceField(label="Role", choices=list(ROLES.items()), initial="viewer")


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(label="Role", choices=list(ROLES.items()))


class KeyForm(forms.Form):
    """A new API key."""

    name = forms.CharField(
        label="Name", max_length=100, help_text="Where the key is used, for example “support, production”."
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=list(SCOPES.items()),
        initial=["ingest"],
        widget=forms.CheckboxSelectMultiple,
    )
    agent_slug = forms.SlugField(
        label="Only for the agent",
        required=False,
        max_length=100,
        help_text="Optional. Whatever this key sends is then this agent's.",
    )
    expires = forms.ChoiceField(label="Expires", choices=list(EXPIRIES.items()), initial="365", required=False)

    def expires_at(self):
        """Return the moment of expiry, or None for never."""
        days = self.cleaned_data["expires"]
        return timezone.now() + timedelta(days=int(days)) if days else None


class ProfileForm(forms.Form):
    """What others see of a person, and how times read to them."""

    name = forms.CharField(label="Name", max_length=200)
    time_zone = forms.ChoiceField(label="Time zone", choices=[(zone, zone) for zone in sorted(available_timezones())])
