import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import AutoModelForSequenceClassification, AutoTokenizer

from anyrank.backends.hf.classifier import SequenceClassifier
from anyrank.backends.hf.language_model import HF
from anyrank.backends.hf.pairs import OrderedPairs
from anyrank.core.errors import InputError, ModelError
from anyrank.core.groupings import Pointwise
from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.hub.open import open_model
from anyrank.papers import duobert
from anyrank.testing import check_judge
from anyrank.testing.tiny import bert

GROUPS = [
    (
        Query("a", "which river"),
        [Candidate("1", "the river of the city"), Candidate("2", {"title": "no", "text": "x"})],
    ),
    (Query("b", "number"), [Candidate(str(i), "passage [1] " * i) for i in range(1, 5)]),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return bert(tmp_path_factory.mktemp("bert"))


def test_it_keeps_the_contract_of_judges(folder):
    check_judge(SequenceClassifier(folder, dtype="float32"), GROUPS, tolerance=1e-4)


def test_scores_are_the_heads(folder, tmp_path):
    import torch

    for path, labels in ((folder, 1), (bert(tmp_path, labels=2), 2)):
        judge = SequenceClassifier(path, dtype="float32", batch_tokens=1)
        model, tok = judge._loaded
        with torch.inference_mode():
            logits = model(**tok("which river", "the river of the city", return_tensors="pt")).logits[0]
        want = float(logits[0]) if labels == 1 else float(logits[1] - logits[0])
        (said,) = judge([(GROUPS[0][0], GROUPS[0][1][:1])])
        assert said.scores[0] == pytest.approx(want, abs=1e-5)
        assert said.usage.calls == 1


def test_documents_are_cut_and_counted(folder):
    for template in ("", "query: {query} document: {document} relevant"):
        judge = SequenceClassifier(folder, dtype="float32", template=template)
        (long, same) = judge([(Query("q", "river"), [Candidate("1", "q " * n)]) for n in (300, 500)])
        assert long.usage.truncated == same.usage.truncated == 1
        assert long.usage.prompt_tokens == judge.limit == 64
        assert long.scores == pytest.approx(same.scores, abs=1e-5)
        (short,) = judge([(Query("q", "river"), [Candidate("1", "q q")])])
        assert short.usage.truncated == 0


def test_a_query_too_long_is_cut_too_or_refused_by_a_template(folder):
    group = (Query("q", "q " * 200), [Candidate("1", "river")])
    (said,) = SequenceClassifier(folder, dtype="float32")([group])
    assert (said.usage.truncated, said.usage.prompt_tokens) == (1, 64)
    with pytest.raises(InputError, match=r"take \d+ tokens, but only 64 fit"):
        SequenceClassifier(folder, dtype="float32", template="{query} {document}")([group])


def test_wrong_heads_templates_and_contents_are_named(tmp_path, folder):
    with pytest.raises(ModelError, match="3 outputs"):
        SequenceClassifier(bert(tmp_path, labels=3))(GROUPS)
    with pytest.raises(InputError, match="placeholders"):
        SequenceClassifier(folder, template="{query}")
    with pytest.raises(InputError, match="'9' has no text"):
        SequenceClassifier(folder)([(Query("q", "x"), [Candidate("9")])])


def test_weights_without_a_head_are_refused_and_not_started_at_random(tmp_path, folder):
    body = AutoModelForSequenceClassification.from_pretrained(folder).base_model
    body.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"is an encoder, not a classifier: .*no classification head.*classifier\."):
        SequenceClassifier(str(tmp_path))(GROUPS)
    with pytest.raises(ModelError, match="is an encoder, not a language model"):
        HF(str(tmp_path)).generate(["x"], max_tokens=1)
    with pytest.raises(ModelError, match=r"is a dense encoder .*, not a classifier"):
        open_model(f"classifier:{tmp_path}")


def test_the_door_opens_a_classifier(folder):
    judge = open_model(f"classifier:{folder}", dtype="float32")
    assert judge(GROUPS) == SequenceClassifier(folder, dtype="float32")(GROUPS)
    assert open_model(folder, runtime="hf", dtype="float32").path == judge.path
    with pytest.raises(ModelError, match=r"is a cross-encoder \(it scores .*, not a language model"):
        open_model(f"hf:{folder}")


def test_it_reranks(folder):
    done = Rerank(SequenceClassifier(folder, dtype="float32"), Pointwise())(Ranking.of("river", ["a", "b city", "c"]))
    assert sorted(done.ids) == ["0", "1", "2"]
    assert done.status == "ok"
    assert done.cost.usage.calls == 3


def test_a_head_over_pairs_reads_both_documents_in_order(folder):
    import torch

    head = SequenceClassifier(folder, dtype="float32")
    model, tok = head._loaded
    a, b = GROUPS[0][1]
    said = OrderedPairs(head)([(GROUPS[0][0], [a, b]), (GROUPS[0][0], [b, a])])
    with torch.inference_mode():
        row = tok("which river", f"the river of the city {tok.sep_token} no x", return_tensors="pt")
        want = torch.sigmoid(model(**row).logits[0, 0]).item()
    assert said[0].scores == pytest.approx([want, 1 - want], abs=1e-5)
    assert said[0].scores != pytest.approx(said[1].scores, abs=1e-6)
    assert [s.usage.calls for s in said] == [1, 1]
    (cut,) = OrderedPairs(head)([(GROUPS[0][0], [Candidate("l", "q " * 300), b])])
    assert cut.usage.truncated == 1
    with pytest.raises(InputError, match="group of 3"):
        OrderedPairs(head)([(GROUPS[0][0], [a, b, a])])
    ranking = duobert.build(head)(
        Ranking(Query("q", "river"), tuple(Candidate(str(i), "city " * (i + 1)) for i in range(4)))
    )
    assert ranking.cost.usage.calls == 12
