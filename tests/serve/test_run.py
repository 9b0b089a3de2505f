"""An address that can't be had is an error before models are opened; how an index is searched by default."""

import socket
import subprocess
import sys

import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.serve.playground.playground import Playground
from anyrank.serve.run import Options, listening, service


def test_a_port_in_use_is_said_with_the_cure_before_models_are_opened():
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"another program listens at port {port} .* --port {port + 1}"):
            listening("127.0.0.1", port)
        command = [sys.executable, "-m", "anyrank", "serve", "-p", "no-such-model-here", "--port", str(port)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode != 0
        assert f"another program listens at port {port}" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_an_address_of_another_machine_is_an_error():
    with pytest.raises(InputError, match=r"can't listen at 203\.0\.113\.1"):
        listening("203.0.113.1", 0)


def test_ipv6_addresses_are_listened_at():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = listening("::1", 0)
    except InputError:
        pytest.skip("no IPv6 loopback here")
    with listener:
        assert listener.family == socket.AF_INET6


def test_an_index_without_words_is_searched_by_its_vectors(tmp_path):
    documents = [Candidate("a", "a wing"), Candidate("b", "a plate")]
    build(documents, tmp_path / "i", lexical=False).encode(open_model("minilm"), "minilm")
    made = service(Options(("mini",), index=str(tmp_path / "i")))
    assert made.search == "model('minilm') % 100"
    assert not Playground(made, free=True).info()["index"]["words"]
    build(documents, tmp_path / "w")
    assert service(Options(("mini",), index=str(tmp_path / "w"))).search == "bm25 % 100 >> (mini)"
