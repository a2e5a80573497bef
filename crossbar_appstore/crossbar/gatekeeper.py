"""What the framework asks about callers; the auth room answers."""

from typing import Protocol

from crossbar_appstore.crossbar.context import Context


class Gatekeeper(Protocol):
    """Authentication, accounts and authorization, each asked at its place in the decision order."""

    async def early(self, context: Context) -> None:
        """Check a JWT in ``context.auth_token`` and set ``context.identity`` when it is good.

        Raises:
            ExpiredToken: correctly signed, past its time.
            ValidationError: the token's account has a trial that ended.
        """

    async def account(self, context: Context) -> None:
        """Load the account ``context.account_id`` (32 characters) into ``context.account``.

        Raises:
            BadIdentifier: no such account.
            DatastoreUnreachable: it cannot be read and is not known from before.
        """

    async def authenticate(self, context: Context) -> None:
        """Try what is no JWT (Basic, Bearer) and set ``context.identity`` when it is good.

        Raises:
            ExpiredToken: what a Bearer stands for is past its time; other bad ones leave the caller unknown.
            ValidationError: the account has a trial that ended.
        """

    async def authorize(self, context: Context) -> bool:
        """Whether the caller may address the account in the path, by hierarchy and by token restrictions.

        ``context.nouns`` is empty where the path names no endpoint.

        Raises:
            Forbidden: the account's token restrictions deny it.
        """
