"""Names of machines and origins of web pages, as headers and options spell them."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from .errors import OptionError

__all__ = ["host_of", "is_loopback", "web_origin"]

_AUTHORITY = re.compile(r"(\[[^\[\]@/]*\]|[^\[\]@/:]*)(?::[0-9]*)?")
_PORTS = {"http": 80, "https": 443}  # which browsers leave out of an origin


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address.

    >>> [is_loopback(host) for host in ("127.0.0.1", "[::1]", "LOCALHOST.", "::ffff:127.0.0.1")]
    [True, True, True, True]
    >>> is_loopback("localhost.example.org")
    False
    """
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):  # which no resolver asks anybody for: RFC 6761, section 6.3
        return True
    try:
        address = ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def host_of(authority: str) -> str:
    """The host of ``HOST:PORT``; empty where it is not of that form.

    >>> host_of("localhost:8000"), host_of("[::1]:80"), host_of("::1"), host_of("somebody@localhost")
    ('localhost', '[::1]', '', '')
    """
    found = _AUTHORITY.fullmatch(authority.strip())
    return found[1] if found else ""


def web_origin(text: str) -> str:
    """An origin as browsers write it, or ``*``.

    >>> web_origin("https://App.Example.org:443/")
    'https://app.example.org'

    Raises:
        OptionError: it is no origin.
    """
    if text == "*":
        return text
    expected = f"expected an origin such as https://app.example.org or http://localhost:3000, got {text!r}"
    if text.lower() == "null":
        raise OptionError(f"{expected}: null is what every local file and every sandboxed frame sends")
    try:
        parts = urlsplit(text.removesuffix("/"))
        port = parts.port
    except ValueError as error:
        raise OptionError(expected) from error
    host = host_of(parts.netloc).lower()
    whole = parts.scheme and host and not (parts.path or parts.query or parts.fragment)
    if not whole or not text.isascii() or not text.isprintable() or set(text) & set(" ,;'\"\\*?#"):
        raise OptionError(expected)
    return f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS.get(parts.scheme)) else f":{port}")
