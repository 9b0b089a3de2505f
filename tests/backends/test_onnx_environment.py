"""Threads of a model's session are settable from outside, for servers and shared machines."""

from anyrank.backends.onnx.engine import _threads, engine
from anyrank.hub.open import declare


def test_the_environment_states_threads(monkeypatch):
    monkeypatch.setenv("ANYRANK_THREADS", "3")
    assert _threads() == 3
    for value in ("0", "", "many"):
        monkeypatch.setenv("ANYRANK_THREADS", value)
        assert _threads() >= 1


def test_spinning_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("ANYRANK_SPIN", "0")
    options = engine(declare("tiny"), 1, 1024, None).session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
