"""The site of docs/: it builds without a warning, loads nothing from elsewhere, and lists every page."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
import pages  # noqa: E402

sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; a broken link or a docstring that can't be read fails the build."""
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    out = tmp_path_factory.mktemp("site")
    doctrees = ROOT / "build" / "doctrees"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(doctrees), str(DOCS), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_it_builds(site):
    assert (site / "index.html").is_file()
