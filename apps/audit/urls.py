from django.urls import path

from apps.audit import views

app_name = "audit"

urlpatterns = [
    path("o/<slug:organization>/audit/", views.entries, name="entry_list"),
    path("o/<slug:organization>/audit/export/", views.export, name="export"),
    path("o/<slug:organization>/audit/verify/", views.verify, name="verification_page"),
    path(".well-known/agentops-audit-keys.json", views.public_keys, name="public_keys"),
]
