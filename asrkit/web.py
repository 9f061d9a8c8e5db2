"""http:// and https:// -> a file, from public addresses only.

A column of addresses may come from anybody, and this machine may stand where they cannot reach: beside a cloud's
metadata service, a router, a database. So a name is resolved here, every address that it has must be public, and the
connection goes to the very address that was checked: a name that changes its mind in between gains nothing. The
guard sits where connections are made, so a redirect passes it like any other request.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import IO, TYPE_CHECKING

from .allowance import Allowance
from .deadline import deadline
from .errors import SourceError
from .sockets import Resolve, Sockets, system_addresses

if TYPE_CHECKING:
    import httpcore2
    import httpx2

__all__ = ["VARIABLE", "fetch", "is_public", "private_is_allowed"]

VARIABLE = "ASRKIT_ALLOW_PRIVATE_URLS"
MOST_BYTES = 4 * 2**30  # 37 h of 16-bit sound at 16 kHz
MOST_SECONDS = 1_800.0  # for all of a file, from looking its name up to its last byte
CONNECT_SECONDS, SILENT_SECONDS = 15.0, 60.0  # the first for a name and all of its addresses
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
NAT64 = IPv6Network("64:ff9b::/96")  # the last four bytes are an address of IPv4
COMPATIBLE = IPv6Network("::/96")  # the same, long given up
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def private_is_allowed() -> bool:
    """Whether the environment allows addresses that are not public."""
    return os.environ.get(VARIABLE, "").strip().lower() in ("1", "true", "yes", "on")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large.

    >>> [is_public(each) for each in ("1.1.1.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1")]
    [True, False, False, False, False]
    """
    found = ip_address(address.partition("%")[0])
    inside: tuple[IPv4Address | None, ...] = ()
    if isinstance(found, IPv6Address):
        inside = (found.ipv4_mapped, found.sixtofour, *(found.teredo or ()))
        if found in NAT64 or found in COMPATIBLE:
            inside = (_last_four(found),)
    if known := [str(each) for each in inside if each is not None]:
        return all(map(is_public, known))
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def _last_four(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)


def allowance(shown: str) -> Allowance:
    """What one cell may take where the caller sets no other limit."""
    return Allowance(shown, MOST_BYTES, MOST_SECONDS)


def fetch(
    url: str,
    shown: str,
    copy: IO[bytes],
    *,
    allow_private: bool = False,
    resolve: Resolve | None = None,
    limit: Allowance | None = None,
) -> None:
    """Write the file at an address into ``copy``.

    Args:
        url: ``http://`` or ``https://``; a user and password in it are sent to its own host only.
        shown: the address without secrets, for messages.
        copy: where the bytes go.
        allow_private: also from addresses that are not public.
        resolve: name and port -> addresses; the system's where not given.
        limit: of bytes and time, for all of it: looking names up, connecting, headers, redirects, the file.

    Raises:
        SourceError: ``refused-address``, ``not-found``, ``unreachable`` or ``too-large``.
    """
    import httpcore2
    import httpx2

    limit = limit or allowance(shown)
    try:
        with deadline(limit.deadline):
            _follow(httpx2.URL(url), shown, copy, _guard(shown, allow_private, resolve, limit), limit)
    except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError) as error:
        limit.check_time()
        # The error's own text may hold the whole address, secrets included.
        raise SourceError(
            f"{shown} could not be fetched ({type(error).__name__}); check the address{_about_proxies()}",
            code="unreachable",
        ) from None
    except (httpx2.InvalidURL, httpcore2.UnsupportedProtocol, UnicodeError, ValueError) as error:
        raise SourceError(f"{shown} is no address ({type(error).__name__})", code="unreachable") from None


def _follow(at: httpx2.URL, shown: str, copy: IO[bytes], guard: httpcore2.NetworkBackend, limit: Allowance) -> None:
    """Fetch it, through a few redirects."""
    import httpcore2

    origin = _origin(at)
    with httpcore2.ConnectionPool(network_backend=guard, http2=False) as pool:
        for _ in range(MOST_REDIRECTS + 1):
            with _get(pool, at, with_user=_origin(at) == origin and at.userinfo) as response:
                if response.status not in REDIRECTS:
                    return _keep(response, shown, copy, limit)
                location = {name.lower(): value for name, value in response.headers}.get(b"location", b"")
            at = at.join(location.decode("ascii"))
            if at.scheme not in ("http", "https"):
                raise SourceError(f"{shown} leads to {at.scheme}://, which is not followed", code="refused-address")
    raise SourceError(f"{shown} is redirected over {MOST_REDIRECTS} times", code="unreachable")


@contextmanager
def _get(pool: httpcore2.ConnectionPool, at: httpx2.URL, with_user: bytes | bool) -> Iterator[httpcore2.Response]:
    import httpcore2

    headers = [
        (b"Host", at.netloc),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", b"identity"),  # so that nothing small unpacks to something huge
        (b"User-Agent", b"asrkit"),
    ]
    if with_user:
        headers.append((b"Authorization", b"Basic " + base64.b64encode(f"{at.username}:{at.password}".encode())))
    timeouts = {"connect": CONNECT_SECONDS, "read": SILENT_SECONDS, "write": SILENT_SECONDS, "pool": CONNECT_SECONDS}
    target = httpcore2.URL(scheme=at.raw_scheme, host=at.raw_host, port=at.port, target=at.raw_path)
    with pool.stream("GET", target, headers=headers, extensions={"timeout": timeouts}) as response:
        yield response


def _keep(response: httpcore2.Response, shown: str, copy: IO[bytes], limit: Allowance) -> None:
    if response.status in (404, 410):
        raise SourceError(f"{shown} does not exist", code="not-found")
    if response.status != 200:
        raise SourceError(
            f"{shown} could not be fetched (status {response.status}); check the address and the credentials",
            code="unreachable",
        )
    for data in response.iter_stream():
        limit.keep(len(data))
        copy.write(data)


def _origin(at: httpx2.URL) -> tuple[str, str, int | None]:
    return at.scheme, at.host, at.port


def _about_proxies() -> str:
    if not any(os.environ.get(name) or os.environ.get(name.lower()) for name in PROXIES):
        return ""
    return "; the environment names a proxy, which is not used: it would look names up itself, unchecked"


def _guard(shown: str, allow_private: bool, resolve: Resolve | None, limit: Allowance) -> httpcore2.NetworkBackend:
    """What makes connections, and refuses those to addresses that are not public."""
    from .wire import TimedBackend

    def checked(host: str, port: int) -> list[str]:
        addresses = (resolve or system_addresses)(host, port)
        if not allow_private and (wrong := [each for each in addresses if not is_public(each)]):
            raise SourceError(
                f"{shown} leads to {wrong[0]}, which is not a public address; if it is meant, "
                f"pass allow_private_urls=True or set {VARIABLE}=1",
                code="refused-address",
            )
        return addresses

    return TimedBackend(limit.receive, Sockets(checked))
