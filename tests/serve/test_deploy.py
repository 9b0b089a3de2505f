"""The files of deploy/: what they call exists, and compose.yaml has only fields that Compose knows."""

import re
import tomllib
from pathlib import Path

import pytest

from anyrank.cli.serve import serve_command

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
# Of the Compose specification, with the type of each value. The file was also checked once by the JSON schema that
# docker-compose 1.29.2 carries.
FIELDS = {
    "build": dict,
    "command": list,
    "ports": list,
    "volumes": list,
    "read_only": bool,
    "tmpfs": list,
    "cap_drop": list,
    "security_opt": list,
    "stop_grace_period": str,
    "restart": str,
}
OPTIONS = {name for parameter in serve_command.params for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.fixture(scope="module")
def compose():
    (service,) = (document := yaml.safe_load((DEPLOY / "compose.yaml").read_text()))["services"].values()
    assert set(document) == {"services"}
    return service


def test_the_compose_file_has_known_fields_of_the_right_type(compose):
    assert {name: type(value) for name, value in compose.items()} == {name: FIELDS[name] for name in compose}
    assert set(compose["build"]) == {"context", "dockerfile"}
    texts = [*compose["command"], *compose["ports"], *compose["volumes"], *compose["cap_drop"]]
    assert all(isinstance(text, str) for text in texts)
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in compose["ports"])
    assert all(re.fullmatch(r"[^:]+:/[^:]+(:ro)?", volume) for volume in compose["volumes"])
    assert re.fullmatch(r"\d+s", compose["stop_grace_period"])
    assert compose["restart"] in ("no", "always", "on-failure", "unless-stopped")


def test_the_compose_file_builds_the_dockerfile_here_and_mounts_what_it_serves(compose):
    assert (DEPLOY / compose["build"]["context"]).resolve() == ROOT
    assert (ROOT / compose["build"]["dockerfile"]).is_file()
    mounted = {volume.split(":")[1] for volume in compose["volumes"]}
    command = compose["command"]
    paths = [text for text in command if text.startswith("/")]
    assert paths
    assert all(any(path == m or path.startswith(f"{m}/") for m in mounted) for path in paths)
    exposed = re.search(r"^EXPOSE (\d+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert compose["ports"][0].endswith(f":{exposed[1]}")


@pytest.mark.parametrize("file", ["compose.yaml", "Dockerfile", "anyrank.service"])
def test_the_options_of_serve_exist(file, compose):
    text = (DEPLOY / file).read_text()
    words = compose["command"] if file == "compose.yaml" else re.findall(r'[\w./%-]+|"[^"]*"', _serve_line(text))
    given = [word.strip('"') for word in words if re.fullmatch(r'"?--?[a-z][a-z-]*"?', word)]
    assert given
    assert set(given) <= OPTIONS


def _serve_line(text):
    (line,) = (line for line in text.splitlines() if line.startswith(("CMD", "ExecStart=")))
    return line


def test_the_dockerfile_copies_what_is_there_and_installs_extras_that_exist():
    text = (DEPLOY / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (?!--from)(.*)", text, re.MULTILINE) for name in line.split()[:-1]]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r"'\.\[(.*)\]'", text)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert {project["readme"], *project["license-files"]} <= set(copied)
