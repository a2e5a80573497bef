"""Which paths a proxy beside KAZOO sends where."""

from typing import Final

_ACCOUNT: Final = "accounts/" + "0" * 32

OURS: Final = (
    f"/v2/{_ACCOUNT}/apps_store",
    f"/v2/{_ACCOUNT}/apps_store/",
    f"/v1/{_ACCOUNT}/apps_store/blacklist",
    f"/v2/{_ACCOUNT}/users/{'0' * 32}/apps_store/{'1' * 32}/icon",
    f"/v2/apps_store/{'1' * 32}/screenshot/0",
    f"/v2/i18n/en-US/apps_store/{'1' * 32}/icon",
    f"/v2/whitelabel/example.com/apps_store/{'1' * 32}/icon",
)
KAZOOS: Final = (
    "/v2/user_auth",
    f"/v2/{_ACCOUNT}",
    f"/v2/{_ACCOUNT}/apps_link",
    f"/v2/{_ACCOUNT}/apps_stores",
    "/apps_store",
    "/",
)
OPERATIONS: Final = (
    *("/livez", "/readyz", "/metrics"),
    *("/readyz/", "//metrics", "/%72eadyz", "/%6D%65%74%72%69%63%73", "/livez?x=1", "/%2Fmetrics"),
)
"""Paths that nobody outside may see, and other ways to write them."""
