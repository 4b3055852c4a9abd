from django.urls import path

from apps.core import views
from apps.core.api.docs import docs
from apps.core.api.schema import schema

app_name = "core"

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("api/schema", schema, name="api_schema"),
    path("api/docs", docs, name="api_docs"),
]
