"""Pages of results behind an opaque cursor: `{"data": […], "next": "cursor" or null}`."""

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from apps.core.errors import DomainError


class CursorPages(CursorPagination):
    """Pages by cursor, so that rows which arrive meanwhile shift nothing. `limit` up to 100, 50 by default.

    A view sets `ordering` (a tuple that ends in a unique field).
    """

    page_size = 50
    max_page_size = 100
    page_size_query_param = "limit"
    cursor_query_param = "cursor"
    page_size_query_description = "How many results a page has."
    cursor_query_description = "The `next` of the page before."
    ordering: tuple[str, ...] = ("-created_at", "-id")

    def get_ordering(self, request, queryset, view) -> tuple[str, ...]:
        """Return the order that the view states."""
        return getattr(view, "ordering", self.ordering)

    def encode_cursor(self, cursor) -> str:
        """Return the cursor alone: clients keep their own address and parameters."""
        self.base_url = ""
        return super().encode_cursor(cursor).partition(f"{self.cursor_query_param}=")[2]

    def decode_cursor(self, request):
        """Return the position; raises a 400 for a cursor that is none of ours."""
        try:
            return super().decode_cursor(request)
        except NotFound as error:
            message = "This cursor is none of this list's; begin again without one."
            raise DomainError(message, code="cursor_invalid", field="cursor", status=400) from error

    def get_page_size(self, request) -> int:
        """Return the page's size; raises a 400 for a limit that is no number from 1 to 100."""
        sent = request.query_params.get(self.page_size_query_param)
        if sent is None:
            return self.page_size
        if not sent.isascii() or not sent.isdigit() or not 1 <= int(sent[:9]) <= self.max_page_size:
            message = f"limit is a number from 1 to {self.max_page_size}."
            raise DomainError(message, code="limit_invalid", field="limit", status=400)
        return int(sent)

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page."""
        return Response({"data": data, "next": self.get_next_link()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the page's form for the OpenAPI document."""
        return {
            "type": "object",
            "required": ["data", "next"],
            "properties": {
                "data": schema,
                "next": {"type": ["string", "null"], "description": "Cursor of the next page; null on the last."},
            },
        }
