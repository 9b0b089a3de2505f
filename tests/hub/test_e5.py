"""multilingual-e5-small out of a wheel: a small file of the same format read, and the real model where it is cached."""

import struct
import zipfile

import numpy as np
import pytest

from anyrank.core.errors import ModelError
from anyrank.hub import e5
from anyrank.hub.open import open_model
from anyrank.hub.registry import find
from anyrank.hub.wheels import Conversion, from_wheel

WIDTH, INNER, LAYERS, WORDS = 32, 64, 1, 6
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁wing", "▁"]


def _file(path, magic=b"E5S1", block=32):
    """A file of the format with random weights; the float32 tensors and the nibbles that were written."""
    rng = np.random.default_rng(0)
    head = struct.pack("<4sI7ifi", magic, 1, WIDTH, LAYERS, 2, INNER, WORDS, 16, 2, 1e-12, block)
    blob = "".join(PIECES).encode()
    ends = np.cumsum([0, *[len(p.encode()) for p in PIECES]]).astype("<u4")
    words = struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob)) + ends.tobytes()
    words += np.array([0, 0, 0, 0, -1.5, -3], "<f4").tobytes() + blob
    words += struct.pack("<iI", 1, 5) + struct.pack("<IB", 1, 0)
    w = (WIDTH, WIDTH)
    shapes = {"emb.word": (WORDS, WIDTH), "emb.pos": (16, WIDTH), "emb.type": (2, WIDTH), "emb.ln.w": (WIDTH,),
              "emb.ln.b": (WIDTH,)}  # fmt: skip
    for short, shape in {"q": w, "k": w, "v": w, "ao": w, "fi": (INNER, WIDTH), "fo": (WIDTH, INNER)}.items():
        shapes |= {f"l0.{short}.w": shape, f"l0.{short}.b": shape[:1]}
    shapes |= {f"l0.{n}.{end}": (WIDTH,) for n in ("aln", "oln") for end in "wb"}
    tensors, values = [], {}
    for name, shape in shapes.items():
        quantised = name == "emb.word" or (name.startswith("l0.") and name.endswith(".w") and "ln" not in name)
        count = int(np.prod(shape))
        if quantised:
            nibbles = rng.integers(0, 16, (count // 32, 32)).astype(np.uint8)
            scales = rng.random((count // 32, 1)).astype("<f2")
            raw = np.concatenate([scales.view(np.uint8), nibbles[:, :16] | (nibbles[:, 16:] << 4)], axis=1).tobytes()
            values[name] = ((nibbles.astype(np.float32) - 8) * scales.astype(np.float32)).reshape(shape)
        else:
            values[name] = rng.random(shape).astype("<f4")
            raw = values[name].tobytes()
        tensors.append((name, quantised, count, raw))
    size = len(head + words) + 4 + sum(2 + len(n) + 21 for n, *_ in tensors)
    directory, data = struct.pack("<i", len(tensors)), b""
    for name, quantised, count, raw in tensors:
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", quantised, count, size + len(data), len(raw))
        data += raw
    path.write_bytes(head + words + directory + data)
    return values


def test_tensors_are_read_as_they_were_quantised(tmp_path):
    values = _file(tmp_path / "x.bin")
    file = e5.E5File.read(tmp_path / "x.bin")
    assert (file.width, file.layers, file.inner, file.words) == (WIDTH, LAYERS, INNER, WORDS)
    assert file.pieces == tuple(PIECES)
    weights = file.weights()
    np.testing.assert_array_equal(weights["embeddings.word_embeddings.weight"], values["emb.word"])
    np.testing.assert_array_equal(weights["encoder.layer.0.intermediate.dense.weight"], values["l0.fi.w"])
    np.testing.assert_array_equal(weights["encoder.layer.0.output.LayerNorm.bias"], values["l0.oln.b"])
    assert len(weights) == 5 + 6 * 2 + 4


def test_words_stay_in_four_bits(tmp_path):
    values = _file(tmp_path / "x.bin")
    packed, scales = e5.int4_words(e5.E5File.read(tmp_path / "x.bin"))
    raw = np.frombuffer(packed, np.uint8)
    nibbles = np.stack([raw & 15, raw >> 4], axis=1).reshape(WORDS, WIDTH).astype(np.int8)
    signed = np.where(nibbles > 7, nibbles - 16, nibbles)
    np.testing.assert_array_equal(signed * np.frombuffer(scales, "<f2").astype(np.float32)[:, None], values["emb.word"])


def test_int8_layers_give_back_their_weights():
    weight = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    rows, columns = np.array([1, 2, 3, 4], np.float32), np.array([1, 2, 1, 2, 1, 2], np.float32)
    whole = e5.int8_linear(weight, rows, columns)
    expected = (weight / columns[:, None]).T * rows[:, None]
    scale = np.abs(expected).max(axis=0) / 127
    np.testing.assert_allclose(whole * scale, expected, atol=scale.max() / 2 * 1.001)
    assert (whole.dtype, whole.shape) == (np.int8, (4, 6))


def test_the_tokenizer_is_read_by_tokenizers(tmp_path):
    from tokenizers import Tokenizer

    _file(tmp_path / "x.bin")
    e5.write_json(tmp_path / "tokenizer.json", e5.E5File.read(tmp_path / "x.bin").tokenizer())
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.encode("wing\u200bwing").tokens == ["<s>", "▁wing", "▁wing", "</s>"]
    assert tokenizer.encode("q").ids == [0, 5, 3, 2]


@pytest.mark.parametrize("change", [{"magic": b"GGUF"}, {"block": 64}])
def test_another_format_is_refused(tmp_path, change):
    _file(tmp_path / "x.bin", **change)
    with pytest.raises(ModelError, match="expected a 4-bit file"):
        e5.E5File.read(tmp_path / "x.bin")
    (tmp_path / "short.bin").write_bytes(b"E5S1")
    with pytest.raises(ModelError, match="expected a 4-bit file"):
        e5.E5File.read(tmp_path / "short.bin")


def test_files_made_of_a_wheel_are_checked_by_their_hashes(tmp_path, monkeypatch):
    import hashlib

    def hashed(data):
        return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

    with zipfile.ZipFile(tmp_path / "x-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("x/a.bin", b"abc")
    monkeypatch.setattr("anyrank.hub.wheels._download", lambda pin, into: tmp_path / "x-1-py3-none-any.whl")

    def double(source, folder):
        folder.mkdir()
        (folder / "b.bin").write_bytes((source / "a.bin").read_bytes() * 2)

    made = Conversion({"a.bin": hashed(b"abc")}, double)
    folder = from_wheel("x==1", "x/", {"b.bin": hashed(b"abcabc")}, tmp_path / "ok", made)
    assert [p.name for p in folder.iterdir()] == ["b.bin"]
    with pytest.raises(ModelError, match=r"b\.bin .*expected"):
        from_wheel("x==1", "x/", {"b.bin": hashed(b"other")}, tmp_path / "no", made)
    with pytest.raises(ModelError, match=r"a\.bin .*expected"):
        from_wheel("x==1", "x/", {}, tmp_path / "no", Conversion({"a.bin": hashed(b"x")}, double))
    assert not (tmp_path / "no").exists()


@pytest.mark.skipif(not find("e5-small").complete, reason="e5-small is not cached: anyrank models get e5-small")
def test_the_real_model_orders_across_languages():
    model = open_model("e5-small")
    queries = model.encode(["Where do cats sleep?", "wings of aircraft"], query=True).vectors.filled()
    texts = ["猫はソファで寝ています", "Кошки спят на диване", "机翼产生升力", "Die Tragflächen eines Flugzeugs"]
    scores = queries @ model.encode(texts).vectors.filled().T
    assert scores[0, :2].min() > scores[0, 2:].max()
    assert scores[1, 2:].min() > scores[1, :2].max()
