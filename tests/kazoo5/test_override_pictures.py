"""…/override/icon and …/override/screenshot: uploading, reading and removing."""

import base64
from typing import Any

import pytest

from crossbar_appstore.resources import uploads
from tests.kazoo5.branding import LOGO, OTHER, PHOTO, Branding
from tests.kit.apps import FIRST, ICON, SECOND
from tests.samples.make_pictures import svg

BOUNDARY = "----k5"


def part(content_type: str, body: bytes, disposition: str = 'form-data; name="file"; filename="x.png"') -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: {content_type}\r\n\r\n"
    return head.encode() + body + b"\r\n"


def multipart(*parts: bytes) -> dict[str, Any]:
    """A body, and the header that goes with it."""
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return {"body": body, "headers": {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}}


def upload_rules(answer: Any) -> list[str]:
    assert answer.refusal[:2] == (400, "validation error"), answer.raw
    assert list(answer.data) == ["file"]
    return list(answer.data["file"])


async def test_override_icon_post_saves_it_with_the_document(branding: Branding) -> None:
    created = await branding.create(i18n={"en-US": {"label": "Our telephony"}})
    answer = await branding.upload("icon", LOGO, "image-icon.png")
    i18n = {"en-US": {"label": "Our telephony", "icon": "icon-en-US-image-icon.png"}}
    assert (answer.status, answer.data) == (200, {"i18n": i18n, "id": branding.doc_id})
    generations = [int(each.envelope["revision"].split("-")[0]) for each in (created, answer)]
    assert generations == [1, 2]
    stub = (await branding.stored())["_attachments"]["icon-en-US-image-icon.png"]
    assert (stub["content_type"], stub["length"]) == ("image/png", len(LOGO.body))


async def test_override_icon_get_returns_the_uploaded_bytes(branding: Branding) -> None:
    await branding.create()
    await branding.upload("icon", LOGO)
    answer = await branding.service.get(f"{branding.path()}/icon", branding.reseller)
    assert (answer.status, answer.raw, answer.headers["Content-Type"]) == (200, LOGO.body, "image/png")
    assert answer.headers["Content-Disposition"] == "attachment; filename=icon-en-US-logo.png"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    again = {"If-None-Match": answer.etag}
    assert (await branding.service.get(f"{branding.path()}/icon", branding.reseller, headers=again)).status == 304
    wanted = {"Accept": "application/json"}
    assert (await branding.service.get(f"{branding.path()}/icon", branding.reseller, headers=wanted)).status == 406


@pytest.mark.parametrize(
    "sent",
    [
        {"body": LOGO.body, "headers": {"Content-Type": "image/png", "X-File-Name": "x.png"}},
        {"body": LOGO.body, "headers": {"Content-Type": "application/octet-stream", "X-File-Name": "x.png"}},
        {
            "body": base64.b64encode(LOGO.body),
            "headers": {"Content-Type": "application/base64", "X-File-Name": "x.png"},
        },
        {
            "body": b"data:image/png;base64," + base64.b64encode(LOGO.body),
            "headers": {"Content-Type": "application/x-base64", "X-File-Name": "x.png"},
        },
        multipart(part("image/png", LOGO.body)),
        multipart(part("application/octet-stream", LOGO.body)),
        multipart(part("image/png", LOGO.body), part("application/json", b'{"data": {"x": 1}}', "form-data")),
    ],
    ids=["raw", "untyped", "base64", "data-uri", "multipart", "multipart-untyped", "multipart-json"],
)
async def test_override_icon_post_accepts_every_form_of_kazoo(branding: Branding, sent: dict[str, Any]) -> None:
    await branding.create()
    answer = await branding.service.post(f"{branding.path()}/icon", branding.reseller, **sent)
    assert (answer.status, answer.data["i18n"]) == (200, {"en-US": {"icon": "icon-en-US-x.png"}})
    assert (await branding.service.get(f"{branding.path()}/icon", branding.reseller)).raw == LOGO.body


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("logo", "icon-en-US-logo.png"),
        ("logo.PNG", "icon-en-US-logo.PNG"),
        ("page.html", "icon-en-US-page.html.png"),
        ("../../etc/passwd", "icon-en-US-passwd.png"),
        ("C:\\Pictures\\logo.png", "icon-en-US-logo.png"),
        ("a b (1).png", "icon-en-US-a b (1).png"),
    ],
)
async def test_override_icon_post_names_the_attachment_by_kind_language_and_file(
    branding: Branding, sent: str, stored: str
) -> None:
    await branding.create()
    answer = await branding.upload("icon", LOGO, sent)
    assert answer.data["i18n"]["en-US"]["icon"] == stored
    assert (await branding.service.get(f"{branding.path()}/icon", branding.reseller)).raw == LOGO.body


async def test_override_icon_post_generates_a_missing_name(branding: Branding) -> None:
    await branding.create()
    headers = {"Content-Type": "image/png"}
    answer = await branding.service.post(f"{branding.path()}/icon", branding.reseller, body=LOGO.body, headers=headers)
    name = answer.data["i18n"]["en-US"]["icon"]
    assert name.startswith("icon-en-US-")
    assert len(name) == len("icon-en-US-") + 12 + len(".png")


async def test_override_icon_post_replaces_the_icon(branding: Branding) -> None:
    await branding.create()
    await branding.upload("icon", LOGO, "one.png")
    await branding.upload("icon", OTHER, "two.gif")
    assert list((await branding.stored())["_attachments"]) == ["icon-en-US-two.gif"]
    answer = await branding.service.get(f"{branding.path()}/icon", branding.reseller)
    assert (answer.raw, answer.headers["Content-Type"]) == (OTHER.body, "image/gif")


async def test_override_screenshot_post_prepends_or_replaces_by_name(branding: Branding) -> None:
    await branding.create()
    await branding.upload("screenshot", LOGO, "one.png")
    await branding.upload("screenshot", PHOTO, "two.jpg")
    answer = await branding.upload("screenshot", LOGO, "three.png")
    names = [f"screenshot-en-US-{name}" for name in ("three.png", "two.jpg", "one.png")]
    assert answer.data["i18n"]["en-US"]["screenshots"] == names
    # The same name again replaces the picture.
    await branding.upload("screenshot", FIRST, "one.png")
    stored = await branding.stored()
    assert sorted(stored["_attachments"]) == sorted(names)
    path = f"{branding.path()}/screenshot"
    for key, picture in (("0", FIRST), ("2", PHOTO), (names[0], LOGO)):
        assert (await branding.service.get(f"{path}/{key}", branding.reseller)).raw == picture.body


@pytest.mark.parametrize("key", ["0", "screenshot-en-US-two.jpg"])
async def test_override_screenshot_delete_by_index_or_name(branding: Branding, key: str) -> None:
    await branding.create(author="Us")
    await branding.upload("screenshot", LOGO, "one.png")
    await branding.upload("screenshot", PHOTO, "two.jpg")
    answer = await branding.service.delete(f"{branding.path()}/screenshot/{key}", branding.reseller, {})
    assert (answer.status, answer.data["i18n"]) == (200, {"en-US": {"screenshots": ["screenshot-en-US-one.png"]}})
    assert list((await branding.stored())["_attachments"]) == ["screenshot-en-US-one.png"]
    answer = await branding.service.delete(f"{branding.path()}/screenshot/0", branding.reseller, {})
    # An empty object would be merged over the app.
    assert answer.data == {"author": "Us", "id": branding.doc_id}


async def test_override_icon_delete_removes_it(branding: Branding) -> None:
    await branding.create(i18n={"en-US": {"label": "Our telephony"}})
    await branding.upload("icon", LOGO)
    path = f"{branding.path()}/icon"
    answer = await branding.service.delete(path, branding.reseller, {})
    assert (answer.status, answer.data["i18n"]) == (200, {"en-US": {"label": "Our telephony"}})
    assert (await branding.stored()).get("_attachments", {}) == {}
    missing = {"message": "failed to find attachment", "cause": "icon attachment"}
    assert (await branding.service.get(path, branding.reseller)).refusal == (404, "not_found", missing)
    assert (await branding.service.delete(path, branding.reseller, {})).refusal == (404, "not_found", missing)


async def test_override_icon_post_keeps_pictures_of_other_languages(branding: Branding) -> None:
    await branding.create()
    await branding.upload("icon", LOGO)
    answer = await branding.upload("icon", OTHER, "logo.gif", language="de-DE")
    assert answer.data["i18n"] == {"en-US": {"icon": "icon-en-US-logo.png"}, "de-DE": {"icon": "icon-de-DE-logo.gif"}}
    service, reseller = branding.service, branding.reseller
    assert (await service.get(f"{branding.path(language='de-DE')}/icon", reseller)).raw == OTHER.body
    # A picture that a language does not have is shown in English, and cannot be removed for that language.
    assert (await service.get(f"{branding.path(language='fr-FR')}/icon", reseller)).raw == LOGO.body
    assert (await service.delete(f"{branding.path(language='fr-FR')}/icon", reseller, {})).status == 404
    assert (await service.delete(f"{branding.path(language='de-DE')}/icon", reseller, {})).status == 200
    assert list((await branding.stored())["_attachments"]) == ["icon-en-US-logo.png"]


@pytest.mark.parametrize("language", ["x", "en_US", "..", "en-US%2Ficon", "%2e%2e%2f", "e" * 40])
async def test_override_icon_post_refuses_a_malformed_language(branding: Branding, language: str) -> None:
    await branding.create()
    answer = await branding.upload("icon", LOGO, language=language)
    assert (answer.status, list(answer.data)) == (400, ["language"])
    assert "_attachments" not in await branding.stored()


async def test_override_post_keeps_pictures(branding: Branding) -> None:
    await branding.create()
    await branding.upload("icon", LOGO)
    data = {"i18n": {"en-US": {"label": "Our telephony", "icon": "icon-en-US-logo.png"}}}
    assert (await branding.service.post(branding.path(), branding.reseller, data)).status == 200
    assert (await branding.service.get(f"{branding.path()}/icon", branding.reseller)).raw == LOGO.body


async def test_override_icon_post_keeps_attachments_of_others(branding: Branding) -> None:
    attached = {"terms.pdf": {"content_type": "application/pdf", "data": base64.b64encode(b"%PDF").decode()}}
    await branding.store(_attachments=attached)
    await branding.upload("icon", LOGO)
    assert sorted((await branding.stored())["_attachments"]) == ["icon-en-US-logo.png", "terms.pdf"]


async def test_override_icon_post_without_override_is_404(branding: Branding) -> None:
    answer = await branding.upload("icon", LOGO)
    assert answer.refusal == (404, "bad_identifier", {"cause": branding.doc_id, "message": "bad identifier"})
    answer = await branding.service.get(f"{branding.path()}/icon", branding.reseller)
    assert answer.refusal[:2] == (404, "bad_identifier")


@pytest.mark.parametrize("kind", ["icon", "screenshot"])
async def test_override_pictures_post_refuses_a_request_without_file(branding: Branding, kind: str) -> None:
    await branding.create()
    assert upload_rules(await branding.service.post(f"{branding.path()}/{kind}", branding.reseller, {})) == ["required"]


async def test_override_icon_post_refuses_two_files(branding: Branding) -> None:
    await branding.create()
    sent = multipart(part("image/png", LOGO.body), part("image/png", LOGO.body))
    assert upload_rules(await branding.service.post(f"{branding.path()}/icon", branding.reseller, **sent)) == [
        "maxItems"
    ]


@pytest.mark.parametrize(
    ("content_type", "content", "rule"),
    [
        ("image/png", b"<html><script>alert(1)</script></html>", "type"),
        ("image/png", PHOTO.body, "type"),
        ("image/png", b"\x89PNG", "type"),
        ("application/octet-stream", b"%PDF-1.7 no picture", "type"),
        ("image/png", svg(), "svg"),
        ("image/svg+xml", svg(), "svg"),
    ],
    ids=["html", "jpeg", "cut", "pdf", "svg-as-png", "svg"],
)
async def test_override_icon_post_accepts_only_bytes_of_a_picture(
    branding: Branding, content_type: str, content: bytes, rule: str
) -> None:
    await branding.create()
    headers = {"Content-Type": content_type, "X-File-Name": "x.png"}
    answer = await branding.service.post(f"{branding.path()}/icon", branding.reseller, body=content, headers=headers)
    assert upload_rules(answer) == [rule]
    assert "_attachments" not in await branding.stored()


async def test_override_icon_post_accepts_aliases_of_media_types(branding: Branding) -> None:
    await branding.create()
    headers = {"Content-Type": "image/jpg", "X-File-Name": "x.jpg"}
    path = f"{branding.path()}/icon"
    assert (await branding.service.post(path, branding.reseller, body=PHOTO.body, headers=headers)).status == 200
    answer = await branding.service.get(path, branding.reseller)
    assert answer.headers["Content-Type"] == "image/jpeg"


async def test_override_icon_post_refuses_another_content_type(branding: Branding) -> None:
    await branding.create()
    headers = {"Content-Type": "text/plain"}
    path = f"{branding.path()}/icon"
    assert (await branding.service.post(path, branding.reseller, body=LOGO.body, headers=headers)).status == 415
    # Nor is a picture accepted where none can be sent.
    assert (
        await branding.service.post(branding.path(), branding.reseller, body=LOGO.body, headers=headers)
    ).status == 415


async def test_override_icon_post_limits_the_size(branding: Branding, monkeypatch: pytest.MonkeyPatch) -> None:
    await branding.create()
    monkeypatch.setattr(uploads, "MAX_PICTURE", len(LOGO.body) - 1)
    assert upload_rules(await branding.upload("icon", LOGO)) == ["maxSize"]
    monkeypatch.setattr(uploads, "MAX_PICTURE", len(LOGO.body))
    assert (await branding.upload("icon", LOGO)).status == 200


async def test_apps_store_icon_get_shows_the_override_to_its_account_only(branding: Branding) -> None:
    service = branding.service
    await branding.create()
    await branding.upload("icon", LOGO)
    seen = await service.get(f"{branding.reseller.path}/{branding.app}/icon", branding.reseller)
    assert (seen.raw, seen.headers["Cache-Control"]) == (LOGO.body, "private, max-age=300")
    for path, caller in (
        (f"{branding.customer.path}/{branding.app}/icon", branding.customer),
        (f"apps_store/{branding.app}/icon", None),
    ):
        assert (await service.get(path, caller)).raw == ICON.body


async def test_apps_store_screenshot_get_shows_those_of_the_override(branding: Branding) -> None:
    path = f"{branding.reseller.path}/{branding.app}/screenshot"
    service, reseller = branding.service, branding.reseller
    assert [(await service.get(f"{path}/{n}", reseller)).raw for n in (0, 1)] == [FIRST.body, SECOND.body]
    await branding.create()
    await branding.upload("screenshot", LOGO)
    assert (await service.get(f"{path}/0", reseller)).raw == LOGO.body
    assert (await service.get(f"{path}/screenshot-en-US-logo.png", reseller)).raw == LOGO.body
    assert (await service.get(f"{path}/1", reseller)).refusal == (404, "bad identifier", ["screenshot/1"])


async def test_override_icon_get_shows_a_catalogue_picture_named_by_the_override(branding: Branding) -> None:
    await branding.create(icon="first.png", screenshots=["icon.png"])
    path = f"{branding.reseller.path}/{branding.app}"
    assert (await branding.service.get(f"{path}/icon", branding.reseller)).raw == FIRST.body
    assert (await branding.service.get(f"{path}/screenshot/0", branding.reseller)).raw == ICON.body


async def test_apps_store_icon_get_shows_the_catalogues_where_the_override_names_none(branding: Branding) -> None:
    await branding.create(i18n={"en-US": {"icon": "nothing.png"}})
    path = f"{branding.reseller.path}/{branding.app}/icon"
    assert (await branding.service.get(path, branding.reseller)).raw == ICON.body
