"""Requests and documents that the tests of overrides share."""

from dataclasses import dataclass
from typing import Any, Final

from crossbar_appstore.json_codec import JsonObject
from tests.kit.accounts import Account
from tests.kit.apps import Picture
from tests.kit.service import Answer, Service
from tests.kit.system import System
from tests.samples.make_pictures import gif, jpeg, png

LOGO: Final = Picture("image/png", png(9, 5, lambda x, y: (x + y) % 7))
OTHER: Final = Picture("image/gif", gif())
PHOTO: Final = Picture("image/jpeg", jpeg(2, 2, lambda x, y: 60 * x + 20 * y))


@dataclass(frozen=True)
class Branding:
    """``app`` is the catalogue's voip, which has an icon and two screenshots."""

    system: System
    service: Service
    reseller: Account
    customer: Account

    @property
    def app(self) -> str:
        return self.system.apps["voip"]

    @property
    def doc_id(self) -> str:
        return f"app_whitelabel-{self.app}"

    @property
    def domain(self) -> str:
        """The reseller's domain, which no other test uses."""
        return f"portal-{self.reseller.id[:8]}.example.net"

    def path(self, *, account: Account | None = None, language: str | None = None) -> str:
        """The path of the override of the reseller, or of another account."""
        prefix = "" if language is None else f"i18n/{language}/"
        return f"accounts/{(account or self.reseller).id}/{prefix}apps_store/{self.app}/override"

    async def create(self, **data: Any) -> Answer:
        answer = await self.service.put(self.path(), self.reseller, data)
        assert answer.status == 201, answer.raw
        return answer

    async def upload(
        self, part: str, picture: Picture, name: str = "logo.png", *, language: str | None = None
    ) -> Answer:
        """Upload as curl's ``--data-binary`` does, with the name in a header."""
        headers = {"Content-Type": picture.content_type, "X-File-Name": name}
        path = f"{self.path(language=language)}/{part}"
        return await self.service.post(path, self.reseller, body=picture.body, headers=headers)

    async def stored(self) -> JsonObject:
        return await self.system.couch.open_doc(self.reseller.database, self.doc_id)

    async def store(self, **fields: Any) -> JsonObject:
        """Store the override as another node of KAZOO writes it."""
        document = {"_id": self.doc_id, "pvt_type": "app_whitelabel", **fields}
        return await self.system.put(self.reseller.database, document)

    async def entry(self, account: Account | None = None) -> Any:
        """The app in the list of the reseller, or of another account."""
        account = account or self.reseller
        answer = await self.service.get(account.path, account)
        return next(each for each in answer.data if each["id"] == self.app)

    async def open_portal(self) -> None:
        """Give the reseller a whitelabel document with its domain."""
        document = {"_id": "whitelabel", "pvt_type": "whitelabel", "domain": self.domain}
        await self.system.put(self.reseller.database, document)
        await self.system.change(self.reseller, pvt_whitelabel_domain=self.domain)
