"""Read single values as clients send them: numbers as text, JSON as text, money as anything."""

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

Found = dict[str, Any]

_encoder = msgspec.json.Encoder(enc_hook=str)
LARGEST_TOKEN_COUNT = 10**12


def as_json(value: Any) -> Any:
    """Return what a JSON text means; any other value as it is."""
    if isinstance(value, str | bytes):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return value
    return value


def as_text(value: Any) -> str | None:
    """Return a text for anything; structured values as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return _encoder.encode(value).decode()


def as_tokens(value: Any) -> int | None:
    """Return a token count, or None for what cannot be one."""
    if type(value) is int:
        return value if 0 <= value <= LARGEST_TOKEN_COUNT else None
    if isinstance(value, bool) or value is None:
        return None
    try:
        count = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return count if 0 <= count <= LARGEST_TOKEN_COUNT else None


def as_decimal(value: Any) -> Decimal | None:
    """Return an amount of money, or None for what cannot be one."""
    if value is None or isinstance(value, bool):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < 10**9 else None


def unquoted(value: Any) -> Any:
    """Return what a quoted JSON string says (some clients write every value as JSON); anything else as it is."""
    if type(value) is str and len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return value
    return value
