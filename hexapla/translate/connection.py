"""The client that talks to an endpoint: certificates, proxies, and faults that no retry can mend.

`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are followed, except for an endpoint on this
machine, which is always asked directly. `SSL_CERT_FILE` and `SSL_CERT_DIR` name the certificates
that are trusted. Redirects are never followed, so that the key goes to the given address only.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from hexapla.errors import InputError
from hexapla.runs.loopback import is_loopback
from hexapla.translate.deadline import Deadline, keep_deadline

if TYPE_CHECKING:
    import httpx2

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


def open_client(
    url: str, *, key: str, timeout_s: float, connections: int, deadline: Deadline
) -> httpx2.Client:
    """Return a client for one endpoint; nothing is sent yet.

    Args:
        url: Address of the endpoint.
        key: Sent with every request; empty for none.
        timeout_s: Seconds without a byte that end a request.
        connections: Requests at once.
        deadline: What limits a whole request.

    Raises:
        InputError: The environment names certificates or a proxy that cannot be used.
    """
    import httpx2

    try:
        trusted = httpx2.create_ssl_context()
    except OSError as error:  # such as ssl.SSLError
        raise InputError(
            f"the certificates of {_set_variables(_CERTIFICATES)} cannot be read "
            f"({error.strerror or error}); name a file of certificates in PEM format"
        ) from error
    try:
        client = httpx2.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout_s,
            verify=trusted,
            trust_env=not is_loopback(httpx2.URL(url).host),
            limits=httpx2.Limits(
                max_connections=connections, max_keepalive_connections=connections
            ),
        )
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        # The values may hold a password, so only the variables are named.
        raise InputError(
            f"the proxy of {_set_variables(_PROXIES)} cannot be used; write it like "
            "http://proxy.example:3128, or leave it out"
        ) from error
    keep_deadline(client, deadline)
    return client


def _set_variables(names: tuple[str, ...]) -> str:
    given = [name for name in (*names, *map(str.lower, names)) if os.environ.get(name)]
    return ", ".join(given) or names[0]


def tls_fault(error: BaseException) -> str | None:
    """Say what is wrong between the two ends of an encrypted connection; None if nothing is.

    Such a fault does not pass by itself. A connection that is cut is no such fault.
    """
    found: BaseException | None = error
    while found is not None and not isinstance(found, ssl.SSLError):
        found = found.__cause__ or found.__context__
    if isinstance(found, ssl.SSLCertVerificationError):
        return (
            f"its certificate is refused, {found.verify_message}; check the address, or name the "
            "certificates to trust in SSL_CERT_FILE"
        )
    passing = ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError
    if found is None or isinstance(found, passing) or "timed out" in str(found):
        return None
    reason = str(found.reason or found).replace("_", " ").lower()
    return f"no encrypted connection, {reason}; check whether it is http or https"
