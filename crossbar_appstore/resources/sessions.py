"""What the endpoints that open or show sessions have in common."""

from typing import Final

from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.auth.login import Session
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import is_private_key

_AUTOMATIC: Final = "automatic"


def answer_session(context: Context, session: Session, *, found_id: str | None, page_size: int | None) -> None:
    """Reply with a new session; the caller is authenticated from here on.

    ``found_id`` and ``page_size`` are of the search that found the claimant, None where none was made: Crossbar's
    replies show the traces of its view.
    """
    context.identity = session.identity
    reply = context.reply
    reply.auth_token = session.token
    reply.data = session.data
    reply.page_size = page_size
    if found_id is not None:
        reply.revision = _AUTOMATIC
        reply.location = f"{context.path.rstrip('/')}/{found_id}"


def public_claims(identity: Identity) -> JsonObject:
    """The claims of the caller's token, in alphabetical order."""
    return {name: identity.claims[name] for name in sorted(identity.claims) if not is_private_key(name)}
