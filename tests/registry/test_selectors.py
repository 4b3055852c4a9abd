"""Reads of the registry."""

import pytest

from apps.core.actors import Actor
from apps.core.errors import Missing
from apps.registry import selectors
from apps.registry.rules.reading import parse_data
from apps.registry.services import agents as service
from tests.registry.test_rules import ENTRY
from tests.registry.test_services import document

ADA = Actor("person", "ada", "Ada")


@pytest.fixture
def fleet(world):
    with world.acme_scope():
        service.register_agent(actor=ADA, document=document())
        service.register_agent(actor=ADA, document=document(ENTRY, id="refund-agent"), environment="staging")
        service.register_agent(actor=ADA, document=parse_data({"name": "Lone agent"}).document)
        yield world


def slugs(found):
    return [agent.slug for agent in found]


def test_agents_are_narrowed_by_what_is_given(fleet):
    assert set(slugs(selectors.agents())) == {"booking-agent", "refund-agent", "lone-agent"}
    assert slugs(selectors.agents(text="refund")) == ["refund-agent"]
    assert slugs(selectors.agents(environment="staging")) == ["refund-agent"]
    assert slugs(selectors.agents(is_unowned=True)) == ["lone-agent"]
    assert slugs(selectors.agents(team="travel-DESK")) == ["refund-agent"]
    assert slugs(selectors.agents(status="production")) == []
    assert selectors.registered_slugs() == {"booking-agent", "refund-agent", "lone-agent"}


def test_a_comparison_shows_fields_and_lines(fleet):
    service.revise_design(actor=ADA, slug="booking-agent", document=document(version=None, purpose="Books."))
    agent = selectors.agent_by_slug("booking-agent")
    found = selectors.comparison(agent, "1.2.0", "1.2.1")
    assert [change.path for change in found.changes] == ["purpose"]
    assert {"removed", "added"} <= {line.kind for line in found.lines}
    assert [version.label for version in selectors.versions(agent)] == ["1.2.1", "1.2.0"]
    with pytest.raises(Missing):
        selectors.comparison(agent, "1.2.0", "7.0.0")


def test_globex_sees_none_of_it(fleet):
    with fleet.globex_scope():
        assert list(selectors.agents()) == []
        assert selectors.registered_slugs() == set()
        with pytest.raises(Missing):
            selectors.agent_by_slug("booking-agent")
