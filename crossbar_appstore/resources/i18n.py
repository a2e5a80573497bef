"""The noun ``i18n`` (`cb_i18n`): names the language in which what follows in the path is wanted."""

from typing import ClassVar

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.resources.prefixes import I18N


class I18n(Resource):
    """A prefix of other endpoints; by itself it says which language it understood."""

    noun: ClassVar[str] = I18N

    def allowed_methods(self, *params: str) -> Methods | None:
        """A language can be read."""
        return ("GET",) if len(params) == 1 else None

    async def validate(self, context: Context, *params: str) -> None:
        """Answer with the language in lower case."""
        context.reply.data = params[0].lower()
