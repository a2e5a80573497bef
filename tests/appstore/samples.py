"""Documents of a small system: a master account, a reseller below it, an account below that."""

from collections.abc import Iterable
from typing import Any

from crossbar_appstore.appstore.allowed_apps import AllowedApp
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import encoded_account_db

MASTER = "a" * 31 + "1"
RESELLER = "b" * 31 + "2"
ACCOUNT = "c" * 31 + "3"
VENDOR = "d" * 31 + "4"

VOIP = "1" * 32
PORT = "2" * 32
EXTRA = "3" * 32

MEMBER = "5" * 32
ADMIN = "6" * 32


def app(app_id: str, name: str, *, owner: str = MASTER, **fields: Any) -> JsonObject:
    return {
        "_id": app_id,
        "_rev": f"1-{name}",
        "name": name,
        "i18n": {"en-US": {"label": name.title(), "description": f"The {name} app"}},
        "tags": ["reseller"],
        "icon": f"{name}.png",
        "api_url": "https://api.example.com/v2/",
        "source_url": f"https://ui.example.com/apps/{name}",
        "author": "Example",
        "version": "1.0",
        "pvt_type": "app",
        "pvt_account_id": owner,
        "pvt_account_db": encoded_account_db(owner),
        **fields,
    }


def store(apps: Any = None, blacklist: Any = None, **fields: Any) -> JsonObject:
    return {
        "_id": "apps_store",
        "_rev": "7-store",
        "pvt_account_id": ACCOUNT,
        "pvt_account_db": encoded_account_db(ACCOUNT),
        **({} if apps is None else {"apps": apps}),
        **({} if blacklist is None else {"blacklist": blacklist}),
        **fields,
    }


def services(plans: Any = None, **fields: Any) -> JsonObject:
    return {
        "_id": ACCOUNT,
        "pvt_type": "service",
        "pvt_reseller_id": RESELLER,
        "pvt_reseller": False,
        **({} if plans is None else {"plans": plans}),
        **fields,
    }


def plan(plan_id: str, applications: Any, **fields: Any) -> JsonObject:
    return {"_id": plan_id, "_rev": f"1-{plan_id}", "pvt_type": "service_plan", "applications": applications, **fields}


def find_app(apps: Iterable[AllowedApp], app_id: str) -> AllowedApp | None:
    """The first app of that id."""
    return next((found for found in apps if found.id == app_id), None)
