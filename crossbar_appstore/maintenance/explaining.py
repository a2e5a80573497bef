"""Explains why an app is visible to an account or a user: the reasons behind the decisions of ``allowed_apps``."""

from dataclasses import asdict, dataclass

from crossbar_appstore.appstore import allowed_apps as rules
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import ACCOUNTS_CONFIG
from crossbar_appstore.maintenance import lookup
from crossbar_appstore.maintenance.reports import Report
from crossbar_appstore.resources.account_state import account_state
from crossbar_appstore.resources.explanations import CONFIG, ExplainedApp, explained


@dataclass(frozen=True)
class Explanation(Report):
    """What an account, or one of its users, sees. ``plans_of`` is the account whose service plans apply."""

    account_id: str
    account_name: Json
    user_id: str | None
    plans_of: str
    apps: tuple[ExplainedApp, ...]

    def as_json(self) -> JsonObject:
        """The explanation with its apps as objects."""
        return super().as_json() | {"apps": [asdict(app) for app in self.apps]}


async def explain(couch: Couch, account: str, app: str | None = None, user: str | None = None) -> Explanation:
    """Apply the rules to an account's apps and collect their reasons.

    ``account`` is an id, name or realm; ``app`` an id or name, without which all apps are explained; ``user`` an id or
    user name, without which permissions hide nothing. Raises UnknownAccount, UnknownUser or UnknownApp.
    """
    reading = Datastore(couch, feeds=False).read()
    # Read first: a system without a master account has no accounts to look for.
    await reading.catalogue()
    document = await lookup.find_account(couch, account)
    account_id: str = document["_id"]
    viewer = None
    if user is not None:
        person = await lookup.find_user(couch, account_id, user)
        viewer = AccountUser(person["_id"], person)
    snapshot, state, plans = await account_state(reading, account_id)
    found = rules.allowed_apps(snapshot.apps, state, viewer)
    wanted = [one for one in found if app is None or app in (one.id, one.document.get("name"))]
    if app is not None and not wanted:
        raise lookup.UnknownApp(f"the account has no app {app!r}")
    master_config = await reading.document(CONFIG, ACCOUNTS_CONFIG)
    apps = tuple(explained(one, account_id, plans, master_config) for one in wanted)
    user_id = None if viewer is None else viewer.user_id
    return Explanation(account_id, document.get("name"), user_id, plans.account_id, apps)
