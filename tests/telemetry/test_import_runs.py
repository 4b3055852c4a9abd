"""Importing recorded runs: what the recordings say is what the product shows, once, however often."""

import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from apps.core.tenancy import scope
from apps.telemetry.models import Outcome, Span, Task
from apps.telemetry.rules.outcomes import is_handover

DATA = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data"

TAU = [
    {
        "task_id": 3,
        "trial": 0,
        "reward": 1.0,
        "traj": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Refund me"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "function": {"name": "refund", "arguments": '{"order": 7}'}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
            {"role": "assistant", "content": "Refunded."},
        ],
    },
    {
        "task_id": 4,
        "trial": 0,
        "reward": 0.0,
        "traj": [
            {"role": "user", "content": "A person, please"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c2", "function": {"name": "transfer_to_human_agents", "arguments": "{}"}}],
            },
        ],
    },
]


def tau2(**run) -> dict:
    return {
        "info": {"environment_info": {"domain_name": "hotel"}, "agent_info": {"llm": "openai/gpt-4.1-mini"}},
        "simulations": [
            {
                "id": "s1",
                "task_id": "t",
                "trial": 0,
                "reward_info": {"reward": 1.0},
                "termination_reason": "user_stop",
                "messages": [
                    {"role": "user", "content": "Hola", "timestamp": "2026-11-15T12:00:00"},
                    {
                        "role": "assistant",
                        "timestamp": "2026-11-15T12:00:03",
                        "usage": {"prompt_tokens": 441, "completion_tokens": 10},
                        "cost": 0.0001924,
                        "tool_calls": [
                            {"id": "x", "name": "get_room", "arguments": {"n": 1}, "requestor": "assistant"}
                        ],
                    },
                    {"role": "tool", "id": "x", "content": "no", "error": True, "timestamp": "2026-11-15T12:00:04"},
                    {"role": "assistant", "content": "Lo siento", "timestamp": "2026-11-15T12:00:06"},
                ],
                **run,
            }
        ],
    }


def import_file(tmp_path, form: str, content, *options) -> None:
    path = tmp_path / "file.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    call_command("import_runs", form, str(path), "--organization", "acme", *options)


def test_a_run_is_a_task_with_its_steps(committed_world, tmp_path):
    import_file(tmp_path, "tau-bench", TAU, "--agent", "Airline agent")
    with scope(committed_world.acme.id):
        first, second = Task.objects.order_by("started_at")
        assert (first.agent, first.status, first.evaluated_success) == ("airline-agent", "succeeded", True)
        assert (first.model_call_count, first.tool_call_count, first.tools) == (2, 1, ["refund"])
        assert (second.evaluated_success, second.escalation_reason) == (False, "unstated")
        call = Span.objects.get(tool="refund")
        assert (call.status, call.attributes["agentops.time_assumed"]) == ("ok", True)


def test_times_tokens_and_cost_of_a_recording_are_kept(committed_world, tmp_path):
    import_file(tmp_path, "tau2", tau2(), "--zone", "Europe/Berlin")
    with scope(committed_world.acme.id):
        task = Task.objects.get()
        assert task.started_at.isoformat() == "2026-11-15T11:00:00+00:00"
        assert (task.agent, task.task_type, task.latency_us) == ("hotel-agent", "hotel", 6_000_000)
        assert (task.input_tokens, task.output_tokens) == (441, 10)
        assert task.reported_cost_usd == Decimal("0.0001924")
        assert Span.objects.get(tool="get_room").status == "error"
        assert task.hidden_error_count == 1


def test_a_run_that_never_ends_is_a_failure(committed_world, tmp_path):
    import_file(tmp_path, "tau2", tau2(termination_reason="max_steps"))
    with scope(committed_world.acme.id):
        assert Task.objects.values_list("status", "error_category").get() == ("failed", "timeout")


def test_a_second_import_changes_nothing_also_from_another_day(committed_world, tmp_path):
    import_file(tmp_path, "tau-bench", TAU, "--starting", "2026-11-10T00:00:00Z")
    import_file(tmp_path, "tau-bench", TAU, "--starting", "2026-11-12T00:00:00Z")
    with scope(committed_world.acme.id):
        assert (Task.objects.count(), Span.objects.count(), Outcome.objects.count()) == (2, 7, 2)


def test_otlp_and_event_files_go_the_same_way(committed_world, tmp_path):
    event = {
        "timestamp": "2026-11-20T10:00:00Z",
        "agent_id": "a",
        "span_id": "1",
        "event_type": "agent_run",
        "duration_ms": 1,
    }
    lines = "\n".join(json.dumps({**event, "span_id": str(number)}) for number in range(3))
    import_file(tmp_path, "events", lines)
    with scope(committed_world.acme.id):
        assert Span.objects.count() == 3


@pytest.mark.parametrize(
    ("form", "content", "words"),
    [("tau-bench", {}, "not a tau-bench file"), ("tau2", [], "not a tau2 file"), ("tau2", "{", "Expecting")],
)
def test_a_wrong_file_is_one_sentence(committed_world, tmp_path, form, content, words):
    with pytest.raises(CommandError, match=words):
        import_file(tmp_path, form, content)


def test_a_wrong_organization_or_path_is_one_sentence(committed_world, tmp_path):
    with pytest.raises(CommandError, match="no organization nobody"):
        call_command("import_runs", "tau2", "x", "--organization", "nobody")
    with pytest.raises(CommandError, match="does not exist"):
        call_command("import_runs", "tau2", str(tmp_path / "none.json"), "--organization", "acme")


def counted(files: list[Path], form: str) -> dict:
    """Count in the recordings themselves, independently of the import."""
    tools: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    cost = Decimal(0)
    for path in files:
        content = json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
        runs = content if form == "tau-bench" else content["simulations"]
        for run in runs:
            reward = run["reward"] if form == "tau-bench" else (run.get("reward_info") or {}).get("reward")
            totals["runs"] += 1
            totals["success"] += reward == 1.0
            names = []
            for message in run["traj"] if form == "tau-bench" else run["messages"]:
                for call in message.get("tool_calls") or ():
                    names.append(call["function"]["name"] if form == "tau-bench" else call["name"])
                if message["role"] == "assistant" and message.get("usage"):
                    totals["input"] += message["usage"]["prompt_tokens"]
                if message["role"] == "assistant":
                    cost += Decimal(str(message.get("cost") or 0))
            tools.update(names)
            totals["escalated"] += any(is_handover(name) for name in names)
    return {"tools": dict(tools), "cost": cost, **totals}


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("form", "folder", "pattern", "stated"),
    [
        ("tau-bench", "tau_bench_gpt4o_airline", "gpt-4o-airline.json.gz", (200, 1164, 84, 48)),
        ("tau2", "tau2_toolorchestra_airline", "toolorchestra*.json.gz", (50, 581, 28, 17)),
        ("tau2", "tau2_gemma_dev", "*/*.json*", (105, 240, 98, 10)),
        ("tau2", "tau2_gpt41mini_costed", "*/results.json.gz", None),
    ],
)
def test_what_the_recordings_say_is_what_the_product_shows(committed_world, form, folder, pattern, stated):
    files = sorted((DATA / folder).glob(pattern))
    if not files:
        pytest.skip(f"{folder} not found")
    expected = counted(files, form)
    for _ in range(2):
        for path in files:
            call_command("import_runs", form, str(path), "--organization", "acme")
        with scope(committed_world.acme.id):
            tasks = Task.objects.all()
            calls = Counter(Span.objects.filter(kind="tool").values_list("tool", flat=True))
            assert dict(calls) == expected["tools"]
            assert tasks.count() == expected["runs"]
            assert tasks.filter(evaluated_success=True).count() == expected["success"]
            assert tasks.exclude(escalation_reason=None).count() == expected.get("escalated", 0)
            assert sum(tasks.values_list("input_tokens", flat=True)) == expected.get("input", 0)
            reported = tasks.aggregate(total=Sum("reported_cost_usd"))["total"] or 0
            assert abs(reported - expected["cost"]) < Decimal("0.0000001")
    if stated:
        found = (expected["runs"], sum(expected["tools"].values()), expected["success"], expected.get("escalated", 0))
        assert found == stated
