"""A server on this machine that plays mirrors of MNIST: each is a folder of it with one way to answer."""

import gzip
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from experiments.tests.small_mnist import CONTENTS

Answer = Callable[["Handler"], None]


class Mirrors:
    """It notes what it was asked. What it does for ever ends when it is closed."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.closed = Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("OurHandler", (Handler,), {"mirrors": self}))
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __call__(self, *answers: Answer) -> list[str]:
        """The addresses of mirrors that answer so."""
        self.answers |= {answer.__name__: answer for answer in answers}
        return [f"http://127.0.0.1:{self.server.server_port}/{answer.__name__}/" for answer in answers]

    def close(self) -> None:
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()


class Handler(BaseHTTPRequestHandler):
    mirrors: Mirrors

    def do_GET(self) -> None:
        self.mirrors.asked.append(self.path)
        try:
            self.mirrors.answers[Path(self.path).parent.name](self)
        except OSError:
            self.close_connection = True  # nobody listens any more

    def log_message(self, *arguments: object) -> None:
        pass

    @property
    def content(self) -> bytes:
        return gzip.compress(CONTENTS[Path(self.path).stem])

    def head(self, status: int = 200, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, body: bytes) -> None:
        self.head(Content_Length=len(body))
        self.wfile.write(body)

    def forever(self, piece: bytes, pause: float = 0.0) -> None:
        while not self.mirrors.closed.wait(pause):
            self.wfile.write(piece)

    def silence(self) -> None:
        self.mirrors.closed.wait(60)


# --- mirrors that are right -------------------------------------------------------------------------------------------


def good(handler: Handler) -> None:
    handler.send(handler.content)


def unannounced(handler: Handler) -> None:
    handler.head()
    handler.wfile.write(handler.content)


def moved(handler: Handler) -> None:
    handler.head(302, Location=f"/good/{Path(handler.path).name}", Content_Length=0)


def changing(handler: Handler) -> None:
    """Another file the first time that it is asked for one."""
    times = Counter(handler.mirrors.asked)[handler.path]
    handler.send(handler.content if times > 1 else gzip.compress(b"another"))


# --- mirrors that are not ---------------------------------------------------------------------------------------------


def not_found(handler: Handler) -> None:
    handler.send_error(404)


def broken(handler: Handler) -> None:
    handler.send_error(503, "\x1b[2J")


def web_page(handler: Handler) -> None:
    handler.send(b"<html>Please log in</html>")


def swapped(handler: Handler) -> None:
    handler.send(gzip.compress(CONTENTS["test-labels"]))


def half(handler: Handler) -> None:
    """Half of what it announces."""
    handler.head(Content_Length=len(handler.content))
    handler.wfile.write(handler.content[:-20])


def half_unannounced(handler: Handler) -> None:
    handler.head()
    handler.wfile.write(handler.content[:-20])


def announces_less(handler: Handler) -> None:
    handler.head(Content_Length=20)
    handler.wfile.write(handler.content)


def announces_too_much(handler: Handler) -> None:
    handler.head(Content_Length=10**12)
    handler.silence()


def endless(handler: Handler) -> None:
    handler.head()
    handler.forever(bytes(10**5))


def endless_redirection(handler: Handler) -> None:
    """A redirection has a body too, which nobody need read."""
    handler.head(302, Location=f"/endless/{Path(handler.path).name}")
    handler.forever(bytes(10**5))


def redirected_for_ever(handler: Handler) -> None:
    handler.head(302, Location=handler.path, Content_Length=0)


def redirected_to_a_file(handler: Handler) -> None:
    handler.head(302, Location="file:///etc/hostname", Content_Length=0)


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"\x00\xff\x1b[2J" * 9)


def endless_header(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
    handler.forever(b"x" * 10**5)


def hangs_up(handler: Handler) -> None:
    pass


def silent(handler: Handler) -> None:
    handler.silence()


def stalling(handler: Handler) -> None:
    handler.head(Content_Length=len(handler.content))
    handler.wfile.write(handler.content[:9])
    handler.silence()


def dripping(handler: Handler) -> None:
    """One byte every now and then, for ever: it is never silent."""
    handler.head()
    handler.forever(b"\x1f", 0.02)


def dripping_header(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
    handler.forever(b"x", 0.02)


def slow(handler: Handler) -> None:
    """The right file in many pieces."""
    handler.head(Content_Length=len(handler.content))
    for start in range(0, len(handler.content), 5):
        handler.wfile.write(handler.content[start : start + 5])
        time.sleep(0.002)
