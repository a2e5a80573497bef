"""Refusals of whole accounts: trials that ended, accounts that were switched off."""

from collections.abc import Mapping

from crossbar_appstore.crossbar.errors import ValidationError
from crossbar_appstore.json_codec import Json

from . import hierarchy


def refuse_ended_trial(account: Mapping[str, Json] | None) -> None:
    """Nothing if the account's trial goes on, or it has none.

    Raises:
        ValidationError: it has ended; the cause is when, in Gregorian seconds.
    """
    ended = hierarchy.trial_expired(account)
    if ended is not None:
        raise ValidationError({"account": {"expired": {"message": "account expired", "cause": ended}}})


def refuse_disabled(account: Mapping[str, Json] | None) -> None:
    """Nothing if the account is enabled.

    Raises:
        ValidationError: it is not, or does not exist.
    """
    if not hierarchy.is_enabled(account):
        raise ValidationError({"account": {"disabled": {"message": "account disabled"}}})
