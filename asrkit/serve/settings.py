"""What ``asrkit serve`` can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from ..errors import OptionError
from ..hosts import is_loopback, web_origin

__all__ = ["Limits", "Settings"]

MEGABYTE = 10**6  # bytes
TOKEN_LENGTH = 8  # letters; what is shorter is guessed


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may take of the server.

    Args:
        connections: open at once; fewer where the process may not have that many files open.
        head_seconds: for the first line and the headers of a request.
        head_bytes: of the first line and the headers; of the trailers; between two stretches of a body in chunks.
        head_fields: headers and trailers.
        least_rate: bytes per second at which a body must come and an answer must be taken, over ``Settings.idle`` and
            ``write_seconds``.
        write_seconds: without that rate, after which a client that does not take its answer is cut off.
        keep_alive_seconds: between two requests.
        linger_seconds: for which what a refused client still sends is thrown away, so that it sees the answer ...
        linger_bytes: ... and as many bytes of it at most.
    """

    connections: int = 2_000
    head_seconds: float = 20.0
    head_bytes: int = 64 * 1024
    head_fields: int = 256
    least_rate: float = 200.0
    write_seconds: float = 20.0
    keep_alive_seconds: int = 30
    linger_seconds: float = 2.0
    linger_bytes: int = 32 * MEGABYTE

    def __post_init__(self) -> None:
        for one in fields(self):
            if getattr(self, one.name) <= 0:
                raise OptionError(f"expected {one.name} above 0, got {getattr(self, one.name)}")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server serves.

    Args:
        model: a model's name (``openai/whisper-base``), a local folder, ``canned:TEXT`` for fixed answers without a
            model, or a ready backend. It answers for every name that ``map`` leaves out.
        map: model of Workers AI (``@cf/...``) -> what answers for it here, as in ``model``.
        host: address to listen on. Others than this machine's own (127.0.0.1, ::1, localhost) need a token.
        port: 0 takes a free one.
        token: what clients must send; None lets everybody in who reaches the address.
        max_body: bytes of a request.
        max_seconds: of audio in a request.
        timeout: seconds for a request as a whole, from its first byte to its answer.
        idle: seconds without a byte in which a request must go on arriving.
        queue: requests that may wait or be worked on; one more is told to come back later.
        window: seconds for which the first of a batch waits for others.
        batch_size: clips decoded together; None leaves it to the model.
        faults: errors on purpose, for tests of clients; see ``asrkit.serve.faults``.
        device: as ``asrkit.Whisper``.
        precision: as ``asrkit.Whisper``.
        grace: seconds that work in flight is given when the server is stopped.
        cors_origins: origins of web pages that may use the server from a browser, such as ``https://app.example.org``;
            ``*`` lets in all of them and needs a token. Pages of this machine's own other ports must be named too.
        limits: what one connection may take.
        isolate: decode in processes of their own, so that a file that crashes or hangs the decoder costs its own
            request only; not on Windows.

    >>> Settings(host="0.0.0.0")
    Traceback (most recent call last):
    asrkit.errors.OptionError: 0.0.0.0 can be reached from other machines, so a token is needed
    """

    model: object = "openai/whisper-base"
    map: Mapping[str, object] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    max_body: int = 100 * MEGABYTE
    max_seconds: float = 2 * 3600.0
    timeout: float = 600.0
    idle: float = 30.0
    queue: int = 256
    window: float = 0.02
    batch_size: int | None = None
    faults: str | None = None
    device: str | None = None
    precision: str | None = None
    grace: float = 30.0
    isolate: bool = True
    cors_origins: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if isinstance(self.cors_origins, str):
            raise OptionError(f"expected cors_origins as a list of origins, got the string {self.cors_origins!r}")
        object.__setattr__(self, "cors_origins", tuple(web_origin(text) for text in self.cors_origins))
        if "*" in self.cors_origins and self.token is None:
            raise OptionError("the origin * lets every web page in, so a token is needed; or name the origins")
        if self.token is not None:
            if len(self.token) < TOKEN_LENGTH or not (self.token.isascii() and self.token.isprintable()):
                raise OptionError(f"the token must be {TOKEN_LENGTH} printable ASCII characters or more")
            if " " in self.token:
                raise OptionError("the token must not hold blanks")
        if self.token is None and not is_loopback(self.host):
            raise OptionError(f"{self.host} can be reached from other machines, so a token is needed")
        for name in ("max_body", "max_seconds", "timeout", "idle", "queue"):
            if getattr(self, name) <= 0:
                raise OptionError(f"expected {name} above 0, got {getattr(self, name)}")
        if self.window < 0 or self.grace < 0:
            raise OptionError("window and grace are seconds, 0 or more")
        if self.batch_size is not None and self.batch_size < 1:
            raise OptionError(f"expected batch_size of at least 1, got {self.batch_size}")
