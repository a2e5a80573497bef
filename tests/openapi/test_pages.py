"""``/v2/openapi.json`` and ``/docs``."""

import aiohttp

from tests.kit.service import Service


async def fetched(service: Service, path: str, **headers: str) -> tuple[int, aiohttp.ClientResponse, bytes]:
    address = await service.address()
    async with aiohttp.ClientSession() as session, session.get(f"{address}{path}", headers=headers) as reply:
        return reply.status, reply, await reply.read()


async def test_openapi_json_is_the_document_for_any_origin(service: Service) -> None:
    status, reply, _ = await fetched(service, "/v2/openapi.json")
    assert status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    document = await reply.json()
    assert document["openapi"] == "3.1.0"
    assert "/accounts/{account_id}/apps_store" in document["paths"]


async def test_openapi_json_is_compressed_once_and_not_sent_again(service: Service) -> None:
    status, reply, body = await fetched(service, "/v2/openapi.json", **{"Accept-Encoding": "gzip"})
    assert (status, reply.headers["Content-Encoding"]) == (200, "gzip")
    assert body.startswith(b"{")
    etag = reply.headers["ETag"]
    again, _, nothing = await fetched(service, "/v2/openapi.json", **{"Accept-Encoding": "gzip", "If-None-Match": etag})
    assert (again, nothing) == (304, b"")
    other, _, _ = await fetched(service, "/v2/openapi.json", **{"Accept-Encoding": "identity", "If-None-Match": etag})
    assert other == 200


async def test_docs_shows_viewer_from_this_origin_only(service: Service) -> None:
    status, reply, body = await fetched(service, "/docs")
    assert (status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = reply.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "http" not in policy
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "viewer.js"):
        assert f'"docs/{name}"'.encode() in body
        assert (await fetched(service, f"/docs/{name}"))[0] == 200


async def test_docs_has_no_other_files(service: Service) -> None:
    for path in ("/docs/", "/docs/VERSION", "/docs/LICENSE", "/docs/..%2Fdocument.py", "/docs/nothing.js"):
        status, reply, _ = await fetched(service, path)
        assert (status, reply.headers["Content-Type"]) == (404, "application/json"), path
