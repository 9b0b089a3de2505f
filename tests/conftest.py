"""Shared fixtures. Optional test data: set ANYRANK_DATA, or keep it in ../shared/data beside the project."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of optional test data; tests that need it skip where it is absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ANYRANK_DATA", beside))
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip("optional test data is absent (set ANYRANK_DATA)")
    return folder
