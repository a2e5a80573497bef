"""Nouns in front of an endpoint that select how it is shown: ``i18n/{language}`` and ``whitelabel/{domain}`` (KAZOO 5).

A language selects pictures. A domain shows apps as the account with that domain has them, so that a reseller's
customers see how their reseller has branded an app.
"""

import re
from typing import ClassVar, Final

from crossbar_appstore.appstore.listing import app_body_for_others
from crossbar_appstore.auth.documents import WHITELABEL
from crossbar_appstore.auth.hierarchy import Identity, is_in_account_hierarchy, may_address
from crossbar_appstore.crossbar.context import Context, Params
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.resources.account_apps import AccountApps, Serialized
from crossbar_appstore.resources.whitelabel import branding_account

I18N: Final = "i18n"
PREFIXES: Final = frozenset({I18N, WHITELABEL})

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


class I18n(Resource):
    """The noun ``i18n`` (`cb_i18n`): a prefix of other endpoints; by itself it answers with the language."""

    noun: ClassVar[str] = I18N

    def allowed_methods(self, *params: str) -> Methods | None:
        """A language is read."""
        return ("GET",) if len(params) == 1 else None

    async def validate(self, context: Context, *params: str) -> None:
        """Answer with the language in lower case."""
        context.reply.data = params[0].lower()


def language(context: Context) -> str | None:
    """The language that the path asks for, as it is spelled there; None if it asks for none."""
    params = _params_of(context, I18N)
    return params[0] if len(params) == 1 else None


def is_language(text: str) -> bool:
    """Whether the text has the form of a language tag: ``de``, ``en-US``."""
    return _LANGUAGE.fullmatch(text) is not None


def domain(context: Context) -> str | None:
    """The domain whose branding the path asks for; None if it names none."""
    params = _params_of(context, WHITELABEL)
    return params[0] if params else None


async def viewed_account(store: Datastore, context: Context) -> str | None:
    """The account whose apps the path is about: that of the domain if there is one, else the account in the path.

    Raises:
        DatastoreError: the domain cannot be looked up.
    """
    named = domain(context)
    found = None if named is None else await branding_account(store, named)
    return found or context.account_id


async def may_view_domain(store: Datastore, context: Context) -> bool:
    """Whether the caller is a customer of the domain's account, or may address it."""
    identity = context.identity
    account_id = await viewed_account(store, context)
    if account_id is None or not isinstance(identity, Identity):
        return False
    own = await _account(store, identity.account_id)
    return is_in_account_hierarchy(account_id, own) or await _may_address(store, identity, account_id)


async def body_for_caller(
    store: Datastore, identity: Identity, found: AccountApps, account_id: str, app_id: str
) -> Serialized | None:
    """The data of an app of another account than the path names; None if it has no such app.

    A caller who may not address that account does not see which of its users may use the app.
    """
    if await _may_address(store, identity, account_id):
        return found.body(app_id)
    app = found.find(app_id)
    shown = None if app is None else app_body_for_others(app)
    return None if shown is None else Serialized.of(shown)


async def _may_address(store: Datastore, identity: Identity, account_id: str) -> bool:
    return may_address(identity, account_id, await _account(store, account_id))


async def _account(store: Datastore, account_id: str) -> JsonObject | None:
    return (await store.open(account_db(account_id), account_id)).document


def _params_of(context: Context, noun: str) -> Params:
    """The params of a noun before the last, of the first one where several are (`props:get_value/2`)."""
    return next((each.params for each in reversed(context.nouns[:-1]) if each.name == noun), ())
