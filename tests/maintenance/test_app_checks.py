from typing import Any

import pytest

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db, encoded_account_db, new_id
from crossbar_appstore.maintenance.checks import CheckedApp, app_findings, catalogue_findings
from crossbar_appstore.maintenance.reports import Finding, Severity
from tests.maintenance.folders import metadata

MASTER = new_id()
PNG_STUB = {"content_type": "image/png", "length": 5, "stub": True}


def document(**fields: Any) -> JsonObject:
    """A valid app document; a field given as ``...`` is left out."""
    stored = {
        **metadata(screenshots=["one.png"]),
        "_id": new_id(),
        "_rev": "1-a",
        "pvt_type": "app",
        "pvt_account_id": MASTER,
        "pvt_account_db": encoded_account_db(MASTER),
        "api_url": "https://api.example.com/v2/",
        "_attachments": {"icon.png": PNG_STUB, "one.png": PNG_STUB},
        **fields,
    }
    return {key: value for key, value in stored.items() if value is not ...}


def findings(**fields: Any) -> list[Finding]:
    return list(app_findings(CheckedApp(document(**fields), MASTER)))


def the_finding(**fields: Any) -> Finding:
    (found,) = findings(**fields)
    return found


def repaired(found: Finding, **fields: Any) -> JsonObject:
    """The document after the safe repair of a finding."""
    assert found.repair is not None
    assert found.repair.database == account_db(MASTER)
    return found.repair.change(document(**fields))


def test_app_findings_accepts_valid_app() -> None:
    assert findings() == []
    assert findings(api_url=...) == []
    assert findings(published=False, extends=["voip"], own={"a": 1}) == []


@pytest.mark.parametrize("name", [..., None, "", {}, True])
def test_app_findings_reports_missing_name(name: Any) -> None:
    found = [one for one in findings(name=name) if one.check == "name"]
    assert [one.severity for one in found] == [Severity.ERROR]
    assert "(no name)" in found[0].subject


@pytest.mark.parametrize("name", ["userportal4", "Rates", "my_app", "a--b", "-app"])
def test_app_findings_warns_about_name_that_is_not_routable(name: str) -> None:
    found = the_finding(name=name)
    assert (found.severity, found.check, found.value) == (Severity.WARNING, "name", name)


@pytest.mark.parametrize("i18n", [..., None, {}, [], "words"])
def test_app_findings_repairs_missing_texts_with_name(i18n: Any) -> None:
    found = the_finding(i18n=i18n)
    assert (found.severity, found.check) == (Severity.ERROR, "label")
    made = repaired(found, i18n=i18n)["i18n"]
    assert made == {"en-US": {"label": "wallboard", "description": "wallboard"}}


def test_app_findings_offers_no_label_repair_without_name() -> None:
    found = [one for one in findings(i18n={}, name=...) if one.check == "label"]
    assert [one.repair for one in found] == [None]
    found = [one for one in findings(i18n={"en-US": {"description": "Words"}}, name=...) if one.check == "label"]
    assert [one.repair for one in found] == [None]


@pytest.mark.parametrize("label", [..., None, "", 5, {}])
def test_app_findings_repairs_missing_label_of_language(label: Any) -> None:
    texts = {"label": label, "description": "Words", "features": ["x"]}
    i18n = {
        "en-US": {"label": "Label", "description": "Words"},
        "de-DE": {k: v for k, v in texts.items() if v is not ...},
    }
    found = the_finding(i18n=i18n)
    assert (found.severity, found.check) == (Severity.ERROR, "label")
    assert found.command is not None
    assert found.command.endswith("--language de-DE")
    made = repaired(found, i18n=i18n)["i18n"]
    assert made["de-DE"] == {"label": "wallboard", "description": "Words", "features": ["x"]}
    assert made["en-US"] == i18n["en-US"]


def test_app_findings_reports_language_without_texts() -> None:
    found = the_finding(i18n={"en-US": {"label": "Label", "description": "Words"}, "xx": "words"})
    assert (found.severity, found.check, found.value) == (Severity.ERROR, "label", "words")


def test_app_findings_reports_markup_in_label() -> None:
    found = the_finding(i18n={"en-US": {"label": "<b>Label</b>", "description": "Words"}})
    assert (found.severity, found.check, found.value) == (Severity.ERROR, "markup", "<b>Label</b>")
    assert found.repair is None


@pytest.mark.parametrize("value", ["", None])
@pytest.mark.parametrize("key", ["api_url", "source_url"])
def test_app_findings_removes_empty_address(key: str, value: str | None) -> None:
    found = the_finding(**{key: value})
    assert (found.severity, found.check) == (Severity.ERROR, key)
    assert key not in repaired(found, **{key: value})


@pytest.mark.parametrize(
    "value",
    ["javascript:alert(1)", "ftp://x/", 5, "https://", "https://a b/v2/", "https://:1/v2/", "https://x/v1/"],
)
def test_app_findings_reports_address_that_is_not_a_url(value: Any) -> None:
    found = [one for one in findings(api_url=value) if one.check == "api_url"]
    assert [one.severity for one in found] == [Severity.ERROR]
    assert found[0].repair is None


@pytest.mark.parametrize("key", ["api_url", "source_url"])
def test_app_findings_says_which_addresses_are_left_out_of_responses(key: str) -> None:
    found = the_finding(**{key: "https://me:secret@host/v2/"})
    assert (found.severity, found.check, found.value) == (Severity.ERROR, key, "https://…@host/v2/")
    assert "left out of every response" in found.message
    assert "left out" not in the_finding(**{key: "https://host:0/v2/"}).message


def test_app_findings_repairs_address_with_a_line_end() -> None:
    found = the_finding(api_url="https://api.example.com:8443/v2/\r")
    assert (found.severity, found.check) == (Severity.ERROR, "api_url")
    assert "left out of every response" in found.message
    assert (
        repaired(found, api_url="https://api.example.com:8443/v2/\r")["api_url"] == "https://api.example.com:8443/v2/"
    )


@pytest.mark.parametrize("value", ["//10.26.0.21:8000/v2", "/v2/"])
def test_app_findings_mentions_relative_address(value: str) -> None:
    found = the_finding(api_url=value)
    assert (found.severity, found.check, found.value) == (Severity.INFO, "api_url", value)


@pytest.mark.parametrize("locale", ["de-DE", "en-us"])
def test_app_findings_warns_about_missing_english_texts(locale: str) -> None:
    found = the_finding(i18n={locale: {"label": "Tafel", "description": "Alles im Blick"}})
    assert (found.severity, found.check, found.value) == (Severity.WARNING, "language", [locale])
    assert locale in found.message
    assert found.command is not None
    assert "set-app-label" in found.command


def test_app_findings_warns_about_http_address() -> None:
    found = the_finding(api_url="http://api.example.com:8000/v2/")
    assert (found.severity, found.check) == (Severity.WARNING, "api_url")
    assert "https" in found.message


def test_app_findings_warns_about_sample_host() -> None:
    assert [found.check for found in findings(api_url="https://10.26.0.41:8000/v2")] == ["api_url"]


@pytest.mark.parametrize(
    ("value", "word"),
    [("https://api.example.com", "no path"), ("https://host:8000", "no path"), ("https://x/v2.1", "dot")],
)
def test_app_findings_warns_about_address_without_path_or_ending_in_dotted_segment(value: str, word: str) -> None:
    found = the_finding(api_url=value)
    assert found.severity is Severity.WARNING
    assert word in found.message
    assert findings(source_url=value) == []


@pytest.mark.parametrize("value", ["https://api.example.com/", "https://api.example.com/v2", "https://host:8000/"])
def test_app_findings_accepts_other_addresses(value: str) -> None:
    assert findings(api_url=value) == []


@pytest.mark.parametrize("icon", [..., "", None, 5])
def test_app_findings_warns_about_missing_icon_name(icon: Any) -> None:
    found = [one for one in findings(icon=icon) if one.check == "icon"]
    assert [one.severity for one in found] == [Severity.WARNING]


def test_app_findings_warns_about_pictures_not_attached() -> None:
    found = findings(screenshots=["one.png", "two.png"], _attachments={"one.png": PNG_STUB})
    assert [(one.check, one.value) for one in found] == [("icon", "icon.png"), ("screenshot", "two.png")]
    assert [(one.check, one.value) for one in findings(_attachments=...)] == [
        ("icon", "icon.png"),
        ("screenshot", "one.png"),
    ]


def test_app_findings_warns_about_pictures_of_storage_plan() -> None:
    elsewhere: JsonObject = {"icon.png": {"handler": {}}, "one.png": {"handler": {}}}
    found = findings(_attachments=..., pvt_attachments=elsewhere)
    assert len(found) == 2
    assert all("storage plan" in one.message for one in found)


def test_app_findings_repairs_empty_screenshot_names() -> None:
    found = the_finding(screenshots=["", "one.png", ""])
    assert (found.check, found.severity) == ("screenshot", Severity.WARNING)
    assert repaired(found, screenshots=["", "one.png", ""])["screenshots"] == ["one.png"]


def test_app_findings_warns_about_doubtful_picture_types() -> None:
    svg = {"content_type": "image/svg+xml", "length": 5}
    octets = {"content_type": "application/octet-stream", "length": 5}
    found = findings(_attachments={"icon.png": svg, "one.png": octets})
    assert [(one.check, one.value) for one in found] == [
        ("picture_type", "image/svg+xml"),
        ("picture_type", "application/octet-stream"),
    ]


def test_app_findings_reports_other_schema_errors() -> None:
    found = sorted(findings(price="2.00", phase="ready"), key=lambda one: one.message, reverse=True)
    assert [(one.check, one.severity, one.value) for one in found] == [
        ("schema", Severity.WARNING, "2.00"),
        ("schema", Severity.WARNING, "ready"),
    ]
    assert "price" in found[0].message


@pytest.mark.parametrize("owner", [{"pvt_account_id": "x"}, {"pvt_account_db": account_db(MASTER)}])
def test_app_findings_repairs_wrong_owner(owner: JsonObject) -> None:
    found = the_finding(**owner)
    assert (found.check, found.severity) == ("owner", Severity.WARNING)
    made = repaired(found, **owner)
    assert (made["pvt_account_id"], made["pvt_account_db"]) == (MASTER, encoded_account_db(MASTER))


def test_catalogue_findings_reports_apps_of_one_name() -> None:
    apps = [CheckedApp(document(), MASTER), CheckedApp(document(), MASTER), CheckedApp(document(name="alone"), MASTER)]
    (found,) = catalogue_findings(apps)
    assert (found.check, found.severity, found.value) == ("duplicate_name", Severity.ERROR, "wallboard")
    assert apps[0].id in found.message
    assert apps[1].id in found.message
    assert found.command == f"crossbar-appstore set-app-field {apps[1].id} name NAME"


def test_catalogue_findings_ignores_names_that_are_not_texts() -> None:
    apps = [CheckedApp(document(name=5), MASTER), CheckedApp(document(name=5), MASTER)]
    assert "duplicate_name" not in [found.check for found in catalogue_findings(apps)]
