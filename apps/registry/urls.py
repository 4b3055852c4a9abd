from django.urls import path

from apps.registry import api

app_name = "registry"

urlpatterns = [
    path("api/v1/agents", api.AgentsView.as_view(), name="api_agents"),
    path("api/v1/agents/<slug:slug>", api.AgentView.as_view(), name="api_agent"),
    path("api/v1/agents/<slug:slug>/status", api.AgentStatusView.as_view(), name="api_agent_status"),
    path("api/v1/agents/<slug:slug>/versions", api.VersionsView.as_view(), name="api_versions"),
    path("api/v1/agents/<slug:slug>/versions/<str:version>", api.VersionView.as_view(), name="api_version"),
    path("api/v1/agents/<slug:slug>/prompts", api.PromptsView.as_view(), name="api_prompts"),
    path("api/v1/agents/<slug:slug>/prompts/<slug:prompt>", api.PromptView.as_view(), name="api_prompt"),
]
