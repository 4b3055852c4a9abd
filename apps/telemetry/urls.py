from django.urls import path

from apps.telemetry.views import ingest

app_name = "telemetry"

urlpatterns = [
    path("v1/traces", ingest.traces, name="otlp_traces"),
    path("v1/metrics", ingest.metrics, name="otlp_metrics"),
    path("v1/logs", ingest.logs, name="otlp_logs"),
    path("api/v1/events", ingest.events, name="events"),
    # Addresses of other products, so that an agent moves here by changing one setting.
    path("api/public/otel/v1/traces", ingest.traces, name="langfuse_traces"),
    path("api/public/scores", ingest.langfuse_score, name="langfuse_score"),
    path("api/public/ingestion", ingest.langfuse_batch, name="langfuse_batch"),
    path("v1/traces/ingest", ingest.agents_sdk, name="agents_sdk"),
    path("v3/auth/token", ingest.agentops_token, name="agentops_token"),
]
