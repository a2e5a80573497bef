"""The endpoint ``about`` (`cb_about`): which release answers, and how it is."""

import platform
import resource
import sys
from typing import ClassVar

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.resource import Methods, Resource


class About(Resource):
    """Facts about the process that answers.

    Args:
        version: the release.
    """

    noun: ClassVar[str] = "about"

    def __init__(self, version: str) -> None:
        self._version = version

    def allowed_methods(self, *params: str) -> Methods | None:
        """It can be read."""
        return None if params else ("GET",)

    async def validate(self, context: Context, *params: str) -> None:
        """Answer; ``used_memory`` in bytes is the most that the process ever had."""
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        context.reply.data = {
            "version": self._version,
            "used_memory": most if sys.platform == "darwin" else most * 1024,
            "python_version": platform.python_version(),
        }
