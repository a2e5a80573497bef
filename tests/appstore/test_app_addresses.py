import pytest

from crossbar_appstore.appstore.app_addresses import (
    fault_of_address,
    is_harmless,
    is_relative,
    trimmed,
    without_credentials,
)

URL = "https://api.example.com:8443/v2/"


@pytest.mark.parametrize(
    "around", ["\r", "\r\n", " ", "\t\n ", "\0", "\x7f", "\x85", "\u00a0", "\u2028", "\ufeff", "\u200b"]
)
def test_trimmed_removes_blanks_and_control_characters_around(around: str) -> None:
    assert trimmed(f"{around}{URL}{around}") == URL


def test_trimmed_keeps_what_is_inside() -> None:
    assert trimmed(" a b\r\nc ") == "a b\r\nc"


@pytest.mark.parametrize(
    "address",
    [
        URL,
        "http://localhost:8000/v2",
        "HTTPS://API.EXAMPLE.COM/v2/",
        "https://api.example.com/",
        "https://[2001:db8::1]:8443/v2/",
        "http://10.26.0.41/api/v2/",
        "https://api.example.com:/v2/",
        "https://host/a%20b/(x)/v2",
        "/v2/",
        "v2/",
        "//api.example.com:8000/v2/",
        "../v2/",
    ],
)
def test_fault_of_address_accepts_addresses_of_an_api(address: str) -> None:
    assert fault_of_address("api_url", address) is None
    assert fault_of_address("source_url", address) is None
    assert is_harmless(address)


@pytest.mark.parametrize(
    ("address", "rule", "word"),
    [
        ("", "empty", "empty"),
        ("https://api.example.com/v2 /", "characters", "a blank at position 27"),
        ("https://api.example.com/\r\nv2/", "characters", "U+000D"),
        ("java\tscript:alert(1)", "characters", "U+0009"),
        ("https://api.example.com/\u202ev2/", "characters", "U+202E"),
        ("https://b\u00fccher.example/v2/", "characters", "xn--"),
        ("https://api.example.com/<v2>/", "characters", "%3C"),
        ("https:\\\\api.example.com\\v2\\", "characters", "%5C"),
        ("https://api.example.com/%zz/v2/", "characters", "two hexadecimal digits"),
        ("https://api.example.com/[v2]/", "characters", "bracket"),
        ("javascript:alert(1)", "scheme", "javascript"),
        ("data:text/html,x", "scheme", "data"),
        ("ftp://api.example.com/v2/", "scheme", "ftp"),
        ("api.example.com:8443/v2/", "scheme", "https://"),
        ("localhost:8000/v2/", "scheme", "https://"),
        ("10.26.0.41:8000/v2/", "scheme", "https://"),
        ("https://", "host", "no host"),
        ("https:///v2/", "host", "no host"),
        ("https:api.example.com/v2/", "host", "no host"),
        ("https://:8443/v2/", "host", "no host"),
        ("//:8443/v2/", "host", "no host"),
        ("https://[::g]/v2/", "host", "IPv6"),
        ("https://a:b:1/v2/", "port", "b:1"),
        ("https://[::1]x/v2/", "host", "none"),
        ("https://host:port/v2/", "port", "port"),
        ("https://host:0/v2/", "port", "0"),
        ("https://host:65536/v2/", "port", "65536"),
        (f"https://host:{'9' * 5000}/v2/", "port", "9"),
        ("https://user:secret@host/v2/", "credentials", "password"),
        ("https://user@host/v2/", "credentials", "user"),
        ("https://@host/v2/", "credentials", "user"),
        ("//user:secret@host/v2/", "credentials", "password"),
        ("https://host/v2/?x=1", "suffix", "?"),
        ("https://host/v2/#x", "suffix", "#"),
    ],
)
def test_fault_of_address_says_what_is_wrong(address: str, rule: str, word: str) -> None:
    for key in ("api_url", "source_url"):
        fault = fault_of_address(key, address)
        assert fault is not None
        assert fault[0] == rule
        assert word in fault[1]
        assert "secret" not in fault[1]


@pytest.mark.parametrize(
    ("address", "rule", "word"),
    [
        ("https://api.example.com/v1/", "version", "v2"),
        ("https://api.example.com/v3", "version", "v2"),
        ("/v10/", "version", "v2"),
        ("https://api.example.com", "path", "no path"),
        ("http://localhost:8000", "path", "no path"),
        ("https://api.example.com/v2.1", "path", "dot"),
        ("api.example.com", "path", "dot"),
    ],
)
def test_fault_of_address_of_an_api_that_the_web_client_cannot_use(address: str, rule: str, word: str) -> None:
    fault = fault_of_address("api_url", address)
    assert fault is not None
    assert fault[0] == rule
    assert word in fault[1]
    assert fault_of_address("source_url", address) is None


def test_is_relative_without_scheme() -> None:
    assert [is_relative(each) for each in ("/v2/", "v2", "//host/v2/", URL, "HTTP://x/")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:alert(1)",
        "\x01javascript:alert(1)",
        "java\nscript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://host/1",
        "api.example.com:8443/v2/",
        "https://api.example.com:8443/v2/\r",
        " https://api.example.com/v2/",
        "https://api.example.com/v 2/",
        "https://api.example.com/\u00a0",
        "https://api.example.com/\u2028",
        "https://user:secret@host/v2/",
        "https://user@host/v2/",
        "HTTP://:@host",
        "//user:secret@host/",
        "https:\\\\user:secret@host/",
        "https:user:secret@host/",
        "https:////user:secret@host/",
        "/\\user:secret@host/",
    ],
)
def test_is_harmless_refuses_what_runs_or_holds_credentials(address: str) -> None:
    assert not is_harmless(address)


@pytest.mark.parametrize(
    "address",
    ["", "https://", "https://host", "https://host/@x", "/a@b", "x/y:z", "https://b\u00fccher.example/", "./a:b"],
)
def test_is_harmless_accepts_other_addresses_though_they_may_be_faulty(address: str) -> None:
    assert is_harmless(address)


def test_without_credentials_hides_user_and_password() -> None:
    assert without_credentials("https://user:se@cret@host/v2/") == "https://…@host/v2/"
    assert without_credentials(URL) == URL
