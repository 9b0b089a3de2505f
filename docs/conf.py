"""Sphinx's settings for these pages. `make docs` builds the site; what `pages.py` makes of the code is in ``made/``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import pages  # noqa: E402
import tables  # noqa: E402

import anyrank  # noqa: E402

project = "anyrank"
copyright = "the authors of anyrank"
version = release = anyrank.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["README.md"]
root_doc = "index"

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "attrs_block"]

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_mock_imports = ["torch", "transformers", "peft", "trl", "lightgbm", "optuna"]
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
default_role = "py:obj"  # `Ranking` in a docstring is a link where the name is known, and code where it isn't
suppress_warnings = ["ref.python"]  # a short name that several rooms have is no fault of the page

html_theme = "furo"
html_title = f"anyrank {release}"
html_static_path = ["static"]
html_css_files = ["anyrank.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def setup(app) -> None:
    """Write the pages that are made of the code before Sphinx looks which there are, and fill in tables."""
    app.connect("config-inited", lambda app, config: pages.write(HERE / "made"))
    app.connect("source-read", _fill)


def _fill(app, name: str, source: list[str]) -> None:
    source[0] = tables.filled(source[0]).replace("\n\n```\n", "\n```\n")  # no blank line at the end of doctests
