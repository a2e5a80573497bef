"""The output of ``explain`` for an app with an override."""

from crossbar_appstore.maintenance.explaining import explain
from tests.kazoo5.branding import Branding


async def test_explain_names_an_override(branding: Branding) -> None:
    created = await branding.create(i18n={"en-US": {"label": "Our telephony"}}, published=False)
    (app,) = (await explain(branding.system.couch, branding.reseller.id, "voip")).apps
    assert (app.visible, app.installed, app.decided_by) == (True, False, "catalogue")
    reason = app.reasons[-1]
    assert (reason.rule, reason.authority, reason.visible) == ("override", "app_whitelabel", True)
    assert (reason.database, reason.document) == (branding.reseller.database, branding.doc_id)
    assert reason.revision == created.envelope["revision"]
    assert reason.entry == {"i18n": {"en-US": {"label": "Our telephony"}}}


async def test_explain_shows_later_reasons_after_an_override(branding: Branding) -> None:
    await branding.create(author="Us")
    await branding.system.store(branding.reseller, blacklist=[branding.app])
    (app,) = (await explain(branding.system.couch, branding.reseller.id, "voip")).apps
    assert [reason.rule for reason in app.reasons] == ["catalogue", "override", "blacklist"]
    assert (app.visible, app.decided_by) == (False, "blacklist")


async def test_explain_without_overrides_has_no_such_reason(branding: Branding) -> None:
    await branding.create(author="Us")
    (app,) = (await explain(branding.system.couch, branding.customer.id, "voip")).apps
    assert [reason.rule for reason in app.reasons] == ["catalogue"]
