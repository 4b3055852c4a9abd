"""How money is stored: USD, ten decimals, exact."""

from typing import Any

COST: dict[str, Any] = {"max_digits": 20, "decimal_places": 10}
