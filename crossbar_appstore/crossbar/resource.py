"""The resource pattern: an endpoint is a class with Crossbar's callbacks, found by its noun."""

from collections.abc import Sequence
from typing import ClassVar, Final

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import MethodNotAllowed
from crossbar_appstore.crossbar.headers import FORM, JSON_TYPES
from crossbar_appstore.crossbar.negotiation import OFFERED

Methods = Sequence[str]

ACCEPTED: Final = frozenset({*JSON_TYPES, FORM, "multipart/form-data", "multipart/mixed"})


class Resource:
    """A Crossbar endpoint; subclasses override the callbacks that they need.

    ``params`` are the path tokens behind the noun. A callback refuses the request by raising a ``CrossbarError`` and
    answers it by setting ``context.reply``. The callbacks run in the order in which they are defined here.
    """

    noun: ClassVar[str]
    greedy: ClassVar[bool] = False
    """Whether every token behind the noun is a param, even the name of another endpoint."""
    uploads: ClassVar[frozenset[str]] = frozenset()
    """The methods whose bodies may be files, of up to ``body.MAX_UPLOAD`` bytes."""

    def part(self, *params: str) -> "Resource":
        """The resource that answers for these params: this one, or a sub-resource, which gets the same params."""
        return self

    def allowed_methods(self, *params: str) -> Methods | None:
        """The HTTP methods for these params; None if no such path exists (404)."""
        return None

    def rate_cost(self, context: Context) -> int:
        """The rate tokens that a request without a valid JWT costs."""
        return 1

    async def authenticate(self, context: Context) -> bool:
        """Whether the request needs no authentication."""
        return False

    async def authorize(self, context: Context) -> bool:
        """Whether the request is allowed beyond what the account hierarchy allows; may raise ``Forbidden``."""
        return False

    async def content_types_provided(self, context: Context, *params: str) -> Sequence[str]:
        """The media types on offer, best first."""
        return OFFERED

    async def content_types_accepted(self, context: Context, *params: str) -> frozenset[str]:
        """The media types of bodies that PUT, POST and PATCH accept; uploads must be listed here."""
        return ACCEPTED

    async def resource_exists(self, context: Context, *params: str) -> None:
        """Check this noun where it precedes another one in the path: ``users/{id}`` in ``users/{id}/apps_store``."""

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; for GET, answer it. Sets ``context.reply.etag`` if preconditions shall work."""

    async def put(self, context: Context, *params: str) -> None:
        """Create."""
        raise MethodNotAllowed

    async def post(self, context: Context, *params: str) -> None:
        """Update."""
        raise MethodNotAllowed

    async def patch(self, context: Context, *params: str) -> None:
        """Update some members."""
        raise MethodNotAllowed

    async def delete(self, context: Context, *params: str) -> None:
        """Remove."""
        raise MethodNotAllowed
