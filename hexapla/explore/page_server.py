"""The server of the page: it listens at one address, and stops within a second.

The socket is opened here and not by Gradio, which tries its ports on loopback whatever the address
is, and reads a dozen variables of the environment that open more of it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import webbrowser
from typing import TYPE_CHECKING, Any, cast

from hexapla.errors import InputError
from hexapla.explore.config import ExploreConfig
from hexapla.explore.request_guard import App, RequestGuard

if TYPE_CHECKING:
    import gradio as gr

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
EVERY_ADDRESS = ("0.0.0.0", "::")
_START_TIMEOUT_S = 30.0
_MAX_CONNECTIONS = 64
_CSS = """
table.hx { width: 100%; border: 0 !important; border-collapse: collapse; font-variant-numeric: tabular-nums; }
table.hx tr { border: 0 !important; }
table.hx caption { text-align: left; padding-bottom: .3rem; opacity: .8; }
table.hx th, table.hx td { text-align: left; vertical-align: top; padding: .35rem .5rem; border: 0; border-bottom: 1px solid var(--border-color-primary); }
table.hx td:first-child, table.hx td:nth-child(4), table.hx td:nth-child(5) { text-align: right; white-space: nowrap; }
table.hx tr.translation { background: color-mix(in srgb, var(--color-accent) 14%, transparent); }
.vega-embed { color: var(--body-text-color); }
.vega-embed, .vega-embed svg { max-width: 100% !important; height: auto !important; }
@media (max-width: 640px) {
  table.hx, table.hx tbody { display: block; }
  table.hx caption { display: block; font-weight: 600; }
  table.hx thead { position: absolute; left: -99rem; }
  table.hx tr { display: grid; grid-template-columns: auto 1fr auto auto; border-bottom: 1px solid var(--border-color-primary) !important; padding: .35rem 0; }
  table.hx td, table.hx td:first-child, table.hx td:nth-child(4), table.hx td:nth-child(5) { border: 0; padding: 0 .3rem; text-align: left; }
  table.hx td:nth-child(3) { grid-row: 2; grid-column: 1 / -1; overflow-wrap: anywhere; }
  table.hx td:nth-child(5)::before { content: "row "; }
  table.hx td:nth-child(-n+2), table.hx td:nth-child(4), table.hx td:nth-child(5) { font-size: .85em; opacity: .85; }
}
"""  # noqa: E501
# Paper is white in dark mode too. In the head, since Gradio confines the rules of its own sheet.
_PAPER = """<style>
@media print {
  :root, :root .dark {
    color-scheme: light;
    --body-text-color: #000 !important; --body-text-color-subdued: #444 !important;
    --block-label-text-color: #000 !important; --block-title-text-color: #000 !important;
    --button-secondary-text-color: #000 !important; --border-color-primary: #bbb !important;
    --body-background-fill: #fff !important; --block-background-fill: #fff !important;
    --background-fill-primary: #fff !important; --background-fill-secondary: #fff !important;
    --block-label-background-fill: #fff !important; --input-background-fill: #fff !important;
    --button-secondary-background-fill: #fff !important;
  }
  body { background: #fff !important; }
  button.primary { display: none !important; }
  table.hx tr, .vega-embed { break-inside: avoid; }
}
</style>"""


def open_socket(config: ExploreConfig) -> socket.socket:
    """Return a socket that is bound to the address and port of the settings.

    Raises:
        InputError: The host is not known or not of this machine, or the port is taken or forbidden.
    """
    try:
        found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"host {config.host} is not known here ({getattr(error, 'strerror', None) or error}); "
            "give an address of this machine, such as 127.0.0.1"
        ) from error
    # Of several addresses of a name, an IPv4 one: what most programs try first.
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise InputError(
            f"port {config.port} of {config.host} cannot be used ({error.strerror}); "
            "give another --port, or 0 for any free one"
        ) from error
    return bound


class PageServer:
    """A page that is being served.

    Args:
        page: As `build_page` returns it.
        config: Address, port, further names, and whether to open a browser.

    Attributes:
        url: Address of the page.

    Raises:
        InputError: The address or port cannot be used.
    """

    def __init__(self, page: gr.Blocks, config: ExploreConfig) -> None:
        import uvicorn

        bound = open_socket(config)
        port = bound.getsockname()[1]
        self.url = f"http://{_shown(config.host)}:{port}/"
        self._page = page
        hosts = {*LOOPBACK_NAMES, config.host, *config.allow_host} - {*EVERY_ADDRESS}
        guarded = RequestGuard(
            _application(page, config, port), hosts, any_address=config.host in EVERY_ADDRESS
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                guarded,
                log_level="error",
                access_log=False,
                ws="none",
                proxy_headers=False,
                server_header=False,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [bound]}, daemon=True
        )
        self._socket = bound
        self._start()
        if config.open:
            webbrowser.open(self.url)

    def _start(self) -> None:
        """Return once requests are answered."""
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_START_TIMEOUT_S / 0.01)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            waited.wait(0.01)
        self.close()
        raise RuntimeError(f"the server of the page did not start in {_START_TIMEOUT_S:.0f} s")

    def close(self) -> None:
        """Stop serving; queries under way are given up."""
        self._page.is_running = False
        with contextlib.suppress(AttributeError):  # a page that nobody has opened
            self._page.app.stop_event.set()
        self._server.should_exit = True
        self._thread.join(timeout=3)
        self._socket.close()


def _application(page: gr.Blocks, config: ExploreConfig, port: int) -> App:
    import fastapi
    import gradio as gr

    fonts = ["system-ui", "sans-serif"]
    silent: dict[str, Any] = {"openapi_url": None, "docs_url": None, "redoc_url": None}
    mounted = gr.mount_gradio_app(
        fastapi.FastAPI(**silent),
        page,
        path="/",
        app_kwargs=silent,
        server_name=config.host,
        server_port=port,
        root_path="",
        show_error=True,
        footer_links=[],
        run_history=False,
        max_file_size=1,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        css=_CSS,
        head=_PAPER,
        theme=gr.themes.Default(font=fonts, font_mono=["monospace"]),
    )
    return cast(App, mounted)


def _shown(host: str) -> str:
    """Return the host of the page's address, as a browser on this machine takes it."""
    if host in EVERY_ADDRESS:
        return "localhost"
    return f"[{host}]" if ":" in host else host
