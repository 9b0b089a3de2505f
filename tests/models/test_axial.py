"""RankNovo's transformer: golden values of its attention, and what a set of candidates must not change."""

from dataclasses import replace

import pytest
import torch

from anyrank.core.errors import InputError, ModelError
from anyrank.models.axial import Axial, Shape
from anyrank.models.next_residue import NextResidue
from anyrank.models.parts.axial_attention import ColumnAttention, RowAttention
from anyrank.models.parts.folder import CONFIG, WEIGHTS
from anyrank.models.parts.ion_start import PROTON, look_for_ions, wave_shift
from anyrank.models.parts.spectrum_encoder import SpectrumEncoder, Waves

SHAPE = Shape(width=16, heads=2, ffn=32, layers=2, spectrum_layers=1, dropout=0.0, positions=20)
B, R, C = 2, 4, 6


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    yield
    torch.set_num_threads(before)


def filled(module):
    """Parameters by name, the k-th filled with 0.3 sin(0.7 i + k)."""
    with torch.no_grad():
        for k, (_, p) in enumerate(sorted(module.named_parameters())):
            p.copy_((0.3 * torch.sin(0.7 * torch.arange(p.numel(), dtype=torch.float64) + k)).view_as(p))
    return module


# Measured on RankNovo's own modules (BEAM-Labs/denovo 52c1722): 3 rows, 4 columns, width 8, 2 heads.
GOLDEN = {
    RowAttention: (
        [0.377584, -0.440875, -1.06419, -1.208179, -0.80459, -0.033437, 0.757265, 1.208589], -1.32147, -1.11357,
    ),
    ColumnAttention: (
        [-0.685816, -0.323776, 0.180847, 0.605937, 0.764307, 0.586013, 0.149216, -0.354025], -0.26004, -0.37137,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", GOLDEN)
def test_attention_gives_the_published_values(kind):
    first, total, padded = GOLDEN[kind]
    attention = filled(kind(8, 2))
    x = torch.cos(0.37 * torch.arange(96, dtype=torch.float64)).float().view(1, 3, 4, 8)
    padding = torch.zeros(1, 3, 4, dtype=torch.bool)
    with torch.no_grad():
        out = attention(x, padding)
        assert out[0, 0, 0].tolist() == pytest.approx(first, abs=2e-6)
        assert float(out.sum()) == pytest.approx(total, abs=2e-5)
        padding[0, 1, 3] = True
        assert float(attention(x, padding).sum()) == pytest.approx(padded, abs=2e-5)


def test_waves_give_the_published_values_in_single_precision():
    golden = [0.050062, -0.280964, -0.985048, 0.309166, 0.998746, 0.959718, 0.172278, 0.951008]
    x = torch.tensor([500.25])
    assert Waves(8, exact=False)(x)[0].tolist() == pytest.approx(golden, abs=2e-5)
    exact = Waves(8)(x)[0]
    assert exact.tolist()[1:4] == pytest.approx(golden[1:4], abs=1e-3)
    assert abs(exact[0]) < 1e-6  # 500250 whole waves of a thousandth of a dalton
    assert Waves(7)(x).shape == (1, 7)
    assert Waves(1)(x).isfinite().all()


def test_the_default_shape_is_the_published_one():
    shape = Shape()
    assert (shape.width, shape.heads, shape.ffn, shape.layers, shape.dropout) == (512, 8, 1024, 8, 0.3)
    assert (shape.peaks, shape.tokens, shape.columns) == (300, 41, True)
    assert (shape.shortest, shape.longest) == (0.001, 10000.0)


def test_one_row_looks_at_itself_alone():
    attention = filled(ColumnAttention(8, 2))
    x = torch.randn(1, 1, 4, 8)
    alone = attention(x, torch.zeros(1, 1, 4, dtype=torch.bool))
    assert torch.allclose(alone, attention.out_proj(attention.v_proj(x)))
    beside = torch.cat([x, torch.randn(1, 2, 4, 8)], dim=1)
    padding = torch.zeros(1, 3, 4, dtype=torch.bool)
    padding[0, 1:] = True
    assert torch.allclose(attention(beside, padding)[:, :1], alone, atol=1e-6)


def inputs(b=B, r=R, c=C):
    g = torch.Generator().manual_seed(7)
    mz = torch.sort(torch.rand(b, 9, generator=g, dtype=torch.float64) * 900 + 100, dim=1).values
    tokens = torch.randint(4, 27, (b, r, c), generator=g)
    tokens[:, :, 0] = 0
    prefix = torch.rand(b, r, c, generator=g, dtype=torch.float64).cumsum(-1) * 100
    prefix[:, :, 0] = 0
    return {
        "mz": mz, "intensity": torch.rand(b, 9, generator=g), "mass": torch.tensor([800.5, 1200.6])[:b].double(),
        "charge": torch.tensor([2, 3])[:b], "tokens": tokens, "prefix": prefix,
    }  # fmt: skip


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_scores_follow_candidates_wherever_they_stand(columns, shared):
    model = Axial(replace(SHAPE, columns=columns, shared=shared)).eval()
    x = inputs()
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        pmd, rmd = model.predict(**x)
        again, local = model.predict(**{**x, "tokens": x["tokens"][:, order], "prefix": x["prefix"][:, order]})
    assert pmd.shape == (B, R)
    assert rmd.shape == (B, R, C)
    assert len(set(pmd[0].tolist())) == R
    assert torch.allclose(again, pmd[:, order], atol=1e-5)
    assert torch.allclose(local, rmd[:, order], atol=1e-5)
    assert (again.argmin(1) == torch.stack([(order == i).nonzero()[0, 0] for i in pmd.argmin(1)])).all()


def test_padding_changes_nothing():
    model = Axial(SHAPE).eval()
    x = inputs()
    wide = {
        **x, "mz": torch.nn.functional.pad(x["mz"], (0, 5)),
        "intensity": torch.nn.functional.pad(x["intensity"], (0, 5)),
        "tokens": torch.nn.functional.pad(x["tokens"], (0, 3, 0, 2), value=SHAPE.pad),
        "prefix": torch.nn.functional.pad(x["prefix"], (0, 3, 0, 2)),
    }  # fmt: skip
    with torch.no_grad():
        pmd, rmd = model.predict(**x)
        far, local = model.predict(**wide)
    assert torch.allclose(far[:, :R], pmd, atol=1e-5)
    assert (far[:, R:] == torch.inf).all()
    assert torch.allclose(local[:, :R, :C], rmd, atol=1e-5)


def test_columns_are_how_candidates_see_each_other_beside_the_tied_map():
    x = inputs(1, 3)
    other = {**x, "prefix": x["prefix"].clone()}
    other["prefix"][0, 2, 1:] += 33.0
    for columns, layers in ((True, 1), (False, 1)):
        model = Axial(replace(SHAPE, columns=columns, layers=layers)).eval()
        with torch.no_grad():
            for layer in model.layers:
                layer.row.q_proj.weight.zero_(), layer.row.q_proj.bias.zero_()  # an even map, whatever the rows are
            moved = (model.predict(**x)[1] - model.predict(**other)[1]).abs()[0, :2].max()
        assert (float(moved) > 1e-5) == columns


def test_all_candidates_and_peaks_are_looked_at():
    model = Axial(replace(SHAPE, columns=False)).eval()
    x = inputs()
    with torch.no_grad():
        base = model.predict(**x)[0]
        for key in ("mz", "intensity", "prefix", "mass"):
            assert (model.predict(**{**x, key: x[key] * 1.01})[0] - base).abs().min() > 1e-7, key
        assert (model.predict(**{**x, "charge": x["charge"] + 1})[0] - base).abs().min() > 1e-7


def test_a_saved_model_is_the_same(tmp_path):
    model = Axial(SHAPE).eval()
    model.save(tmp_path / "m")
    again = Axial.from_folder(tmp_path / "m")
    assert again.shape == SHAPE
    assert not again.training
    with torch.no_grad():
        assert torch.equal(again.predict(**inputs())[0], model.predict(**inputs())[0])
    with pytest.raises(ModelError, match=r"no axial\.json"):
        Axial.from_folder(tmp_path)
    with pytest.raises(ModelError, match="of kind Axial"):
        NextResidue.from_folder(tmp_path / "m")
    (tmp_path / "m" / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="can't be read"):
        Axial.from_folder(tmp_path / "m")
    (tmp_path / "m" / CONFIG).write_text("{")
    with pytest.raises(ModelError, match="can't be read"):
        Axial.from_folder(tmp_path / "m")


def test_impossible_shapes_are_refused():
    with pytest.raises(InputError, match="width=18"):
        Shape(width=18, heads=2)
    with pytest.raises(InputError, match="shared waves, 2 to 4 heads"):
        look_for_ions(SHAPE, SHAPE.encoder(), Axial(SHAPE).layers[0])


def test_waves_are_turned_to_other_masses():
    waves = Waves(16, 0.2, 25.6)
    masses = torch.tensor([300.1, 1234.56], dtype=torch.float64)
    assert torch.allclose(waves(masses) @ wave_shift(waves, 18.01).T, waves(masses + 18.01), atol=1e-5)


def test_the_start_at_ions_looks_at_ions():
    shape = replace(SHAPE, width=64, heads=4, shared=True, shortest=0.2, longest=3276.8)
    model = Axial(shape).eval()
    look_for_ions(shape, model.encoder, model.layers[0])
    x = inputs(1, 1, 4)
    prefix = x["prefix"][0, 0]
    x["mz"] = torch.cat([prefix[1:] + PROTON, x["mass"] - prefix[1:] + PROTON, torch.arange(200.4, 600, 23.7)])[None]
    x["intensity"] = torch.full(x["mz"].shape, 0.2)
    attention = model.layers[0].spectrum.attention
    seen = {}
    attention.register_forward_hook(lambda m, args, out: seen.update(q=args[0], k=args[1]))
    with torch.no_grad():
        model.predict(**x)
        _, shares = attention(seen["q"], seen["k"], seen["k"], average_attn_weights=False)
    for head, first in ((0, 2), (1, 5)):
        assert shares[0, head, 1:].argmax(-1).tolist() == [first, first + 1, first + 2]


def test_next_residues_wait_for_no_place_after_them():
    model = NextResidue([57.02, 71.04, 87.03], SHAPE).eval()
    x = {k: v for k, v in inputs().items() if k in ("mz", "intensity", "mass", "charge")}
    last, prefix = torch.tensor([[3, 0], [3, 2]]), torch.tensor([[0.0, 57.02], [0.0, 87.03]]).double()
    with torch.no_grad():
        both = model.logits(**x, last=last, prefix=prefix)
        first = model.logits(**x, last=last[:, :1], prefix=prefix[:, :1])
    assert both.shape == (2, 2, 3)
    assert torch.allclose(both[:, :1], first, atol=1e-5)
    assert (both[:, 0] - both[:, 1]).abs().min() > 1e-6


def test_the_encoder_masks_what_is_no_peak():
    encoder = SpectrumEncoder(16, 2, 32, 1, 0.0, 16, 0.001, 1e4).eval()
    _, nothing = encoder(torch.tensor([[100.0, 0.0]]), torch.tensor([[0.5, 0.0]]), torch.tensor([500.0]))
    assert nothing.tolist() == [[False, False, False, True]]
