from django.urls import path

from apps.registry import api
from apps.registry.views import agents, designs, prompts, versions

app_name = "registry"

FLEET = "o/<slug:organization>/agents/"
AGENT = f"{FLEET}<slug:slug>/"

urlpatterns = [
    path(f"{FLEET}register/", designs.agent_register, name="agent_register"),
    path(f"{AGENT}adopt/", designs.agent_adopt, name="agent_adopt"),
    path(f"{AGENT}design/", designs.design_page, name="design_page"),
    path(f"{AGENT}design/edit/", designs.design_edit, name="design_edit"),
    path(f"{AGENT}status/", agents.agent_status, name="agent_status"),
    path(f"{AGENT}owner/", agents.agent_owner, name="agent_owner"),
    path(f"{AGENT}versions/", versions.version_list, name="version_list"),
    path(f"{AGENT}versions/compare/", versions.version_compare, name="version_compare"),
    path(f"{AGENT}versions/<str:label>/", designs.version_page, name="version_page"),
    path(f"{AGENT}versions/<str:label>/design.yaml", designs.design_download, name="design_download"),
    path(f"{AGENT}versions/<str:label>/restore/", versions.version_restore, name="version_restore"),
    path(f"{AGENT}prompts/", prompts.prompt_list, name="prompt_list"),
    path(f"{AGENT}prompts/register/", prompts.prompt_register, name="prompt_register"),
    path(f"{AGENT}prompts/<slug:prompt>/", prompts.prompt_page, name="prompt_page"),
    path(f"{AGENT}prompts/<slug:prompt>/edit/", prompts.prompt_edit, name="prompt_edit"),
    path(f"{AGENT}prompts/<slug:prompt>/restore/<int:number>/", prompts.prompt_restore, name="prompt_restore"),
    path("api/v1/agents", api.AgentsView.as_view(), name="api_agents"),
    path("api/v1/agents/<slug:slug>", api.AgentView.as_view(), name="api_agent"),
    path("api/v1/agents/<slug:slug>/status", api.AgentStatusView.as_view(), name="api_agent_status"),
    path("api/v1/agents/<slug:slug>/versions", api.VersionsView.as_view(), name="api_versions"),
    path("api/v1/agents/<slug:slug>/versions/<str:version>", api.VersionView.as_view(), name="api_version"),
    path("api/v1/agents/<slug:slug>/prompts", api.PromptsView.as_view(), name="api_prompts"),
    path("api/v1/agents/<slug:slug>/prompts/<slug:prompt>", api.PromptView.as_view(), name="api_prompt"),
]
