"""The endpoint ``whitelabel`` (`cb_whitelabel`): an account's branding of the web client, by account or by domain."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import ClassVar, Final

from crossbar_appstore.appstore.app_pictures import Holder
from crossbar_appstore.auth.documents import WHITELABEL
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, DatastoreConflict, ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import live, private_fields
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.values import get, list_at, nonempty_text_at, object_at, string_at
from crossbar_appstore.resources import documents
from crossbar_appstore.resources.account_rules import Checked
from crossbar_appstore.resources.whitelabel_domains import DOMAIN_VIEW, Domains
from crossbar_appstore.validation.validator import schema, validate_coercing

PARTS: Final = frozenset({"icon", "logo", "welcome"})
"""What a whitelabel document has as attachments, named ``<part>-<file name>``."""

RECORD_TYPES: Final = ("A", "CNAME", "MX", "NAPTR", "SRV", "TXT")
_DOMAINS: Final = "domains"
_FOUND: Final = "whitelabel"
_CHECKED: Final = "checked"


class Whitelabels(Resource):
    """What the document and its parts have in common: paths with a domain are public, writes need an administrator."""

    def __init__(self, store: Datastore, gatekeeper: AuthGatekeeper) -> None:
        self._store = store
        self._gatekeeper = gatekeeper

    async def authenticate(self, context: Context) -> bool:
        """Paths with a domain are public: the web client requests them before anybody logs in."""
        return is_public(context)

    async def authorize(self, context: Context) -> bool:
        """Paths with a domain are public; those of an account follow the hierarchy, writes need an administrator."""
        await documents.require_write_permission(self._gatekeeper, context)
        return is_public(context)

    async def _find(self, context: Context, params: Sequence[str]) -> tuple[Holder, bool] | None:
        """The document of the account, or of the account whose domain the path names, and whether it is stale."""
        # Both callbacks want it, and it is loaded once a request.
        if _FOUND not in context.stored:
            context.stored[_FOUND] = None
            account_id = context.account_id
            if account_id is None and params:
                account_id = await account_of_domain(self._store, params[0])
            if account_id is not None:
                with suppress(BadIdentifier):
                    database = account_db(account_id)
                    document, stale = await documents.load(self._store, database, WHITELABEL, WHITELABEL)
                    context.stored[_FOUND] = (Holder(account_id, document), stale)
        found: tuple[Holder, bool] | None = context.stored[_FOUND]
        return found


class Whitelabel(Whitelabels):
    """The whitelabel document of an account, which is created, read, replaced and removed; that of a domain is read."""

    noun: ClassVar[str] = WHITELABEL

    def __init__(self, store: Datastore, gatekeeper: AuthGatekeeper, domains: Domains, parts: Resource) -> None:
        super().__init__(store, gatekeeper)
        self._domains = domains
        self._parts = parts

    def part(self, *params: str) -> Resource:
        """Logo, icon and welcome page are a resource of their own."""
        return self._parts if 0 < len(params) <= 2 and params[-1] in PARTS else self

    def allowed_methods(self, *params: str) -> Methods | None:
        """The account's own document is read and written, a domain's and ``domains`` are read."""
        return {0: ("GET", "PUT", "POST", "DELETE"), 1: ("GET",)}.get(len(params))

    async def validate(self, context: Context, *params: str) -> None:
        """Check the request; answer a GET."""
        if params == (_DOMAINS,):
            await self._show_domains(context)
        elif context.verb == "GET":
            found = await self._find(context, params)
            if found is None:
                raise not_found(context, params)
            holder, stale = found
            documents.show(context, holder.document, stale=stale)
        else:
            await self._validate_change(context)

    async def put(self, context: Context, *params: str) -> None:
        """Create, with the account's domain; nothing of a deleted document is kept."""
        account_id, checked = documents.account_of(context), context.stored[_CHECKED]
        database = account_db(account_id)

        def create(document: JsonObject | None) -> JsonObject:
            if live(document) is not None:
                raise DatastoreConflict
            pictures: JsonObject = {"_attachments": {}} if document is not None and "_attachments" in document else {}
            new = {**checked.document, **pictures, "_id": WHITELABEL, "pvt_type": WHITELABEL}
            return documents.stamped(context, new, account_id)

        # Before the account is changed.
        create((await self._store.open_newest(database, WHITELABEL)).document)
        async with self._domains.held(context, nonempty_text_at(checked.document, "domain")):
            documents.show(context, await self._store.update(database, WHITELABEL, create))

    async def post(self, context: Context, *params: str) -> None:
        """Replace the public fields; pictures and private fields stay."""
        account_id, checked = documents.account_of(context), context.stored[_CHECKED]
        change = documents.checked_change(
            context, account_id, WHITELABEL, WHITELABEL, lambda current: {**private_fields(current), **checked.document}
        )
        async with self._domains.held(context, nonempty_text_at(checked.document, "domain")):
            documents.show(context, await self._store.update(account_db(account_id), WHITELABEL, change))

    async def delete(self, context: Context, *params: str) -> None:
        """Remove the document with its pictures, and the domain from the account."""
        database = account_db(documents.account_of(context))
        document = (await self._store.open_newest(database, WHITELABEL)).document
        check = partial(documents.check_expected, context)
        check(document)
        found = documents.of_type(document, WHITELABEL, WHITELABEL)
        async with self._domains.held(context, None):
            await self._store.remove(database, WHITELABEL, check)
        documents.show(context, found, deleted=True)

    async def _validate_change(self, context: Context) -> None:
        account_id = documents.account_of(context)
        if context.verb != "DELETE":
            checked = checked_whitelabel(documents.request_data(context))
            taken = await self._domains.taken(account_id, string_at(checked.document, "domain"))
            documents.raise_errors(checked.errors, taken)
            context.stored[_CHECKED] = checked
        if context.verb != "PUT":
            await documents.load_for_change(context, self._store, account_db(account_id), WHITELABEL, WHITELABEL)

    async def _show_domains(self, context: Context) -> None:
        """Reply with the host names that a domain's owner needs in DNS, as the operator has configured them."""
        domain = context.req_value("domain")
        if domain is None and context.account_id is not None and (found := await self._find(context, ())) is not None:
            domain = found[0].document.get("domain")
        if not isinstance(domain, str) or not domain:
            message = "No domain found to use. State one in the request, or in the whitelabel document"
            raise ValidationError({"domain": {"required": {"message": message}}})
        configured = await self._store.config.get(WHITELABEL, _DOMAINS, {})
        context.reply.data = domains_of(configured, domain)


def checked_whitelabel(data: JsonObject) -> Checked:
    """The public fields of a whitelabel document, with defaults and the domain in lower case, and their errors."""
    fields = {key: value for key, value in data.items() if (key, value) != ("domain", "")}
    domain = string_at(fields, "domain")
    if domain is not None:
        fields["domain"] = domain.lower()
    coerced, errors = validate_coercing("whitelabel", fields)
    return Checked(schema("whitelabel").with_defaults(coerced), errors)


def domains_of(configured: Json, domain: str) -> JsonObject:
    """Record type → host → its settings, with the domain in place of ``{{domain}}`` (`kzd_domains:format/2`)."""

    def filled(text: str) -> str:
        return text.replace("{{domain}}", domain)

    def mapped(host: Json) -> JsonObject:
        mapping = [filled(each) for each in list_at(host, "mapping") if isinstance(each, str)]
        return {**object_at(host), "mapping": mapping}

    return {
        record: {filled(name): mapped(host) for name, host in object_at(configured, record).items()}
        for record in RECORD_TYPES
    }


async def account_of_domain(store: Datastore, domain: str) -> str | None:
    """The account with that domain; None if there is none, or more than one (`cb_whitelabel:find_whitelabel/2`)."""
    rows = (await store.rows("accounts", DOMAIN_VIEW, key=domain.lower())).rows or ()
    account_id = get(rows[0].value, "account_id") if len(rows) == 1 else None
    return account_id if is_account_id(account_id) else None


async def branding_account(store: Datastore, domain: str) -> str | None:
    """The same, if the account still has its whitelabel document."""
    account_id = await account_of_domain(store, domain)
    if account_id is None:
        return None
    document = live((await store.open(account_db(account_id), WHITELABEL)).document)
    return account_id if get(document, "pvt_type") == WHITELABEL else None


def is_public(context: Context) -> bool:
    """Whether the request reads something by its domain."""
    return context.verb == "GET" and len(context.nouns) == 1 and len(context.resource.params) > 0


def not_found(context: Context, params: Sequence[str]) -> BadIdentifier:
    """The refusal where the account, or the domain in the path, has no whitelabel document."""
    return BadIdentifier(cause=WHITELABEL if context.account_id is not None or not params else params[0])


def part_names(document: JsonObject, part: str) -> list[str]:
    """The names of the attachments that are a part (`cb_whitelabel:filter_attachment_type/2`).

    Old documents have a logo without that prefix, as their only attachment that is no other part.
    """
    stubs = document.get("_attachments")
    names = list(stubs) if isinstance(stubs, Mapping) else []
    named = [name for name in names if name.startswith(part)]
    others = [name for name in names if not name.startswith(tuple(PARTS))]
    return others if part == "logo" and not named and len(others) == 1 else named
