"""Keys are hashed at rest, limited, and revoked by deleting their line."""

import pytest

from anyrank.core.errors import InputError
from anyrank.serve.keys import Keyring, new_key, read_keys
from anyrank.serve.requests import Refusal


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.txt"


def test_a_key_is_nowhere_in_its_file(file):
    key = new_key(file, "alice")
    assert key not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    for headers in ({"authorization": f"Bearer {key}"}, {"api-key": key}, {"x-api-key": key}):
        assert Keyring(file).admit(headers) == "alice"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer "}, {"x-api-key": "wrong"}, {"api-key": "alice"}])
def test_without_a_known_key_nothing_is_answered(file, headers):
    new_key(file, "alice")
    with pytest.raises(Refusal) as error:
        Keyring(file).admit(headers)
    assert error.value.status == 401


def test_rate_and_quota_count_across_processes_and_restarts(file):
    key, now = new_key(file, "alice", per_minute=2, per_day=3), [1_000_000.0]
    headers = {"x-api-key": key}

    def admit():
        return Keyring(file, clock=lambda: now[0]).admit(headers)  # a new one each time, as a worker is

    assert [admit(), admit()] == ["alice", "alice"]
    with pytest.raises(Refusal, match="this minute") as error:
        admit()
    assert error.value.status == 429
    assert 1 <= int(error.value.headers["Retry-After"]) <= 60
    now[0] += 60
    assert admit() == "alice"
    now[0] += 60
    with pytest.raises(Refusal, match="this day"):
        admit()
    now[0] += 86_400
    assert admit() == "alice"


def test_a_revoked_key_is_unknown_at_once(file):
    key = new_key(file, "alice")
    new_key(file, "bob")
    ring = Keyring(file)
    assert ring.admit({"x-api-key": key}) == "alice"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith("alice")))
    with pytest.raises(Refusal):
        ring.admit({"x-api-key": key})


def test_no_file_asks_nobody():
    assert Keyring().admit({}) == ""


@pytest.mark.parametrize("line", ["alice", "alice xyz 0 0", "alice " + "0" * 64 + " -1 0"])
def test_a_broken_line_is_named(file, line):
    file.write_text(line + "\n")
    with pytest.raises(InputError, match="NAME SHA256"):
        read_keys(file)


def test_names_are_distinct(file):
    new_key(file, "alice")
    with pytest.raises(InputError, match="is there already"):
        new_key(file, "alice")
    with pytest.raises(InputError, match="letters"):
        new_key(file, "a b")


def test_a_new_key_does_not_run_into_an_unended_last_line(file):
    first = new_key(file, "alice")
    file.write_text(file.read_text().rstrip("\n"))  # as some editors leave it
    second = new_key(file, "bob")
    assert [Keyring(file).admit({"api-key": k}) for k in (first, second)] == ["alice", "bob"]


def test_counts_that_cannot_be_written_let_nobody_pass(file):
    key = new_key(file, "alice", per_minute=5)
    file.with_name(file.name + ".counts").mkdir()
    with pytest.raises(Refusal) as error:
        Keyring(file).admit({"api-key": key})
    assert error.value.status == 503
