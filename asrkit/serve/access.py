"""Who may come in: tokens in the three ways of Cloudflare and the one of OpenAI, compared in constant time."""

from __future__ import annotations

import hmac
import re

from starlette.datastructures import Headers

from ..hosts import host_of, is_loopback
from .answers import Refusal, refused
from .settings import Settings

__all__ = ["check_cloudflare", "check_openai", "check_origin"]

_BEARER = re.compile(r"Bearer +([A-Za-z0-9._~+/:=@!$*-]+)", re.IGNORECASE)


def check_cloudflare(settings: Settings, headers: Headers) -> None:
    """Bearer, or X-Auth-Email with X-Auth-Key, or X-Auth-User-Service-Key.

    Raises:
        Refusal: 6003 where the header is not even well formed, else 10000.
    """
    if settings.token is None:
        return
    given = headers.get("authorization")
    if given is not None:
        found = _BEARER.fullmatch(given.strip())
        if found is None:
            raise refused(6003)
        token = found[1]
    elif (key := headers.get("x-auth-key")) is not None:
        if not headers.get("x-auth-email") or not key.strip():
            raise refused(6003)
        token = key
    else:
        token = headers.get("x-auth-user-service-key", "")
    if not _same(token, settings.token):
        raise refused(10000)


def check_openai(settings: Settings, headers: Headers) -> None:
    """Bearer.

    Raises:
        Refusal: 401 in OpenAI's words.
    """
    if settings.token is None:
        return
    found = _BEARER.fullmatch(headers.get("authorization", "").strip())
    if found is None:
        raise Refusal(
            401,
            10000,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    if not _same(found[1], settings.token):
        raise Refusal(401, 10000, "Incorrect API key provided.", kind="invalid_api_key")


def check_origin(settings: Settings, headers: Headers) -> None:
    """Without a token, refuse web pages of other machines, and names that somebody made lead to this address.

    Pages of the settings' origins may ask. The origin ``null``, which every local file and sandboxed frame sends, may
    not.

    Raises:
        Refusal: 9109.
    """
    if settings.token is not None:
        return
    if not is_loopback(host_of(headers.get("host", ""))):
        raise _elsewhere("host")
    origin = headers.get("origin")
    if origin is None or origin in settings.cors_origins:
        return
    scheme, separator, authority = origin.partition("://")
    if not (scheme and separator and is_loopback(host_of(authority))):
        raise _elsewhere("origin")


def _elsewhere(what: str) -> Refusal:
    how = "call it by localhost or 127.0.0.1, or start it with a token"
    if what == "origin":
        how = "name the page's origin by --cors-origin, or start it with a token"
    return refused(9109, what=f"the {what} is not this machine; {how}")


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.strip().encode(), token.encode())
