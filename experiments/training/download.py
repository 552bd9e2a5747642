"""One file over HTTP into memory, of limited length and time, from an untrusted server."""

from __future__ import annotations

import ssl
import time
from queue import Empty, Queue
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from torch_impl.files import printable

CHUNK = 2**16
REDIRECTS = 5
MOVED = (301, 302, 303, 307, 308)


class DownloadError(RuntimeError):
    """A download that failed, and why."""


def fetch(url: str, most: int, silence: float, limit: float, progress: bool = False) -> bytearray:
    """The body of the answer: at most `most` bytes, never `silence` seconds without one, and all within `limit`
    seconds.

    A separate thread sends the request, as a server can stretch a single line of its answer over hours. After the limit
    the thread is abandoned; it stops with the next byte, or silence.

    Raises    DownloadError saying what the server did.
    """
    answers: Queue[bytearray | Exception] = Queue()

    def ask() -> None:
        try:
            answers.put(_body(url, most, silence, limit, progress))
        except Exception as error:
            answers.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=limit)
    except Empty:
        raise DownloadError(_too_long(limit)) from None
    if isinstance(answer, bytearray):
        return answer
    reason = getattr(answer, "reason", answer)  # urllib wraps the system's error
    if isinstance(reason, TimeoutError):
        raise DownloadError(f"timed out: it was silent for {silence:g} s") from answer
    raise DownloadError(printable(reason) or type(answer).__name__) from answer


def _body(url: str, most: int, silence: float, limit: float, progress: bool) -> bytearray:
    """Follow redirections, without reading their bodies, to the final body."""
    opener, start = _opener(), time.monotonic()
    for _ in range(REDIRECTS + 1):
        if urlsplit(url).scheme not in ("http", "https"):
            raise DownloadError(f"it redirects to {url}, which is not a web address")
        try:
            with opener.open(Request(url, headers={"User-Agent": "nn-parity"}), timeout=silence) as response:
                return _read(response, most, start, limit, progress)
        except HTTPError as error:
            with error:
                if error.code not in MOVED or "Location" not in error.headers:
                    raise DownloadError(f"it answers {error.code} {error.reason}") from error
                url = urljoin(url, error.headers["Location"])
    raise DownloadError(f"it redirects more than {REDIRECTS} times")


def _read(response: Any, most: int, start: float, limit: float, progress: bool) -> bytearray:
    from tqdm import tqdm

    length = response.headers.get("Content-Length")
    announced = int(length) if length and length.isdecimal() else None
    if announced is not None and announced > most:
        raise DownloadError(f"it announces {announced} bytes, more than the {most} that the file can have")
    body = bytearray()
    with tqdm(total=announced, unit="B", unit_scale=True, leave=False, disable=not progress) as bar:
        while chunk := response.read1(CHUNK):
            body += chunk
            bar.update(len(chunk))
            if len(body) > most:
                raise DownloadError(f"it sends more than the {most} bytes that the file can have")
            if time.monotonic() - start > limit:
                raise DownloadError(_too_long(limit))
    if announced is not None and len(body) != announced:
        raise DownloadError(f"it broke off: {len(body)} of {announced} bytes came")
    return body


def _opener() -> OpenerDirector:
    """HTTP and HTTPS through the environment's proxies, and no other protocol; a redirection is an error to handle."""
    trusted = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        pass  # only the system's certificates
    else:
        trusted.load_verify_locations(certifi.where())
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(context=trusted),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _too_long(limit: float) -> str:
    return f"timed out: the file was not there after {limit:g} s"
