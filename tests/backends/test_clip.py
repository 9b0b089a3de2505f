import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("PIL")

import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from anyrank import InputError, ModelError, rerank
from anyrank.core.content import Image
from anyrank.core.types import Candidate, Query
from anyrank.hub.folder import needed_files, read
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.judges.similarity import Similarity
from anyrank.pipeline.parser import Settings, parse
from anyrank.store.vector_names import stored
from anyrank.testing import tiny_images
from anyrank.testing.hub import FakeHub, serve_hub

PICTURES = tiny_images.squares("red", "blue", "black")
TEXTS = ["a red square", "blue", "a text of far more letters than the tower reads, which is twenty"]


@pytest.fixture(scope="module", params=["clip", "siglip"])
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    getattr(tiny_images, request.param)(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    tiny_images.clip(folder)
    return folder


def unit(features):
    features = features.pooler_output
    return (features / features.norm(dim=1, keepdim=True)).numpy()


def test_vectors_are_those_of_transformers(folder):
    model = AutoModel.from_pretrained(folder).eval()
    inputs = AutoImageProcessor.from_pretrained(folder)(images=PICTURES, return_tensors="pt")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    most = model.config.text_config.max_position_embeddings
    padding = "max_length" if model.config.model_type == "siglip" else True
    words = tokenizer(TEXTS, padding=padding, truncation=True, max_length=most, return_tensors="pt")
    with torch.no_grad():
        images, texts = unit(model.get_image_features(**inputs)), unit(model.get_text_features(**words))
    encoder = open_model(folder)
    result = encoder.encode([Image.of(p) for p in PICTURES])
    assert np.allclose(result.vectors, images, atol=1e-5)
    asked = encoder.encode([*TEXTS, "blue"], query=True)
    assert np.allclose(asked.vectors, [*texts, texts[1]], atol=1e-5)
    assert (asked.usage.calls, asked.usage.truncated, asked.usage.cached) == (3, 1, 1)
    assert len({round(float(x), 6) for x in result.vectors.near(asked.vectors.take([0]))}) == 3


def test_an_image_counts_before_its_text_and_several_as_their_mean(clip):
    encoder = open_model(clip)
    red, blue = (Image.of(p) for p in PICTURES[:2])
    rows = encoder.encode([red, blue, {"text": "a caption", "image": red.source}, (red, "and", blue), "", []]).vectors
    assert np.allclose(rows[2], rows[0], atol=1e-6)
    mean = (rows[0] + rows[1]) / np.linalg.norm(rows[0] + rows[1])
    assert np.allclose(rows[3], mean, atol=1e-5)
    assert np.allclose(rows[4], rows[5])
    assert encoder.encode([]).vectors.shape == (0, 8)
    short = open_model(clip, max_length=5).encode(["red square", "red"]).usage
    assert (short.truncated, short.prompt_tokens) == (1, 10)


def test_images_are_stored_searched_and_reranked(clip, tmp_path):
    for name, picture in zip(("red", "blue", "black"), PICTURES):
        picture.save(tmp_path / f"{name}.png")
    images = [Candidate(n, Image(str(tmp_path / f"{n}.png"))) for n in ("red", "blue", "black")]
    collection = build(images, tmp_path / "index")
    with pytest.raises(InputError, match="no lexical index"):
        _ = collection.lexical
    encoder = open_model(clip)
    collection.encode(encoder, stored(encoder.name))
    question = encoder.encode(["a red square"], query=True).vectors
    near = encoder.encode([i.content for i in images]).vectors.near(question)
    order = [images[i].id for i in np.argsort(-near)]
    searched = parse(f"model({str(clip)!r}) % 3", Settings(collection))("a red square")
    assert searched.ids == order
    assert [c.score for c in searched] == pytest.approx(sorted(near.tolist(), reverse=True), abs=1e-6)
    (judgement,) = Similarity(encoder)([(Query("q", "a red square"), images)])
    assert judgement.scores == pytest.approx(near.tolist(), abs=1e-6)
    result = rerank("a red square", dict(zip(("red", "blue", "black"), PICTURES)), model=str(clip))
    assert result.ids == order
    like = rerank(PICTURES[1], [{"id": n, "image": p} for n, p in zip(("red", "blue"), PICTURES)], model=str(clip))
    assert like.ids[0] == "blue"
    assert like[0].score == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_read_is_named(clip, tmp_path):
    encoder = open_model(clip)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(InputError, match=r"content 1: .*a\.png: the picture can't be decoded"):
        encoder.encode(["x", Image(str(tmp_path / "a.png"))])
    with pytest.raises(InputError, match="given by its URL, which is not fetched"):
        encoder.encode([Image("https://example.org/cat.png")])
    (tmp_path / "config.json").write_text('{"architectures": ["CLIPModel"]}')
    with pytest.raises(ModelError, match="no weights"):
        read(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert (read(tmp_path).kind, read(tmp_path).runtime) == ("clip", "clip")
    for runtime in ("torch", "hf"):
        with pytest.raises(ModelError, match=f"encoder of images and texts .*{runtime} can't run it"):
            read(tmp_path, runtime=runtime)
    names = ["config.json", "preprocessor_config.json", "model.safetensors", "onnx/model.onnx", "vocab.json"]
    assert needed_files(names, "clip") == ["config.json", "model.safetensors", "preprocessor_config.json", "vocab.json"]
    (tmp_path / "modules.json").write_text(
        '[{"path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}]'
    )
    with pytest.raises(ModelError, match="openai/clip-vit-base-patch32"):
        read(tmp_path)


def test_a_name_of_the_registry_is_fetched_with_its_weights(clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serve_hub(FakeHub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        files = {p.name: p.read_bytes() for p in clip.iterdir()}
        hub.add("openai/clip-vit-base-patch32", {**files, "pytorch_model.bin": b"", "onnx/model.onnx": b""})
        encoder = open_model("clip-b32")
    assert encoder.name == "clip-b32"
    here = open_model(clip).encode(["a red square"]).vectors
    assert np.allclose(encoder.encode(["a red square"]).vectors, here, atol=1e-6)
