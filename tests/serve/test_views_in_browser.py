"""The playground's pictures and spectra in headless Chromium, and axe-core on each view; only where playwright and
chromium are installed."""

import io
import json

import pytest

from anyrank.core.types import Candidate, Query
from anyrank.index.build import build
from anyrank.serve.app import Server
from anyrank.serve.playground.playground import Playground
from anyrank.serve.playground.spectra import read_spectra_with
from anyrank.serve.service import Service

SHOWN = {"wide.jpg": (1200, 200), "high.png": (60, 900), "tiny.png": (3, 3), "a \"b\" 'c'.png": (64, 64)}
BROKEN = ["gone.png", "text.png", "junk.png", '<img src=x onerror="hit()">.png']
HIT = "window.hit = () => { window.wasHit = true; };"


def png(size):
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def photos(serving, words, tmp_path_factory):
    pytest.importorskip("PIL")
    folder = tmp_path_factory.mktemp("photos")
    for name, size in SHOWN.items():
        (folder / name).write_bytes(png(size))
    (folder / "text.png").write_text("a secret, no picture")
    (folder / "junk.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"junk" * 50)
    names = [*SHOWN, *BROKEN]
    texts = [f"wing {'lift ' * (n + 1)}{name}" for n, name in enumerate(names)]
    documents = [Candidate(name, {"text": t, "image": str(folder / name)}) for name, t in zip(names, texts)]
    documents.append(Candidate("words alone", "wing without a picture " * 300))
    documents += [Candidate(f"d{n}", f"wing {n}") for n in range(30)]
    collection = build(documents, folder / ".anyrank")
    queries = [Query(f"q{n}", f"wing lift {n}") for n in range(24)]
    qrels = {q.id: {"wide.jpg": 2, f"d{n}": 1} for n, q in enumerate(queries)}
    service = Service({"words": words}, "bm25", collection)
    server = Server(service, playground=Playground(service, free=True, queries=queries, qrels=qrels))
    with serving(server) as client:
        yield f"http://127.0.0.1:{client.port}/"


PEAKS = "98.060 80\n147.113 53\n227.103 90\n276.155 49\n324.155 44\n391.182 80\n504.266 89\n538.287 90\n605.314 80"
SPECTRA = {
    "s0": PEAKS,
    "no peaks": "",
    "high": "\n".join(f"{100 + 50 * n} 1e308" for n in range(9)),
    "not a number": "98.06 nan",
    "many": "\n".join(f"{100 + 0.5 * n} {n % 97 + 1}" for n in range(3000)),
    "<script>hit()</script>": PEAKS,
}
PEPTIDES = ["PEPTIDEK", "[Acetyl]-M[Oxidation]PEPTIDEK", "PEPTIDEK-[Amidated]", "G" * 300, "K", "C+57.021K+229.163PEPT"]


@pytest.fixture(scope="module")
def spectra(serving, words, tmp_path_factory):
    pytest.importorskip("pyteomics")
    folder = tmp_path_factory.mktemp("spectra")
    (folder / "run.mgf").write_text(
        "\n".join(
            f"BEGIN IONS\nTITLE={t}\nPEPMASS=464.7347\nCHARGE=2+\n{p}\nEND IONS\n".replace("\n\n", "\n")
            for t, p in SPECTRA.items()
        )
    )
    rows = [f"{title},{p},0.{9 - n}" for title in SPECTRA for n, p in enumerate([*PEPTIDES, "PEP[Nonsense]TIDE"])]
    (folder / "first.csv").write_text("\n".join(["spectrum_id,denovo_seq,peptide_score", *rows]) + "\n")
    bad = []
    given = read_spectra_with(str(folder / "run.mgf"), [f"first={folder / 'first.csv'}"], bad)
    service = Service({"words": words})
    page = Playground(service, free=True, given=given, problems=[str(b) for b in bad])
    with serving(Server(service, playground=page)) as client:
        yield f"http://127.0.0.1:{client.port}/"


def row(page, name, lane=0):
    return page.locator(f".lane[data-lane='{lane}'] .row", has_text=name).first


def searched(page):
    """The page with all pictures in both lanes."""
    for letter, text in {"A": "bm25 % 9", "B": "bm25 % 12"}.items():
        page.get_by_label(f"pipeline {letter}", exact=True).fill(text)
    page.get_by_role("textbox", name="Query").fill("wing lift")
    page.wait_for_function("() => document.querySelectorAll('.row .none').length >= 6")
    page.wait_for_function("() => !document.querySelector('.row .waiting')")


def test_pictures_have_their_place_beside_words_id_and_score(opened, photos):
    page = opened(photos)
    searched(page)
    for name in SHOWN:
        picture = row(page, name).locator("img.picture")
        box = picture.bounding_box()
        assert min(box["width"], box["height"]) >= 28  # also of a strip
        assert max(box["width"], box["height"]) <= 58
        assert row(page, name).locator(".meta").bounding_box()["height"] > 12
    assert row(page, "gone.png").get_by_role("img", name="picture that can't be shown").count() == 1
    assert page.locator(".row img").evaluate_all("all => all.every((i) => i.complete && i.naturalWidth)")


def test_a_document_is_opened_with_its_picture_or_why_there_is_none(opened, photos):
    page = opened(photos)
    searched(page)
    row(page, "wide.jpg").click()
    large = page.get_by_role("img", name="picture of wide.jpg")
    large.wait_for()
    assert large.evaluate("i => i.naturalWidth") == 720
    row(page, "gone.png").click()
    page.locator(".detail", has_text="Its picture can't be shown").wait_for()
    row(page, "wide.jpg").click()
    large.wait_for()


def test_judges_see_the_picture(opened, photos):
    page = opened(photos)
    page.get_by_label("pipeline A", exact=True).fill("bm25 % 3")
    page.get_by_label("pipeline B", exact=True).fill("bm25(k1=0, b=0) % 3")
    page.get_by_role("button", name="Judge").click()
    page.get_by_role("button", name="Begin").click()
    page.locator(".keys").wait_for()
    for n in range(1, 25):
        if page.locator(".judge .large").or_(page.get_by_text("Its picture can't be shown")).count():
            break
        page.keyboard.press("1")
        page.get_by_text(f"{n} judged").wait_for()
    page.locator(".judge .large").or_(page.get_by_text("Its picture can't be shown")).first.wait_for()


def test_results_are_edited_with_their_pictures(opened, photos):
    page = opened(photos)
    searched(page)
    page.get_by_role("button", name="Edit these results as documents").click()
    page.get_by_label("text of document 1", exact=True).wait_for()
    page.wait_for_function("() => document.querySelectorAll('.lane[data-lane=\"0\"] img.picture').length === 4")
    page.get_by_role("button", name="Copy or save").click()
    page.get_by_role("button", name="link").click()
    page.locator("dialog textarea[aria-label=link]").wait_for()
    other = opened(page.locator("dialog textarea").input_value())
    other.wait_for_function("() => document.querySelectorAll('.lane[data-lane=\"0\"] img.picture').length === 4")


def test_pasted_pictures_that_are_none_do_nothing(opened, photos):
    page = opened(photos)
    page.get_by_role("button", name="Pasted").click()
    page.get_by_role("button", name="JSON").click()
    images = ["data:image/png;base64,AAAA", "data:image/svg+xml;base64,PHN2Zy8+", "http://10.0.0.1/x.png", "file:///x"]
    documents = [{"id": f"x{n}", "text": f"wing {n}", "image": i} for n, i in enumerate(images)]
    page.get_by_label("documents as JSON").fill(json.dumps(documents))
    page.get_by_role("textbox", name="Query").fill("wing")
    row(page, "x0").get_by_role("img", name="picture that can't be shown").wait_for()
    assert page.locator(".row img, .row .none").count() == page.locator(".lane").count()  # of the first document alone


def peptide(page, spectrum, name):
    """A spectrum's peptide, opened."""
    page.locator(".query select").select_option(spectrum)
    row(page, name).click()
    drawn = page.locator(".chart.spectrum svg")
    drawn.wait_for()
    return drawn


def test_a_spectrum_fits_its_pane_also_with_the_table_open(opened, spectra):
    for width in (1300, 390):
        page = opened(spectra, viewport={"width": width, "height": 844})
        drawn = peptide(page, "s0", "PEPTIDEK")
        page.get_by_label("Compare with").select_option(index=4)
        page.locator("p", has_text="below").wait_for()
        page.locator(".numbers summary").click()
        page.locator(".numbers tbody").wait_for()
        pane = page.locator(".detail")
        assert pane.evaluate("e => e.scrollWidth <= e.clientWidth")
        # drawn at the size of the page's letters
        page.wait_for_function(
            "() => { const s = document.querySelector('.chart.spectrum svg');"
            " return Math.abs(s.clientWidth - s.viewBox.baseVal.width) <= 1; }"
        )
        assert drawn.bounding_box()["width"] <= pane.bounding_box()["width"]


def test_modifications_of_the_ends_are_drawn(opened, spectra):
    page = opened(spectra)
    drawn = peptide(page, "s0", "+42.011M")
    assert {"+42-", "+16"} <= set(drawn.locator(".mass").all_text_contents())
    page.get_by_label("close").click()
    drawn = peptide(page, "s0", "-[-0.984]")
    page.wait_for_function("() => [...document.querySelectorAll('.mass')].some((m) => m.textContent === '--1')")
    assert drawn.locator(".residue").count() == 8


def test_spectra_of_any_kind_are_drawn(opened, spectra):
    page = opened(spectra)
    page.evaluate(f"() => {{ {HIT} }}")
    counts = {}
    for title in SPECTRA:
        if title == "not a number":
            continue
        drawn = peptide(page, title, "PEPTIDEK")
        assert "NaN" not in drawn.evaluate("s => s.outerHTML")
        counts[title] = drawn.locator("rect").count()
    assert counts == {"s0": 9, "no peaks": 0, "high": 9, "many": 200, "<script>hit()</script>": 9}
    row(page, "G" * 20).click()
    page.get_by_text("… 180 more").wait_for()
    assert page.evaluate("() => [window.wasHit, document.querySelectorAll('#app script').length]") == [None, 0]


def test_what_was_left_out_of_the_files_is_said(opened, spectra):
    page = opened(spectra)
    page.locator("summary", has_text="are left out").click()
    said = page.locator(".problems").inner_text()
    assert "not a number" in said
    assert "Nonsense" in said
    assert page.locator(".query select option").count() == len(SPECTRA) - 1


def test_a_spectrum_is_copied_as_a_request_that_is_answered(opened, spectra):
    page = opened(spectra)
    page.get_by_role("button", name="Copy or save").click()
    text = page.locator("dialog textarea").input_value()
    assert '"spectrum":"s0"' in text
    assert '"query"' not in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_and_tabs_are_accessible(opened, photos, inaccessible, scheme):
    page = opened(photos, color_scheme=scheme)
    searched(page)
    assert inaccessible(page) == []
    row(page, "gone.png").click()
    page.locator(".detail", has_text="Its picture can't be shown").wait_for()
    assert inaccessible(page) == []
    page.get_by_role("textbox", name="Query").fill("without a picture")
    row(page, "words alone").click()
    page.locator(".detail p.text", has_text="without a picture").wait_for()
    assert inaccessible(page) == []
    done = {
        "Queries": ("Run all 24 queries", ".verdict"),
        "Depth": ("Measure on 24 judged queries", "figure.chart"),
        "Cut-off": ("Calibrate on 24 judged queries", ".facts"),
        "Judge": ("Begin", ".keys"),
    }
    for tab, (button, end) in done.items():
        page.get_by_role("button", name=tab, exact=True).click()
        begin = page.get_by_role("button", name=button)
        page.locator(end).or_(begin).first.wait_for()
        assert inaccessible(page) == []
        if begin.count():
            begin.click()
        page.locator(end).first.wait_for()
        assert inaccessible(page) == []
    page.get_by_role("button", name="Rank", exact=True).click()
    page.get_by_role("button", name="Copy or save").click()
    page.locator("dialog textarea").wait_for()
    assert inaccessible(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_spectra_are_accessible(opened, spectra, inaccessible, scheme):
    page = opened(spectra, color_scheme=scheme)
    page.locator("summary", has_text="are left out").click()
    peptide(page, "s0", "PEPTIDEK")
    page.get_by_label("Compare with").select_option(index=2)
    page.locator("p", has_text="below").wait_for()
    page.locator(".numbers summary").click()
    page.locator(".numbers tbody").wait_for()
    assert inaccessible(page) == []
