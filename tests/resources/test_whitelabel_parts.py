"""``whitelabel/logo``, ``/icon`` and ``/welcome``: uploading, and what is refused."""

import base64
import struct
from typing import Any

import pytest

from crossbar_appstore.resources import uploads
from tests.kit.service import Answer, Service
from tests.kit.system import System
from tests.resources.family import Family
from tests.samples.make_pictures import gif, jpeg, png, svg, webp

LOGO = png(6, 4, lambda x, y: (x + y) % 7)
PAGE = "<!doctype html><h1>Grüß Gott</h1>".encode()
BOUNDARY = "----whitelabel"


def ico(picture: bytes = LOGO, *, size: int | None = None) -> bytes:
    """An icon file with one picture, whose ``size`` in the directory may be false."""
    entry = struct.pack("<BBBBHHII", 6, 4, 0, 0, 1, 32, len(picture) if size is None else size, 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + picture


def form(content_type: str, body: bytes, file_name: str = "x.png", *, copies: int = 1) -> dict[str, Any]:
    """A multipart body as curl sends it, and the header that goes with it."""
    disposition = f'form-data; name="file"; filename="{file_name}"'
    part = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: {content_type}\r\n\r\n".encode()
    return {
        "body": (part + body + b"\r\n") * copies + f"--{BOUNDARY}--\r\n".encode(),
        "headers": {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    }


def raw(content_type: str, body: bytes, file_name: str | None = None) -> dict[str, Any]:
    named = {} if file_name is None else {"X-File-Name": file_name}
    return {"body": body, "headers": {"Content-Type": content_type, **named}}


def data_url(content_type: str, kind: str, body: bytes) -> dict[str, Any]:
    return raw(content_type, f"data:{kind};base64,".encode() + base64.b64encode(body))


@pytest.fixture
async def domain(service: Service, family: Family) -> str:
    """The domain of ``sub``, which has a whitelabel document."""
    found = f"ui.{family.tag}.test"
    assert (await service.put(f"accounts/{family.sub.id}/whitelabel", family.sub, {"domain": found})).status == 201
    return found


async def upload(service: Service, family: Family, part: str, sent: dict[str, Any]) -> Answer:
    return await service.post(f"accounts/{family.sub.id}/whitelabel/{part}", family.sub, **sent)


async def names(system: System, family: Family) -> list[str]:
    stored = await system.couch.open_doc(family.sub.database, "whitelabel")
    return sorted(stored.get("_attachments", {}))


@pytest.mark.parametrize(
    ("part", "sent", "content_type", "body"),
    [
        ("logo", raw("image/png", LOGO), "image/png", LOGO),
        ("logo", raw("image/jpg", jpeg(2, 2, lambda x, y: x)), "image/jpeg", jpeg(2, 2, lambda x, y: x)),
        ("logo", raw("image/gif", gif()), "image/gif", gif()),
        ("logo", raw("application/octet-stream", webp()), "image/webp", webp()),
        ("logo", raw("application/base64", base64.b64encode(LOGO)), "image/png", LOGO),
        ("logo", data_url("application/x-base64", "image/png", LOGO), "image/png", LOGO),
        ("logo", form("image/png", LOGO), "image/png", LOGO),
        ("icon", form("application/octet-stream", LOGO), "image/png", LOGO),
        ("icon", raw("image/vnd.microsoft.icon", ico()), "image/x-icon", ico()),
        ("icon", raw("image/ico", ico()), "image/x-icon", ico()),
        ("icon", data_url("application/base64", "image/x-icon", ico()), "image/x-icon", ico()),
        ("welcome", raw("text/html; charset=utf-8", PAGE), "text/html", PAGE),
        ("welcome", form("text/html", PAGE, "welcome.html"), "text/html", PAGE),
    ],
)
async def test_whitelabel_part_post_is_shown_by_the_domain_at_once(
    service: Service, family: Family, domain: str, part: str, sent: dict[str, Any], content_type: str, body: bytes
) -> None:
    answer = await upload(service, family, part, sent)
    assert (answer.status, answer.data) == (200, {}), answer.raw
    assert answer.envelope["revision"].startswith("2-")
    shown = await service.get(f"whitelabel/{domain}/{part}", headers={"Accept": "*/*"})
    assert (shown.status, shown.raw, shown.headers["Content-Type"]) == (200, body, content_type)
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in shown.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("part", "sent", "name"),
    [
        ("logo", raw("image/png", LOGO, "ours.png"), "logo-ours.png"),
        ("logo", raw("image/png", LOGO, "../../etc/passwd"), "logo-passwd.png"),
        ("logo", form("image/png", LOGO, "a b.PNG"), "logo-a b.PNG"),
        ("icon", raw("image/x-icon", ico(), "favicon.ico"), "icon-favicon.ico"),
        ("welcome", raw("text/html", PAGE, "page.htm"), "welcome-page.htm"),
        ("welcome", raw("text/html", PAGE, "page"), "welcome-page.html"),
    ],
)
async def test_whitelabel_part_post_names_the_attachment_by_part_and_file(
    system: System, service: Service, family: Family, domain: str, part: str, sent: dict[str, Any], name: str
) -> None:
    await upload(service, family, part, sent)
    assert await names(system, family) == [name]


async def test_whitelabel_logo_post_without_a_name_generates_one(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await upload(service, family, "logo", raw("image/png", LOGO))
    (name,) = await names(system, family)
    assert (len(name), name[-4:]) == (len("logo-") + 12 + 4, ".png")


async def test_whitelabel_logo_post_replaces_the_logo_only(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await upload(service, family, "icon", raw("image/png", LOGO, "i.png"))
    await upload(service, family, "logo", raw("image/png", LOGO, "one.png"))
    await upload(service, family, "logo", raw("image/gif", gif(), "two.gif"))
    assert await names(system, family) == ["icon-i.png", "logo-two.gif"]
    assert (await service.get(f"whitelabel/{domain}/logo")).raw == gif()
    assert (await service.get(f"whitelabel/{domain}/icon")).raw == LOGO


@pytest.mark.parametrize(("part", "left"), [("icon", ["icon-i.png", "picture.png"]), ("logo", ["logo-i.png"])])
async def test_whitelabel_part_post_to_an_old_document_knows_its_logo(
    system: System, service: Service, family: Family, domain: str, part: str, left: list[str]
) -> None:
    stored = await system.couch.open_doc(family.sub.database, "whitelabel")
    stub = {"content_type": "image/gif", "data": base64.b64encode(gif()).decode()}
    await system.put(family.sub.database, stored | {"_attachments": {"picture.png": stub}})
    assert (await upload(service, family, part, raw("image/png", LOGO, "i.png"))).status == 200
    assert await names(system, family) == left
    logo = await service.get(f"whitelabel/{domain}/logo")
    assert logo.raw == (LOGO if part == "logo" else gif())


async def test_whitelabel_logo_get_is_not_the_only_welcome_page(service: Service, family: Family, domain: str) -> None:
    await upload(service, family, "welcome", raw("text/html", PAGE))
    assert (await service.get(f"whitelabel/{domain}/logo")).status == 404


@pytest.mark.parametrize(
    ("part", "sent", "rule"),
    [
        ("logo", {"data": {}}, "required"),
        ("welcome", {"data": {}}, "required"),
        ("logo", form("image/png", LOGO, copies=2), "maxItems"),
        ("logo", raw("image/png", b"no picture"), "type"),
        ("logo", raw("image/png", PAGE), "type"),
        ("logo", raw("image/gif", LOGO), "type"),
        ("logo", raw("image/png", ico()), "type"),
        ("logo", raw("application/octet-stream", svg()), "svg"),
        ("icon", raw("image/x-icon", svg()), "svg"),
        ("icon", raw("image/x-icon", b"\0\0\1\0\1\0" + b"x" * 40), "type"),
        ("icon", raw("image/x-icon", ico(size=len(LOGO) + 1)), "type"),
        ("icon", raw("image/x-icon", b"\0\0\1\0"), "type"),
        ("icon", raw("image/png", ico()), "type"),
        ("icon", data_url("application/base64", "image/svg+xml", svg()), "svg"),
        ("logo", raw("application/base64", b"no base64!"), "encoding"),
        ("welcome", raw("text/html", "<p>Grüße".encode("latin-1")), "encoding"),
        ("welcome", raw("text/html", b"<p>\0"), "type"),
    ],
)
async def test_whitelabel_part_post_of_anything_else_is_400(
    system: System, service: Service, family: Family, domain: str, part: str, sent: dict[str, Any], rule: str
) -> None:
    answer = await upload(service, family, part, sent)
    assert answer.refusal[:2] == (400, "validation error"), answer.raw
    assert list(answer.data["file"]) == [rule]
    assert await names(system, family) == []


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ("logo", raw("text/html", LOGO)),
        ("icon", raw("text/plain", LOGO)),
        ("welcome", raw("image/png", PAGE)),
        ("welcome", raw("application/base64", base64.b64encode(PAGE))),
    ],
)
async def test_whitelabel_part_post_as_another_type_is_415(
    system: System, service: Service, family: Family, domain: str, part: str, sent: dict[str, Any]
) -> None:
    assert (await upload(service, family, part, sent)).status == 415
    assert await names(system, family) == []


@pytest.mark.filterwarnings("ignore:Sending a large body directly")
async def test_whitelabel_part_post_of_a_large_file_is_refused(service: Service, family: Family, domain: str) -> None:
    for part, sent in (
        ("logo", raw("image/png", LOGO + b"\0" * uploads.MAX_PICTURE)),
        ("welcome", raw("text/html", b"<p>" + b"x" * uploads.MAX_PAGE)),
    ):
        answer = await upload(service, family, part, sent)
        assert (answer.status, list(answer.data["file"])) == (400, ["maxSize"])
    answer = await upload(service, family, "icon", raw("image/png", LOGO + b"\0" * 8_000_000))
    assert (answer.status, list(answer.data["file"])) == (413, ["maxSize"])
    # Only uploads may be larger than JSON.
    document = f"accounts/{family.sub.id}/whitelabel"
    assert (await service.post(document, family.sub, **raw("image/png", b"\0" * 1_100_000))).status == 413


@pytest.mark.parametrize("part", ["logo", "icon", "welcome"])
async def test_whitelabel_part_post_without_a_document_is_404(service: Service, family: Family, part: str) -> None:
    sent = raw("text/html", PAGE) if part == "welcome" else raw("image/png", LOGO)
    answer = await upload(service, family, part, sent)
    assert answer.refusal == (404, "bad_identifier", {"cause": "whitelabel", "message": "bad identifier"})


async def test_whitelabel_logo_post_with_if_match_needs_the_newest_revision(
    service: Service, family: Family, domain: str
) -> None:
    first = await upload(service, family, "logo", raw("image/png", LOGO))
    known = first.envelope["revision"]
    assert (await upload(service, family, "icon", raw("image/png", LOGO))).status == 200
    stale = raw("image/gif", gif())
    stale["headers"] |= {"If-Match": f'"{known}"'}
    assert (await upload(service, family, "logo", stale)).status == 412
    assert (await service.get(f"whitelabel/{domain}/logo")).raw == LOGO


async def test_whitelabel_domain_in_front_of_an_app_follows_a_write_at_once(
    system: System, service: Service, family: Family, domain: str
) -> None:
    app = f"apps_store/{system.apps['voip']}"
    path = f"whitelabel/{domain}/{app}"
    assert (await service.get(path, family.sub)).status == 200
    hidden = {"domain": domain, "company_name": "Acme"}
    await service.post(f"accounts/{family.sub.id}/whitelabel", family.sub, hidden)
    language = f"whitelabel/{domain}/i18n/de/{app}/icon"
    assert (await service.get(language, headers={"Accept": "*/*"})).status == 200
    await service.delete(f"accounts/{family.sub.id}/whitelabel", family.sub)
    assert (await service.get(path, family.sub)).status == 403
