"""A collection in a real PostgreSQL with pgvector, beside one in a folder."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError, StoreError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.pipeline.context import Settings as Context
from anyrank.pipeline.parser import parse
from anyrank.store.engine import whole
from anyrank.stores.base import Entry
from anyrank.stores.open import open_index, open_server
from anyrank.stores.remote import Remote
from anyrank.testing.stores import DOCUMENTS, ENCODERS, FILTERS, PLAIN, in_folder, results, same
from anyrank.vectors import Encoded

PASSWORD = "s3cret-word"


def sql(postgres, text):
    import psycopg

    with psycopg.connect(postgres.url("x").rpartition("/")[0], autocommit=True) as connection:
        result = connection.execute(text)
        return result.fetchall() if result.description else None


def built(postgres, name):
    sql(postgres, f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
    collection = Remote.build(open_server(postgres.url(name)), DOCUMENTS)
    for encoder in ENCODERS.values():
        collection.encode(encoder)
    return collection


@pytest.fixture
def made(postgres):
    collection = built(postgres, "wings")
    yield collection
    collection.close()


@pytest.fixture(scope="module")
def kept(postgres):
    """One that no test changes."""
    collection = built(postgres, "kept")
    yield collection
    collection.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return in_folder(tmp_path_factory.mktemp("folder") / "x")


@pytest.mark.parametrize(
    "pipeline",
    [
        f"{PLAIN} % 10",
        "search('small') % 10",
        "search('terms') % 10",
        f"{PLAIN} % 20 >> model('small')",
        f"{PLAIN} % 5 >> rm3 >> {PLAIN} % 10",
        f"{PLAIN} % 5 >> bo1 >> {PLAIN} % 10",
        f"({PLAIN} % 20 + search('small') % 20) % 10",
        f"{PLAIN} % 10 >> explore('small', neighbours='small', budget=15)",
        f"{PLAIN} % 10 >> feedback('small')",
    ],
)
def test_pipelines_find_what_they_find_in_a_folder(monkeypatch, kept, folder, pipeline):
    same(results(monkeypatch, kept, pipeline), results(monkeypatch, folder, pipeline))


@pytest.mark.parametrize("filter", FILTERS, ids=lambda f: str(f)[:20])
def test_filters_pass_the_same(monkeypatch, kept, folder, filter):
    for pipeline in (f"{PLAIN} % 40", "search('small') % 40"):
        same(results(monkeypatch, kept, pipeline, filter), results(monkeypatch, folder, pipeline, filter))


def test_a_filter_of_ten_thousand_values(kept):
    some = {"lang": [*(f"x{n}" for n in range(10_000)), "en"]}
    (matches,) = kept.vectors("small").search(ENCODERS["small"].encode(["wing"]).vectors, 40, some)
    assert {d.meta["lang"] for d in kept.get([i for i, _ in matches])} == {"en"}
    assert len(matches) == 20


def test_a_filter_that_none_could_pass_is_an_error(kept):
    made = kept
    with pytest.raises(InputError, match=r"no document has a field 'langue'.*by.name, lang, tags, title, year"):
        made.lexical.search(["wing"], 3, {"langue": "en"})
    with pytest.raises(InputError, match="holds numbers, such as"):
        made.lexical.search(["wing"], 3, {"year": "soon"})


def test_the_graph_of_pgvector(monkeypatch, made, folder):
    made.encode(ENCODERS["small"], index="approximate", options={"connectivity": 8})
    options = made.about.vectors["small"]["options"]
    assert options == {"connectivity": 8, "expansion_add": 64, "expansion_search": 128}
    again = open_index(made.server.at.url)
    same(results(monkeypatch, again, "search('small') % 10"), results(monkeypatch, folder, "search('small') % 10"))
    some = {"by.name": "n1", "tags": "t1"}  # fewer pass than the graph would give
    same(
        results(monkeypatch, again, "search('small') % 10", some),
        results(monkeypatch, folder, "search('small') % 10", some),
    )
    again.close()
    for index, options, message in (
        ("approximate", {"speed": 3}, "no option 'speed'"),
        ("approximate", {"connectivity": 1}, "from 2 to 100"),
        ("approximate", {"connectivity": 64}, "at least twice"),
        ("plaid", {}, "choose nearest or approximate"),
        ("nearest", {"connectivity": 8}, "has no options"),
    ):
        with pytest.raises(InputError, match=message):
            made.encode(ENCODERS["small"], index=index, options=options)
    with pytest.raises(InputError, match="dense vectors of at most 4,000 numbers, not sparse"):
        made.encode(ENCODERS["terms"], index="approximate")


def test_options_out_of_range_are_told_before_documents_are_written(tmp_path):
    pytest.importorskip("psycopg")
    (tmp_path / "c.tsv").write_text("id\ttext\nd1\twing lift\n")
    nobody = "postgresql://me@127.0.0.1:1/db/wings"  # asked, it would be an error of the connection
    index = ["index", str(tmp_path / "c.tsv"), "--to", nobody, "--encode", "minilm", "--ann", "--set"]
    for option, message in (("expansion_add=5000", "from 4 to 1000"), ("connectivity=64", "at least twice")):
        with pytest.raises(InputError, match=message):
            CliRunner().invoke(cli, [*index, option], catch_exceptions=False)


def test_updates_are_seen_at_once_by_others(monkeypatch, postgres, made, tmp_path):
    other = open_index(made.server.at.url)
    new = [Candidate("d3", "shock shock wave", meta={"lang": "fr"}), Candidate("new", "heat shock")]
    made.update(new, ENCODERS)
    assert made.delete(["d5", "d6", "unknown"]) == 2
    left = {d.id: d for d in DOCUMENTS if d.id not in ("d5", "d6")} | {d.id: d for d in new}
    folder = in_folder(tmp_path / "y", list(left.values()))
    assert len(other) == len(folder) == 39
    assert other.get(["d3"])[0].content == "shock shock wave"
    for pipeline in (f"{PLAIN} % 40", "search('small') % 40", "search('terms') % 40"):
        same(results(monkeypatch, other, pipeline), results(monkeypatch, folder, pipeline))
    assert [i for i, _ in other.lexical.search(["shock"], 9, {"lang": "fr"})[0]] == ["d3"]
    with pytest.raises(InputError, match="is there already"):
        other.add([Candidate("d1", "x")])
    assert other.add([Candidate("d5", "x")]) == 1
    other.close()
    unused = (
        "SELECT count(*) FROM wings.postings p WHERE NOT EXISTS (SELECT 1 FROM wings.documents d WHERE d.row = p.row)"
    )
    assert sql(made_postgres(made), unused) == [(0,)]


def made_postgres(made):
    class At:
        @staticmethod
        def url(name):
            return made.server.at.url

    return At


def test_documents_are_read_when_somebody_looks(made):
    (ranking,) = parse(f"{PLAIN} % 3", Context(made)).batch([Ranking(Query("q", "wing lift"))])
    made.delete([ranking.ids[0]])
    assert ranking[0].content is None
    assert ranking[1].content == made.get([ranking.ids[1]])[0].content
    assert ranking[1].meta["tags"][1] == "all"


def test_what_a_server_can_not_do_says_what_it_can(kept):
    made = kept
    with pytest.raises(InputError, match=r"there are bm25, searches by vectors \(small, terms\), filters"):
        made.store  # noqa: B018
    with pytest.raises(InputError, match=r"holds no vectors of 'other'|no vectors 'other'"):
        made.vectors("other")

    class States:
        name = "states"

        def encode(self, contents, *, query=False):
            from anyrank.vectors import Tokens

            return Encoded(Tokens(np.arange(len(contents) + 1), np.ones((len(contents), 4), np.float32)))

    with pytest.raises(InputError, match="makes tokens vectors, and this store holds dense, sparse ones"):
        made.encode(States())
    with pytest.raises(InputError, match="16"):
        made.vectors("small").search(np.ones((1, 4), np.float32), 3)


HOSTILE = [
    "'; DROP SCHEMA wings CASCADE; --",
    'x" || pg_sleep(9) --',
    "%s %(k)s {s} \\ $1",
    "東京\u0301é𝔘🏳",
    "a" * 512,
    "tab\tnew\nline",
]


def test_hostile_texts_ids_and_values_come_back_as_they_were(made):
    docs = [Candidate(i, f"zebra {i} \0 \u2028", meta={"field": i[:200], i[:200]: "x", "n": 2**60}) for i in HOSTILE]
    docs.append(Candidate("long", "zebra " + "very long " * 100_000, meta={"field": "a" * 10_000}))
    assert made.update(docs) == 7
    assert {d.id: d for d in made.get([d.id for d in docs])} == {d.id: whole(d) for d in docs}
    assert {i for i, _ in made.lexical.search(["zebra"], 50)[0]} == {d.id for d in docs}
    for i in HOSTILE:
        assert [h for h, _ in made.lexical.search(["zebra"], 50, {"field": [i[:200]]})[0]] == [i]
        assert [h for h, _ in made.lexical.search([f"zebra {i} \0"], 50, {i[:200]: "x"})[0]] == [i]
    assert made.lexical.search([{"'; --": 1.0, "\0": 2.0, "%s": 1.0}], 5) == [[]]
    assert made.delete([*HOSTILE, "\0", "\ud800", "long"]) == 7
    assert len(made) == 40
    with pytest.raises(InputError, match="null character"):
        made.update([Candidate("a\0b", "x")])
    assert "a\0b" not in made
    with pytest.raises(InputError, match="not in the collection"):
        made.get(["a\0b"])


def test_a_field_with_a_long_name_and_long_values(made):
    random = np.random.default_rng(1)
    name, value = ("".join(map(chr, random.integers(0x3400, 0x9000, n))) for n in (9000, 256))
    made.update([Candidate("long", "zebra", meta={name: "x", "n": value}), Candidate("other", "zebra", meta={name: 5})])
    for filter, found in (({name: "x"}, ["long"]), ({"n": value}, ["long"]), ([f"{name}>=4"], ["other"])):
        assert [i for i, _ in made.lexical.search(["zebra"], 9, filter)[0]] == found


def test_a_statement_that_the_server_refuses_is_no_lost_connection(made):
    with pytest.raises(StoreError, match=r"the server refuses: .*index row"):
        made.server.put([Entry("x", '"x"', "{}", ["".join(map(chr, range(0x3400, 0x9000)))])])
    assert len(made) == 40


def test_vectors_that_are_no_numbers_and_documents_without_content(made):
    class Broken:
        name = "broken"

        def encode(self, contents, *, query=False):
            return Encoded(np.full((len(contents), 4), np.nan, np.float32))

    with pytest.raises(InputError, match="not finite"):
        made.encode(Broken())
    made.update([Candidate("blank", " ")], ENCODERS)
    near = made.vectors("small")
    assert near.missing() == []
    assert "blank" not in [i for i, _ in near.search(ENCODERS["small"].encode(["wing"]).vectors, 99)[0]]
    assert near.vectors(["d1", "blank", "d2"])[0] == [0, 2]


def test_a_killed_server_is_an_error_and_loses_nothing_acknowledged(made, postgres):
    made.update([Candidate("kept", "acknowledged text")])

    def stream():
        for n in range(4100):
            if n == 4001:
                postgres.kill()
            yield Candidate(f"s{n}", "streamed text")

    with pytest.raises(StoreError, match="What was acknowledged is kept") as error:
        made.update(stream())
    assert PASSWORD not in str(error.value)
    with pytest.raises(StoreError, match="can't connect"):
        made.lexical.search(["wing"], 3)
    postgres.start()
    assert len(made) == 40 + 1 + 4000
    assert "kept" in made
    assert made.lexical.document_frequencies(["stream", "acknowledg"]) == {"stream": 4000, "acknowledg": 1}
    assert made.vectors("small").search(ENCODERS["small"].encode(["wing"]).vectors, 3)[0]


def test_a_building_that_stopped_is_finished_by_the_same_call(made, postgres):
    server = open_server(postgres.url("stopped"))

    def stream():
        yield from DOCUMENTS
        yield from (Candidate(f"m{n}", "more") for n in range(2000))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Remote.build(server, stream())
    with pytest.raises(InputError, match="stopped after 2,000 documents"):
        Remote.open(server)
    with pytest.raises(InputError, match="use the same options"):
        Remote.build(server, DOCUMENTS, language="german")
    with pytest.raises(InputError, match=r"lack 1,960 of the 2,000 written .*same corpus, or begin anew"):
        Remote.build(server, DOCUMENTS)
    again = Remote.build(server, [*DOCUMENTS, *(Candidate(f"m{n}", "more") for n in range(2000))])
    assert len(again) == 2040
    with pytest.raises(InputError, match="--update or --overwrite"):
        Remote.build(server, DOCUMENTS)
    assert len(Remote.build(server, DOCUMENTS, overwrite=True)) == 40
    with pytest.raises(InputError, match="comes twice"):
        Remote.build(server, [DOCUMENTS[0]] * 2, overwrite=True)
    assert len(Remote.open(server)) == 40
    server.drop()
    server.close()


def refused(work, match, kind=(InputError, StoreError)):
    with pytest.raises(kind, match=match) as error:
        work()
    assert PASSWORD not in str(error.value)
    assert "wrong-word" not in str(error.value)


def test_what_is_wrong_with_an_address_is_said_without_the_password(made, postgres):
    url = made.server.at.url
    wrong = "password authentication failed.*Give the user's password in PGPASSWORD"
    refused(lambda: open_index(postgres.url("wings", "wrong-word")), wrong, StoreError)
    refused(lambda: open_index(url.replace(f":{PASSWORD}", "")), "Give the user's password in PGPASSWORD", StoreError)
    refused(lambda: open_index(postgres.url("absent")), "holds no collection: `anyrank index CORPUS --to postgresql:")
    refused(
        lambda: open_index(url.rpartition("/")[0] + "/"), "PostgreSQL|no collection|last part|database", (Exception,)
    )
    refused(lambda: open_index(url.replace("/postgres/", "/")), "database .* does not exist|can't connect")
    refused(lambda: open_index(url.replace(str(postgres.port), "1")), "can't connect")
    refused(lambda: open_index(url + "?colour=red"), "can't be read as an address of PostgreSQL")
    refused(lambda: open_index(url.replace(PASSWORD, "wrong-word/@?")), "postgresql://anyrank@127")
    refused(lambda: open_index("mysql://me:wrong-word@host/db/x"), "no store has the scheme 'mysql'")
    refused(lambda: open_index(url.replace("/wings", "/Wings!")), "the last part names the collection")
    sql(postgres, "CREATE SCHEMA other; CREATE TABLE other.documents (x int)")
    refused(lambda: open_index(postgres.url("other")), "a schema 'other' that is no collection of anyrank")
    refused(lambda: Remote.build(open_server(postgres.url("other")), DOCUMENTS, overwrite=True), "no collection of any")
    sql(postgres, "CREATE TABLE other.about (x int)")
    refused(lambda: open_index(postgres.url("other")), "its tables are not as anyrank made them")
    sql(postgres, "DROP SCHEMA other CASCADE")
    sql(postgres, "ALTER TABLE wings.postings DROP COLUMN length")
    refused(lambda: made.lexical.search(["wing"], 3), "its tables are not as anyrank made them")
    sql(postgres, "DROP SCHEMA wings CASCADE")
    refused(lambda: made.lexical.search(["wing"], 3), "the collection is gone")


def call(*words, code=0):
    result = CliRunner().invoke(cli, [str(w) for w in words])
    if result.exit_code != code and result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    assert PASSWORD not in result.output
    return result.output


def test_the_command_line(postgres, tmp_path):
    sql(postgres, "DROP SCHEMA IF EXISTS cli CASCADE")
    url = postgres.url("cli")
    rows = [{"_id": d.id, "text": d.content, **d.meta} for d in DOCUMENTS]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows[:30]))
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows[20:]))
    (tmp_path / "gone.txt").write_text("d0\nd1\n")
    (tmp_path / "q.tsv").write_text("q1\twing lift\n")
    address = url.replace(f":{PASSWORD}", "")
    assert f"{address}: 30 documents" in call("index", tmp_path / "c.jsonl", "--to", url)
    assert "40 documents (20 added or replaced)" in call("index", tmp_path / "more.jsonl", "--to", url, "--update")
    assert "38 documents (2 deleted)" in call("index", tmp_path / "gone.txt", "--to", url, "--delete")
    assert "38 documents" in call("index", "info", url)
    assert json.loads(call("index", "info", url, "--json"))["parts"][0]["fields"] == [
        "by.name",
        "lang",
        "tags",
        "title",
        "year",
    ]
    assert "1." in call("search", url, "wing lift", "-p", "bm25 % 5", "--filter", "lang=en")
    call("search", url, "--queries", tmp_path / "q.tsv", "-o", tmp_path / "run.trec")
    assert "d" in (tmp_path / "run.trec").read_text()
    assert "there: postgresql://" in call("pipeline", "explain", "bm25 % 100", "--index", url)
    for path in tmp_path.iterdir():
        assert PASSWORD.encode() not in path.read_bytes()
