"""The playground's sliders, curves and cut-offs: computed from stored scores, equal to pipelines that were run."""

import io
import json

import pytest

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from anyrank.core.types import Candidate, Query
from anyrank.cutoffs.calibration import Calibration
from anyrank.index.build import build
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import PipelineError, parse
from anyrank.pipeline.text import text
from anyrank.serve.app import Server
from anyrank.serve.playground.curves import depths_of
from anyrank.serve.playground.knobs import Dial
from anyrank.serve.playground.playground import Playground
from anyrank.serve.playground.spectra import read_spectra_with
from anyrank.serve.playground.stages import Folder
from anyrank.serve.service import Service

OWN = {"Host": "127.0.0.1:1", "Origin": "http://127.0.0.1:1"}
WORDS = ("wing", "lift", "flow", "heat", "plate", "shock", "panel")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    texts = [f"{WORDS[n % 7]} {WORDS[n % 5]} {WORDS[n % 3]} number {n}" for n in range(40)]
    path = tmp_path_factory.mktemp("sliders") / "my.index"
    build([Candidate(f"d{n}", t) for n, t in enumerate(texts)], path)
    return path


@pytest.fixture
def client(folder, words):
    from anyrank.index.collection import Collection

    queries = [Query(f"q{n}", f"{WORDS[n % 7]} {WORDS[n % 5]} {n}") for n in range(24)]
    qrels = {f"q{n}": {f"d{n}": 2, f"d{n + 7}": 1} for n in range(24)}
    service = Service({"words": words}, "bm25", Collection.open(folder))
    server = Server(service, playground=Playground(service, queries=queries, qrels=qrels))
    return TestClient(server.app(), headers=OWN)


def ask(client, name, status=200, **body):
    response = client.post(f"/play/{name}", json=body)
    assert response.status_code == status, response.text
    return response.json()


@pytest.mark.parametrize(
    ("pipeline", "values", "turned"),
    [
        ("bm25 + minilm", {0: 0.5}, "0.5 * bm25 + minilm"),
        ("0.3*bm25 + 0.7*(bm25 % 5 >> rm3 >> bm25)", {0: 1, 2: 9}, "1*bm25 + 0.7*(bm25 % 9 >> rm3 >> bm25)"),
        ("(bm25 % 5 >> tiny) + bm25", {0: 2, 1: 6}, "2 * (bm25 % 6 >> tiny) + bm25"),
        ("rrf(bm25, 2 * minilm, k=10) % 50", {0: 0.1, 2: 7}, "rrf(0.1 * bm25, 2 * minilm, k=10) % 7"),
        ("((bm25) + (minilm)) % 7 >> tiny", {1: 0, 2: 3}, "((bm25) + 0 * (minilm)) % 3 >> tiny"),
        ("a % 9 >> b('é') >> c(depth=4) + d", {1: 0.5, 2: 2}, "a % 9 >> b('é') >> 0.5 * c(depth=2) + d"),
    ],
)
def test_a_turned_knob_is_a_pipeline_with_that_number(pipeline, values, turned):
    dial = Dial.of(pipeline)
    assert dial.turned(values) == turned
    pieces, knobs = dial.as_dict()["pieces"], dial.as_dict()["knobs"]
    assert len(pieces) == len(knobs) + 1
    filled = [dial.text[k.start : k.end] for k in dial.knobs]
    assert "".join(p + f for p, f in zip(pieces, [*filled, ""])) == dial.text


def test_weights_and_depths_of_a_text_are_those_of_its_stage():
    dial = Dial.of("(bm25 + 0.5 * bm25) % 30 >> 0.2 * prior + tiny")
    assert [k.value for k in dial.knobs] == [1, 0.5, 30, 0.2, 1]
    assert dial.depth == 2
    assert dial.first == "(bm25 + 0.5 * bm25)"
    assert Dial.of("bm25 % 10 + bm25 % 5").depth is None
    assert depths_of(Dial.of("bm25")) == [(0, "bm25")]


@pytest.mark.parametrize(
    "pipeline", ["bm25 % 20 >> 0.3 * prior + tiny", "bm25 % 12 + 0.4 * (bm25 % 20 >> tiny)", "bm25"]
)
def test_a_slid_lane_is_the_one_that_is_run(client, pipeline):
    assert "not run yet" in ask(client, "slide", query="wing heat", pipelines=[pipeline])["unscored"]
    ask(client, "slide", query="wing heat", pipelines=[pipeline], fill=True)
    (slid,) = ask(client, "slide", query="wing heat", pipelines=[pipeline])["lanes"]
    (run,) = ask(client, "run", query="wing heat", pipelines=[pipeline])["lanes"]
    assert slid["computed"]
    assert not run["computed"]
    assert [r["id"] for r in slid["results"]] == [r["id"] for r in run["results"]]
    assert [r["score"] for r in slid["results"]] == pytest.approx([r["score"] for r in run["results"]], abs=1e-5)
    assert slid["steps"] == run["steps"]
    assert slid["missing"] == run["missing"]


def test_after_the_first_touch_no_move_runs_anything(client):
    dial = Dial.of("bm25 % 20 >> 0.3 * prior + tiny")
    ask(client, "slide", query="lift", pipelines=[dial.text], fill=True)
    for values in ({0: 40}, {0: 5, 1: 0.9}, {1: 0, 2: 2}, {0: 1}):
        (lane,) = ask(client, "slide", query="lift", pipelines=[dial.turned(values)])["lanes"]
        assert lane["usage"] == {} or not any(lane["usage"].values())
        assert lane["results"]


def test_spectra_are_reranked_and_drawn(data, words):
    pytest.importorskip("pyteomics")
    folder = data / "peptide-ms"
    engine = f"casanovo={folder}/casanovo_4.1.1_sample.mztab"
    given = read_spectra_with(str(folder / "casanovo_sample_128.mgf.gz"), [engine])
    service = Service({"words": words})
    client = TestClient(Server(service, playground=Playground(service, free=True, given=given)).app(), headers=OWN)
    listed = client.get("/play/info").json()["spectra"]
    assert len(listed) > 100
    body = {"spectrum": listed[0]["id"], "pipelines": ["prior", "hyperscore", "bm25"]}
    prior, scored, wrong = ask(client, "run", **body)["lanes"]
    assert prior["count"] == scored["count"] == listed[0]["candidates"]
    assert "knobs" not in scored
    assert wrong["error"]
    best = scored["results"][0]["id"]
    drawn = ask(client, "spectrum", spectrum=listed[0]["id"], ids=[best])
    (side,) = drawn["peptides"]
    assert set(ask(client, "run", **body)["texts"][best]["by"].split(", ")) == {"casanovo"}
    assert len(side["b"]) == len(side["residues"]) - 1
    assert side["ions"]
    assert all(0 <= height <= 1 for _, height in drawn["peaks"])
    assert "ids" in ask(client, "spectrum", 400, spectrum=listed[0]["id"], ids=["/etc/passwd"])["message"]
    assert "spectrum" in ask(client, "run", 400, spectrum="../x", pipelines=["prior"])["message"]


def png(colour):
    pillow = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    pillow.new("RGB", (300, 200), colour).save(file, "PNG")
    return file.getvalue()


def test_pictures_of_the_index_and_of_nothing_else(words, tmp_path):
    (tmp_path / "photos").mkdir()
    for path, colour in ((tmp_path / "photos" / "red.png", "red"), (tmp_path / "secret.png", "blue")):
        path.write_bytes(png(colour))
    (tmp_path / "photos" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "photos" / "notes.png").write_text("no picture")
    paths = {
        "red": "photos/red.png",
        "secret": "secret.png",
        "dots": "photos/../secret.png",
        "link": "photos/link.png",
        "none": "photos/notes.png",
    }
    documents = [Candidate(id, {"text": f"wing {id}", "image": str(tmp_path / p)}) for id, p in paths.items()]
    documents.append(Candidate("url", {"text": "wing", "image": "http://10.0.0.1/x.png"}))
    collection = build(documents, tmp_path / "photos" / ".anyrank")
    service = Service({"words": words}, "bm25", collection)
    for free, shown in ((False, {"red"}), (True, {"red", "secret", "dots", "link"})):
        client = TestClient(Server(service, playground=Playground(service, free=free)).app(), headers=OWN)
        texts = ask(client, "run", query="wing", pipelines=["bm25"])["texts"]
        assert texts["red"] == {"text": "wing red", "length": 8, "picture": True}
        ids = [*paths, "url", "nix", str(tmp_path / "secret.png"), "../secret.png", "file:///etc/passwd", "red\0"]
        pictures = ask(client, "pictures", ids=ids)["pictures"]
        assert set(pictures) == shown
        assert all(url.startswith("data:image/jpeg;base64,") for url in pictures.values())
        assert str(tmp_path) not in json.dumps([texts, pictures])
    small, large = (ask(client, "pictures", ids=["red"], large=large)["pictures"]["red"] for large in (False, True))
    assert len(small) < len(large)
    assert "at most 32" in ask(client, "pictures", 400, ids=["red"] * 33)["message"]


def test_pasted_documents_slide_too(client):
    documents = ["wing lift", "heat of plates", "lift lift", "nothing"]
    for pipeline in ("0.5 * prior + tiny", "bm25 % 3 >> tiny"):
        body = {"query": "wing lift", "documents": documents, "pipelines": [pipeline]}
        (slid,) = ask(client, "slide", **body, fill=True)["lanes"]
        (run,) = ask(client, "run", **body)["lanes"]
        assert [r["id"] for r in slid["results"]] == [r["id"] for r in run["results"]]
        assert [s["name"] for s in slid["steps"]][:1] == [s["name"] for s in run["steps"]][:1]
    assert ask(client, "slide", **body)["lanes"][0]["knobs"][0]["most"] == 4


def filled(client, *pipelines):
    ids = client.get("/play/info").json()["measured"]
    for start in range(0, len(ids), 8):
        answer = ask(client, "fill", pipelines=pipelines, ids=ids[start : start + 8])
    return ids, answer


def test_quality_of_a_slid_pipeline_is_that_of_its_run(client):
    pipeline, other = "bm25 % 20 >> 0.5 * prior + tiny", "bm25 % 20 >> 1.5 * prior + tiny"
    assert ask(client, "run", query="wing", pipelines=[pipeline])["lanes"][0]["quality"] is None
    ids, answer = filled(client, pipeline)
    assert answer["usage"]["calls"] > 0
    body = {"query": "wing", "pipelines": [other], "since": [pipeline]}
    ask(client, "slide", **body, fill=True)
    (lane,) = ask(client, "slide", **body)["lanes"]
    values = [ask(client, "values", pipelines=[pipeline, other], ids=[i])["rows"][0]["values"] for i in ids]
    then, now = (sum(v) / len(ids) for v in zip(*values))
    assert lane["quality"]["mean"] == pytest.approx(now)
    assert lane["quality"]["gain"]["mean"] == pytest.approx(now - then)
    assert lane["quality"]["low"] <= now <= lane["quality"]["high"]


def test_the_curve_by_depth_and_its_cost(client):
    pipeline = "bm25 % 15 >> tiny"
    assert "unscored" in ask(client, "curve", pipeline=pipeline)
    ids, _ = filled(client, pipeline)
    curve = ask(client, "curve", pipeline=pipeline)
    assert [p["depth"] for p in curve["points"]][:3] == [10, 15, 20]
    assert curve["depth"] == 15
    assert curve["first"]["pipeline"] == "bm25"
    at = {p["depth"]: p["mean"] for p in curve["points"]}
    values = [ask(client, "values", pipelines=["bm25 % 10 >> tiny"], ids=[i])["rows"][0]["values"][0] for i in ids]
    assert at[10] == pytest.approx(sum(values) / len(values))
    cost = ask(client, "cost", pipeline=pipeline)
    assert [e["depth"] for e in cost["ends"]] == [0, 10, 100]
    assert all(0 < e["low"] <= e["ms"] <= e["high"] for e in cost["ends"])


def test_cutoffs_are_those_of_the_calibration(client, folder, tmp_path):
    from anyrank.index.collection import Collection

    pipeline = "bm25 % 20 >> tiny"
    assert "unscored" in ask(client, "cutoff", pipeline=pipeline)
    filled(client, pipeline)
    answer = ask(client, "cutoff", pipeline=pipeline)
    (tmp_path / "cut.json").write_text(answer["file"])
    made = Calibration.load(tmp_path / "cut.json")
    level = next(x for x in answer["kinds"]["recall"]["levels"] if x["level"] == 0.7)
    assert level["threshold"] == made.threshold("recall", 0.7)
    kept = [sum(p >= level["threshold"] for p in e["probabilities"]) for e in answer["examples"]]
    assert level["kept"] <= answer["pool"]
    assert max(kept) > 0
    assert "judge more queries" in answer["kinds"]["recall"]["levels"][-1]["refused"]
    stage = parse(f'{pipeline} >> keep(recall=0.7, file="{tmp_path}/cut.json")', Settings(Collection.open(folder)))
    assert text(stage).startswith(pipeline)
    assert len(stage("wing heat 3")) > 0


def test_an_index_that_changed_in_place_is_ranked_anew(folder, words, tmp_path):
    documents = [Candidate("a", "wing wing"), Candidate("b", "heat")]
    collection = build(documents, tmp_path / "own.index")
    service = Service({"words": words}, "bm25", collection)
    client = TestClient(Server(service, playground=Playground(service)).app(), headers=OWN)
    body = {"query": "wing", "pipelines": ["bm25"]}
    assert [r["id"] for r in ask(client, "run", **body)["lanes"][0]["results"]] == ["a"]
    from anyrank.index.collection import Collection

    Collection.open(tmp_path / "own.index").update([Candidate("a", "cold"), Candidate("b", "wing of heat")])
    assert len(collection) == 2  # as many as before
    assert [r["id"] for r in ask(client, "run", **body)["lanes"][0]["results"]] == ["b"]
    assert [r["id"] for r in ask(client, "slide", **body, fill=True)["lanes"][0]["results"]] == ["b"]


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("slide", {"query": "x", "pipelines": []}, "1 to 4 texts"),
        ("slide", {"query": "x", "pipelines": ["bm25"], "since": [1]}, "since"),
        ("slide", {"query": "x", "pipelines": ["bm25"], "fill": "yes"}, "fill"),
        ("fill", {"pipelines": ["bm25"], "ids": ["nix"]}, "ids of the measured queries"),
        ("fill", {"pipelines": ["bm25"], "ids": ["q1"] * 9}, "at most 8"),
        ("fill", {"pipelines": ['model("/etc/passwd")'], "ids": ["q1"]}, "this server runs"),
        ("curve", {"pipeline": "bm25 >>"}, "a stage is missing"),
        ("curve", {"pipeline": 'bm25 % 5 >> model("/etc/passwd")'}, "this server runs"),
        ("cost", {"pipeline": 'rankgpt("openai:x@http://10.0.0.1")'}, "this server runs"),
        ("cutoff", {"pipeline": 'keep(recall=0.9, file="/etc/passwd")'}, "this server runs"),
        ("cutoff", {"pipeline": 7}, "pipeline"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(client, name, body, message):
    response = client.post(f"/play/{name}", json=body)
    assert response.status_code in (400, 413, 422)
    assert message in response.json()["message"]


def test_a_depth_of_any_size_is_written_as_it_was():
    assert Dial.of("bm25 % 1000000 >> tiny").extremes() == ["bm25 % 1000000 >> tiny"]
    assert Dial.of(f"bm25 % {'9' * 4000} >> tiny").knobs == ()
    assert [k.label for k in Dial.of(f"{'9' * 4000} * bm25 + tiny").knobs] == ["tiny"]


def test_a_slide_of_what_may_not_run_is_an_error_in_its_lane(client):
    wrong, right = ask(client, "slide", query="x", pipelines=['bm25 >> keep("x")', "bm25"], fill=True)["lanes"]
    assert "this server runs" in wrong["error"]
    assert right["count"] >= 0


def test_without_judgements_nothing_is_measured(words, folder):
    from anyrank.index.collection import Collection

    service = Service({"words": words}, "bm25", Collection.open(folder))
    client = TestClient(Server(service, playground=Playground(service)).app(), headers=OWN)
    assert client.get("/play/info").json()["measured"] == []
    for name in ("curve", "cutoff"):
        assert "judged queries" in ask(client, name, 400, pipeline="bm25")["message"]
    assert json.loads(client.post("/play/slide", json={"query": "x", "pipelines": ["bm25"]}).text)["unscored"]


def test_the_folder_of_pasted_documents_goes_with_them():
    folder = Folder.new()
    path = folder.path
    assert path.is_dir()
    del folder
    assert not path.exists()


def test_a_pipeline_nested_too_deeply_has_no_knobs():
    with pytest.raises(PipelineError, match="nested too deeply"):
        Dial.of("bm25" + "%9" * 990)
