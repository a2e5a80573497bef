"""Where a request carries its token (`api_util:get_auth_token/1`); the first place that has one wins."""

from crossbar_appstore.crossbar.context import BASIC, BEARER, UNKNOWN, X_AUTH_TOKEN, Context

_NO_TOKEN = "undefined"
"""What Monster UI sends in the header before login: JavaScript's word for nothing."""


def find_token(context: Context) -> tuple[str, str] | None:
    """The token and its scheme: header, then data, query string and envelope; then the same for Authorization."""
    token = context.headers.get("X-Auth-Token")
    if token is not None and token != _NO_TOKEN:
        return token, X_AUTH_TOKEN
    token = context.req_value("auth_token")
    if isinstance(token, str) and token != _NO_TOKEN:
        return token, X_AUTH_TOKEN
    authorization = context.headers.get("Authorization")
    if authorization is None:
        authorization = context.req_value("authorization")
    if not isinstance(authorization, str):
        return None
    if authorization.startswith("Basic "):
        return authorization[6:], BASIC
    if authorization.startswith("Bearer "):
        return authorization[7:], BEARER
    return authorization, UNKNOWN
