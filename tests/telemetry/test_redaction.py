"""Redaction: what the rules replace, and who may say so."""

import pytest

from apps.audit.models import AuditEntry
from apps.telemetry.models import Payload, RedactionRule
from apps.telemetry.rules.redaction import SUGGESTIONS, Redaction, RedactionError, check_pattern, redact_text
from tests.telemetry.test_ingest import span, store

URL = "/o/acme/settings/redaction/"


@pytest.mark.parametrize(
    ("name", "hits", "misses"),
    [
        ("E-mail addresses", ["mia.li+x@mail.example.com"], ["mia at mail", "@handle"]),
        ("Card numbers", ["4111 1111 1111 1111", "4111-1111-1111-1111"], ["ACM-88213", "12345"]),
        ("Bearer tokens", ["Authorization: Bearer abcDEF123456._-"], ["a bearer of news"]),
        ("Secret keys", ["sk-proj-abcdefghij0123456789"], ["sky", "task_abc"]),
        ("US social security numbers", ["123-45-6789"], ["123-456-789"]),
        ("IBAN", ["DE89 3704 0044 0532 0130 00"], ["DE89", "LH1178"]),
    ],
)
def test_a_suggestion_finds_what_it_names_and_nothing_else(name, hits, misses):
    rules = [Redaction("", SUGGESTIONS[name], "[gone]")]
    for text in hits:
        assert "[gone]" in redact_text(f"before {text} after", rules), text
    for text in misses:
        assert redact_text(text, rules) == text


@pytest.mark.parametrize("pattern", ["(", "a*", "(?=x)", r"(a)\1"])
def test_a_pattern_that_cannot_be_used_is_refused(pattern):
    with pytest.raises(RedactionError):
        check_pattern(pattern)


def test_a_replacement_is_taken_literally():
    assert redact_text("a1b", [Redaction("", r"\d", r"\0 \1")]) == r"a\0 \1b"


def test_an_administrator_adds_tries_rests_and_removes_a_rule(committed_world):
    world = committed_world
    ada = world.client("ada")
    added = ada.post(f"{URL}add/", {"name": "Numbers", "pattern": r"\d{4}", "key": "", "replacement": "####"})
    assert added.status_code == 302
    assert "pay ####" in ada.get(URL, {"text": "pay 1234"}).content.decode()
    store(world.acme, span(input="pay 1234"))
    with world.acme_scope():
        rule = RedactionRule.objects.get()
        assert Payload.objects.get().input == "pay ####"
    ada.post(f"{URL}{rule.pk}/switch/", {"is_enabled": "0"})
    assert "pay ####" not in ada.get(URL, {"text": "pay 1234"}).content.decode()
    ada.post(f"{URL}{rule.pk}/remove/")
    with world.acme_scope():
        assert not RedactionRule.objects.exists()
        actions = list(AuditEntry.objects.order_by("sequence").values_list("action", flat=True))
    assert actions == ["redaction_rule.added", "redaction_rule.disabled", "redaction_rule.removed"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "", "pattern": "x"}, "This field is required"),
        ({"name": "n", "pattern": "", "key": ""}, "either a key or a pattern"),
        ({"name": "n", "pattern": "x", "key": "y"}, "either a key or a pattern"),
        ({"name": "n", "pattern": "("}, "not a regular expression"),
    ],
)
def test_a_wrong_rule_is_refused_at_its_field(committed_world, data, words):
    answer = committed_world.client("ada").post(f"{URL}add/", {"replacement": "x", **data})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    with committed_world.acme_scope():
        assert not RedactionRule.objects.exists()


def test_a_second_rule_of_the_same_name_is_refused(committed_world):
    ada = committed_world.client("ada")
    data = {"name": "n", "pattern": "x", "key": "", "replacement": "y"}
    assert ada.post(f"{URL}add/", data).status_code == 302
    assert "already" in ada.post(f"{URL}add/", data).content.decode()
