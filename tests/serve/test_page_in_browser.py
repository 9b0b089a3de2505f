"""The playground's page in headless Chromium, end to end; only where playwright and chromium are installed."""

import json

import pytest

from anyrank.core.types import Candidate, Query
from anyrank.index.build import build
from anyrank.serve.app import Server
from anyrank.serve.playground.playground import Playground
from anyrank.serve.service import Service

HOSTILE = [
    "<script>hit()</script>",
    '"><img src=x onerror=hit()>',
    "\u202eesrever\u200b wing",
    "wing " + "x" * 1_000_000,
]


@pytest.fixture(scope="module")
def address(serving, words, tmp_path_factory):
    texts = [f"{'wing ' * (n % 7)}text {n}" for n in range(30)]
    folder = tmp_path_factory.mktemp("page") / "my.index"
    collection = build([Candidate(f"d{n}", t) for n, t in enumerate(texts)], folder)
    queries = [Query(f"q{n}", f"wing text {n}") for n in range(24)]
    qrels = {f"q{n}": {f"d{n}": 3, f"d{n + 1}": 1} for n in range(24)}
    service = Service({"words": words}, "bm25", collection)
    server = Server(service, playground=Playground(service, free=True, queries=queries, qrels=qrels))
    with serving(server) as client:
        yield f"http://127.0.0.1:{client.port}/"


@pytest.fixture
def page(opened, address):
    return opened(address)


def lane(page, n):
    return page.locator(f".lane[data-lane='{n}'] .row")


def settled(page, condition, argument=None):
    page.wait_for_function(condition, arg=argument)


def pasted(page, texts):
    page.get_by_role("button", name="Pasted").click()
    page.get_by_role("button", name="JSON").click()
    page.get_by_label("documents as JSON").fill(json.dumps([{"id": f"x{n}", "text": t} for n, t in enumerate(texts)]))
    page.get_by_label("pipeline A", exact=True).fill("words")
    page.get_by_role("textbox", name="Query").fill("wing lift")
    settled(page, "n => document.querySelectorAll('.lane[data-lane=\"0\"] .row').length === n", min(len(texts), 10))


def test_pasted_documents_are_ranked_and_edited_in_place(page):
    pasted(page, ["a wing", "wing lift", "nothing"])
    assert "wing lift" in lane(page, 0).nth(0).inner_text()
    page.get_by_role("button", name="Table").click()
    assert page.get_by_label("text of document 2").input_value() == "wing lift"
    lane(page, 0).nth(2).click()
    page.get_by_label("Edit it, and see it move").fill("wing lift wing lift lift")
    page.wait_for_selector(".lane[data-lane='0'] .row .up")
    assert page.get_by_label("text of document 3").input_value() == "wing lift wing lift lift"


def test_a_dropped_file_is_read(page):
    page.get_by_role("button", name="Pasted").click()
    rows = 'id,text\nf1,"wing, of lift"\nf2,other\n'
    page.set_input_files("input[type=file]", {"name": "x.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    assert page.get_by_label("text of document 1").input_value() == "wing, of lift"
    page.set_input_files("input[type=file]", {"name": "x.jsonl", "mimeType": "text/plain", "buffer": b'{"id": 1}\n{x'})
    assert "line 2" in page.get_by_role("alert").inner_text()


def test_pipelines_side_by_side(page):
    page.get_by_label("pipeline B", exact=True).fill("bm25 % 3 >> nixx")
    assert page.locator(".wrong mark").inner_text() == "nixx"
    assert lane(page, 0).count() == 10
    page.get_by_label("pipeline B", exact=True).fill("bm25 % 3")
    settled(page, "() => document.querySelectorAll('.lane[data-lane=\"1\"] .row').length === 3")
    assert "not found by bm25 % 3" in page.locator(".gone").inner_text()
    first = lane(page, 0).nth(0)
    first.hover()
    number = first.get_attribute("data-n")
    assert number is not None
    assert page.locator(".over path").get_attribute("d").startswith("M0 38")
    box, pane = first.bounding_box(), page.locator(".pane").first.bounding_box()
    assert abs(box["y"] - pane["y"]) <= 2  # a pane over the row
    page.mouse.move(5, 5)
    assert not page.locator(".over path").get_attribute("d")
    page.get_by_role("button", name="Add a pipeline").click()
    page.get_by_label("pipeline C", exact=True).fill("bm25 % 1")
    settled(page, "() => document.querySelectorAll('.lane').length === 3")


def test_a_score_is_explained_by_the_keyboard_alone(page):
    first = lane(page, 0).nth(0)
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    bars = page.locator(".detail .bars .label")
    bars.first.wait_for()
    assert "bm25" in bars.first.inner_text()
    first.focus()
    page.keyboard.press("Shift+Enter")
    page.locator(".why", has_text="below").first.wait_for()
    page.keyboard.press("Tab")
    page.locator(".detail h2").focus()
    page.keyboard.press("Escape")
    assert page.locator(".detail").count() == 0


def test_all_queries_without_a_trophy_where_the_interval_holds_zero(page):
    page.get_by_label("pipeline B", exact=True).fill("bm25")
    page.get_by_role("button", name="Queries", exact=True).click()
    page.get_by_role("button", name="Run all 24 queries").click()
    verdict = page.locator(".verdict", has_text="Not told apart")
    verdict.wait_for()
    assert "24 level" in verdict.inner_text()
    page.locator(".rows button").first.click()
    assert page.get_by_role("textbox", name="Query").input_value().startswith("wing text")


def slide(page, label, keys):
    slider = page.get_by_label(label)
    slider.focus()
    for key in keys:
        page.keyboard.press(key)


def test_a_slider_moves_documents_without_a_model(page):
    page.get_by_label("pipeline A", exact=True).fill("bm25 % 20 >> 0.1 * prior + tiny")
    page.get_by_label("weight of prior in pipeline A").wait_for()
    requests = []
    page.on("response", lambda r: requests.append(r) if "/play/" in r.url else None)
    slide(page, "weight of prior in pipeline A", ["End"])
    settled(
        page, "() => document.querySelector('[aria-label=\"pipeline A\"]').value === 'bm25 % 20 >> 2 * prior + tiny'"
    )
    page.get_by_text("from stored scores").first.wait_for()
    slide(page, "how many are kept of bm25 in pipeline A", ["Home", "ArrowRight", "ArrowRight"])
    settled(page, "() => document.querySelectorAll('.lane[data-lane=\"0\"] .row').length === 3")
    assert page.get_by_label("pipeline A", exact=True).input_value() == "bm25 % 3 >> 2 * prior + tiny"
    page.wait_for_timeout(500)
    assert {r.url.rpartition("/")[2] for r in requests} == {"slide"}  # nothing was run
    assert sum("fill" in r.request.post_data_json for r in requests) == 1  # scored once, at the first touch


def test_pasted_documents_slide(page):
    pasted(page, ["a wing", "wing lift", "nothing", "lift"])
    page.get_by_label("pipeline A", exact=True).fill("prior + 0.5 * tiny")
    page.get_by_label("weight of prior in pipeline A").wait_for()
    slide(page, "weight of prior in pipeline A", ["Home"])
    settled(page, "() => document.querySelector('.lane[data-lane=\"0\"] .row .words').innerText !== 'a wing'")
    page.locator(".row .up").first.wait_for()
    slide(page, "weight of prior in pipeline A", ["End"])
    settled(page, "() => document.querySelector('.lane[data-lane=\"0\"] .row .words').innerText === 'a wing'")


def test_depth_and_cost_are_measured(page):
    page.get_by_label("pipeline A", exact=True).fill("bm25 % 20 >> tiny")
    page.get_by_label("pipeline B", exact=True).fill("bm25")
    page.get_by_role("button", name="Depth").click()
    page.get_by_role("button", name="Measure on 24 judged queries").click()
    page.locator("figure.chart").first.wait_for()
    assert page.locator(".curve.dashed").count() == 1
    assert page.locator(".whiskers").count() >= 1
    slide(page, "depth to read off", ["Home"])
    assert "at 10:" in page.locator(".readout li").first.inner_text()
    page.get_by_role("button", name="Use 10").click()
    page.get_by_text("The numbers of this chart").click()
    assert page.locator("figure").first.locator("tbody tr").count() >= 8
    page.get_by_role("button", name="Rank").click()
    assert page.get_by_label("pipeline A", exact=True).input_value() == "bm25 % 10 >> tiny"
    page.locator(".quality").first.wait_for()


def test_a_cut_off_keeps_a_promise(page):
    page.get_by_label("pipeline A", exact=True).fill("bm25 % 20 >> tiny")
    page.get_by_role("button", name="Cut-off").click()
    calibrate = page.get_by_role("button", name="Calibrate on 24 judged queries")
    page.locator(".facts").or_(calibrate).first.wait_for()
    if calibrate.count():
        calibrate.click()
    page.locator(".facts").wait_for()
    slider = page.get_by_label("promised share")
    assert "90 % stay" in slider.get_attribute("aria-valuetext")
    kept = page.locator(".facts dd").first
    before = kept.inner_text()
    requests = []
    # the run of the pipeline that was typed may still be under way
    page.on("request", lambda r: requests.append(r.url) if not r.url.endswith("/play/run") else None)
    slide(page, "promised share", ["Home"])
    assert "50 % stay" in page.locator(".said").inner_text()
    assert kept.inner_text() != before
    slide(page, "promised share", ["End"])
    assert "judge more queries" in page.locator(".promise .wrong").inner_text()
    slide(page, "promised share", ["PageDown", "PageDown"])
    assert page.locator(".strips li").count() == 8
    assert not requests  # a move asks for nothing
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save cut.json").click()
    assert json.loads(saved.value.path().read_text())["pipeline"] == "bm25 % 20 >> tiny"


def test_the_link_holds_sliders_and_views(page, browser):
    page.get_by_label("pipeline A", exact=True).fill("0.35 * bm25 + bm25 % 7")
    page.get_by_role("button", name="Cut-off").click()
    page.get_by_role("button", name="Copy or save").click()
    page.get_by_role("button", name="link").click()
    page.locator("dialog textarea[aria-label=link]").wait_for()
    other = browser.new_page()
    other.goto(page.locator("dialog textarea").input_value())
    other.locator("section[aria-label=cut-off]").wait_for()
    other.get_by_role("button", name="Rank").click()
    assert other.get_by_label("weight of bm25 in pipeline A").first.input_value() == "0.35"
    other.close()


def test_a_link_of_a_stranger_runs_nothing(page, browser):
    page.get_by_label("pipeline A", exact=True).fill('bm25 >> keep("x")')
    page.get_by_role("button", name="Copy or save").click()
    page.get_by_role("button", name="link").click()
    page.locator("dialog textarea[aria-label=link]").wait_for()
    other, requests = browser.new_page(), []
    other.on("request", lambda r: requests.append(r.url.rpartition("/")[2]) if r.method == "POST" else None)
    other.goto(page.locator("dialog textarea").input_value())
    other.get_by_text("brings pipelines of its own").wait_for()
    other.wait_for_timeout(500)
    assert not requests
    other.get_by_role("button", name="Run them").click()
    other.wait_for_selector(".lane .row")
    assert other.get_by_label("pipeline A", exact=True).input_value() == 'bm25 >> keep("x")'
    other.close()


def test_two_tabs_and_a_lane_in_error(page, browser, address):
    other = browser.new_page()
    other.goto(address)
    other.wait_for_selector(".lane .row")
    for tab in (page, other):
        tab.get_by_label("pipeline A", exact=True).fill("bm25 % 9 >> 0.5 * prior + tiny")
        tab.get_by_label("pipeline B", exact=True).fill("bm25 >> nix")
        tab.locator(".wrong mark").wait_for()
        tab.get_by_label("weight of prior in pipeline A").wait_for()
    slide(page, "weight of prior in pipeline A", ["End"])
    slide(other, "weight of prior in pipeline A", ["Home"])
    for tab, weight in ((page, "2"), (other, "0")):
        wanted = f"bm25 % 9 >> {weight} * prior + tiny"
        settled(tab, "w => document.querySelector('[aria-label=\"pipeline A\"]').value === w", wanted)
        tab.get_by_text("from stored scores").first.wait_for()
        assert tab.locator(".wrong mark").inner_text() == "nix"
    other.close()


def test_judging_by_keys_hides_the_pipelines(page):
    page.get_by_label("pipeline B", exact=True).fill("bm25(k1=0, b=0) % 4")
    page.get_by_role("button", name="Judge").click()
    page.get_by_role("button", name="Begin").click()
    page.locator(".keys").wait_for()
    assert "bm25" not in page.locator("main").inner_text()
    for n, key in enumerate("302", 1):
        page.keyboard.press(key)
        page.get_by_text(f"{n} judged").wait_for()
    page.keyboard.press("u")
    page.get_by_text("2 judged").wait_for()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as qrels").click()
    assert [line.split()[3] for line in saved.value.path().read_text().splitlines()] == ["3", "0"]
    page.reload()
    page.get_by_label("pipeline B", exact=True).fill("bm25(k1=0, b=0) % 4")
    page.get_by_role("button", name="Judge").click()
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("2 judged").wait_for()  # kept in the browser


def test_a_link_holds_the_state(page, browser, address):
    pasted(page, ["one wing", "two"])
    page.get_by_role("button", name="Copy or save").click()
    assert "words" in page.locator("dialog textarea").input_value()
    page.get_by_role("button", name="link").click()
    page.locator("dialog textarea[aria-label=link]").wait_for()
    link = page.locator("dialog textarea").input_value()
    other = browser.new_page()
    other.goto(link)
    other.wait_for_selector(".lane .row")
    assert other.get_by_role("textbox", name="Query").input_value() == "wing lift"
    assert other.get_by_label("text of document 1").input_value() == "one wing"
    other.goto(address + "#s=broken")
    other.reload()
    other.wait_for_selector(".lane .row")
    other.close()


def test_hostile_texts_do_nothing(page):
    page.evaluate("() => { window.hit = () => { window.wasHit = true; }; }")
    pasted(page, [*HOSTILE, *(f"wing {n}" for n in range(6))])
    page.get_by_label("pipeline B", exact=True).fill("tiny + (prior >> keep('<img src=x onerror=hit()>'))")
    page.get_by_label("weight of tiny in pipeline B").wait_for()
    slide(page, "weight of tiny in pipeline B", ["Home"])
    page.get_by_label("pipeline B", exact=True).fill("words")
    page.get_by_role("button", name="Table").click()
    for n in range(3):
        lane(page, 0).nth(n).click()
    assert page.evaluate(
        "() => [window.wasHit, document.querySelectorAll('#app script, #app img[onerror]').length]"
    ) == [None, 0]
    assert "characters" in page.locator(".documents .long").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_screen_needs_no_sideways_scrolling_of_the_page(browser, address, scheme):
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page.goto(address)
    page.wait_for_selector(".lane .row")
    assert page.evaluate("() => document.documentElement.scrollWidth <= 360")
    colours = page.evaluate(
        "() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    light = [sum(map(int, c[4:-1].split(","))) for c in colours]
    assert (light[0] < light[1]) == (scheme == "light")
    page.close()
