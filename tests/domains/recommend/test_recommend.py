"""Recommendation: tables, splits, profiles, measures against EasyRec's formulas, EasyRec's loss, LightGCN, commands."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import anyrank
from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.domains.recommend.interactions import ITEM, Interactions, read_attributes, read_interactions, read_table
from anyrank.domains.recommend.measures import best, full_ranking, ndcg, recall
from anyrank.domains.recommend.profiles import item_profiles, revised, user_profiles, varied, written
from anyrank.domains.recommend.rankers import bm25, encoded, popularity
from anyrank.domains.recommend.split import split
from anyrank.testing import ScriptedModel

TOPICS = ["space", "cooking", "horses", "chess"]


def world(users=24, seed=0):
    """Users with a topic each, who interact with items of it alone: interactions and the items' table."""
    rng = np.random.default_rng(seed)
    items = {f"i{n}": {"title": f"{TOPICS[n % 4]} number {n}", "topic": TOPICS[n % 4]} for n in range(40)}
    ids = tuple(items)
    pairs = [(u, n) for u in range(users) for n in rng.permutation(np.arange(u % 4, 40, 4))[:6].tolist()]
    return Interactions(tuple(f"u{u}" for u in range(users)), ids, np.array(pairs)), items


def write(folder, data, items):
    rows = [f"{data.users[u]}\t{data.items[i]}\t5\t{n}" for n, (u, i) in enumerate(data.pairs.tolist())]
    (folder / "a.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + "\n".join(rows) + "\n"
    )
    lines = [f"{i},{row['title']},{row['topic']}" for i, row in items.items()]
    (folder / "items.csv").write_text("item_id,title,topic\n" + "\n".join(lines) + "\n")
    return folder / "a.inter", folder / "items.csv"


def call(*args):
    result = CliRunner().invoke(cli, ["recommend", *map(str, args)], standalone_mode=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_tables_of_all_forms(tmp_path):
    (tmp_path / "a.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu\tb\t4\t9\nu\ta\t2\t1\n"
    )
    data = read_interactions(tmp_path / "a.inter")
    assert [data.items[i] for i in data.by_user()[0]] == ["a", "b"]  # by time
    assert len(read_interactions(tmp_path / "a.inter", 3).pairs) == 1
    (tmp_path / "b.csv").write_text('userId,movieId\nu,"a,b"\nu,"a,b"\n')
    assert read_interactions(tmp_path / "b.csv", items={"c": {}}).items == ("a,b", "c")
    (tmp_path / "u.item").write_text("movie id | movie title | Action\n1|Toy Story (1995)|0\n")
    assert read_attributes(tmp_path / "u.item", ITEM) == {"1": {"movie_title": "Toy Story (1995)", "action": "0"}}
    for text, message in (
        ("", "the file is empty"),
        ("user,item\n", "rows below the header"),
        ("user,item\nu\n", r":2: expected 2 columns \(user, item\), found 1"),
        ("who,item\nu,i\n", "no column for users .*: the columns are who, item"),
        ("user,item,rating\nu,i,good\n", ":2: a rating or time is no number"),
    ):
        (tmp_path / "x.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            read_interactions(tmp_path / "x.csv")
    assert read_table(tmp_path / "b.csv")[0] == (2, {"userid": "u", "movieid": "a,b"})


def test_movielens_files_are_read_as_they_are_distributed(tmp_path):
    """Without a header line, and the films in Latin-1."""
    (tmp_path / "u.data").write_text("196\t242\t3\t881250949\n186\t242\t1\t881250948\n")
    data = read_interactions(tmp_path / "u.data", 2)
    assert (data.users, data.items) == (("196",), ("242",))
    flags = "|".join(["0"] * 18 + ["1"])
    (tmp_path / "u.item").write_bytes(f"242|Les misérables (1995)|01-Jan-1995||http://x|{flags}\n".encode("latin-1"))
    items = read_attributes(tmp_path / "u.item", ITEM)
    assert item_profiles(data, items) == ["Les misérables (1995)\nwestern"]
    (tmp_path / "u.user").write_text("196|49|M|writer|55105\n")
    assert read_attributes(tmp_path / "u.user", ("user_id",))["196"]["occupation"] == "writer"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item\nu,i\n,i\n", ":3: the user is empty"),
        ("user,item\nu, \n", ":2: the item is empty"),
        ("user,item,Item\nu,i,j\n", ":1: two columns of the header have the same name, 'item'"),
        ('user,item\n"u"x,i\n', ":2: broken CSV"),
    ],
)
def test_tables_with_holes_are_errors(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_interactions(tmp_path / "x.csv")


def test_an_item_that_comes_twice_is_an_error(tmp_path):
    (tmp_path / "items.csv").write_text("item_id,title\na,x\na,y\n")
    with pytest.raises(InputError, match=r"items\.csv:3: the item_id 'a' comes twice"):
        read_attributes(tmp_path / "items.csv", ITEM)


def test_what_is_not_held_out_is_not_measured(tmp_path):
    table, _ = write(tmp_path, *world())
    with pytest.raises(InputError, match="nothing is held out"):
        call("eval", table, "--test", 0, "--cold", 0)
    assert list(json.loads(call("eval", table, "-m", "popularity", "--cold", 0, "--json").output)["popularity"]) == [
        "warm Recall@20",
        "warm nDCG@20",
    ]


def test_splits_hold_out_and_freeze():
    data, _ = world()
    parts = split(data, seed=3)
    together = np.concatenate([parts.train.pairs, parts.warm.pairs, parts.cold.pairs])
    assert len({tuple(p) for p in together.tolist()}) == len(together) <= len(data.pairs)
    assert parts.cold_items.sum() == 4
    assert not parts.cold_items[parts.train.pairs[:, 1]].any()
    assert parts.cold_items[parts.cold.pairs[:, 1]].all()
    assert (parts.train.popularity() > 0)[parts.warm.pairs[:, 1]].all()
    assert all(parts.train.by_user())
    assert np.array_equal(split(data, seed=3).train.pairs, parts.train.pairs)
    with pytest.raises(InputError, match="below 1"):
        split(data, test=1)


def test_measures_are_those_of_easyrecs_program():
    """Its utility/metric.py: recall over the held-out items, nDCG with the ideal cut at min(K, held out)."""
    ranked, relevant = [4, 7, 1, 9], {7, 9, 2}
    assert recall(ranked, relevant, 4) == 2 / 3
    gain = 1 / np.log2(3) + 1 / np.log2(5)
    assert ndcg(ranked, relevant, 4) == pytest.approx(gain / (1 + 1 / np.log2(3) + 1 / np.log2(4)))
    assert ndcg(ranked, relevant, 2) == pytest.approx((1 / np.log2(3)) / (1 + 1 / np.log2(3)))
    assert ndcg([7], {7}, 10) == 1.0


def test_trained_items_are_never_recommended():
    data, _ = world()
    parts = split(data)
    seen = parts.train.by_user()
    scores = popularity(parts.train)(range(len(data.users)))
    ranked = best(scores, seen, 40)
    assert all(not set(r) & set(s) and len(r) == 40 - len(set(s)) for r, s in zip(ranked, seen))
    assert sorted(best(scores[:1], [[]], 40, parts.cold_items)[0]) == np.flatnonzero(parts.cold_items).tolist()
    perfect = np.zeros_like(scores)
    perfect[parts.warm.pairs[:, 0], parts.warm.pairs[:, 1]] = 1
    quality = full_ranking(lambda users: perfect[list(users)], parts.train, parts.warm, 20)
    assert (quality.recall, quality.ndcg) == (1.0, 1.0)
    assert full_ranking(lambda users: perfect, parts.train, data.only(np.zeros(len(data.pairs), bool))).users == 0


def test_topics_are_found_by_words_above_chance_and_popularity():
    data, items = world()
    parts = split(data)
    texts = item_profiles(data, items)
    assert texts[0] == "space number 0\ntopic: space"
    users = user_profiles(parts.train, texts)
    first = full_ranking(bm25(users, texts), parts.train, parts.warm, 10)
    assert first.recall > full_ranking(popularity(parts.train), parts.train, parts.warm, 10).recall
    assert full_ranking(bm25(users, texts), parts.train, parts.cold, 1, parts.cold_items).ndcg > 0.7
    assert user_profiles(parts.train, texts, version=1) != [] != user_profiles(parts.train, texts, version=2)


def test_language_models_write_and_vary_profiles():
    model = ScriptedModel(lambda p: "For those who like stars." if "space" in p[0].content else "")
    assert written(["space number 0", "chess number 3"], model) == ["For those who like stars.", "chess number 3"]
    assert varied(["a b"], ScriptedModel(lambda p: "REVISED PROFILE: b a")) == ["b a"]
    assert revised("none") == "none"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *TOPICS,
        "number",
        "topic",
        "liked",
        "likes",
        *"0123456789:.;",
    ]
    folder = tmp_path_factory.mktemp("words")
    (folder / "vocab.txt").write_text("\n".join([*words, *(f"##{d}" for d in range(10))]) + "\n")
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    return str(folder)


SHAPE = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


def test_easyrecs_loss_is_cross_entropy_over_all_positives_and_negatives(tokenizer):
    torch = pytest.importorskip("torch")
    from anyrank.core.types import Candidate
    from anyrank.models.easyrec import EasyRec

    torch.manual_seed(0)
    model = EasyRec.from_config({**SHAPE, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}, tokenizer)
    model.train()
    users = ["likes space", "likes chess", "likes horses"]
    items = [["space number 1", "chess number 2"], ["chess number 3", "space number 5"], ["horses", "cooking"]]
    features = model.features(users, [[Candidate("", t) for t in pair] for pair in items])
    labels = torch.tensor([[1.0, 0.0]] * 3)
    model.mlm = 0.0
    user = model.encode(users, query=True)
    positives, negatives = (model.encode([pair[i] for pair in items]) for i in (0, 1))
    logits = user @ torch.cat([positives, negatives]).T / 0.05  # [B, 2B], as EasyRec lays them out
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(3))
    assert model.loss(features, labels).item() == pytest.approx(expected.item(), rel=1e-5)
    model.mlm = 0.5
    parts = []
    for seed in range(5):
        torch.manual_seed(seed)
        parts.append(model.masked([*features["queries"], *features["chunks"]]).item())
        torch.manual_seed(seed)
        assert model.loss(features, labels).item() == pytest.approx(expected.item() + 0.5 * parts[-1], rel=1e-5)
    assert max(parts) > 0


def test_easyrec_learns_topics_of_unseen_items(tokenizer, tmp_path):
    pytest.importorskip("torch")
    from anyrank.domains.recommend.training import Drawn, train
    from anyrank.hub.open import open_model
    from anyrank.train.recipe import Export, Model, Optimiser, Recipe

    data, items = world(48)
    parts = split(data, seed=1)
    texts = item_profiles(data, items)
    versions = [user_profiles(parts.train, texts, version=v) for v in range(2)]
    drawn = Drawn(parts.train, versions, [texts])
    mine = parts.train.by_user()
    for group in (drawn.of(0, epoch, mine[0]) for epoch in range(8)):
        assert data.items.index(group.candidates[0].id) in mine[0]
        assert data.items.index(group.candidates[1].id) not in mine[0]
    assert drawn.of(0, 1, mine[0]) == drawn.of(0, 1, mine[0])
    recipe = Recipe(
        out=str(tmp_path / "m"),
        model=Model(kind="easyrec", tokenizer=tokenizer, shape=SHAPE, max_length=64, options={"pooling": "mean"}),
        losses=(),
        optimiser=Optimiser(rate=3e-3, batch=16, epochs=25, bf16=False),
        export=Export(int8=False),
    )
    train(recipe, drawn)
    scores = encoded(open_model(tmp_path / "m"), versions[0], texts)
    cold = full_ranking(scores, parts.train, parts.cold, 1, parts.cold_items)
    chance = full_ranking(popularity(parts.train), parts.train, parts.cold, 1, parts.cold_items)
    assert cold.recall > chance.recall + 0.2


def test_lightgcn_learns_and_texts_reach_cold_items():
    pytest.importorskip("torch")
    import torch

    from anyrank.domains.recommend.lightgcn import LightGCN, Shape, aligning

    data, _ = world()
    parts = split(data)
    shape = Shape(width=16, rate=0.02, epochs=40, batch=64, weight=0.1)
    plain = LightGCN(parts.train, shape).fit()
    warm = full_ranking(plain.scores, parts.train, parts.warm, 5)
    assert warm.recall > full_ranking(popularity(parts.train), parts.train, parts.warm, 5).recall
    hot = np.eye(4)
    users = np.stack([hot[u % 4] for u in range(len(data.users))])
    items = np.stack([hot[i % 4] for i in range(len(data.items))])
    enhanced = LightGCN(parts.train, shape, users, items).fit()
    cold = full_ranking(enhanced.scores, parts.train, parts.cold, 1, parts.cold_items)
    assert cold.ndcg > 0.7
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert float(aligning(x, x, x, 0.5)) == pytest.approx(np.log1p(np.exp(-2)), rel=1e-5)


def test_the_commands(tmp_path):
    data, items = world()
    table, texts = write(tmp_path, data, items)
    rows = json.loads(
        call("eval", table, "--items", texts, "-m", "popularity", "-m", "bm25", "-k", 10, "--json").stdout
    )
    assert rows["bm25"]["warm Recall@10"] > rows["popularity"]["warm Recall@10"]
    shown = call("eval", table, "--items", texts)
    assert shown.stdout.splitlines()[0].split() == [
        "warm",
        "Recall@20",
        "warm",
        "nDCG@20",
        "cold",
        "Recall@20",
        "cold",
        "nDCG@20",
    ]
    assert "cold (4 items)" in shown.stderr
    call("rank", table, "--items", texts, "-m", "bm25", "-k", 3, "-o", tmp_path / "run")
    assert len((tmp_path / "run").read_text().splitlines()) == 3 * len(data.users)
    assert len(json.loads(call("rank", table).stdout.splitlines()[0])["items"]) == 20
    with pytest.raises(InputError, match="give their table by --items"):
        call("rank", table, "-m", "bm25")
    (tmp_path / "other.csv").write_text("item_id,title\nnone,x\n")
    with pytest.raises(InputError, match="the ids differ"):
        call("rank", table, "--items", tmp_path / "other.csv")
    (tmp_path / "part.csv").write_text("".join(texts.read_text().splitlines(True)[:-1]))
    assert "note: 1 of " in call("rank", table, "--items", tmp_path / "part.csv").stderr
    with pytest.raises(InputError, match="is a folder: name the table of items in it"):
        call("rank", table, "--items", tmp_path)


def test_counting_what_comes_often_in_a_batch_gives_the_same_loss():
    torch = pytest.importorskip("torch")
    from anyrank.domains.recommend.lightgcn import _weighted, aligning

    torch.manual_seed(0)
    vectors, texts = torch.randn(5, 3), torch.randn(5, 3)
    batch = torch.tensor([4, 0, 4, 1, 1, 1])
    for others, against in ((batch, texts[batch]), (None, texts)):
        direct = aligning(vectors[batch], texts[batch], against, 0.5)
        assert torch.allclose(_weighted(vectors, texts, batch, others, 0.5), direct)


def test_profiles_are_the_same_in_every_process():
    """Of kinds that are as frequent, the first met come first: no order of a set, which differs from process to
    process."""
    kinds = [f"kind{i}" for i in range(9)]
    data = Interactions(("u",), ("a", "b"), np.array([[0, 0], [0, 1]]))
    texts = ["A\n" + ", ".join(kinds), "B\n" + ", ".join(kinds)]
    assert user_profiles(data, texts) == [f"Likes {', '.join(kinds[:4])}. Liked B; A"]


def test_what_pages_start_trainings_from_can_be_trained():
    from anyrank.cli.recommend import train_command
    from anyrank.train.starts import FLOAT

    (default,) = [p.default for p in train_command.params if p.name == "start"]
    assert default not in FLOAT
    root = Path(anyrank.__file__).parent
    texts = [p.read_text() for p in (root / "cli" / "recommend.py", root / "papers" / "systems.json")]
    pages = Path(__file__).parents[3] / "docs"
    texts += [p.read_text() for p in pages.rglob("*.md")]
    starts = re.findall(r"anyrank recommend train [^\n]*--start (\S+)", "\n".join(texts))
    assert not set(starts) & FLOAT.keys()


def test_an_encoder_is_not_trained_on_empty_profiles(tmp_path):
    pytest.importorskip("transformers")
    (tmp_path / "r.csv").write_text("user,item\nu1,i1\nu2,i2\n")
    with pytest.raises(InputError, match="give their table by --items"):
        CliRunner().invoke(
            cli, ["recommend", "train", str(tmp_path / "r.csv"), "-o", str(tmp_path / "m")], catch_exceptions=False
        )
    assert not (tmp_path / "m").exists()
