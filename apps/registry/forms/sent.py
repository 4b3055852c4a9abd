"""What people and programs send to the registry."""

from apps.core.errors import DomainError
from apps.registry.rules.reading import Submission, parse_json, parse_yaml
from apps.registry.rules.tree import Refused


def read_design(text: str, language: str = "yaml") -> Submission:
    """Return the design in a text; raises DomainError with every problem's path, line and column."""
    try:
        return parse_json(text) if language == "json" else parse_yaml(text)
    except Refused as refused:
        raise refusal(refused) from refused


def refusal(refused: Refused) -> DomainError:
    """Return the error that tells a client what is wrong with a design."""
    count = len(refused.problems)
    errors = []
    for problem in refused.problems:
        error: dict[str, object] = {"message": problem.message, "code": "design_invalid"}
        if problem.path:
            error["field"] = problem.path
        if problem.line is not None:
            error |= {"line": problem.line, "column": problem.column}
        errors.append(error)
    summary = str(refused.problems[0]) if count == 1 else f"The design has {count} problems; none of it was kept."
    return DomainError(summary, code="design_invalid", extra={"errors": errors})
