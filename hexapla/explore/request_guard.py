"""What the page's server answers at all: own names, own origin, few routes, small bodies.

A page of another site may make a browser ask this server, and a name of that site may be pointed at
this machine (DNS rebinding). Neither gets an answer, since its requests say whose they are: the
first in `Origin` and `Sec-Fetch-Site`, the second in `Host`. Gradio has many routes that the page
does not use, such as uploads, files and a proxy, so the few that it uses are listed here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MAX_BODY_KIB = 64  # a query has at most some kilobytes
_BODY_TIMEOUT_S = 10.0
_READ = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/manifest\.json|/(assets|static|svelte)/[\w./-]+"
    r"|/gradio_api/(theme\.css|startup-events|info|app_id|queue/data|heartbeat/\w{1,64})"
)
_WRITTEN = re.compile(r"/gradio_api/(queue/join|run/predict|cancel|reset)")
_QUERY = re.compile(r"(session_hash=\w{1,64}|__theme=(light|dark|system)|v=[\w.-]{1,64})?")
# The page is shown in no frame, and is read by no other site, images and scripts included.
_HEADERS = {
    b"content-security-policy": b"frame-ancestors 'none'; form-action 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"same-origin",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}


class RequestGuard:
    """An ASGI application that passes some requests on to another and refuses all others.

    Args:
        app: Gradio's application.
        hosts: Names by which it is asked, without a port. The port is not compared: no browser can
            be made to lie about it, and through an SSH tunnel it is another one.
        any_address: Also answer to every IP address. Only a name can be pointed at this machine by
            someone else.
    """

    def __init__(self, app: App, hosts: Collection[str], *, any_address: bool) -> None:
        self._app = app
        self._hosts = frozenset(map(str.lower, hosts))
        self._any_address = any_address

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif refusal := self._refusal(scope):
            await _refuse(send, *refusal)
        elif scope["method"] == "POST":
            body = await _read_body(receive)
            if body is None:
                await _refuse(send, 413, f"the request has more than {MAX_BODY_KIB} KiB")
            else:
                await self._app(scope, _replay(body, receive), _with_headers(send))
        else:
            await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        """Return the status and the reason of a request that is not passed on; else None."""
        headers = _headers(scope["headers"])
        host = headers.get("host", "")
        if not self._trusts(host):
            return 421, (
                "this server does not answer to that name; give the name as --allow-host to "
                "hexapla explore"
            )
        method, path = scope["method"], scope["path"]
        known = _WRITTEN if method == "POST" else _READ
        if method not in ("GET", "HEAD", "POST") or not known.fullmatch(path):
            return 404, "not found"
        if ".." in path or not _QUERY.fullmatch(scope["query_string"].decode("latin-1")):
            return 404, "not found"
        return None if _is_own(headers, host, method, path) else (403, "asked by another site")

    def _trusts(self, host: str) -> bool:
        name = _name(host)
        if name is None:
            return False
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._any_address


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers; one that is given twice is joined, and so matches nothing."""
    found: dict[str, str] = {}
    for key, value in pairs:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _name(host: str) -> str | None:
    """Return the name in a `Host` header, without port and brackets; None if it has no such form.

    >>> _name("LocalHost:7860"), _name("[::1]:7860"), _name("user@localhost"), _name("::1")
    ('localhost', '::1', None, None)
    """
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::\d{1,5})?", host, re.ASCII)
    return (found[1] or found[2]).lower() if found else None


def _is_own(headers: dict[str, str], host: str, method: str, path: str) -> bool:
    """Return whether a request comes from the page itself, or from a person who opens it.

    Browsers send an `Origin` with every POST. A link on another site may open the page.
    """
    origin = headers.get("origin")
    if origin is None and method == "POST":
        return False
    if origin is not None and (
        not origin.startswith(("http://", "https://"))
        or urlsplit(origin).netloc.lower() != host.lower()
    ):
        return False
    site = headers.get("sec-fetch-site", "none")
    is_opened = path == "/" and headers.get("sec-fetch-mode") == "navigate" and method == "GET"
    return site in ("same-origin", "none") or is_opened


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body of a request; None if it is too long or does not come in time."""
    body = b""
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += bytes(message.get("body", b""))
                if len(body) > MAX_BODY_KIB * 1024:
                    return None
                if not message.get("more_body", False):
                    return body
    except TimeoutError:
        return None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what gives an application a body that has been read, then what follows it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


def _with_headers(send: Send) -> Send:
    """Return what sends an answer with our headers in place of those that let other sites read."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (key, value)
                for key, value in message.get("headers", ())
                if key.lower() not in _HEADERS and not key.lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": [*kept, *_HEADERS.items()]}
        await send(message)

    return sent


async def _refuse(send: Send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})
