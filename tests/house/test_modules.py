"""The rooms: sizes, names, imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = sorted(
    path for folder in ("apps", "config") for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts
)
BANNED = {"utils", "helpers", "common", "misc", "base", "manager", "managers", "extras", "signals"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_fits_the_house(path):
    text = path.read_text()
    assert text.count("\n") <= 400, "split it: one module per aggregate"
    assert not BANNED & set(path.relative_to(ROOT).with_suffix("").parts), "the name says nothing"
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in ast.walk(node):
                assert not isinstance(inner, ast.Import | ast.ImportFrom), f"import inside {node.name}"
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), "star import"
            assert node.module != "django.dispatch", "signals hide what happens"
