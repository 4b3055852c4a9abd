"""Conversations inside inputs and outputs."""

import json

from hypothesis import given
from hypothesis import strategies as st

from apps.telemetry.rules.messages import Message, messages


def test_plain_content_is_read():
    assert messages('[{"role": "user", "content": "Hello"}]') == [Message("user", "Hello")]


def test_parts_tool_calls_and_their_answers_are_read():
    text = json.dumps(
        {
            "messages": [
                {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"function": {"name": "refund", "arguments": '{"amount": 5}'}}],
                },
                {"role": "assistant", "content": [{"type": "tool_use", "name": "look", "input": {"id": 1}}]},
                {"role": "tool", "parts": [{"type": "tool_call_response", "response": "done"}]},
            ]
        }
    )
    assert [turn.text for turn in messages(text)] == [
        "Be brief.",
        '→ refund({"amount": 5})',
        '→ look({"id": 1})',
        "done",
    ]


def test_an_answer_with_choices_is_read():
    text = '{"choices": [{"message": {"role": "assistant", "content": "Yes."}}]}'
    assert messages(text) == [Message("assistant", "Yes.")]


def test_anything_else_is_no_conversation():
    for text in (None, "", "Hello", "{", "[1, 2]", '{"role": 3}', '[{"role": "user", "content": "a"}, {"x": 1}]'):
        assert messages(text) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["role", "content", "parts", "tool_calls", "message", "text", "name"]), inner
            )
        ),
    )
)
def test_no_json_whatever_breaks_the_reader(value):
    messages(json.dumps(value))
