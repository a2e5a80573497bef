"""Rate limits from ``system_config`` (`kz_buckets`, `cb_modules_util:token_cost/3`)."""

from collections.abc import Mapping
from typing import Final

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.rate_limits import Limits
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.master_account import Configuration
from crossbar_appstore.json_codec import Json
from crossbar_appstore.kazoo.values import as_number, get

_BUCKETS: Final = "token_buckets"
_APPLICATION: Final = "crossbar"
_SECONDS: Final[Mapping[Json, float]] = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


class ConfiguredRates:
    """Reads the categories ``token_buckets`` and ``crossbar``, with KAZOO's defaults."""

    def __init__(self, config: Configuration) -> None:
        self._config = config

    async def limits(self) -> Limits:
        """Size and refill rate of the buckets: of the application ``crossbar``, else of all, else the defaults."""
        size = as_number(await self._bucket("max_bucket_tokens"))
        rate = as_number(await self._bucket("tokens_fill_rate"))
        per = _SECONDS.get(str(await self._bucket("tokens_fill_time")), 1.0)
        default = Limits()
        return Limits(
            default.size if size is None or size < 0 else float(size),
            default.refill if rate is None or rate < 0 else rate / per,
        )

    async def cost(self, context: Context, suggested: int) -> int:
        """The tokens that a request takes: a number for all, or the most specific by account, endpoint and verb."""
        costs = await self._get(_APPLICATION, "token_costs")
        if isinstance(costs, dict):
            noun, verb = context.resource.name, context.verb.lower()
            account = context.account_id or ""
            paths = ((account, noun, verb), (account, noun), (noun, verb), (noun,))
            named = (get(costs, *path) for path in paths)
            costs = next(filter(_is_cost, named), None)
        return int(costs) if _is_cost(costs) else suggested

    async def _bucket(self, key: str) -> Json:
        for section in (_APPLICATION, "default"):
            found = get(await self._get(_BUCKETS, section), key)
            if isinstance(found, int | float | str):
                return found
        return await self._get(_BUCKETS, key)

    async def _get(self, category: str, key: str) -> Json:
        try:
            return await self._config.get(category, key)
        except DatastoreError:
            # Requests without a valid token must not fail because CouchDB is away.
            return None


def _is_cost(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
