from django.urls import path

from apps.telemetry.api.metrics import Metrics
from apps.telemetry.api.prometheus import prometheus
from apps.telemetry.api.tasks import TaskDetail, TaskOutcome, Tasks
from apps.telemetry.api.traces import TraceDetail, Traces
from apps.telemetry.views import fleet, ingest, prices, redaction, tasks, traces

app_name = "telemetry"

urlpatterns = [
    path("v1/traces", ingest.traces, name="otlp_traces"),
    path("v1/metrics", ingest.metrics, name="otlp_metrics"),
    path("v1/logs", ingest.logs, name="otlp_logs"),
    path("api/v1/events", ingest.events, name="events"),
    path("api/v1/metrics", Metrics.as_view(), name="api_metrics"),
    path("api/v1/tasks", Tasks.as_view(), name="api_tasks"),
    # Ids come from clients and may contain slashes.
    path("api/v1/tasks/<path:task_id>/outcome", TaskOutcome.as_view(), name="api_task_outcome"),
    path("api/v1/tasks/<path:task_id>", TaskDetail.as_view(), name="api_task"),
    path("api/v1/traces", Traces.as_view(), name="api_traces"),
    path("api/v1/traces/<path:trace_id>", TraceDetail.as_view(), name="api_trace"),
    path("metrics", prometheus, name="prometheus"),
    path("o/<slug:organization>/agents/", fleet.agent_list, name="agent_list"),
    path("o/<slug:organization>/agents/<slug:agent>/", fleet.agent_page, name="agent_page"),
    path("o/<slug:organization>/first-span/", tasks.first_span, name="first_span"),
    path("o/<slug:organization>/tasks/", tasks.task_list, name="task_list"),
    path("o/<slug:organization>/tasks/<path:task_id>/", tasks.task_page_view, name="task_page"),
    path("o/<slug:organization>/traces/<path:trace_id>/export.json", traces.trace_json, name="trace_json"),
    path("o/<slug:organization>/traces/<path:trace_id>/", traces.trace_page, name="trace_page"),
    path("o/<slug:organization>/settings/redaction/", redaction.redaction_rules, name="redaction_rules"),
    path("o/<slug:organization>/settings/redaction/add/", redaction.add, name="redaction_add"),
    path("o/<slug:organization>/settings/redaction/<uuid:rule_id>/switch/", redaction.switch, name="redaction_switch"),
    path("o/<slug:organization>/settings/redaction/<uuid:rule_id>/remove/", redaction.remove, name="redaction_remove"),
    # Addresses of other products, so that an agent moves here by changing one setting.
    path("api/public/otel/v1/traces", ingest.traces, name="langfuse_traces"),
    path("api/public/scores", ingest.langfuse_score, name="langfuse_score"),
    path("api/public/ingestion", ingest.langfuse_batch, name="langfuse_batch"),
    path("v1/traces/ingest", ingest.agents_sdk, name="agents_sdk"),
    path("v3/auth/token", ingest.agentops_token, name="agentops_token"),
    path("o/<slug:organization>/settings/prices/", prices.price_settings, name="price_settings"),
    path("o/<slug:organization>/settings/prices/new/", prices.price_create, name="price_create"),
    path("o/<slug:organization>/settings/prices/recompute/", prices.cost_recompute, name="cost_recompute"),
    path("o/<slug:organization>/settings/prices/progress/", prices.recompute_progress, name="recompute_progress"),
    path("o/<slug:organization>/settings/prices/<uuid:price_id>/end/", prices.price_end, name="price_end"),
    path(
        "o/<slug:organization>/settings/prices/<uuid:price_id>/withdraw/",
        prices.price_withdraw,
        name="price_withdraw",
    ),
]
