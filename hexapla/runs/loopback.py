"""Which addresses are this machine's own: what is sent to them does not leave it."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by name or by address.

    Args:
        host: A name or an address; an IPv6 address with or without brackets.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.2", "[::1]", "::ffff:127.0.0.1")]
    [True, True, True, True]
    >>> [is_loopback(host) for host in ("0.0.0.0", "localhost.example.org", "127.0.0.1.example")]
    [False, False, False]
    """
    name = host.lower().removesuffix(".")
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
