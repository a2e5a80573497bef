"""``apps_link/authorize``: an app that was opened with a token asks who its user is."""

from tests.kit.accounts import ApiKey
from tests.kit.service import Service
from tests.kit.system import System
from tests.resources.family import Family


async def test_apps_link_authorize_shows_the_tokens_user_and_account(
    system: System, service: Service, family: Family
) -> None:
    answer = await service.get("apps_link/authorize", family.sub.user)
    assert answer.status == 200
    user, account = answer.data["auth_token"], answer.data["account"]
    about = {
        "account_id": family.sub.id,
        "account_name": family.sub.document["name"],
        "language": "en-US",
        "is_reseller": False,
        "reseller_id": family.reseller.id,
        "is_master": False,
    }
    assert account == about
    apps = user.pop("apps")
    assert user == {**about, "owner_id": family.sub.user.id, "method": "cb_user_auth"}
    login = await service.login(family.sub.user)
    assert apps
    assert apps == login.data["apps"]


async def test_apps_link_authorize_below_an_account_shows_that_account(service: Service, family: Family) -> None:
    answer = await service.get(f"accounts/{family.sub.id}/apps_link/authorize", family.master)
    assert answer.data["account"]["account_id"] == family.sub.id
    assert answer.data["account"]["is_master"] is False
    user = answer.data["auth_token"]
    assert (user["account_id"], user["owner_id"]) == (family.master.id, family.master.admin.id)
    assert (user["is_master"], user["is_reseller"]) == (True, True)


async def test_apps_link_authorize_has_the_language_of_user_and_account(
    system: System, service: Service, family: Family
) -> None:
    await system.change_user(family.sub.user, language="de-DE")
    await system.change(family.sub, language="fr-FR")
    data = (await service.get("apps_link/authorize", family.sub.user)).data
    assert (data["auth_token"]["language"], data["account"]["language"]) == ("de-DE", "fr-FR")


async def test_apps_link_authorize_with_an_api_key_has_no_user(service: Service, family: Family) -> None:
    data = (await service.get("apps_link/authorize", ApiKey(family.sub))).data
    assert "owner_id" not in data["auth_token"]
    assert data["auth_token"]["method"] == "cb_api_auth"


async def test_apps_link_authorize_is_refused_without_a_token_and_to_strangers(
    service: Service, family: Family
) -> None:
    assert (await service.get("apps_link/authorize")).status == 401
    for caller in (family.other, family.other.user):
        assert (await service.get(f"accounts/{family.sub.id}/apps_link/authorize", caller)).status == 403


async def test_apps_link_has_one_path_and_one_method(service: Service, family: Family) -> None:
    for path in ("apps_link", "apps_link/other", "apps_link/authorize/more"):
        assert (await service.get(path, family.master)).status == 404
    assert (await service.put("apps_link/authorize", family.sub, {})).status == 405
