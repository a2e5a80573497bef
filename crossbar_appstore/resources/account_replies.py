"""What is shown of an account beside its public fields (`cb_accounts:leak_pvt_fields/2`)."""

from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.values import is_true
from crossbar_appstore.resources import account_rules
from crossbar_appstore.resources.account_promotion import AccountPromotion
from crossbar_appstore.resources.documents import caller_of, show


class AccountReplies:
    """Replies with accounts.

    Args:
        documents: who is a reseller.
        promotion: whose customer an account is.
        gatekeeper: who may see an API key: with one, everything may be written.
    """

    def __init__(self, documents: AuthDocuments, promotion: AccountPromotion, gatekeeper: AuthGatekeeper) -> None:
        self._documents = documents
        self._promotion = promotion
        self._gatekeeper = gatekeeper

    async def show(self, context: Context, account: JsonObject, *, stale: bool = False) -> None:
        """Reply with an account and what belongs beside it: among the data for KAZOO 4, in ``metadata`` for KAZOO 5."""
        identity = caller_of(context)
        master_id = await self._documents.master_account_id()
        beside = account_rules.metadata(
            account,
            reseller_id=await self._promotion.above(account),
            is_reseller=await self._documents.is_reseller(account["_id"]),
            caller_id=identity.account_id,
            master_id=master_id,
            now=gregorian_seconds(),
        )
        if is_true(context.req_value("include_api_key")) and await self._gatekeeper.may_write(identity):
            beside["api_key"] = account.get("pvt_api_key")
        show(context, account, stale=stale).update(beside)
        context.reply.metadata = beside
