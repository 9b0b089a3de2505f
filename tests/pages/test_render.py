"""Templates: escaped, strict, and told of by the extra where jinja2 is missing."""

import subprocess
import sys

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from anyrank.pages import render, write_page
from anyrank.pages.render import environment

PACKAGE = "anyrank.pages"


def printed(source, **values):
    return environment(PACKAGE).from_string(source).render(values)


def test_what_a_template_prints_is_cleaned_and_escaped_once():
    assert printed("{{ x }}|{{ x | cut(3) }}", x="<a>\n\0'b'") == "&lt;a&gt; &#39;b&#39;|&lt;a…"
    assert printed("{{ x }}", x=Markup("<b>\n</b>")) == "<b>\n</b>"
    assert printed("{{ x }} {{ y }}", x=1.5, y=None) == "1.5 None"


def test_a_name_without_value_is_an_error():
    with pytest.raises(UndefinedError, match="missing"):
        printed("{{ missing }}")
    with pytest.raises(UndefinedError):
        render("comparison.html.jinja", title="t")


def test_tables_and_menus(check_page):
    source = """
    {%- extends "base.html.jinja" %}
    {% from "macros.html.jinja" import menu, section, table %}
    {% block lead %}lead{% endblock %}
    {% block sections %}{% call section("Part <1>") %}
    {{ table(["a", "b", "c"], [["<x>", "1", "words"]], words=(2,)) }}
    {% call(i) menu("pick", "Pick:", ["one", "<two>"]) %}part {{ i }}{% endcall %}
    {% endcall %}{% endblock %}"""
    page = printed(source, title="T")
    check_page(page)
    assert "<h2>Part &lt;1&gt;</h2>" in page
    assert '<th scope="row">&lt;x&gt;</th>\n<td>1</td>\n<td class="words">words</td>' in page
    assert page.count('<th scope="col" class="words">c</th>') == 1
    assert '<option value="1">&lt;two&gt;</option>' in page
    assert '<div class="pick" data-part="0">\npart 0' in page
    assert '<div class="pick" data-part="1" hidden>\npart 1' in page


def test_a_page_is_written_whole(tmp_path):
    write_page(tmp_path / "page.html", "<p>é</p>")
    assert (tmp_path / "page.html").read_bytes() == "<p>é</p>".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_without_jinja2_the_extra_is_named():
    code = "import sys; sys.modules['jinja2'] = None; import anyrank.pages"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "needs the package 'jinja2', which is not installed: pip install 'anyrank[eval]'" in run.stderr


def test_pages_need_no_package_of_evaluations():
    """Reports of peptides stand on the extra ``peptides`` alone."""
    missing = ("ir_measures", "scipy", "tabulate", "torch", "pandas")
    pages = "anyrank.domains.peptides.reports.eval_page, anyrank.domains.peptides.reports.rerank_page"
    code = f"import sys; sys.modules.update(dict.fromkeys({missing})); import {pages}"
    subprocess.run([sys.executable, "-c", code], check=True)
