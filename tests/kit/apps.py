"""App documents with small valid pictures."""

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossbar_appstore.json_codec import JsonObject
from tests.samples.make_pictures import BLUE, PALETTE, jpeg, png


@dataclass(frozen=True)
class Picture:
    """An attachment."""

    content_type: str
    body: bytes

    @property
    def inline(self) -> JsonObject:
        return {"content_type": self.content_type, "data": base64.b64encode(self.body).decode()}


ICON = Picture("image/png", png(8, 8, lambda x, y: PALETTE.index(BLUE) if x > y else 0))
FIRST = Picture("image/png", png(32, 20, lambda x, y: (x // 4 + y // 4) % 7))
SECOND = Picture("image/jpeg", jpeg(4, 3, lambda x, y: 40 * x + 20 * y))


def app_document(name: str, pictures: Mapping[str, Picture] | None = None, **fields: Any) -> JsonObject:
    """An app as ``init-apps`` stores it, by default with an icon; ``fields`` replace members, None removes one."""
    attached = {"icon.png": ICON} if pictures is None else pictures
    document = {
        "_id": uuid.uuid4().hex,
        "pvt_type": "app",
        "name": name,
        "i18n": {"en-US": {"label": name.title(), "description": f"What {name} does", "features": ["one", "two"]}},
        "tags": ["telephony"],
        "icon": "icon.png",
        "screenshots": [],
        "api_url": "https://api.example.org/v2/",
        "author": "Somebody",
        "version": "1.2",
        "license": "-",
        "price": 0,
        "_attachments": {file: picture.inline for file, picture in attached.items()},
    }
    return {key: value for key, value in (document | fields).items() if value is not None}


def illustrated(name: str, **fields: Any) -> JsonObject:
    """An app with an icon and two screenshots of different types."""
    pictures = {"icon.png": ICON, "first.png": FIRST, "second.jpg": SECOND}
    return app_document(name, pictures, screenshots=["first.png", "second.jpg"], **fields)


def permission(allowed_users: str = "all", *users: Any, **fields: Any) -> JsonObject:
    """An entry of ``apps`` as it is stored."""
    return {"allowed_users": allowed_users, "users": list(users), **fields}
