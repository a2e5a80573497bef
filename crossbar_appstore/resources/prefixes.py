"""What KAZOO 5 reads from the path in front of an endpoint: ``…/i18n/{language}/…`` and ``…/whitelabel/{domain}/…``."""

import re
from typing import Final

from crossbar_appstore.crossbar.context import Context, Params

I18N: Final = "i18n"
WHITELABEL: Final = "whitelabel"

PREFIXES: Final = frozenset({I18N, WHITELABEL})

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


def language(context: Context) -> str | None:
    """The language that the path asks for, as it is spelled there; None if it asks for none."""
    params = _params_of(context, I18N)
    return params[0] if len(params) == 1 else None


def domain(context: Context) -> str | None:
    """The domain under whose branding the path looks at things; None if it names none."""
    params = _params_of(context, WHITELABEL)
    return params[0] if params else None


def is_language(text: str) -> bool:
    """Whether the text has the form of a language tag: ``de``, ``en-US``."""
    return _LANGUAGE.fullmatch(text) is not None


def _params_of(context: Context, noun: str) -> Params:
    """The params of a noun before the last, of the first one where several are (`props:get_value/2`)."""
    return next((each.params for each in reversed(context.nouns[:-1]) if each.name == noun), ())
