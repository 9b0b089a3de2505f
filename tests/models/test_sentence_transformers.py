"""The same vectors and scores as sentence-transformers', of folders that either of the two saved."""

import json
import shutil
import string
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
st = pytest.importorskip("sentence_transformers", minversion="6.2", exc_type=ImportError)

from anyrank.core.types import Candidate, Query  # noqa: E402
from anyrank.hub.open import open_model  # noqa: E402
from anyrank.judges.similarity import Similarity  # noqa: E402
from anyrank.models.bi import BiEncoder  # noqa: E402
from anyrank.models.colbert import ColBERT  # noqa: E402
from anyrank.models.cross import CrossEncoder  # noqa: E402
from anyrank.models.sparse import Sparse  # noqa: E402
from anyrank.testing import tiny  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
TEXTS = ["the river", "number, city. passage?", "a", "river of document answer yes no passage number " * 8]
QUERIES = ["the city", "what passage number"]
GROUPS = [(Query("q", q), [Candidate(str(i), t) for i, t in enumerate(TEXTS)]) for q in QUERIES]


def encoder(folder, family="bert", task="body", labels=1):
    folder.mkdir()
    return tiny.encoder(folder, family, task, labels)


def mine(folder):
    return open_model(folder, runtime="torch")


def sparse_array(vectors):
    out = np.zeros((len(vectors), vectors.dim), np.float32)
    for i in range(len(vectors)):
        row = vectors.row(i)
        out[i, list(row)] = list(row.values())
    return out


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "lasttoken"])
def test_dense(pooling, tmp_path):
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

    body = Transformer(encoder(tmp_path / "body", "roberta"))
    modules = [body, Pooling(32, pooling), Dense(32, 24), Normalize()]
    theirs = st.SentenceTransformer(modules=modules, device="cpu", prompts={"query": "yes ", "document": "no "})
    theirs.save(str(tmp_path / "st"))
    ours = mine(tmp_path / "st")
    assert np.abs(theirs.encode_query(QUERIES) - ours.encode(QUERIES, query=True).vectors.array).max() < 1e-5
    assert np.abs(theirs.encode_document(TEXTS) - ours.encode(TEXTS).vectors.array).max() < 1e-5
    BiEncoder.from_folder(tmp_path / "st").save(tmp_path / "own")
    again = st.SentenceTransformer(str(tmp_path / "own"), device="cpu")
    assert np.abs(again.encode_document(TEXTS) - mine(tmp_path / "own").encode(TEXTS).vectors.array).max() < 1e-5
    assert np.abs(again.encode_document(TEXTS) - theirs.encode_document(TEXTS)).max() < 1e-5


@pytest.mark.parametrize(("pooling", "activation"), [("max", "relu"), ("sum", "log1p_relu")])
def test_sparse(pooling, activation, tmp_path):
    theirs = st.SparseEncoder(encoder(tmp_path / "body", "distilbert", "masked"), device="cpu")
    theirs[1].pooling_strategy, theirs[1].activation_function = pooling, activation
    theirs.save_pretrained(str(tmp_path / "st"))
    wanted = theirs.encode(TEXTS, convert_to_sparse_tensor=False).numpy()
    assert np.abs(sparse_array(mine(tmp_path / "st").encode(TEXTS).vectors) - wanted).max() < 1e-5
    Sparse.from_folder(tmp_path / "st").save(tmp_path / "own")
    again = st.SparseEncoder(str(tmp_path / "own"), device="cpu").encode(TEXTS, convert_to_sparse_tensor=False).numpy()
    assert np.abs(again - wanted).max() < 1e-5


def test_cross(tmp_path):
    theirs = st.CrossEncoder(encoder(tmp_path / "body", "modernbert", "cross"), device="cpu")
    theirs.save_pretrained(str(tmp_path / "st"))
    wanted = theirs.predict([(q, t) for q in QUERIES for t in TEXTS]).reshape(2, 4)
    assert np.abs([j.scores for j in mine(tmp_path / "st")(GROUPS)] - wanted).max() < 1e-5
    CrossEncoder.from_folder(tmp_path / "st").save(tmp_path / "own")  # as logits
    logits = st.CrossEncoder(str(tmp_path / "own"), device="cpu").predict([(q, t) for q in QUERIES for t in TEXTS])
    assert np.abs([j.scores for j in mine(tmp_path / "own")(GROUPS)] - logits.reshape(2, 4)).max() < 1e-5


def stanford(folder: Path) -> None:
    from safetensors.torch import load_file, save_file
    from transformers import BertTokenizerFast

    encoder(folder)
    # WordPiece, as these have it: sentence-transformers puts "[unused0] " before the text, whose space is no token
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]", ".", ",", "?"]
    letters = "abcdefghijklmnopqrstuvwxyz"
    words += ["river", "city", "number", *letters, *(f"##{c}" for c in letters)]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    weights = {f"bert.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
    torch.manual_seed(1)
    save_file(weights | {"linear.weight": torch.randn(16, 32)}, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["HF_ColBERT"]}))
    metadata = {"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "query_maxlen": 16, "doc_maxlen": 24}
    (folder / "artifact.metadata").write_text(json.dumps(metadata | {"mask_punctuation": True}))


def pylate(folder: Path) -> None:
    multi(folder, {})
    modules = json.loads((folder / "modules.json").read_text())[:2]
    modules[1]["type"] = "pylate.models.Dense.Dense"
    (folder / "modules.json").write_text(json.dumps(modules))
    dense = json.loads((folder / "1_Dense" / "config.json").read_text())
    dense = {k: v for k, v in dense.items() if not k.startswith("module_")} | {"use_residual": False}
    (folder / "1_Dense" / "config.json").write_text(json.dumps(dense))
    config = {
        "model_type": "ColBERT", "query_prefix": "[unused0]", "document_prefix": "[unused1]", "query_length": 16,
        "document_length": 24, "attend_to_expansion_tokens": False, "skiplist_words": list(string.punctuation),
        "do_query_expansion": True, "prompts": {},
    }  # fmt: skip
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config))


def multi(folder: Path, settings: dict) -> None:
    """A folder of sentence-transformers' MultiVectorEncoder."""
    body = folder.parent / f"{folder.name}-body"
    model = st.MultiVectorEncoder(encoder(body), device="cpu")
    for name in ("query_expansion", "query_length", "document_length"):
        if name in settings:
            setattr(model[0], name, settings[name])
    model[2].skiplist_words = settings.get("skip", [])
    model[2].skiplist_tasks = settings.get("tasks", ["document"])
    model.prompts = settings.get("prompts", {})
    model.similarity_fn_name = settings.get("similarity", "maxsim")
    model.save_pretrained(str(folder))
    shutil.rmtree(body)


LATE = {
    "stanford": stanford,
    "pylate": pylate,
    "plain": lambda folder: multi(folder, {}),
    "fixed": lambda folder: multi(folder, {
        "query_expansion": {"strategy": "fixed", "length": 16, "attend": False}, "document_length": 20,
        "skip": [".", ","], "prompts": {"query": "yes ", "document": "no "},
    }),
    "min": lambda folder: multi(folder, {
        "query_expansion": {"strategy": "min", "length": 8, "attend": True}, "query_length": 12,
        "skip": ["."], "tasks": ["query", "document"], "similarity": "meanmaxsim",
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", LATE)
def test_late_interaction(name, tmp_path):
    LATE[name](tmp_path / "st")
    wanted = maxsim(tmp_path / "st")
    assert np.abs([j.scores for j in Similarity(mine(tmp_path / "st"))(GROUPS)] - wanted).max() < 1e-5
    ColBERT.from_folder(tmp_path / "st").save(tmp_path / "own")
    assert np.abs(maxsim(tmp_path / "own") - wanted).max() < 1e-5
    assert np.abs([j.scores for j in Similarity(mine(tmp_path / "own"))(GROUPS)] - wanted).max() < 1e-5


def maxsim(folder):
    model = st.MultiVectorEncoder(str(folder), device="cpu")
    return model.similarity(model.encode_query(QUERIES), model.encode_document(TEXTS)).numpy()
