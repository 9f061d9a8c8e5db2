"""A URL -> an open file: the web, what fsspec knows, and archives around either, all within one allowance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, SpooledTemporaryFile
from typing import IO, Any

from .allowance import Allowance
from .archives import ARCHIVES, unpack
from .deadline import call_within
from .errors import SourceError
from .local import open_regular, path_of_file_url
from .web import VARIABLE, fetch, private_is_allowed

__all__ = ["IN_MEMORY", "is_url", "open_url", "public_url", "split_chain"]

IN_MEMORY = 64 * 2**20  # bytes; what is fetched beyond this waits in a temporary file
MOST_LINKS = 8  # of a chain such as zip://a.wav::tar://b.zip::https://...

# Filesystems of fsspec that are written around another one, as in zip://a.wav::https://example.org/a.zip
CACHES = frozenset({"blockcache", "cached", "filecache", "simplecache"})
WRAPPERS = ARCHIVES | CACHES | {"async_wrapper", "asyncwrapper", "dask", "dir", "generic", "libarchive", "reference"}
LOCAL = frozenset({"", "file", "local"})

# What fsspec opens without dialling a host that the address names: stores by the names of their buckets, what lies on
# this machine, and what wraps another.
HOSTLESS = frozenset(
    {"abfs", "abfss", "adl", "az", "blockcache", "data", "dir", "file", "filecache", "gcs", "gs", "hf", "libarchive"}
    | {"local", "memory", "oss", "s3", "s3a", "simplecache", "tar", "zip"}
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters at least: C:\ is a path
_WRAPPER = re.compile(rf"({'|'.join(sorted(WRAPPERS))})(://|::)", re.IGNORECASE)
_LINK = re.compile(rf"::(?={_SCHEME.pattern}|file:|({'|'.join(sorted(WRAPPERS))})::)", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether a text is the address of something to fetch, not a path.

    >>> [is_url(text) for text in ("https://a/b", "simplecache::s3://a/b", "take::2.wav", "C:/a.wav")]
    [True, True, False, False]
    """
    return (_SCHEME.match(text) or _WRAPPER.match(text)) is not None


def split_chain(url: str) -> list[str]:
    """The links of a chain, the outermost first. A ``::`` that joins nothing is part of a name.

    >>> split_chain("zip://a.wav::https://[2001:db8::1]/a.zip?t=12::30")
    ['zip://a.wav', 'https://[2001:db8::1]/a.zip?t=12::30']
    >>> split_chain("s3://bucket/a::b.wav")
    ['s3://bucket/a::b.wav']
    """
    links = []
    while _WRAPPER.match(url):
        joint = _LINK.search(url)
        end = joint.start() if joint else url.rfind("::")
        if end < 0:
            break
        links.append(url[:end])
        url = url[end + 2 :]
    return [*links, url]


def public_url(url: str) -> str:
    """The URL without user names, passwords and query, which may hold secrets."""
    return re.sub(r"(://)[^/]*@", r"\1", url.split("?")[0]) if is_url(url) else url


@contextmanager
def open_url(url: str, allowance: Allowance, *, allow_private: bool = False) -> Iterator[IO[bytes]]:
    """The file at a URL, fetched whole.

    Args:
        url: an address or a chain of them.
        allowance: the bytes and the time for all of its stages together.
        allow_private: also from addresses that are not public.

    Raises:
        SourceError: ``refused-address``, ``no-filesystem``, ``not-found``, ``unreachable``, ``unreadable`` or
            ``too-large``.
    """
    is_trusted = allow_private or private_is_allowed()
    links = split_chain(url)
    if len(links) > MOST_LINKS:
        raise SourceError(f"{public_url(url)} is a chain of over {MOST_LINKS} addresses", code="unreachable")
    # What is fetched whole needs no cache, which would be a copy that nobody counts.
    links = [link for link in links[:-1] if _scheme(link) not in CACHES] + links[-1:]
    if not is_trusted:
        _refuse_hosts(url, links[:-1] if _is_web(links[-1]) else links)
    with _opened(links, allowance, is_trusted) as file:
        yield file


def _opened(links: Sequence[str], allowance: Allowance, is_trusted: bool) -> AbstractContextManager[IO[bytes]]:
    """What the first link names, inside what the others name."""
    first, rest = links[0], links[1:]
    if rest:
        if _scheme(first) in ARCHIVES:
            return _member(first, rest, allowance, is_trusted)
        return _by_fsspec_around(links, allowance, is_trusted)
    if _is_web(first):
        return _from_web(first, allowance, is_trusted)
    if _scheme(first) in LOCAL:
        is_path = not first.lower().startswith(("file:", "local:"))
        return open_regular(Path(first).expanduser() if is_path else path_of_file_url(first))
    return _by_fsspec(first, allowance)


@contextmanager
def _from_web(url: str, allowance: Allowance, is_trusted: bool) -> Iterator[IO[bytes]]:
    with SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
        fetch(url, public_url(url), copy, allow_private=is_trusted, limit=allowance)
        copy.seek(0)
        yield copy


@contextmanager
def _member(link: str, rest: Sequence[str], allowance: Allowance, is_trusted: bool) -> Iterator[IO[bytes]]:
    """A file of an archive."""
    with _opened(rest, allowance, is_trusted) as archive, SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
        unpack(_scheme(link), link.partition("://")[2], archive, copy, allowance)
        copy.seek(0)
        yield copy


@contextmanager
def _by_fsspec_around(links: Sequence[str], allowance: Allowance, is_trusted: bool) -> Iterator[IO[bytes]]:
    """A chain that only fsspec can follow; it finds what comes from the web on this machine."""
    if not _is_web(links[-1]):
        with _by_fsspec("::".join(links), allowance) as copy:
            yield copy
        return
    with NamedTemporaryFile() as fetched:
        fetch(links[-1], public_url(links[-1]), fetched, allow_private=is_trusted, limit=allowance)
        fetched.flush()
        with _by_fsspec("::".join([*links[:-1], Path(fetched.name).as_uri()]), allowance) as copy:
            yield copy


@contextmanager
def _by_fsspec(url: str, allowance: Allowance) -> Iterator[IO[bytes]]:
    def arrive() -> IO[bytes]:
        try:
            remote = _fsspec_file(url)
        except (ImportError, ValueError) as error:
            raise _no_filesystem(url, error) from error
        copy = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by whoever it is given to
        try:
            with remote as opened:
                allowance.copy(opened.read, copy)
            copy.seek(0)
        except BaseException:
            copy.close()
            raise
        return copy

    try:
        copy = call_within(arrive, allowance.deadline)  # filesystems keep to no time limit of ours
    except SourceError:
        raise
    except Exception as error:  # every filesystem has its own tree of errors
        allowance.check_time()
        raise _not_fetched(allowance, error) from None
    with copy:
        yield copy


def _fsspec_file(url: str) -> AbstractContextManager[Any]:
    """What fsspec will open. It would take every ``::`` for the joint of a chain."""
    import fsspec

    if len(split_chain(url)) > 1 or "::" not in url:
        return fsspec.open(url, "rb")  # type: ignore[no-any-return]
    kind = fsspec.get_filesystem_class(_scheme(url))
    system = kind(**kind._get_kwargs_from_urls(url))
    return fsspec.core.OpenFile(system, kind._strip_protocol(url), "rb")  # type: ignore[no-any-return]


def _scheme(link: str) -> str:
    """``zip`` of ``zip://a.wav``, also of a wrapper that stands alone before a ``::``; empty for a path."""
    if found := _SCHEME.match(link):
        return found[1].lower()
    first = link.partition(":")[0].lower()
    return first if first in WRAPPERS or link.lower().startswith("file:") else ""


def _is_web(link: str) -> bool:
    return _scheme(link) in ("http", "https")


def _refuse_hosts(url: str, links: Sequence[str]) -> None:
    """Other filesystems connect as they like: which address that is cannot be checked here."""
    from fsspec.registry import known_implementations

    for link in links:
        scheme = _scheme(link)
        if scheme in known_implementations and scheme not in HOSTLESS:
            raise SourceError(
                f"{public_url(url)}: what {scheme}:// connects to cannot be checked; if the address is meant, "
                f"pass allow_private_urls=True or set {VARIABLE}=1",
                code="refused-address",
            )


def _not_fetched(allowance: Allowance, error: Exception) -> SourceError:
    """The error's own text may hold the whole address, secrets included."""
    if isinstance(error, FileNotFoundError) and not isinstance(error.__cause__, OSError):
        return SourceError(f"{allowance.shown} does not exist", code="not-found")
    told = error.__cause__ if isinstance(error, FileNotFoundError) else error  # fsspec says so of lost connections too
    return SourceError(
        f"{allowance.shown} could not be fetched ({type(told).__name__}); check the address and the credentials",
        code="unreachable",
    )


def _no_filesystem(url: str, error: Exception) -> SourceError:
    from fsspec.registry import known_implementations

    scheme = _scheme(split_chain(url)[0])
    hint = known_implementations.get(scheme, {}).get("err") or f"fsspec: {type(error).__name__}"
    return SourceError(f"nothing installed here opens {scheme}:// ({hint})", code="no-filesystem")
