"""Four accounts around a reseller, for the tests of accounts, users and whitelabels."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.kit.accounts import Account
from tests.kit.service import Answer, Caller, Service
from tests.kit.system import System


@dataclass(frozen=True)
class Family:
    """``master`` above ``reseller`` above ``sub``; ``other`` below the master alone. ``tag`` makes names unique."""

    system: System
    service: Service
    reseller: Account
    sub: Account
    other: Account
    tag: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @property
    def master(self) -> Account:
        return self.system.master

    async def create_account(self, caller: Caller, name: str, *, below: str | None = None, **fields: Any) -> Answer:
        """Create a sub-account through the service; it is removed with the system."""
        path = "accounts" if below is None else f"accounts/{below}"
        answer = await self.service.put(path, caller, {"name": name, **fields})
        if answer.status == 201:
            self.system.adopt(answer.data["id"])
        return answer
