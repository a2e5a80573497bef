"""Who is at the other end, where proxies stand between (`api_resource:get_client_ip/1`)."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

Networks = tuple[IPv4Network | IPv6Network, ...]


def client_address(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """The first address that is no trusted proxy, from the nearest hop outwards.

    Args:
        peer: the other end of the connection.
        forwarded: the X-Forwarded-For headers; they are believed as far as trusted proxies wrote them.
        trusted: the networks of the proxies (`crossbar` reverse_proxies).
    """
    address = peer
    for hop in reversed(",".join(forwarded).split(",")):
        if not _is_in(address, trusted) or not _is_address(hop.strip()):
            break
        address = hop.strip()
    return address


@lru_cache(maxsize=256)
def _is_in(address: str, networks: Networks) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
