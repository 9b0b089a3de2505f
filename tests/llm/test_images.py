"""Images in prompts: where they stand, what reaches a server, and who can't read them."""

import base64

import pytest

from anyrank.backends.openai import OpenAI
from anyrank.core.content import Image, images_of
from anyrank.core.errors import InputError
from anyrank.core.groupings import Sliding
from anyrank.core.language import ReadsImages, Turn, images_in
from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.llm import templates
from anyrank.llm.attention import Attention
from anyrank.llm.cache import Cached
from anyrank.llm.first_token import FirstToken
from anyrank.llm.fusion_in_decoder import Fused
from anyrank.llm.generation import Generated
from anyrank.llm.metering import Budget, Metered
from anyrank.llm.pointwise import QueryLikelihood, TokenLogit, YesNo
from anyrank.llm.preference import Preferred
from anyrank.llm.prompts import Template
from anyrank.llm.retry import Retry
from anyrank.llm.token_ids import render
from anyrank.testing import OracleModel
from anyrank.testing.llm import flat
from anyrank.testing.wire import wire

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
PICTURES = Ranking.of("a cat", [Image(f"https://x.org/{i}.png") for i in range(6)], [f"p{i}" for i in range(6)])
TRUTH = {f"{i}": float(i * 5 % 6) for i in range(6)}
FIND = r"<image 'https://x\.org/(\d)\.png'"


def seeing():
    return OracleModel(TRUTH, FIND, reads_images=True)


def best_first():
    return [f"p{i}" for i in sorted(range(6), key=lambda i: -TRUTH[str(i)])]


@pytest.mark.parametrize(
    "judge",
    [
        lambda backend: Generated(backend, templates.LISTWISE),
        lambda backend: FirstToken(backend, templates.FIRST_TOKEN),
        lambda backend: Generated(backend, templates.CONVERSATION),
    ],
)
def test_a_model_that_reads_images_ranks_them(judge):
    backend = seeing()
    after = Rerank(judge(backend), Sliding(6, 6))(PICTURES)
    assert after.ids == best_first()
    assert len(images_in(backend.log[0])) == 6


def test_pictures_alone_and_in_pairs():
    assert Rerank(YesNo(seeing(), templates.YES_NO))(PICTURES).ids == best_first()
    pair = [(PICTURES.query, [PICTURES[0], PICTURES[1]])]
    (judgement,) = Preferred(seeing(), Template(prefix="{query}? {doc1} or {doc2}"))(pair)
    assert judgement.scores[1] > judgement.scores[0]


def test_images_stand_in_their_documents_place_between_its_texts():
    template = Template(prefix="Find {query}.\n", body="[{label}] {text} .", suffix="\nBest of {num}?", words=3)
    members = [
        Candidate("a", ("one two", Image("a.png"), "three [9] four")),
        Candidate("b", Image("b.png")),
        Candidate("c", "a text of five words"),
        Candidate("d", {"title": "t", "text": "u", "image": "d.png"}),
    ]
    shown = template.render(Query("q", ("a\ncat", Image("q.png"))), members)
    ((turn),) = shown.prompt
    assert turn.content == (
        "Find a cat",
        Image("q.png"),
        ".\n[1] one two",
        Image("a.png"),
        "three .\n[2] ",
        Image("b.png"),
        " .\n[3] a text of .\n[4] t u",
        Image("d.png"),
        " .\nBest of 4?",
    )
    assert shown.truncated == 2
    assert shown.query == "a cat"
    assert shown.bodies[1] == "[2]   ."


def test_word_limits_hold_over_all_texts_of_a_document():
    template = Template(prefix="{query}", body="{text}", words=2)
    document = Candidate("a", ("one", Image("a.png"), "two three", Image("b.png"), "four"))
    shown = template.render(Query("q", ""), [document])
    assert shown.prompt == (Turn("user", ("one", Image("a.png"), "two", Image("b.png"))),)
    assert shown.truncated == 1
    whole = Template(prefix="{query}", body="{text}", words=0).render(Query("q", ""), [document])
    assert whole.truncated == 0
    assert images_of(whole.prompt[0].content) == (Image("a.png"), Image("b.png"))


def test_texts_around_images_can_pass_for_no_label_and_no_markup():
    document = Candidate("a", ("see [2]", Image("a.png"), "<|im_end|>"))
    shown = flat(templates.LISTWISE.render(Query("q", "x"), [document]).prompt)
    assert "see (2)" in shown
    assert "<|im_end|>" not in shown


SIGNALS = {
    "Generated": lambda b: Generated(b, templates.LISTWISE),
    "FirstToken": lambda b: FirstToken(b, templates.FIRST_TOKEN),
    "YesNo": lambda b: YesNo(b, templates.YES_NO),
    "Preferred": lambda b: Preferred(b, templates.DUO_T5),
    "QueryLikelihood": lambda b: QueryLikelihood(b, templates.QUERY),
    "TokenLogit": lambda b: TokenLogit(b, templates.RANK_T5),
    "Fused": lambda b: Fused(b, templates.LIT5),
    "Attention": lambda b: Attention(b, templates.ATTENTION),
}


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_backend_of_texts_names_the_candidate_it_cannot_read(signal):
    backend = OracleModel(TRUTH)
    stage = Rerank(SIGNALS[signal](Retry(backend)), Sliding(2, 1))
    texts = Ranking.of("q", ["text of 1", ("text of 2", Image("a.png"))], ["t", "pic"])
    with pytest.raises(InputError, match="candidate 'pic' holds an image, and OracleModel reads text only"):
        stage(texts)
    with pytest.raises(InputError, match="query 'q' holds an image, and OracleModel reads text only"):
        stage(Ranking.of(Image("q.png"), ["text of 1", "text of 2"]))
    assert backend.log == []


def test_a_plain_text_prompt_holds_no_images():
    with pytest.raises(InputError, match="candidate '0' holds an image, which a plain-text prompt"):
        QueryLikelihood(seeing(), templates.QUERY)([(Query("q", "x"), [Candidate("0", Image("a.png"))])])


def test_wrappers_read_images_if_what_they_wrap_does():
    for wrap in (Metered, Budget, Retry):
        assert wrap(wrap(seeing())).reads_images
        assert not wrap(OracleModel({})).reads_images
        assert not wrap(object()).reads_images
        assert isinstance(wrap(object()), ReadsImages)


def test_a_text_models_chat_template_refuses_images():
    prompt = (Turn("user", ("what is this?", Image("a.png"))),)
    for template in (None, lambda messages: str(messages)):
        with pytest.raises(InputError, match=r"the prompt holds an image \(a.png\), and this model reads texts alone"):
            render(template, prompt)


def test_answers_about_images_are_kept_by_what_the_image_shows(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    backend = OracleModel({"p": 1.0}, "(p)ng", reads_images=True)
    cached = Cached(backend, tmp_path / "answers.db", model="m")

    def ask(image):
        (answer,) = cached.generate([(Turn("user", ("[1] > [2] what?", image)),)], max_tokens=5)
        return answer.usage.cached

    assert [ask(Image(path)), ask(Image(path)), ask(Image(PNG))] == [0, 1, 1]
    path.write_bytes(PNG + b"changed")
    assert [ask(Image(path)), ask(Image(PNG, "image/gif")), ask(Image("https://x.org/a.png"))] == [0, 0, 0]
    assert ask(Image("https://x.org/a.png")) == 1


def test_a_server_gets_images_as_content_parts(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    bodies = []

    def answer(where, body, headers):
        bodies.append((where, body))
        order = "[3] > [2] > [1]"
        choice = {"index": 0, "message": {"role": "assistant", "content": order}, "finish_reason": "stop"}
        return {"choices": [choice], "usage": {"prompt_tokens": 900, "completion_tokens": 3}}

    contents = [Image(path), {"text": "a dog", "image": "https://x.org/b.png"}, "a text"]
    with wire(answer) as url:
        after = Rerank(Generated(OpenAI("vision", url), templates.LISTWISE), Sliding(3, 3))(Ranking.of("cat", contents))
    assert after.ids == ["2", "1", "0"]
    assert after.cost.usage.prompt_tokens == 900
    ((where, body),) = bodies
    assert where == "/chat/completions"
    parts = body["messages"][1]["content"]
    assert [p["type"] for p in parts] == ["text", "image_url", "text", "image_url", "text"]
    assert parts[0]["text"].endswith("[1] ")
    assert parts[1] == {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"},
    }
    assert parts[3] == {"type": "image_url", "image_url": {"url": "https://x.org/b.png"}}
    assert parts[4]["text"].startswith("\n[3] a text")
