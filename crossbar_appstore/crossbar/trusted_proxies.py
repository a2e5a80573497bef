"""The client's address behind reverse proxies (`api_resource:get_client_ip/1`)."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, ip_address
from typing import Final

from crossbar_appstore.addresses import Network

_MOST_HOPS: Final = 20


class TrustedProxies:
    """The networks of proxies whose X-Forwarded-For is believed; a subclass may read them from a configuration."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self.trust(networks)

    def trust(self, networks: Iterable[Network]) -> None:
        """Believe these networks from now on, and no others."""
        self._networks = tuple(map(_unmapped, networks))
        # Few addresses are asked about often: those of the proxies. A request asks twice for its client.
        self._is_trusted = lru_cache(maxsize=256)(self._contain)
        self._outermost = lru_cache(maxsize=256)(self._find)

    async def refresh(self) -> None:
        """Read the configuration again, which operators may change at any time."""

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """The first address that is no trusted proxy, from the nearest hop outwards; the outermost one if all are.

        ``peer`` is the other end of the connection, ``forwarded`` the X-Forwarded-For headers, of which the last
        ``_MOST_HOPS`` addresses count.
        """
        return self._outermost(peer, ",".join(forwarded))

    def _find(self, peer: str, forwarded: str) -> str:
        address = peer
        for hop in reversed(forwarded.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]):
            # Only trusted proxies are believed about the hop before them.
            if not self._is_trusted(address) or not _is_address(hop.strip()):
                break
            address = hop.strip()
        return address

    def _contain(self, text: str) -> bool:
        if not _is_address(text):
            return False
        address = ip_address(text)
        # A socket for both versions of IP names a peer 10.0.0.1 as ::ffff:10.0.0.1.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)


def _unmapped(network: Network) -> Network:
    """The network of IPv4 that one of IPv4-mapped addresses such as ``::ffff:10.0.0.0/104`` stands for."""
    address = getattr(network.network_address, "ipv4_mapped", None)
    return network if address is None else IPv4Network((address, network.prefixlen - 96))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
