"""The reverse proxies that ``system_config`` names (`api_resource:is_proxied/1`)."""

from collections.abc import Iterator
from ipaddress import ip_network

from crossbar_appstore.addresses import Network
from crossbar_appstore.crossbar.trusted_proxies import TrustedProxies
from crossbar_appstore.datastore.errors import DatastoreError
from crossbar_appstore.datastore.master_account import Configuration
from crossbar_appstore.json_codec import Json


class ConfiguredProxies(TrustedProxies):
    """Adds ``reverse_proxies`` of the category ``crossbar`` to the networks ``own``."""

    def __init__(self, config: Configuration, own: tuple[Network, ...]) -> None:
        super().__init__(own)
        self._config = config
        self._own = own
        self._value: Json = None

    async def refresh(self) -> None:
        """Read the configuration, which is cached; while it cannot be read, the last known one holds."""
        try:
            value = await self._config.get("crossbar", "reverse_proxies")
        except DatastoreError:
            return
        if value != self._value:
            self._value = value
            self.trust((*self._own, *_networks(value)))


def _networks(value: Json) -> Iterator[Network]:
    """The networks and single addresses of a list; what is neither is left out."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            try:
                yield ip_network(each.strip(), strict=False)
            except ValueError:
                continue
