"""Where a request carries its token (`api_util:get_auth_token/2`); the first place that has one wins."""

from crossbar_appstore.crossbar.context import BASIC, BEARER, UNKNOWN, X_AUTH_TOKEN, Context


def find_token(context: Context) -> tuple[str, str] | tuple[None, None]:
    """The token and its scheme: header, then data, query string and envelope; then the same for Authorization."""
    token = context.headers.get("X-Auth-Token")
    if token is None:
        token = context.req_value("auth_token")
    if isinstance(token, str):
        return _printable(token), X_AUTH_TOKEN
    authorization = context.headers.get("Authorization")
    if authorization is None:
        authorization = context.req_value("authorization")
    if not isinstance(authorization, str):
        return None, None
    authorization = _printable(authorization)
    if authorization.startswith("Basic "):
        return authorization[6:], BASIC
    if authorization.startswith("Bearer "):
        return authorization[7:], BEARER
    return authorization, UNKNOWN


def _printable(token: str) -> str:
    """The reply repeats the token in JSON, where bytes that are no UTF-8 have no place."""
    return token if token.isascii() else token.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
