"""Slow clients lose their connection; the others are answered meanwhile."""

import socket
import time

import pytest

from anyrank.serve.app import Server
from anyrank.serve.protocol import BoundedProtocol
from anyrank.serve.service import Service

BODY = {"query": "a", "documents": ["a b", "c"]}


class Brief(BoundedProtocol):
    seconds = 0.5


class Few(BoundedProtocol):
    most = 3


@pytest.fixture(scope="module")
def brief(words, serving):
    with serving(Server(Service({"words": words})), http=Brief) as client:
        yield client


def ends(connection, drip=b""):
    """Whether the server closes a connection within 10 s, while bytes drip in."""
    end = time.monotonic() + 10
    connection.settimeout(0.1)
    while time.monotonic() < end:
        try:
            if drip:
                connection.sendall(drip)
            if connection.recv(65536) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("first", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX-"])
def test_headers_that_trickle_in_do_not_hold_a_connection(brief, first):
    with socket.create_connection(("127.0.0.1", brief.port)) as slow:
        slow.sendall(first)
        assert brief("/v2/rerank", BODY)[0] == 200
        assert ends(slow, b"a" if first else b"")


def test_the_next_headers_of_a_connection_are_bounded_too(brief):
    with socket.create_connection(("127.0.0.1", brief.port)) as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(65536).startswith(b"HTTP/1.1 200")
        assert ends(slow, b"G")


def test_what_follows_a_refused_request_does_not_hold_a_connection(brief):
    with socket.create_connection(("127.0.0.1", brief.port)) as slow:
        slow.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert ends(slow, b"1\r\nx\r\n")


def test_a_client_that_does_not_read_is_left(brief):
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", brief.port))
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        slow.settimeout(10)
        with pytest.raises(ConnectionError):  # it no longer reads either, and ends the connection
            slow.sendall(request * 200_000)


def test_no_more_connections_than_files_that_may_be_open(words, serving):
    with serving(Server(Service({"words": words})), http=Few) as client:
        held = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(3)]
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", client.port)) as one_more:
            assert ends(one_more)
        for connection in held:
            connection.close()
        time.sleep(0.2)
        assert client("/v2/rerank", BODY)[0] == 200
