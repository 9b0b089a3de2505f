"""The commands and the Python of docs/images.md run as they stand, and print what it shows."""

import doctest
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("PIL")
pytest.importorskip("jinja2")

from anyrank.cli import cli
from anyrank.testing.tiny_images import squares

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "images.md").read_text(encoding="utf-8")
CLIP = "openai/clip-vit-base-patch32"


def run(line):
    result = CliRunner().invoke(cli, shlex.split(line)[1:])
    assert result.exit_code == 0, (line, result.output, result.exception)
    return result.stdout


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for name, picture in zip(("red", "blue"), squares("red", "blue")):
        picture.save(f"photos/{name}.png")
    (captions,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
    Path("captions.jsonl").write_text(captions)


def blocks():
    return [b.splitlines() for b in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)]


def test_the_commands_with_captions_print_what_the_page_shows(photos):
    printed = next(b for kind, b in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.M | re.S) if not kind)
    assert "".join(run(line) for line in blocks()[0]) == printed
    assert all(Path(page).is_file() for page in ("found.html", "reranked.html"))


def test_the_commands_with_a_clip_model_run(photos, tmp_path):
    """A tiny random one in place of the hub's."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from anyrank.testing import tiny_images

    tiny_images.clip(tmp_path / "random")
    lines = [line.replace(CLIP, "random") for line in blocks()[1]]
    assert len(lines) == 4
    for line in lines:
        assert run(line).strip(), line
    assert Path("like.html").is_file()


def test_the_python_runs():
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    output: list[str] = []
    results = doctest.DocTestRunner().run(
        doctest.DocTestParser().get_doctest(code, {}, "page", "docs/images.md", 0), out=output.append
    )
    assert results.attempted == 11
    assert not results.failed, "".join(output)
