"""Each call that Monster UI 5.5 and 4.3 make, on a service alone, without and with stored documents."""

from typing import Final

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from crossbar_appstore.json_codec import Json, dumps
from tests.kit.service import Answer
from tests.monster_ui.calls import ADJUSTMENT, NO_MATCH, Call, World, problems, recorded

_A: Final = "accounts/{ID}"
OWN: Final = (
    Call("GET", _A, reads=("id", "(metadata) superduper_admin")),
    *(Call("GET", f"{_A}/{path}", reads=("[].id",)) for path in ("alerts", "callflows", "transactions", "webhooks")),
    *(
        Call("GET", f"{_A}/{path}", reads=("x",))
        for path in ("access_lists", "ledgers", "multi_factor", "phone_numbers/classifiers", "security", "services")
    ),
    Call("GET", f"{_A}/ledgers/total", reads=("amount (number)",)),
    Call("GET", f"{_A}/ledgers/{{SOURCE}}", ("created_from", "created_to"), reads=("[].amount",)),
    Call("GET", f"{_A}/limits", reads=("id", "allow_prepay")),
    Call("GET", f"{_A}/services/summary", reads=("invoices",)),
    Call("GET", f"{_A}/callflows", ("filter_numbers",), reads=("[0].id",)),
    Call("GET", "webhooks", reads=("[].id",)),
    Call("GET", "security", reads=("available_auth_methods",)),
    Call("GET", "apps_store/marketplace", reads=("status",)),
    *(Call("GET", f"{_A}/{path}", wanted="404") for path in ("service_plans", "external_numbers")),
    Call("GET", f"{_A}/braintree/customer", wanted="404"),
    Call("POST", f"{_A}/limits", body={"data": {"inbound_trunks": 1}}, reads=("id", "inbound_trunks")),
    Call("PUT", f"{_A}/callflows", body={"data": NO_MATCH}, reads=("id", "flow.module")),
    Call("POST", f"{_A}/security", body={"data": {"auth_modules": {}}}, reads=("auth_modules",)),
    *(Call("PUT", f"{_A}/ledgers/{kind}", body={"data": ADJUSTMENT}, reads=("id",)) for kind in ("credit", "debit")),
)
"""For a checkout without the recorded calls."""

RECORDED: Final = [
    pytest.param(
        call,
        id=call.name,
    )
    for call in recorded()
] or [pytest.param(None, id="none", marks=pytest.mark.skip(reason="../shared is not here"))]


@pytest.mark.parametrize("call", RECORDED)
async def test_recorded_call_is_answered_on_a_fresh_system(world: World, call: Call) -> None:
    assert [*problems(call, await world.send(call))] == []


@pytest.mark.parametrize("call", RECORDED)
async def test_recorded_call_is_answered_after_use(world: World, call: Call) -> None:
    await world.use()
    if "callflows" in call.path and call.method != "GET":
        await world.remove_no_match()
    assert [*problems(call, await world.send(call))] == []


async def test_own_calls_are_answered_on_a_fresh_system_and_after_use(world: World) -> None:
    for call in OWN:
        assert [*problems(call, await world.send(call))] == [], call.name
    await world.remove_no_match()
    for call in OWN:
        assert [*problems(call, await world.send(call))] == [], call.name


@pytest.mark.parametrize(
    ("reads", "data"),
    [
        (("[].id",), {}),
        (("[].id",), None),
        (("[].id",), [None]),
        (("amount (number)",), {"amount": "0"}),
        (("amount (number)",), []),
        (("id",), {"id": None}),
        ((), None),
    ],
)
def test_problems_finds_data_that_breaks_a_page(reads: tuple[str, ...], data: Json) -> None:
    def answer(status: int, content_type: str = "application/json") -> Answer:
        headers = CIMultiDictProxy(CIMultiDict({"Content-Type": content_type}))
        return Answer(status, headers, dumps({"data": data}))

    call = Call("GET", "x", reads=reads)
    assert len([*problems(call, answer(200))]) == 1
    assert [*problems(call, answer(404))] != []
    assert [*problems(call, answer(200, "application/json; charset=utf-8"))] != []
