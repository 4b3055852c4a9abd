"""Every address of the product: one include per app; each app writes its paths in full."""

from django.urls import include, path

urlpatterns = [
    path("", include("apps.core.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.home.urls")),
    path("", include("apps.organizations.urls")),
    path("", include("apps.audit.urls")),
    path("", include("apps.registry.urls")),
    path("", include("apps.telemetry.urls")),
]
