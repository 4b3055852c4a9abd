"""YAML and JSON as a tree that remembers where everything stood, within limits that keep a hostile text harmless."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError

MAX_CHARACTERS = 100_000
MAX_DEPTH = 20
MAX_NODES = 5_000

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_EXACT_INTEGER = 2**53
_STANDARD = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a text, at its place. Line and column count from 1; JSON bodies have only a path."""

    message: str
    path: str = ""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = f"Line {self.line}, column {self.column}: " if self.line else f"{self.path}: " if self.path else ""
        return place + self.message


class Refused(Exception):
    """A text that cannot be read as a design, with everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass
class Node:
    """A mapping (value: list of key/value nodes), a list (of nodes) or a scalar, with its place and path."""

    value: Any
    path: str = ""
    line: int | None = None
    column: int | None = None
    is_mapping: bool = False
    is_list: bool = False

    def problem(self, message: str) -> Problem:
        """Return a problem at this place."""
        return Problem(message, self.path, self.line, self.column)

    @property
    def kind(self) -> str:
        """Name what stands here, for messages."""
        if self.is_mapping:
            return "a mapping"
        if self.is_list:
            return "a list"
        if self.value is None:
            return "nothing"
        if isinstance(self.value, bool):
            return f"the word {str(self.value).lower()}"
        if isinstance(self.value, int | Decimal):
            return f"the number {self.value}"
        return f"“{cut(self.value)}”"

    def plain(self, problems: list[Problem]) -> Any:
        """Return the value as JSON-safe Python data; adds to `problems` what JSON cannot carry exactly."""
        if self.is_mapping:
            return {str(key.value): value.plain(problems) for key, value in self.value}
        if self.is_list:
            return [item.plain(problems) for item in self.value]
        if isinstance(self.value, Decimal):
            number = float(self.value)
            if math.isinf(number) or Decimal(repr(number)) != self.value:
                problems.append(self.problem(f"{self.value} has more digits than a number keeps; write it in quotes."))
            return number
        if isinstance(self.value, int) and not isinstance(self.value, bool) and abs(self.value) > _EXACT_INTEGER:
            problems.append(self.problem(f"{self.value} is larger than a number keeps exactly; write it in quotes."))
            return 0
        return self.value


def cut(text: object, length: int = 40) -> str:
    """Shorten a text for a message."""
    plain = " ".join(str(text).split())
    return plain if len(plain) <= length else plain[: length - 1] + "…"


def read_yaml(text: str) -> Node:
    """Return the tree of a YAML text (1.2; JSON is YAML too); raises Refused with line and column."""
    _check_size(text)
    text = text.removeprefix("\ufeff")
    if found := _CONTROL.search(text):
        line, column = _place(text, found.start())
        raise Refused([Problem(f"The character U+{ord(found[0]):04X} cannot stand here; remove it.", "", line, column)])
    yaml = YAML(typ="safe", pure=True)
    try:
        tree = _compose(yaml, text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = (error.problem or error.context or "it cannot be read").strip()
        message = f"This is not YAML: {what}."
        raise Refused([Problem(message, "", mark.line + 1, mark.column + 1) if mark else Problem(message)]) from error
    except ReaderError as error:
        line, column = _place(text, int(error.position or 0))
        raise Refused(
            [Problem("A character that YAML does not allow stands here; remove it.", "", line, column)]
        ) from error
    return _with_paths(tree)


def read_json(text: str) -> Node:
    """Return the tree of a JSON text; raises Refused with line and column for bad syntax."""
    _check_size(text)
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in items:
            if key in seen:
                twice.append(key)
            seen[key] = value
        return seen

    try:
        data = json.loads(text, object_pairs_hook=pairs, parse_float=Decimal, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise Refused([Problem(f"This is not JSON: {error.msg}.", "", error.lineno, error.colno)]) from error
    except RecursionError as error:
        raise Refused([Problem(f"The text nests deeper than {MAX_DEPTH} levels.")]) from error
    if twice:
        raise Refused([Problem(f"The key “{cut(twice[0])}” stands twice in one object; keep one of them.")])
    return read_data(data)


def read_data(data: Any) -> Node:
    """Return the tree of Python data (a parsed JSON body, or a stored document)."""
    return _with_paths(_from_data(data, 1))


def _refuse_constant(name: str) -> None:
    raise Refused([Problem(f"{name} is no number that can be kept; write an ordinary number.")])


def _check_size(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise Refused([Problem(f"The text has {len(text):,} characters; a design may have {MAX_CHARACTERS:,}.")])


def _place(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def _from_data(data: Any, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise Refused([Problem(f"The text nests deeper than {MAX_DEPTH} levels.")])
    if isinstance(data, dict):
        return Node([(Node(key), _from_data(value, depth + 1)) for key, value in data.items()], is_mapping=True)
    if isinstance(data, list | tuple):
        return Node([_from_data(value, depth + 1) for value in data], is_list=True)
    if isinstance(data, float):
        return Node(Decimal(repr(data)))
    return Node(data)


def _compose(yaml: YAML, text: str) -> Node:
    """Build the tree from the event stream without recursion, so that depth and size are limited while reading."""
    root: Node | None = None
    open_nodes: list[tuple[Node, Node | None]] = []  # a mapping waits with the key whose value comes next
    nodes = documents = 0
    for event in _events(yaml, text):
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                _stop(event, "A second document begins here; send one design at a time.")
            continue
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            open_nodes.pop()
            continue
        nodes += 1
        if nodes > MAX_NODES:
            _stop(event, f"The text has more than {MAX_NODES:,} values; a design needs far fewer.")
        node = _node(yaml, event)
        if root is None:
            root = node
        elif open_nodes:
            _attach(event, node, open_nodes)
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            if len(open_nodes) >= MAX_DEPTH:
                _stop(event, f"The text nests deeper than {MAX_DEPTH} levels.")
            open_nodes.append((node, None))
    if root is None:
        raise Refused([Problem("The text is empty; start with agent_design: or agent:.", "", 1, 1)])
    return root


def _events(yaml: YAML, text: str) -> Iterator[Any]:
    wanted = (
        DocumentStartEvent,
        MappingStartEvent,
        MappingEndEvent,
        SequenceStartEvent,
        SequenceEndEvent,
        ScalarEvent,
        AliasEvent,
    )
    return (event for event in yaml.parse(text) if isinstance(event, wanted))


def _node(yaml: YAML, event: Any) -> Node:
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    if isinstance(event, AliasEvent):
        _stop(event, f"*{event.anchor} refers to another place; write the value out.")
    if isinstance(event, MappingStartEvent):
        return Node([], line=line, column=column, is_mapping=True)
    if isinstance(event, SequenceStartEvent):
        return Node([], line=line, column=column, is_list=True)
    return Node(_scalar(yaml, event), line=line, column=column)


def _attach(event: Any, node: Node, open_nodes: list[tuple[Node, Node | None]]) -> None:
    parent, key = open_nodes[-1]
    if parent.is_list:
        parent.value.append(node)
    elif key is None:
        if node.is_mapping or node.is_list:
            _stop(event, "A key must be a plain word, not a list or mapping.")
        text = str(node.value).lower() if isinstance(node.value, bool) else str(node.value)
        node.value = "null" if node.value is None else text
        if node.value == "<<" and event.style is None:
            _stop(event, "Merge keys (<<) are not read; write the keys out.")
        first = next((known for known, _ in parent.value if known.value == node.value), None)
        if first is not None:
            _stop(event, f"The key “{cut(node.value)}” stands twice (first in line {first.line}); keep one of them.")
        open_nodes[-1] = (parent, node)
    else:
        parent.value.append((key, node))
        open_nodes[-1] = (parent, None)


def _scalar(yaml: YAML, event: Any) -> Any:
    text = event.value
    tag = event.tag or yaml.resolver.resolve(ScalarNode, text, event.implicit)
    tag = str(getattr(tag, "uri", None) or tag)
    kind = tag.removeprefix(_STANDARD)
    if event.tag is not None and kind not in ("str", "int", "float", "bool", "null", "!"):
        _stop(event, f"The tag {cut(tag)} is not read; write a plain value.")
    try:
        if kind == "int":
            digits = text.replace("_", "")
            if len(digits) > 30:
                _stop(event, "This number is too long; write it in quotes.")
            return int(digits, 0) if digits.lstrip("+-").startswith(("0x", "0o", "0b")) else int(digits)
        if kind == "float":
            number = Decimal(text.replace("_", ""))
            if not number.is_finite() or abs(number.adjusted()) > 400:
                _stop(event, f"{cut(text)} is no number that can be kept; write an ordinary number.")
            return number
    except (ValueError, ArithmeticError):
        _stop(event, f"“{cut(text)}” is no number; write for example 0.50.")
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    if kind == "null":
        return None
    return text


def _stop(event: Any, message: str) -> None:
    mark = event.start_mark
    raise Refused([Problem(message, "", mark.line + 1, mark.column + 1)])


def _with_paths(root: Node) -> Node:
    """Give every node its path (`agent.tools[1].risk_level`) and refuse characters that no store keeps."""
    waiting = [root]
    count = 0
    while waiting:
        node = waiting.pop()
        count += 1
        if count > MAX_NODES:
            raise Refused([Problem(f"The text has more than {MAX_NODES:,} values; a design needs far fewer.")])
        if node.is_mapping:
            for key, value in node.value:
                key.path = value.path = f"{node.path}.{key.value}".lstrip(".")
                if _CONTROL.search(key.value):
                    raise Refused([key.problem("A control character stands in this key; remove it.")])
                waiting.append(value)
        elif node.is_list:
            for index, item in enumerate(node.value):
                item.path = f"{node.path}[{index}]"
                waiting.append(item)
        elif isinstance(node.value, str):
            node.value = node.value.replace("\r\n", "\n").replace("\r", "\n")
            if _CONTROL.search(node.value):
                raise Refused([node.problem("A control character stands in this text; remove it.")])
        elif isinstance(node.value, int) and abs(node.value) > 10**30:
            raise Refused([node.problem("This number is too long; write it in quotes.")])
        elif not (node.value is None or isinstance(node.value, int | Decimal)):
            raise Refused([node.problem(f"A {type(node.value).__name__} cannot be kept; write it in quotes.")])
        elif isinstance(node.value, Decimal) and (not node.value.is_finite() or abs(node.value.adjusted()) > 400):
            raise Refused([node.problem("This is no number that can be kept; write an ordinary number.")])
    return root
