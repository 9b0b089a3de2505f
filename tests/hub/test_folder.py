"""What folders hold, by their files: ours, those of other libraries, and those that can't be used."""

import json

import pytest

from anyrank import ModelError
from anyrank.hub.folder import Declared, configuration_files, needed_files, read


@pytest.fixture
def folder(tmp_path):
    """A function that writes JSON files (a__b is a/b.json) and empty files of weights."""

    def make(weights="model.onnx", **files):
        for name, content in {"tokenizer": {}, **files}.items():
            path = tmp_path / (name.replace("__", "/") + ".json")
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(content))
        for name in weights.split():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        return tmp_path

    return make


BERT = {"architectures": ["BertModel"], "max_position_embeddings": 512}


def modules(*names, package="sentence_transformers.models"):
    return [
        {"idx": i, "name": str(i), "path": f"{i}_{n}" if i else "", "type": f"{package}.{n}"}
        for i, n in enumerate(names)
    ]


def test_our_own_file_comes_first(folder):
    model = read(folder(anyrank={"kind": "sparse", "max_length": 64}, config=BERT))
    assert (model.kind, model.runtime, model.max_length) == ("sparse", "onnx", 64)


@pytest.mark.parametrize(
    ("weights", "stated", "asked", "runtime"),
    [
        ("model.onnx model.safetensors", "", "", "onnx"),
        ("model.onnx model.safetensors", "", "torch", "torch"),
        ("model.onnx model.safetensors", "torch", "", "torch"),
        ("model.onnx model.safetensors", "torch", "onnx", "onnx"),
        ("model.safetensors", "", "", "torch"),
        ("onnx/model.onnx", "onnx", "", "onnx"),
    ],
)
def test_the_runtime_is_the_one_asked_for_else_the_stated_else_onnx(folder, weights, stated, asked, runtime):
    own = {"kind": "dense", "normalise": True} | ({"runtime": stated} if stated else {})
    assert read(folder(weights, anyrank=own), runtime=asked).runtime == runtime


def test_a_model_of_ours_of_any_kind_runs_on_torch(folder):
    path = folder("model.safetensors", anyrank={"kind": "drmm", "bins": 30})
    (path / "tokenizer.json").unlink()
    assert (read(path).kind, read(path).runtime) == ("drmm", "torch")


@pytest.mark.parametrize(
    ("file", "content", "kind"),
    [
        ("late.safetensors", "", "late"),
        ("knrm.json", "{}", "knrm"),
        ("axial.json", '{"kind": "Axial"}', "axial"),
        ("axial.json", '{"kind": "NextResidue"}', "next_residue"),
    ],
)
def test_models_trained_before_anyrank_json_are_known_by_their_own_files(folder, file, content, kind):
    path = folder("model.safetensors", config=BERT)  # which alone is a dense encoder
    (path / file).write_text(content)
    model = read(path)
    assert (model.kind, model.runtime) == (kind, "torch")


def test_a_sentence_transformers_encoder(folder):
    model = read(
        folder(
            "onnx/model.onnx",
            config=BERT,
            modules=modules("Transformer", "Pooling", "Normalize"),
            sentence_bert_config={"max_seq_length": 128},
            config_sentence_transformers={"prompts": {"query": "query: ", "document": ""}},
            **{"1_Pooling__config": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}},
        )
    )
    assert model.onnx.as_posix().endswith("onnx/model.onnx")
    assert (model.kind, model.pooling, model.normalise, model.max_length) == ("dense", "cls", True, 128)
    assert (model.query_prefix, model.document_prefix) == ("query: ", "")


@pytest.mark.parametrize(
    ("similarity", "names", "normalise"),
    [
        ("cosine", ("Transformer", "Pooling"), True),
        (None, ("Transformer", "Pooling"), True),
        ("dot", ("Transformer", "Pooling"), False),
        ("dot", ("Transformer", "Pooling", "Normalize"), True),
    ],
)
def test_vectors_compared_by_cosine_are_normalised(folder, similarity, names, normalise):
    sentence = {"similarity_fn_name": similarity} if similarity else {}
    path = folder(config=BERT, modules=modules(*names), config_sentence_transformers=sentence)
    assert read(path).normalise == normalise


@pytest.mark.parametrize(
    ("sentence", "prefixes"),
    [
        ({}, ("", "")),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, ("q: ", "p: ")),
        ({"prompts": {"all": "x: "}, "default_prompt_name": "all"}, ("x: ", "x: ")),
        ({"prompts": {"all": "x: ", "query": "q: "}, "default_prompt_name": "all"}, ("q: ", "x: ")),
        ({"prompts": {"clustering": "c: "}, "default_prompt_name": None}, ("", "")),
    ],
)
def test_prompts_are_those_of_queries_and_documents(folder, sentence, prefixes):
    model = read(folder(config=BERT, modules=modules("Transformer"), config_sentence_transformers=sentence))
    assert (model.query_prefix, model.document_prefix) == prefixes


@pytest.mark.parametrize(
    ("kind", "runtime", "files"),
    [
        ("dense", "torch", {"config": BERT}),
        ("sparse", "torch", {"config": {"architectures": ["BertForMaskedLM"]}}),
        ("sparse", "torch", {"modules": modules("MLMTransformer", "SpladePooling")}),
        ("sparse", "torch", {"config_sentence_transformers": {"model_type": "SparseEncoder"}, "config": BERT}),
        ("dense", "torch", {"config": {"architectures": ["BertForMaskedLM"]}, "modules": modules("Transformer")}),
        ("cross", "torch", {"config": {"architectures": ["XLMRobertaForSequenceClassification"]}}),
        ("cross", "torch", {"config": BERT, "config_sentence_transformers": {"model_type": "CrossEncoder"}}),
        ("colbert", "torch", {"config": BERT, "config_sentence_transformers": {"model_type": "MultiVectorEncoder"}}),
        ("colbert", "torch", {"config": BERT, "modules": modules("Transformer", "Dense", package="pylate.models")}),
        ("colbert", "torch", {"config": {"architectures": ["HF_ColBERT"]}}),
        ("language", "hf", {"config": {"architectures": ["Qwen3ForCausalLM"]}}),
        ("language", "hf", {"config": {"architectures": ["T5ForConditionalGeneration"]}}),
        (
            "language",
            "hf",
            {
                "config": {"architectures": ["Qwen3ForCausalLM"]},
                "modules": modules("Transformer", "LogitScore"),
                "config_sentence_transformers": {"model_type": "CrossEncoder"},
            },
        ),
    ],
)
def test_folders_of_other_libraries_are_known_by_their_files(folder, kind, runtime, files):
    model = read(folder("model.safetensors", **files))
    assert (model.kind, model.runtime) == (kind, runtime)


def test_an_encoder_on_a_decoder_pools_its_last_token(folder):
    files = {
        "config": {"architectures": ["Qwen3ForCausalLM"]},
        "modules": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling__config": {"pooling_mode_lasttoken": True},
    }
    path = folder("model.safetensors", **files)
    assert (read(path).kind, read(path).pooling) == ("dense", "last")
    (path / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="pooling last is not supported for an ONNX file"):
        read(path)
    assert read(path, runtime="torch").runtime == "torch"


def test_stanfords_colbert_is_known_by_its_metadata(folder):
    path = folder("model.safetensors", config={"architectures": ["BertModel"]})
    (path / "artifact.metadata").write_text("{}")
    assert read(path).kind == "colbert"


def test_pylate_states_markers_and_length(folder):
    sentence = {"query_prefix": "[Q] ", "document_prefix": "[D] ", "document_length": 300, "prompts": {}}
    files = modules("Transformer", "Dense", package="pylate.models")
    model = read(folder("model.safetensors", config=BERT, modules=files, config_sentence_transformers=sentence))
    assert (model.query_prefix, model.document_prefix, model.max_length) == ("[Q] ", "[D] ", 300)


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
    model = read(folder(config={"architectures": ["BertForSequenceClassification"], **config}))
    assert (model.kind, model.activation) == ("cross", activation)


def test_gguf_files_are_language_models(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"")
    assert read(tmp_path) == Declared(
        "language", "hf", tmp_path, gguf=tmp_path / "a.gguf", tokenizer=tmp_path / "tokenizer.json", pooling="none",
        name=str(tmp_path),
    )  # fmt: skip
    alone = read(tmp_path / "a.gguf", runtime="llamacpp")
    assert (alone.kind, alone.runtime, alone.path) == ("language", "llamacpp", str(tmp_path / "a.gguf"))
    (tmp_path / "b.gguf").write_bytes(b"")
    with pytest.raises(ModelError, match=r"several GGUF files \(a.gguf, b.gguf\): give the path of one"):
        read(tmp_path)
    with pytest.raises(ModelError, match=r"runs with hf .* or llamacpp, not with onnx"):
        read(tmp_path / "a.gguf", runtime="onnx")


@pytest.mark.parametrize(
    ("weights", "config", "runtime", "message"),
    [
        ("model.safetensors", BERT, "hf", r"is a dense encoder .*model\(.*not a language model or a cross-encoder"),
        ("model.safetensors", {"architectures": ["A_ForCausalLM"]}, "onnx", r"is a language model .*rankgpt\("),
        ("model.safetensors", {"architectures": ["A_ForCausalLM"]}, "torch", "not an encoder or a reranker"),
        ("model.onnx", BERT, "torch", r"has no \*.safetensors for torch: leave the runtime out, or choose onnx"),
        ("model.safetensors", BERT, "onnx", "has no ONNX file for onnx: .* choose torch"),
        ("model.onnx", BERT, "tensorflow", "no runtime 'tensorflow': there are onnx, torch, clip, hf, llamacpp"),
        ("pytorch_model.bin", BERT, "", "only pytorch_model.bin, which may be a pickle and is never opened"),
        ("", BERT, "", "no weights: neither an ONNX file"),
        ("", {"architectures": ["A_ForCausalLM"]}, "", r"no weights \(\*.safetensors or \*.gguf\)"),
    ],
)
def test_what_can_not_run_is_said_with_what_can(folder, weights, config, runtime, message):
    with pytest.raises(ModelError, match=message):
        read(folder(weights, config=config), runtime=runtime)


def test_modules_that_route_are_refused(folder):
    with pytest.raises(ModelError, match="Router sends queries and documents through different modules"):
        read(folder(config=BERT, modules=modules("Router")))


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
    (path / "config.json").write_text(json.dumps(BERT))
    (path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        read(path)


def test_the_advice_of_an_unknown_kind_works(folder):
    path = folder(config={"architectures": ["Mystery"]})
    with pytest.raises(ModelError) as error:
        read(path)
    (path / "anyrank.json").write_text(str(error.value).rpartition("e.g. ")[2])
    assert read(path).kind == "dense"


def test_pooling_that_is_not_known_is_refused(folder):
    path = folder(config=BERT, **{"1_Pooling__config": {"pooling_mode_weightedmean_tokens": True}})
    with pytest.raises(ModelError, match="weightedmean_tokens"):
        read(path)


REPOSITORY = [
    ".gitattributes", "1_Pooling/config.json", "README.md", "config.json", "flax_model.msgpack", "model.safetensors",
    "modules.json", "onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_O4.onnx", "onnx/model_quantized.onnx",
    "openvino/openvino_model.bin", "openvino/openvino_model.xml", "pytorch_model.bin", "tf_model.h5", "tokenizer.json",
    "vocab.txt", "modeling_own.py", "train_script.py", "rust_model.ot",
]  # fmt: skip
TEXTS = ["1_Pooling/config.json", "config.json", "modules.json", "tokenizer.json", "vocab.txt"]


@pytest.mark.parametrize(
    ("without", "runtime", "weights"),
    [
        ([], "", ["onnx/model.onnx", "onnx/model.onnx_data"]),
        (["onnx/model.onnx", "onnx/model.onnx_data"], "", ["onnx/model_quantized.onnx"]),
        ([], "torch", ["model.safetensors"]),
        ([n for n in REPOSITORY if n.startswith("onnx/")], "", ["model.safetensors"]),
        ([n for n in REPOSITORY if n.startswith(("onnx/", "model."))], "", []),
    ],
)
def test_only_one_set_of_weights_is_fetched(without, runtime, weights):
    files = [n for n in REPOSITORY if n not in without]
    assert needed_files(files, runtime) == sorted(TEXTS + weights)


def test_shards_and_gguf_files_are_weights():
    shards = ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = "model.safetensors.index.json"
    assert needed_files([*shards, index]) == sorted([*shards, index])
    assert needed_files(["x.gguf", "README.md"]) == ["x.gguf"]
    assert needed_files(["x.Q4.gguf", "x.Q8.gguf"]) == []
    assert needed_files(["2_Dense/config.json", "2_Dense/model.safetensors", "config.json", "model.safetensors"]) == [
        "2_Dense/config.json", "2_Dense/model.safetensors", "config.json", "model.safetensors"
    ]  # fmt: skip
    assert configuration_files(REPOSITORY) == TEXTS


@pytest.mark.parametrize(
    "field", [{"pooling": "zzz"}, {"pooling": []}, {"max_length": -3}, {"max_length": "9"}, {"max_length": True},
              {"activation": "relu"}, {"query_prefix": 3}]
)  # fmt: skip
def test_fields_of_ours_with_wrong_values_are_refused(tmp_path, field):
    (tmp_path / "anyrank.json").write_text(json.dumps({"kind": "dense", **field}))
    with pytest.raises(ModelError, match=next(iter(field))):
        read(tmp_path)
