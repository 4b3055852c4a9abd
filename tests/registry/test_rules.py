"""The design document: both shapes, places of errors, limits, hashes, differences; versions and statuses."""

import hashlib
import json
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.registry.rules import document as d
from apps.registry.rules.difference import changes, lines, proposed_step
from apps.registry.rules.names import Version, is_slug, may_follow, next_version, read_version, slug_of
from apps.registry.rules.reading import SHAPES, parse_data, parse_json, parse_yaml
from apps.registry.rules.statuses import STATUSES, TRANSITIONS, may_become, needs_reason, refusal
from apps.registry.rules.tree import MAX_CHARACTERS, Refused
from apps.registry.rules.writing import content_hash, plain, render_yaml

DESIGN = """\
agent_design:
  name: Booking agent
  version: '1.2.0'
  owner: Travel desk
  purpose: |
    Changes and cancels bookings.
    Never invents a fare.
  scope:
    in_scope:
      - change a booking
    out_of_scope:
      - grant refunds above 200 USD
  architecture:
    pattern: Supervisor
    framework: LangGraph
    models:
      primary: gpt-4.1
      fallback: claude-haiku-4-5
  tools:
    - name: booking.change
      purpose: changes a booking
      risk_level: High
  hitl_requirements:
    approval_required:
      - refund
    escalation_triggers:
      - confidence below 0.7
  success_metrics:
    - metric: resolved without a person
      target: 70%
  security:
    data_accessed: bookings
    permissions_required: bookings:write
    compliance_requirements: GDPR
"""
ENTRY = """\
agent:
  id: booking-agent
  version: 1.2.0
  owner: travel-desk
  capabilities:
    - read_bookings
  restrictions:
    - no_admin_access
    - max_records_per_query: 100
  runtime_constraints:
    max_cost_per_task: 0.50
    max_duration_seconds: 300
    allowed_models: [gpt-4.1, claude-haiku-4-5]
  approval_requirements:
    bulk_operations: security_review
"""


def problem(text: str, parse=parse_yaml):
    with pytest.raises(Refused) as caught:
        parse(text)
    assert len(caught.value.problems) == 1, caught.value.problems
    return caught.value.problems[0]


def test_the_design_template_is_read_completely():
    document = parse_yaml(DESIGN).document
    assert (document.name, document.slug, document.version) == ("Booking agent", "booking-agent", "1.2.0")
    assert document.owner == d.Owner("Travel desk")
    assert document.purpose == "Changes and cancels bookings.\nNever invents a fare."
    assert document.scope == d.Scope(("change a booking",), ("grant refunds above 200 USD",))
    assert document.architecture == d.Architecture("supervisor", "LangGraph", d.Models("gpt-4.1", "claude-haiku-4-5"))
    assert document.tools == (d.Tool("booking.change", "changes a booking", "high"),)
    assert document.hitl_requirements == d.Oversight(("refund",), ("confidence below 0.7",))
    assert document.success_metrics == (d.SuccessMetric("resolved without a person", "70%"),)
    assert document.security == d.Security(("bookings",), ("bookings:write",), ("GDPR",))


def test_the_registry_entry_is_read_completely():
    document = parse_yaml(ENTRY).document
    assert (document.slug, document.name) == ("booking-agent", "booking-agent")
    assert document.restrictions == (d.Restriction("no_admin_access"), d.Restriction("max_records_per_query", 100))
    constraints = document.runtime_constraints
    assert (constraints.max_cost_per_task, constraints.max_duration_seconds) == (Decimal("0.50"), 300)
    assert constraints.allowed_models == ("gpt-4.1", "claude-haiku-4-5")
    assert document.approval_requirements == {"bulk_operations": "security_review"}


@pytest.mark.parametrize("text", [DESIGN, ENTRY])
def test_a_shape_writes_itself_the_way_it_was_sent(text):
    submission = parse_yaml(text)
    written = render_yaml(submission.document, submission.shape)
    assert parse_yaml(written).document == submission.document
    assert written.splitlines()[:2] == text.splitlines()[:2]


def test_unknown_keys_are_kept_at_their_place():
    text = DESIGN + "  cost_center: 4711\n" + "  review: {board: [bo, ada], strict: true}\n"
    text = text.replace("risk_level: High", "risk_level: High\n      timeout_seconds: 30")
    document = parse_yaml(text).document
    assert document.extra == {"cost_center": 4711, "review": {"board": ["bo", "ada"], "strict": True}}
    assert document.tools[0].extra == {"timeout_seconds": 30}
    for shape in SHAPES:
        assert parse_yaml(render_yaml(document, shape)).document == document


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        (DESIGN.replace("risk_level: High", "risk_level: enormous"), 22, 19, "low, medium, high"),
        (DESIGN.replace("pattern: Supervisor", "pattern: matrix"), 14, 14, "map_reduce"),
        (DESIGN.replace("'1.2.0'", "1.2"), 3, 12, "1.2.0"),
        (ENTRY.replace("booking-agent", "Booking Agent"), 2, 7, "write booking-agent"),
        (ENTRY.replace("0.50", "cheap"), 11, 24, "US dollars"),
        (ENTRY.replace("300", "-1"), 12, 27, "above 0"),
        (ENTRY.replace("    bulk_operations: security_review", "    bulk_operations:"), 15, 5, "Say who approves"),
        (ENTRY.replace("owner: travel-desk", "owner: [a]"), 4, 10, "one text"),
        (ENTRY + "agent_design:\n  name: x\n", 1, 1, "not both"),
        (ENTRY + "status: production\n", 16, 1, "beside agent"),
        (ENTRY + "  version: 1.2.1\n", 16, 3, "stands twice (first in line 3)"),
        ("agent:\n  id: a\n\towner: b\n", 3, 1, "not YAML"),
        ("agent:\n  id: [a\n", 3, 1, "not YAML"),
        ("- a\n- b\n", 1, 1, "a list"),
        ("agent_desing:\n  name: a\n", 1, 1, "Start with agent_design: or agent:"),
        ("", 1, 1, "empty"),
        ("agent:\n  id: a\n---\nagent:\n  id: b\n", 3, 1, "second document"),
        ("agent:\n  id: &x a\n  owner: *x\n", 3, 10, "write the value out"),
        ("agent:\n  id: a\n  <<: {x: 1}\n", 3, 3, "Merge keys"),
        ("agent:\n  id: a\n  owner: !!python/object:os.system x\n", 3, 10, "tag"),
        ("agent:\n  id: a\n  owner: \x00\n", 3, 10, "U+0000"),
        ("agent:\n  id: a\n  big: 12345678901234567890\n", 3, 8, "in quotes"),
        ("agent:\n  id: a\n  ? [a]\n  : b\n", 3, 5, "plain word"),
    ],
)
def test_an_error_says_where_it_is_and_what_is_allowed(text, line, column, words):
    found = problem(text)
    assert words in found.message
    assert (found.line, found.column) == (line, column)


def test_all_errors_are_told_at_once_in_order():
    with pytest.raises(Refused) as caught:
        parse_yaml(DESIGN.replace("High", "enormous").replace("Supervisor", "matrix").replace("'1.2.0'", "one"))
    assert [found.line for found in caught.value.problems] == [3, 14, 22]


def test_json_errors_name_the_path():
    body = {"agent_design": {"name": "a", "tools": [{"name": "x"}, {"name": "y", "risk_level": "odd"}]}}
    found = problem(json.dumps(body), parse_json)
    assert found.path == "agent_design.tools[1].risk_level"
    assert problem('{"agent": {"id": "a",}}', parse_json).line == 1
    assert "twice" in problem('{"agent": {"id": "a", "id": "b"}}', parse_json).message
    assert "number" in problem('{"agent": {"id": "a", "x": NaN}}', parse_json).message


@pytest.mark.parametrize(
    "text",
    [
        "a" * (MAX_CHARACTERS + 1),
        "[" * 5000,
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "agent:\n  id: a\n  many: [" + "1, " * 6000 + "]",
        "agent:\n" + "".join("  " * depth + "deeper:\n" for depth in range(1, 60)),
        "agent: {id: a, x: 1e999999999}",
        "agent: {id: a, x: " + "9" * 5000 + "}",
        "agent: {id: a, x: .inf}",
    ],
)
def test_a_hostile_text_is_refused_quickly(text):
    with pytest.raises(Refused):
        parse_yaml(text)


@pytest.mark.parametrize("text", ["[" * 50_000, '{"a":' * 5000, '{"agent": {"id": "\\ud800"}}', '{"agent": 1e999}'])
def test_a_hostile_json_text_is_refused(text):
    with pytest.raises(Refused):
        parse_json(text)


def test_the_hash_is_that_of_the_canonical_json():
    document = parse_yaml(ENTRY).document
    canonical = json.dumps(plain(document), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert content_hash(document) == hashlib.sha256(canonical.encode()).hexdigest()
    assert content_hash(parse_yaml(ENTRY.replace("0.50", "0.5")).document) == content_hash(document)
    assert content_hash(parse_yaml(ENTRY.replace("300", "301")).document) != content_hash(document)


LINE = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=20
)
NAME = LINE.map(str.strip).filter(bool)
TEXT = st.lists(LINE, min_size=1, max_size=4).map("\n".join).map(str.strip).filter(bool)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
SCALAR = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), TEXT
)
ANYTHING = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3), max_leaves=6
)


def extra(*known: str):
    return st.dictionaries(NAME.filter(lambda key: key not in known), ANYTHING, max_size=2)


def optional(strategy):
    return st.none() | strategy


DOCUMENTS = st.builds(
    d.Document,
    name=NAME,
    slug=st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,5}){0,2}", fullmatch=True).filter(is_slug),
    version=optional(st.sampled_from(["1.0.0", "0.1.0-rc.1", "2.3.4+build.5"])),
    owner=st.builds(d.Owner, optional(NAME), optional(NAME), extra("team", "person")),
    purpose=optional(TEXT),
    scope=st.builds(d.Scope, TEXTS, TEXTS, extra("in_scope", "out_of_scope")),
    architecture=st.builds(
        d.Architecture,
        optional(st.sampled_from(list(d.PATTERNS))),
        optional(TEXT),
        st.builds(d.Models, optional(TEXT), optional(TEXT), extra("primary", "fallback")),
        extra("pattern", "framework", "models"),
    ),
    tools=st.lists(
        st.builds(
            d.Tool,
            NAME,
            optional(TEXT),
            optional(st.sampled_from(list(d.RISK_LEVELS))),
            extra("name", "purpose", "risk_level"),
        ),
        max_size=3,
        unique_by=lambda tool: tool.name,
    ).map(tuple),
    hitl_requirements=st.builds(d.Oversight, TEXTS, TEXTS, extra("approval_required", "escalation_triggers")),
    success_metrics=st.lists(
        st.builds(d.SuccessMetric, NAME, optional(TEXT), extra("metric", "target")),
        max_size=3,
        unique_by=lambda metric: metric.metric,
    ).map(tuple),
    security=st.builds(
        d.Security, TEXTS, TEXTS, TEXTS, extra("data_accessed", "permissions_required", "compliance_requirements")
    ),
    capabilities=TEXTS,
    restrictions=st.lists(
        st.builds(d.Restriction, NAME, ANYTHING), max_size=3, unique_by=lambda restriction: restriction.name
    ).map(tuple),
    runtime_constraints=st.builds(
        d.RuntimeConstraints,
        optional(st.decimals("0.0000000001", "999999", places=10)),
        optional(st.integers(1, 10**12)),
        optional(st.integers(1, 10**12)),
        optional(st.integers(1, 10**12)),
        TEXTS,
        extra(
            "max_cost_per_task",
            "max_duration_seconds",
            "max_records_per_query",
            "max_tool_calls_per_task",
            "allowed_models",
        ),
    ),
    approval_requirements=st.dictionaries(NAME, TEXT, max_size=2),
    extra=extra(*plain(parse_yaml(DESIGN).document), *plain(parse_yaml(ENTRY).document)),
)


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS)
@example(d.Document("a", "a", restrictions=(d.Restriction("<<", []),)))
@example(d.Document("a", "a", security=d.Security(extra={"zones": ["eu"]})))
def test_writing_and_reading_gives_the_same_document_in_both_shapes_and_in_json(document):
    for shape in SHAPES:
        assert parse_yaml(render_yaml(document, shape)).document == document
    assert parse_json(json.dumps(plain(document))).document == document
    assert parse_data(plain(document)).document == document
    assert changes(document, document) == []


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_read_or_refused_but_never_crashes(text):
    for parse in (parse_yaml, parse_json):
        try:
            parse(text)
        except Refused as refused:
            assert refused.problems


def test_differences_name_the_entry_and_both_values():
    old = parse_yaml(DESIGN).document
    new = parse_yaml(
        DESIGN.replace("risk_level: High", "risk_level: Low")
        .replace("      - refund\n", "      - refund\n      - upgrade\n")
        .replace("  owner: Travel desk\n", "")
        .replace("1.2.0", "1.3.0")
    ).document
    assert [(change.path, change.old, change.new) for change in changes(old, new)] == [
        ("owner.team", "Travel desk", None),
        ("tools[booking.change].risk_level", "high", "low"),
        ("hitl_requirements.approval_required", None, "upgrade"),
    ]
    assert [change.sentence for change in changes(old, new)] == [
        "Owner, team: removed “Travel desk”",
        "Tools booking.change, risk level: “high” → “low”",
        "Human oversight, approval required: added “upgrade”",
    ]


def test_differences_see_a_changed_order_and_a_removed_tool():
    old = parse_yaml(ENTRY.replace("allowed_models: [gpt-4.1, claude-haiku-4-5]", "allowed_models: [a, b]")).document
    new = parse_yaml(ENTRY.replace("allowed_models: [gpt-4.1, claude-haiku-4-5]", "allowed_models: [b, a]")).document
    assert [change.path for change in changes(old, new)] == ["runtime_constraints.allowed_models"]
    bare = parse_yaml(
        DESIGN.replace("    - name: booking.change\n      purpose: changes a booking\n      risk_level: High\n", "")
    ).document
    found = changes(parse_yaml(DESIGN).document, bare)
    assert [(change.path, change.kind) for change in found] == [("tools[booking.change]", "removed")]
    assert proposed_step(found) == "major"


def test_restrictions_are_compared_by_name():
    old = parse_yaml(ENTRY).document
    new = parse_yaml(ENTRY.replace("no_admin_access", "no_refunds").replace(": 100", ": 50")).document
    assert [change.sentence for change in changes(old, new)] == [
        "Restrictions: removed “no_admin_access”",
        "Restrictions max_records_per_query: 100 → 50",
        "Restrictions: added “no_refunds”",
    ]


def test_lines_number_both_sides_and_leave_gaps():
    old = "\n".join(str(number) for number in range(20))
    found = lines(old, old.replace("10", "ten"))
    assert [line.kind for line in found] == ["gap", *["same"] * 3, "removed", "added", *["same"] * 3]
    assert (found[4].old_number, found[5].new_number) == (11, 11)


def test_versions_sort_as_the_specification_says():
    ordered = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ]
    assert sorted(set(ordered), key=read_version) == ordered
    assert read_version("1.2") is None
    assert read_version("01.2.3") is None
    assert read_version("1.10.0") > read_version("1.9.0")
    assert read_version("1.2.3+x") == Version(1, 2, 3, (), "x")


@pytest.mark.parametrize(
    ("highest", "step", "expected"),
    [
        (None, "patch", "0.1.0"),
        ("1.2.3", "patch", "1.2.4"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "major", "2.0.0"),
        ("2.0.0-rc.1", "patch", "2.0.0"),
    ],
)
def test_the_next_version_raises_one_number(highest, step, expected):
    assert next_version(highest, step=step) == expected


def test_a_version_must_be_higher_than_every_other():
    assert may_follow("1.10.0", ["1.9.0", "1.2.0"])
    assert not may_follow("1.9.0", ["1.9.0"])
    assert not may_follow("1.8.5", ["1.9.0", "1.2.0"])


def test_slugs_follow_from_names():
    assert slug_of("Überweisungs-Agent (v2)") == "uberweisungs-agent-v2"
    assert is_slug("support-agent-v2")
    assert not any(map(is_slug, ["", "-a", "a--b", "A", "a_b", "a" * 101, "register"]))


def test_every_status_can_be_reached_and_left():
    assert set(TRANSITIONS) == set(STATUSES)
    assert {wanted for followers in TRANSITIONS.values() for wanted in followers} == set(STATUSES)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("wanted", STATUSES)
def test_a_change_of_status_is_refused_with_a_sentence_or_allowed(status, wanted):
    allowed = may_become(status, wanted)
    assert (refusal(status, wanted, "because") is None) == allowed
    if allowed and needs_reason(status, wanted):
        assert "reason" in (refusal(status, wanted, " ") or "")


def test_gaps_list_what_a_complete_design_lacks():
    assert "a cost limit per task" in d.gaps(parse_yaml(DESIGN).document)
    assert "a purpose" in d.gaps(parse_yaml(ENTRY).document)
