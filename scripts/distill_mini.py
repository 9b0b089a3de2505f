"""Groups for the distillation of SPLADE-tiny and all-mpnet-base-v2 (token by token) into `mini`, on a GPU or, in hours,
on a CPU.

    python scripts/distill_mini.py MPNET SMOLLM OUT [--documents N]
    python scripts/train_rerankers.py OUT TRAINED mini --rate 1e-4 --batch 32 --texts 12 --share 0.75

MPNET is the folder of all-mpnet-base-v2, SMOLLM one of SmolLM2-135M-Instruct as safetensors. Writes OUT/train.jsonl.
Labels are 1.5 times the z-scores of each teacher over the candidates of a query (of code, 3 times mpnet's alone), 4
more for texts that the training parts of SciFact and NFCorpus judge relevant. Candidates are the best 24 by both
teachers over the collection, the best 8 by mpnet, and a draw from the best 60 and 100 by each. Queries: those of people
that scripts/make_groups.py reads, titles, keywords and sentences of documents, and a question that SmolLM2 writes for
each document; made ones stay where their document is among the best ten. Not read: what make_groups.py doesn't read.

Needs the extra train and the optional data (ANYRANK_DATA, or ../shared/data). What came of it: docs/training.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from anyrank.core.types import Candidate, Query
from anyrank.hub.registry import resolve
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import Qrels
from anyrank.train.group import Group
from anyrank.train.groups import write_groups
from anyrank.train.query_generation import QUERY_FOR
from anyrank.train.synthetic import cloze_queries, keyword_queries, title_queries

DATA = Path(os.environ.get("ANYRANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CANDIDATES, BEST, TEXTS, BONUS, FOUND = 40, 3, 12, 4.0, 10
HELD_OUT, ASKED = 200, 1200  # SciFact's training claims that validate; NFCorpus' training queries that are taken
DRAWS = {("web", "people"): 15, ("scifact", "people"): 3, ("nfcorpus", "people"): 2, ("cosqa", "people"): 3}
MADE = {"question", "keywords", "cloze"}


@dataclass
class Corpus:
    """A collection, its queries as (kind, query, id of the document that it was made from), and its judgements."""

    name: str
    documents: list[Candidate]
    queries: list[tuple[str, Query, str]] = field(default_factory=list)
    qrels: Qrels = field(default_factory=dict)

    def ask(self, queries: Sequence[Query]) -> None:
        self.queries += [("people", q, "") for q in queries]

    def make(self, groups: Iterator[Group], n: int, kind: str, rng: random.Random) -> None:
        pairs = list(groups)
        drawn = rng.sample(pairs, min(n, len(pairs)))
        self.queries += [(kind, Query(f"{kind}-{g.id}", g.query), g.ids[0]) for g in drawn]


def corpora(rng: random.Random, most: int | None) -> Iterator[Corpus]:
    """The collections, at most ``most`` documents of each."""
    given = DATA / "dl-candidates"
    web = Corpus("web", list(read_documents(given / "dl22.passages.jsonl.gz"))[:most])
    web.ask(list(read_queries(given / "dl22.queries.tsv")))
    web.make(cloze_queries(web.documents), 3000, "cloze", rng)
    web.make(keyword_queries(web.documents), 3000, "keywords", rng)
    yield web
    for name, n in (("scifact", 1500), ("nfcorpus", 800)):
        data = Dataset.open(DATA / name)
        corpus = Corpus(name, list(data.documents())[:most], qrels=data.qrels("train"))
        queries = data.queries("train")
        corpus.ask(queries[HELD_OUT:] if name == "scifact" else rng.sample(queries, min(ASKED, len(queries))))
        for kind, groups in (("title", title_queries), ("keywords", keyword_queries), ("cloze", cloze_queries)):
            corpus.make(groups(corpus.documents), n, kind, rng)
        yield corpus
    data = Dataset.open(DATA / "cosqa")
    code, judged = Corpus("cosqa", list(data.documents())[:most]), data.qrels("dev")
    code.ask([q for q in read_queries(DATA / "cosqa/queries.jsonl.gz") if q.id not in judged])
    code.make(keyword_queries(code.documents), 1500, "keywords", rng)
    yield code
    with gzip.open(DATA / "multihop/2wikimultihopqa_corpus.json.gz", "rt", encoding="utf-8") as file:
        rows = json.load(file)
    wiki = Corpus("wiki", [Candidate(f"w{i}", f"{r['title']}. {r['text']}") for i, r in enumerate(rows)][:most])
    wiki.make(keyword_queries(wiki.documents), 800, "keywords", rng)
    wiki.make(cloze_queries(wiki.documents), 800, "cloze", rng)
    yield wiki


class Encoder:
    """A transformer that encodes texts in batches of near length, in bfloat16 on a GPU."""

    def __init__(self, folder: Path, auto: Any) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = auto.from_pretrained(folder, dtype=torch.float32).to(DEVICE).eval()

    def batches(self, texts: Sequence[str], length: int, tokens: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Positions of texts, their output [texts, tokens, width] in single precision, and the mask."""
        ids = self.tokenizer(list(texts), truncation=True, max_length=length)["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        part: list[int] = []
        for n, i in enumerate(order):
            part.append(i)
            if n + 1 == len(order) or (len(part) + 1) * len(ids[order[n + 1]]) > tokens:
                padded = self.tokenizer.pad({"input_ids": [ids[j] for j in part]}, return_tensors="pt").to(DEVICE)
                mask = padded["attention_mask"]
                with torch.inference_mode(), torch.autocast(DEVICE.type, torch.bfloat16, enabled=DEVICE.type == "cuda"):
                    out = self.model(input_ids=padded["input_ids"], attention_mask=mask)[0].float()
                yield torch.tensor(part, device=DEVICE), out, mask
                part = []


def token_states(encoder: Encoder, texts: Sequence[str], length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised states [texts, length, width] as half precision, which of them are real, and normalised means."""
    width = encoder.model.config.hidden_size
    states = torch.zeros(len(texts), length, width, dtype=torch.float16, device=DEVICE)
    real = torch.zeros(len(texts), length, dtype=torch.bool, device=DEVICE)
    means = torch.zeros(len(texts), width, device=DEVICE)
    for rows, out, mask in encoder.batches(texts, length, 131_072):
        n = out.shape[1]
        means[rows] = normalize((out * mask[..., None]).sum(1), dim=-1)
        states[rows, :n], real[rows, :n] = normalize(out, dim=-1).half(), mask.bool()
    return states, real, means


def term_weights(encoder: Encoder, texts: Sequence[str]) -> Tensor:
    """SPLADE's vectors [texts, terms]."""
    vectors = torch.zeros(len(texts), encoder.model.config.vocab_size, dtype=torch.float16, device=DEVICE)
    for rows, out, mask in encoder.batches(texts, 256, 16_384):
        vectors[rows] = (torch.log1p(torch.relu(out)) * mask[..., None]).amax(1).half()
    return vectors


def z(scores: Tensor) -> Tensor:
    return (scores - scores.mean(-1, keepdim=True)) / scores.std(-1, keepdim=True, unbiased=False).clamp_min(1e-9)


def questions(documents: Sequence[Candidate], folder: Path, batch: int = 512) -> Iterator[tuple[str, Query, str]]:
    """A question for each document, by a small language model; short, long and repeated ones are left out."""
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    auto: Any = AutoModelForCausalLM
    number = torch.bfloat16 if DEVICE.type == "cuda" else torch.float32
    model = auto.from_pretrained(folder, dtype=number).to(DEVICE).eval()
    order = sorted(documents, key=lambda d: len(str(d.content)))
    seen: set[str] = set()
    for at in range(0, len(order), batch):
        part = order[at : at + batch]
        prompts = [QUERY_FOR.render(Query(d.id, ""), [d]).prompt for d in part]
        inputs = tokenizer(prompts, padding=True, return_tensors="pt").to(DEVICE)
        with torch.inference_mode():
            made = model.generate(**inputs, max_new_tokens=20, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        answers = tokenizer.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for document, answer in zip(part, answers, strict=True):
            query = " ".join(answer.strip().partition("\n")[0].strip("\"'").split())
            if 3 <= len(query.split()) <= 16 and query not in seen:
                seen.add(query)
                yield "question", Query(f"question-{document.id}", query), document.id


def groups(corpus: Corpus, mpnet: Encoder, splade: Encoder, rng: random.Random) -> Iterator[Group]:
    """Groups of a collection's queries, labelled by the teachers."""
    documents, code = corpus.documents, corpus.name == "cosqa"
    texts = [str(d.content) for d in documents]
    states, real, means = token_states(mpnet, texts, 256)
    terms = term_weights(splade, texts)
    for at in range(0, len(corpus.queries), 16):
        part = corpus.queries[at : at + 16]
        asked = [str(query.content) for _, query, _ in part]
        query_states, query_real, query_means = token_states(mpnet, asked, 64)
        dense, sparse = query_means @ means.T, (term_weights(splade, asked) @ terms.T).float()
        total = z(dense) if code else z(dense) + z(sparse)
        for i, (kind, query, made_from) in enumerate(part):
            best, near, lexical = (
                scores[i].topk(min(k, len(texts))).indices.tolist()
                for scores, k in ((total, 24), (dense, 60), (sparse, 100))
            )
            rows = list(dict.fromkeys(best + near[:8]))
            others = [row for row in dict.fromkeys(near + lexical) if row not in set(rows)]
            rows = (rows + rng.sample(others, min(len(others), max(0, CANDIDATES - len(rows)))))[:CANDIDATES]
            index = torch.tensor(rows, device=DEVICE)
            cosines = (query_states[i][query_real[i]] @ states[index].mT).float()  # [texts, query tokens, tokens]
            nearest = cosines.masked_fill(~real[index][:, None], -2).amax(2).mean(1)
            late = 20 * nearest + 10 * dense[i, index]
            labels = (3 * z(late) if code else 1.5 * z(late) + 1.5 * z(sparse[i, index])).tolist()
            order = sorted(range(len(rows)), key=lambda n: -labels[n])
            if kind in MADE and made_from not in {documents[rows[n]].id for n in order[:FOUND]}:
                continue
            good = {d for d, grade in corpus.qrels.get(query.id, {}).items() if grade > 0}
            labels = [label + BONUS * (documents[row].id in good) for row, label in zip(rows, labels, strict=True)]
            order = sorted(range(len(rows)), key=lambda n: -labels[n])
            whole = Group.of(query, [documents[row] for row in rows], labels)
            for _ in range(DRAWS.get((corpus.name, kind), 1)):
                rest = rng.sample(order[BEST:], min(TEXTS - BEST, max(0, len(order) - BEST)))
                yield whole.take(order[:BEST] + rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mpnet", type=Path)
    parser.add_argument("smollm", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--documents", type=int, help="at most so many, and queries, of each collection: a trial")
    args = parser.parse_args()
    rng = random.Random(0)
    collections = list(corpora(rng, args.documents))
    for corpus in collections:
        corpus.queries = corpus.queries[: args.documents]
        if corpus.name != "cosqa":
            corpus.queries += questions(corpus.documents, args.smollm)
    mpnet, splade = Encoder(args.mpnet, AutoModel), Encoder(resolve("splade-tiny-fp32"), AutoModelForMaskedLM)
    made: list[Group] = []
    for corpus in collections:
        before = len(made)
        made += groups(corpus, mpnet, splade, rng)
        print(f"{corpus.name}: {len(corpus.queries)} queries, {len(made) - before} groups", flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    write_groups(args.out / "train.jsonl", made)


if __name__ == "__main__":
    main()
