"""Registering, revising, restoring, changing status and owner; every act audited, refused acts leave nothing."""

import threading

import pytest
from django.db import ProgrammingError, connection, transaction

from apps.audit.models import AuditEntry
from apps.audit.selectors import faults
from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError, Missing, Stale
from apps.core.tenancy import scope
from apps.organizations.models import Membership
from apps.registry.models import Agent, AgentVersion, Prompt, PromptVersion
from apps.registry.rules.reading import parse_data, parse_yaml
from apps.registry.rules.writing import content_hash, plain
from apps.registry.services import agents as service
from apps.registry.services import prompts
from tests.registry.test_rules import DESIGN, ENTRY

ADA = Actor("person", "ada", "Ada")


def document(text=DESIGN, **replaced):
    return parse_data({**plain(parse_yaml(text).document), **replaced}).document


@pytest.fixture
def acme(world):
    with world.acme_scope():
        yield world


@pytest.fixture
def agent(acme):
    return service.register_agent(actor=ADA, document=document(), note="first")


def actions():
    return list(AuditEntry.objects.order_by("sequence").values_list("action", flat=True))


def test_an_agent_is_registered_with_its_first_version(agent):
    agent.refresh_from_db()
    assert (agent.slug, agent.status, agent.owner_team, agent.environment) == (
        "booking-agent",
        "draft",
        "Travel desk",
        "production",
    )
    version = agent.current_version
    assert (version.label, version.number, version.created_by_name, version.note) == ("1.2.0", 1, "Ada", "first")
    assert version.content_hash == content_hash(parse_data(version.document).document)
    assert actions() == ["agent.registered"]
    assert not faults()


def test_an_id_is_given_once(agent):
    with pytest.raises(Conflict) as caught:
        service.register_agent(actor=ADA, document=document())
    assert caught.value.code == "agent_exists"
    assert Agent.objects.count() == AgentVersion.objects.count() == 1
    assert actions() == ["agent.registered"]


def test_two_organizations_may_use_the_same_id(agent, world):
    with world.globex_scope():
        service.register_agent(actor=ADA, document=document())
        assert Agent.objects.count() == 1


def test_a_revision_becomes_the_next_version(agent):
    changed = document(purpose="Books, changes and cancels.", version=None)
    agent, version = service.revise_design(actor=ADA, slug=agent.slug, document=changed)
    assert (version.label, version.number, agent.current_version_id) == ("1.2.1", 2, version.pk)
    assert agent.purpose == "Books, changes and cancels."
    entry = AuditEntry.objects.get(action="agent.revised")
    assert entry.details["previous"] == "1.2.0"
    assert "Purpose" in entry.details["changes"][0]


def test_an_unchanged_design_makes_no_version(agent):
    for version in ("1.2.0", None):
        same, made = service.revise_design(actor=ADA, slug=agent.slug, document=document(version=version))
        assert made is None
        assert same.revision == 1
    assert actions() == ["agent.registered"]


@pytest.mark.parametrize(("label", "code"), [("1.2.0", "version_exists"), ("1.1.9", "version_low")])
def test_a_label_that_cannot_follow_is_refused_with_a_proposal(agent, label, code):
    with pytest.raises(Conflict) as caught:
        service.revise_design(actor=ADA, slug=agent.slug, document=document(version=label, capabilities=["new"]))
    assert caught.value.code == code
    assert caught.value.extra["proposed"] == "1.3.0"
    assert AgentVersion.objects.count() == 1


def test_the_id_of_an_agent_cannot_change(agent):
    with pytest.raises(DomainError) as caught:
        service.revise_design(actor=ADA, slug=agent.slug, document=document(id="other", version=None))
    assert caught.value.code == "id_fixed"


def test_a_change_against_an_old_state_is_refused(agent):
    etag = agent.etag
    service.assign_owner(actor=ADA, slug=agent.slug, team="Payments", if_match=etag)
    with pytest.raises(Stale) as caught:
        service.change_agent_status(actor=ADA, slug=agent.slug, status="pilot", if_match=etag)
    assert caught.value.extra["etag"] == '"2"'
    agent.refresh_from_db()
    assert (agent.status, agent.owner_team) == ("draft", "Payments")


def test_an_earlier_version_is_restored_as_a_new_one(agent):
    service.revise_design(actor=ADA, slug=agent.slug, document=document(version="2.0.0", capabilities=["a"]))
    agent, version = service.restore_version(actor=ADA, slug=agent.slug, label="1.2.0")
    assert (version.label, version.restored_from, version.number) == ("3.0.0", "1.2.0", 3)
    restored = parse_data(version.document).document
    assert plain(restored) | {"version": "1.2.0"} == plain(document())
    with pytest.raises(Conflict):
        service.restore_version(actor=ADA, slug=agent.slug, label="1.2.0")
    with pytest.raises(Missing):
        service.restore_version(actor=ADA, slug=agent.slug, label="9.9.9")


@pytest.mark.parametrize("sql", ["UPDATE registry_agentversion SET note = 'x'", "DELETE FROM registry_agentversion"])
def test_versions_cannot_be_changed_even_by_sql(agent, sql):
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
    assert AgentVersion.objects.get().note == "first"


def test_status_changes_keep_to_the_rules(agent):
    agent = service.change_agent_status(actor=ADA, slug=agent.slug, status="pilot")
    with pytest.raises(DomainError) as caught:
        service.change_agent_status(actor=ADA, slug=agent.slug, status="suspended", reason=" ")
    assert caught.value.field == "reason"
    with pytest.raises(DomainError) as caught:
        service.change_agent_status(actor=ADA, slug=agent.slug, status="enabled")
    assert caught.value.field == "status"
    agent = service.change_agent_status(actor=ADA, slug=agent.slug, status="suspended", reason="loops")
    assert (agent.status, agent.status_reason) == ("suspended", "loops")
    assert actions() == ["agent.registered", "agent.status_changed", "agent.status_changed"]


def test_the_owner_must_be_a_member(agent, world):
    rita = Membership.objects.get(user=world.rita)
    agent = service.assign_owner(actor=ADA, slug=agent.slug, team=" Travel  desk ", person_id=rita.pk)
    assert (agent.owner_team, agent.owner_person) == ("Travel desk", rita)
    with world.globex_scope():
        mallory = Membership.objects.get(user=world.mallory)
    with pytest.raises(DomainError) as caught:
        service.assign_owner(actor=ADA, slug=agent.slug, person_id=mallory.pk)
    assert caught.value.code == "person_unknown"
    agent.refresh_from_db()
    assert agent.owner_person == rita


def test_a_design_may_name_its_owner(acme):
    owner = {"team": "Travel desk", "person": "RITA@example.com"}
    agent = service.register_agent(actor=ADA, document=document(owner=owner))
    assert agent.owner_person.user == acme.rita
    with pytest.raises(DomainError):
        service.register_agent(actor=ADA, document=document(ENTRY, id="x", owner={"person": "mallory@example.com"}))
    assert Agent.objects.count() == 1


def test_place_and_criticality_change_without_a_new_version(agent):
    agent, made = service.revise_design(actor=ADA, slug=agent.slug, document=document(), environment="staging")
    assert made is None
    agent = service.place_agent(actor=ADA, slug=agent.slug, criticality="high")
    assert (agent.environment, agent.criticality, agent.revision) == ("staging", "high", 3)
    with pytest.raises(DomainError):
        service.place_agent(actor=ADA, slug=agent.slug, environment="Not A Word")


def test_prompts_are_versioned_like_designs(agent):
    prompt = prompts.register_prompt(actor=ADA, agent=agent, name="System prompt", text="Be kind.\r\nBe brief.\n")
    assert (prompt.slug, prompt.current_version.text) == ("system-prompt", "Be kind.\nBe brief.")
    with pytest.raises(Conflict):
        prompts.register_prompt(actor=ADA, agent=agent, name="system  prompt", text="x")
    _, same = prompts.revise_prompt(actor=ADA, agent=agent, slug=prompt.slug, text="Be kind.\nBe brief.")
    assert same is None
    prompt, second = prompts.revise_prompt(actor=ADA, agent=agent, slug=prompt.slug, text="Be kind.")
    prompt, third = prompts.restore_prompt(actor=ADA, agent=agent, slug=prompt.slug, number=1)
    assert (second.number, third.number, third.restored_from) == (2, 3, 1)
    assert third.content_hash == PromptVersion.objects.get(number=1).content_hash
    with pytest.raises(Stale):
        prompts.revise_prompt(actor=ADA, agent=agent, slug=prompt.slug, text="y", if_match='"1"')
    with pytest.raises(DomainError):
        prompts.revise_prompt(actor=ADA, agent=agent, slug=prompt.slug, text=" \n")
    assert actions()[1:] == ["prompt.registered", "prompt.revised", "prompt.restored"]
    assert Prompt.objects.get().current_version == third


def test_in_globex_nothing_of_acme_can_be_changed(agent, world):
    mallory = Actor("person", "mallory", "Mallory")
    with world.globex_scope():
        for act in (
            lambda: service.revise_design(actor=mallory, slug="booking-agent", document=document(version="9.0.0")),
            lambda: service.restore_version(actor=mallory, slug="booking-agent", label="1.2.0"),
            lambda: service.change_agent_status(actor=mallory, slug="booking-agent", status="retired", reason="x"),
            lambda: service.assign_owner(actor=mallory, slug="booking-agent", team="Globex"),
            lambda: service.place_agent(actor=mallory, slug="booking-agent", environment="staging"),
        ):
            with pytest.raises(Missing):
                act()
        assert actions() == []
    agent.refresh_from_db()
    assert (agent.status, agent.revision, agent.owner_team) == ("draft", 1, "Travel desk")


def test_two_programs_revising_at_once_make_two_versions_or_one_is_told(committed_world):
    with committed_world.acme_scope():
        service.register_agent(actor=ADA, document=document())
    outcomes = []
    gate = threading.Barrier(2)

    def revise(name):
        gate.wait()
        try:
            with scope(committed_world.acme.id):
                service.revise_design(
                    actor=ADA, slug="booking-agent", document=document(version="2.0.0", capabilities=[name])
                )
            outcomes.append("made")
        except Conflict as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=revise, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "version_exists"]
    with committed_world.acme_scope():
        assert AgentVersion.objects.count() == 2
