"""A real widget of Python and its real module in a real Chromium, with nothing between them but this file.

Jupyter's part is played by a comm that keeps what Python sends, and by a model of a few lines in the page. A question
of the page runs Python's handler and comes back with what it sent, so no server and no kernel is needed.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import comm
from comm.base_comm import BaseComm

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = "http://widget.test/"
EMPTY = "<!doctype html><html lang=en><meta charset=utf-8><title>widget</title><body></body></html>"

# A model as anywidget knows it. `gone`: the kernel is dead and sending throws; `deaf`: messages get lost;
# `delay`: milliseconds before an answer arrives; `sent` and `answered` are what went by.
SHIM = """
window.bridges = {};
window.mountWidget = async (name, state, esm, css) => {
    const bytesOf = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
    const textOf = (buffer) => {
        const bytes = new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);
        return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    };
    const listeners = new Map();
    const changed = new Set();
    const emit = (event, ...told) => [...(listeners.get(event) ?? [])].forEach((listener) => listener(...told));
    const bridge = { sent: [], answered: [], gone: false, deaf: false, delay: 0, state, listeners };
    const hear = (messages) => {
        for (const { data, buffers } of messages) {
            if (data.method === "update") {
                for (const [key, value] of Object.entries(data.state)) {
                    state[key] = value;
                    emit(`change:${key}`);
                }
                emit("change");
            } else if (data.method === "custom") {
                bridge.answered.push(data.content);
                emit("msg:custom", data.content, buffers.map(bytesOf));
            }
        }
    };
    const ask = async (data, buffers = []) => {
        if (bridge.gone) throw new Error("Cannot send");
        if (bridge.deaf) return;
        const messages = await window.askPython(name, data, buffers.map(textOf));
        if (bridge.delay) await new Promise((done) => setTimeout(done, bridge.delay));
        if (!bridge.deaf) hear(messages);
    };
    const model = {
        get: (key) => state[key],
        set: (key, value) => { state[key] = value; changed.add(key); emit(`change:${key}`); },
        save_changes: () => {
            const update = Object.fromEntries([...changed].map((key) => [key, state[key]]));
            changed.clear();
            return ask({ method: "update", state: update });
        },
        on: (event, listener) => {
            if (!listeners.has(event)) listeners.set(event, new Set());
            listeners.get(event).add(listener);
        },
        off: (event, listener) => {
            if (listener) listeners.get(event)?.delete(listener);
            else listeners.delete(event);
        },
        send: (content, callbacks, buffers) => {
            if (bridge.gone) throw new Error("Cannot send");
            bridge.sent.push(content);
            ask({ method: "custom", content }, buffers);
        },
    };
    const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
    const widget = (await import(url)).default;
    URL.revokeObjectURL(url);
    const style = document.createElement("style");
    style.textContent = css;
    document.head.append(style);
    Object.assign(bridge, { model, hear });
    bridge.show = async () => {
        const el = document.createElement("div");
        el.className = "output";
        document.body.append(el);
        const stop = await widget.render({ model, el });
        bridge.hide = async () => { await stop?.(); el.remove(); };
    };
    window.bridges[name] = bridge;
    await bridge.show();
};
"""


class _Comm(BaseComm):
    """Keeps what is sent until the page asks."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__(*given, **named)

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        told = [base64.b64encode(bytes(buffer)).decode() for buffer in buffers or ()]
        self.sent.append({"type": msg_type, "data": data or {}, "buffers": told})

    def taken(self) -> list[dict[str, Any]]:
        sent, self.sent = self.sent, []
        return [message for message in sent if message["type"] == "comm_msg"]


@contextmanager
def comms() -> Iterator[dict[str, _Comm]]:
    """Widgets that are made inside talk to the bridge. Gives their comms by model id."""
    made: dict[str, _Comm] = {}

    def create(*given: Any, **named: Any) -> _Comm:
        opened = _Comm(*given, **named)
        made[opened.comm_id] = opened
        return opened

    before = comm.create_comm
    comm.create_comm = create
    try:
        yield made
    finally:
        comm.create_comm = before


class Mounted:
    """A widget that is shown in a page.

    Attributes:
        widget: the one of Python.
        page: of playwright.
    """

    def __init__(self, page: Any, widget: Any, comms: dict[str, _Comm]) -> None:
        self.page, self.widget, self._comms = page, widget, comms
        self.name = widget.model_id

    def hear(self) -> None:
        """Give the page what Python sent by itself, such as traits that were set."""
        self.page.evaluate("([name, sent]) => bridges[name].hear(sent)", [self.name, self._comms[self.name].taken()])

    def set(self, **how: Any) -> None:
        """``gone=True``, ``deaf=True``, ``delay=500``: see ``SHIM``."""
        self.page.evaluate("([name, how]) => Object.assign(bridges[name], how)", [self.name, how])

    def hide(self) -> None:
        """As when the cell's output is cleared."""
        self.page.evaluate("name => bridges[name].hide()", self.name)

    def show(self) -> None:
        """Once more, after ``hide``."""
        self.page.evaluate("name => bridges[name].show()", self.name)

    @property
    def sent(self) -> list[Any]:
        """Messages of the page, oldest first."""
        sent: list[Any] = self.page.evaluate("name => bridges[name].sent", self.name)
        return sent

    @property
    def listeners(self) -> int:
        """How many the model has."""
        count: int = self.page.evaluate(
            "name => [...bridges[name].listeners.values()].reduce((sum, of) => sum + of.size, 0)", self.name
        )
        return count


class Bridge:
    """Shows widgets in a page; ``mount`` may be called several times."""

    def __init__(self, page: Any, comms: dict[str, _Comm]) -> None:
        self.page, self._comms = page, comms
        self._widgets: dict[str, Any] = {}
        page.route(ADDRESS, lambda route: route.fulfill(body=EMPTY, content_type="text/html"))
        page.expose_binding("askPython", lambda source, *told: self._ask(*told))
        page.add_init_script(SHIM)

    def mount(self, widget: Any) -> Mounted:
        """The widget, rendered by its own module. It has to be made inside ``comms()``."""
        if self.page.url != ADDRESS:
            self.page.goto(ADDRESS)
        name = widget.model_id
        self._widgets[name] = widget
        self._comms[name].taken()
        state = {key: value for key, value in widget.get_state().items() if not key.startswith("_")}
        self.page.evaluate(
            "([name, state, esm, css]) => mountWidget(name, state, esm, css)",
            [name, state, widget._esm, widget._css],
        )
        return Mounted(self.page, widget, self._comms)

    def _ask(self, name: str, data: dict[str, Any], buffers: list[str]) -> list[dict[str, Any]]:
        """One message of the page to Python, and what Python sent back."""
        received = [memoryview(base64.b64decode(text)) for text in buffers]
        self._widgets[name]._handle_msg({"content": {"data": data}, "buffers": received})
        return self._comms[name].taken()
