from django.urls import path

from apps.organizations.views import personal, settings

app_name = "organizations"

urlpatterns = [
    path("", personal.start, name="start"),
    path("welcome/", personal.choose, name="choose"),
    path("welcome/new/", personal.create, name="create"),
    path("invitations/<str:token>/", personal.invitation, name="invitation_page"),
    path("accounts/profile/", personal.profile, name="profile"),
    path("o/<slug:organization>/first-steps/", settings.first_steps, name="first_steps"),
    path("o/<slug:organization>/settings/", settings.organization, name="settings_page"),
    path("o/<slug:organization>/settings/people/", settings.people, name="people_page"),
    path("o/<slug:organization>/settings/people/invite/", settings.invite, name="invite"),
    path(
        "o/<slug:organization>/settings/people/invitations/<uuid:invitation_id>/revoke/",
        settings.revoke_invitation,
        name="invitation_revoke",
    ),
    path("o/<slug:organization>/settings/people/<uuid:membership_id>/role/", settings.change_role, name="member_role"),
    path(
        "o/<slug:organization>/settings/people/<uuid:membership_id>/remove/",
        settings.remove_member,
        name="member_remove",
    ),
    path("o/<slug:organization>/settings/keys/", settings.keys, name="key_list"),
    path("o/<slug:organization>/settings/keys/new/", settings.create_key, name="key_create"),
    path("o/<slug:organization>/settings/keys/<uuid:key_id>/revoke/", settings.revoke_key, name="key_revoke"),
]
