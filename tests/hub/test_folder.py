"""What folders declare: ours, sentence-transformers', and those that can't be used."""

import json

import pytest

from anyrank import ModelError
from anyrank.hub.folder import read


@pytest.fixture
def folder(tmp_path):
    def make(onnx="model.onnx", **files):
        for name, content in {"tokenizer": {}, **files}.items():
            path = tmp_path / (name.replace("__", "/") + ".json")
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(content))
        if onnx:
            (tmp_path / onnx).parent.mkdir(exist_ok=True)
            (tmp_path / onnx).write_bytes(b"")
        return tmp_path

    return make


BERT = {"architectures": ["BertModel"], "max_position_embeddings": 512}


def modules(*names):
    return [{"idx": i, "type": f"sentence_transformers.models.{n}"} for i, n in enumerate(names)]


def test_our_own_file_comes_first(folder):
    said = read(folder(anyrank={"kind": "sparse", "max_length": 64}, config=BERT))
    assert (said.kind, said.max_length) == ("sparse", 64)


def test_a_sentence_transformers_encoder(folder):
    said = read(
        folder(
            onnx="onnx/model.onnx",
            config=BERT,
            modules=modules("Transformer", "Pooling", "Normalize"),
            sentence_bert_config={"max_seq_length": 128},
            config_sentence_transformers={"prompts": {"query": "query: ", "document": ""}},
            **{"1_Pooling__config": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}},
        )
    )
    assert said.onnx.as_posix().endswith("onnx/model.onnx")
    assert (said.kind, said.pooling, said.normalise, said.max_length) == ("dense", "cls", True, 128)
    assert (said.query_prefix, said.document_prefix) == ("query: ", "")


def test_a_sparse_model_with_and_without_modules(folder):
    assert read(folder(config={"architectures": ["BertForMaskedLM"]})).kind == "sparse"
    assert read(folder(modules=modules("MLMTransformer", "SpladePooling"))).kind == "sparse"


@pytest.mark.parametrize(
    ("config", "activation"),
    [
        ({}, "none"),
        ({"id2label": {"0": "LABEL_0"}}, "sigmoid"),
        ({"id2label": {"0": "a"}, "sentence_transformers": {"activation_fn": "torch.nn...Identity"}}, "none"),
        ({"id2label": {"0": "a", "1": "b"}, "sbert_ce_default_activation_function": "…Sigmoid"}, "sigmoid"),
    ],
)
def test_a_cross_encoder_and_its_activation(folder, config, activation):
    said = read(folder(config={"architectures": ["BertForSequenceClassification"], **config}))
    assert (said.kind, said.activation) == ("cross", activation)


def test_without_onnx_the_error_says_how_to_mend_it(folder):
    path = folder(onnx="", config=BERT)
    (path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"only model.safetensors: export .*anyrank\[torch\]"):
        read(path)


def test_other_faults_are_named(folder, tmp_path):
    with pytest.raises(ModelError, match="expected a model's folder"):
        read(tmp_path / "absent")
    path = folder(config={"architectures": ["Mystery"]})
    with pytest.raises(ModelError, match="can't tell what kind"):
        read(path)
    (path / "anyrank.json").write_text("{")
    with pytest.raises(ModelError, match=r"anyrank\.json: not JSON"):
        read(path)
    (path / "anyrank.json").write_text('{"sort": "dense"}')
    with pytest.raises(ModelError, match="sort"):
        read(path)
    (path / "anyrank.json").unlink()
    (path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        read(path)


def test_pooling_that_is_not_known_is_refused(folder):
    path = folder(config=BERT, **{"1_Pooling__config": {"pooling_mode_max_tokens": True}})
    with pytest.raises(ModelError, match="max_tokens"):
        read(path)
