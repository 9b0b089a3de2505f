"""Residues, notation, ions and distances against the published table and values computed with RankNovo's own code."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.domains.peptides.distance import UNIT, pmd, pmds, rmd
from anyrank.domains.peptides.ions import by_ions, fragments, ppm
from anyrank.domains.peptides.notation import parse
from anyrank.domains.peptides.peptide import Peptide
from anyrank.domains.peptides.residues import ISOTOPE, KNOWN, MASSES, N_TERM, PROTON, RESIDUES, WATER, defined, known
from anyrank.domains.peptides.spectrum import Spectrum
from anyrank.models.parts.alignment import VOCABULARY, rows

GOLDEN_PMD = [
    ("PEPTIDEK", "EPPTIDEK", 1.244164),
    ("PEPTIDEK", "PEPTIDK", 1.0),
    ("PEPTIDEK", "GGPTIDEK", 2.178999),
    ("PEPTIDEK", "NPTIDEK", 1.291687),
    ("PEPTIDEK", "PEPTLDEK", 0.0),
    ("M+15.995GC+57.021K", "FGC+57.021K", 0.000642),
    ("M+15.995GC+57.021K", "+42.011AMK", 2.836302),
    ("M+15.995GC+57.021K", "-17.027QK", 3.061693),
]
GOLDEN_RMD = [
    ("PEPTIDEK", "EPPTIDEK", [0.622082, 0, 0, 0, 0, 0, 0, 0]),
    ("PEPTIDEK", "PEPTIDK", [0, 0, 0, 0, 0, 0, -0.018428]),
    ("PEPTIDEK", "PEPTLDEK", [0] * 8),
    (
        "PEPTIDEK",
        "GGPTIDEK",
        [-0.778459, 0.330395, -0.291687, -0.214001, 0.020061, 0.057843, 0.330395, 0.311967],
    ),
    ("M+15.995GC+57.021K", "FGC+57.021K", [0.000642] * 4),
]

tokens = st.sampled_from(sorted(RESIDUES))
peptides = st.builds(
    lambda front, rest: Peptide((*([front] if front else []), *rest)),
    st.sampled_from(["", *N_TERM]),
    st.lists(tokens, min_size=1, max_size=14),
)


@pytest.mark.parametrize(("target", "candidate", "value"), GOLDEN_PMD)
def test_pmd_is_the_published_one(target, candidate, value):
    assert pmd([parse(candidate)], parse(target))[0] == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize(("target", "candidate", "values"), GOLDEN_RMD)
def test_rmd_is_the_published_one(target, candidate, values):
    assert rmd(parse(candidate), parse(target)) == pytest.approx(values, abs=6e-7)


def slow_pmd(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1))
    table[:, 0], table[0] = range(len(a) + 1), range(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            pair = table[i - 1, j - 1] + abs(a[i - 1] - b[j - 1]) / UNIT
            table[i, j] = min(pair, table[i - 1, j] + 1, table[i, j - 1] + 1)
    return table[-1, -1]


@given(st.lists(st.tuples(peptides, peptides), min_size=1, max_size=5))
def test_pmd_of_many_is_that_of_each(pairs):
    ours = pmd([a for a, _ in pairs], [b for _, b in pairs])
    assert ours == pytest.approx([slow_pmd(a.masses, b.masses) for a, b in pairs], abs=1e-9)
    assert pmd([b for _, b in pairs], [a for a, _ in pairs]) == pytest.approx(ours, abs=1e-9)


@given(st.lists(peptides, max_size=5))
def test_pmd_of_all_pairs_is_that_of_each(some):
    expected = [[pmd([a], b)[0] for b in some] for a in some]
    assert pmds(some) == pytest.approx(np.array(expected).reshape(len(some), len(some)), abs=1e-9)


def test_pmd_needs_a_target_each():
    assert len(pmd([], [])) == 0
    with pytest.raises(InputError, match="1 candidates for 2 targets"):
        pmd([parse("PEK")], [parse("PEK")] * 2)


@given(peptides)
def test_a_peptide_is_its_own_target_and_reads_back(peptide):
    assert pmd([peptide], peptide)[0] == 0
    assert not rmd(peptide, peptide).any()
    assert parse(str(peptide)) == parse(peptide.proforma) == peptide
    assert parse(peptide.key).key == peptide.key


PUBLISHED = """
G 57.021464 A 71.037114 S 87.032028 P 97.052764 V 99.068414 T 101.047670 C+57.021 160.030649 L 113.084064 I 113.084064
N 114.042927 D 115.026943 Q 128.058578 K 128.094963 E 129.042593 M 131.040485 H 137.058912 F 147.068414 R 156.101111
Y 163.063329 W 186.079313 M+15.995 147.0354 N+0.984 115.026943 Q+0.984 129.042594
+42.011 42.010565 +43.006 43.005814 -17.027 -17.026549 +43.006-17.027 25.980265
"""


def test_the_table_is_the_published_one():
    cells = PUBLISHED.split()
    assert {t: float(m) for t, m in zip(cells[::2], cells[1::2])} == MASSES
    assert (len(RESIDUES), len(N_TERM)) == (23, 4)
    assert pytest.approx(2 * 1.007825035 + 15.99491463, abs=1e-12) == WATER
    assert PROTON == 1.00727646688


def test_the_mass_of_a_precursor_is_the_published_one():
    s = Spectrum(np.zeros(0), np.zeros(0), 500.25, 2)
    assert s.mass == pytest.approx((500.25 - 1.007276) * 2, abs=1e-5)
    assert parse("PEPTIDEK").mz(2) == pytest.approx(parse("PEPTIDEK").mass / 2 + PROTON)


def test_spectra_are_prepared_as_published():
    given = {k: p.default for k, p in inspect.signature(Spectrum.prepared).parameters.items() if k != "self"}
    assert given == {"low": 50.5, "high": 4500.0, "peaks": 300, "precursor": 2.0, "least": 0.0}


@pytest.mark.parametrize(
    "spelling",
    [
        "+42.011AC+57.021M+15.995N+0.984IK",
        "[Acetyl]-AC[Carbamidomethyl]M[Oxidation]N[Deamidated]IK/2",
        "[UNIMOD:1]-AC[UNIMOD:4]M[UNIMOD:35]N[UNIMOD:7]IK",
        "[U:1]-AC[U:Carbamidomethyl]M[+15.9949]N[+0.984016]IK",
        "(+42.01)AC(+57.02)M(+15.99)N(+.98)IK",
        "A[42.0106]C[57.0215]M[15.9949]N[0.9840]IK",
        "K.A[42.0106]C[57.0215]M[15.9949]N[0.9840]IK.G",
        "_.[UNIMOD:1]AC[UNIMOD:4]M[UNIMOD:35]N[UNIMOD:7]IK._",
        "['+42.011', 'A', 'C+57.021', 'M+15.995', 'N+0.984', 'I', 'K']",
        "(Acetylation),A,C(Carbamidomethylation),M(Oxidation),N(Deamidation),I,K",
    ],
)
def test_spellings_of_one_peptide(spelling):
    assert parse(spelling).tokens == ("+42.011", "A", "C+57.021", "M+15.995", "N+0.984", "I", "K")


def test_two_modifications_of_the_n_terminus_are_one():
    assert (
        parse("+43.006-17.027QK").tokens == parse("[Carbamyl][Ammonia-loss]-QK").tokens == ("+43.006-17.027", "Q", "K")
    )
    assert parse("A,Cmod,Nmod,K").tokens == ("A", "C+57.021", "N+0.984", "K")


@pytest.mark.parametrize(
    ("spelling", "named"),
    [
        ("PEPTUDE", r"run.csv:3: unknown residue 'U' \(position 5"),
        ("PEPS[Nameless]K", r"run.csv:3: unknown modification 'Nameless'.*--residue .S\[Nameless\]=MASS"),
        ("PEPM+1K", r"run.csv:3: a modification of \+1 Da is no known one's whole mass"),
        ("PEPG[-100.5]K", r"would weigh less than nothing"),
        ("AC K", r"run.csv:3: unknown residue 'C'.*fixed=.*--residue C=103"),
        ("PE-K", r"a residue behind the C-terminus"),
        ("n[43]-[Amidated]", r"without residues"),
        ("", r"without residues"),
        ("PE*K", r"'\*K' is neither a residue"),
    ],
)
def test_what_can_not_be_read_is_named(spelling, named):
    with pytest.raises(InputError, match=named) as error:
        parse(spelling, path="run.csv", line=3)
    assert error.value.line == 3


def test_the_vocabulary_is_the_published_one():
    assert VOCABULARY[:8] == ("<cls>", "<pad>", "<eos>", "<unk>", "G", "A", "S", "P")
    assert (VOCABULARY.index("W"), VOCABULARY.index("0"), VOCABULARY.index("-")) == (22, 23, 32)
    assert (len(VOCABULARY), VOCABULARY[-1]) == (41, "<mask>")
    numbers, masses = rows([parse("+43.006-17.027QK"), parse("N[Deamidated]")])
    assert [[VOCABULARY[i] for i in row] for row in numbers] == [["<cls>", "5", "Q", "K"], ["<cls>", "2", "-", "-"]]
    assert masses[0] == pytest.approx(np.cumsum([0, 25.980265, 128.058578, 128.094963]))


@given(st.text("ACDEKMNPQ[]()+-.,0123456789UNIMOD:'\" _/n", max_size=25))
def test_any_text_is_a_peptide_or_an_error_of_ours(text):
    try:
        peptide = parse(text)
    except InputError:
        return
    assert parse(peptide.proforma, fixed={letter: letter for letter in "CUO"}) == peptide


def test_fixed_modifications():
    assert parse("EGPC", fixed={"C": "C+57.021"}).tokens[-1] == "C+57.021"
    assert parse("C[42.0106]K", fixed={"C": "C+57.021"}).tokens == ("+42.011", "C+57.021", "K")


def test_tokens_that_do_not_belong():
    for wrong in (("A", "+42.011"), ("+42.011",), ("B",), ()):
        with pytest.raises(InputError):
            Peptide(wrong)


@given(peptides, st.integers(1, 4))
def test_ions_make_up_the_peptide(peptide, charge):
    b, y = fragments(peptide, charge)
    assert len(b) == len(y) == len(peptide) - 1
    assert (b + y[::-1]) * charge - 2 * charge * PROTON == pytest.approx(np.full(len(b), peptide.mass))
    assert len(by_ions(peptide, charge)) == 2 * (len(peptide) - 1) * max(1, charge - 1)


@given(peptides, st.integers(1, 4), st.sampled_from([0, 1, 2]))
def test_precursor_error_finds_the_isotope(peptide, charge, isotope):
    mz = peptide.mz(charge) + isotope * ISOTOPE / charge
    assert ppm(peptide, mz * (1 + 5e-6), charge, (0, 1, 2)) == pytest.approx(5, abs=0.2)


@pytest.mark.parametrize(
    ("spelling", "tokens"),
    [
        ("PEPS[Phospho]K", ("P", "E", "P", "S+79.966", "K")),
        ("PEPS(+79.97)K", ("P", "E", "P", "S+79.966", "K")),
        ("PEPpSK", ("P", "E", "P", "S+79.966", "K")),
        ("[TMT6plex]-PEK[UNIMOD:737]", ("+229.163", "P", "E", "K+229.163")),
        ("n[230]PEK[357]", ("+229.163", "P", "E", "K+229.163")),
        ("E[Glu->pyro-Glu]PK", ("-18.011", "E", "P", "K")),
        ("(Pyro-glu from E)EPK", ("-18.011", "E", "P", "K")),
        ("E[111]PK", ("-18.011", "E", "P", "K")),
        ("Q[Gln->pyro-Glu]PK", ("-17.027", "Q", "P", "K")),
        ("C[Cysteinyl]PK", ("C+119.004", "P", "K")),
        ("C[+0]PK", ("C", "P", "K")),
        ("PEK[Label:13C(6)15N(2)]", ("P", "E", "K+8.014")),
        ("PER[Label:13C(6)15N(4)]", ("P", "E", "R+10.008")),
        ("PEK-[Amidated]", ("P", "E", "K", "-[-0.984]")),
        ("PEK(-.98)", ("P", "E", "K", "-[-0.984]")),
        ("_(Acetyl (Protein N-term))M(Oxidation (M))EK_", ("+42.011", "M+15.995", "E", "K")),
        ("n[43]M[147]C[160]K", ("+42.011", "M+15.995", "C+57.021", "K")),
        ("M(ox)C+57K", ("M+15.995", "C+57.021", "K")),
        ("<[Carbamidomethyl]@C>CPC", ("C+57.021", "P", "C+57.021")),
        ("K[+123.45]R", ("K+123.4500", "R")),
        ("S[+42.02]K", ("S+42.011", "K")),  # acetyl, since the nearer guanidinyl is not found on serine
        ("K[+42.02]K", ("K+42.022", "K")),
        ("X[+100.5]K", ("X+100.5000", "K")),
    ],
)
def test_modifications_beyond_the_models_table_are_read(spelling, tokens):
    peptide = parse(spelling)
    assert peptide.tokens == tokens
    assert parse(peptide.proforma, fixed={"C": "C"}) == parse(str(peptide), fixed={"C": "C"}) == peptide


@pytest.mark.parametrize(
    ("definition", "spelling", "mass"),
    [
        ("S[Phospho]=166.998", "S[Phospho]", 166.998359),
        ("K[My Tag]=500.1234", "K[my tag]", 500.123363),
        ("K[Tag]=500.1234", "K[+372.03]", 500.123363),
        ("U=150.954", "U", 150.953635),
        ("C=103.009185", "C", 103.009185),
        ("X=111.1", "X", 111.1),
        ("n[Tag]=300.5", "[Tag]-G", 300.5 + 57.021464),
        ("c[Tag]=300.5", "G-[Tag]", 300.5 + 57.021464),
    ],
)
def test_users_define_residues(definition, spelling, mass):
    peptide = parse(spelling, fixed=dict([defined(definition)]))
    assert peptide.mass - WATER == pytest.approx(mass, abs=6e-5)


@pytest.mark.parametrize("wrong", ["S[Phospho]", "S=", "Phospho=80", "n=5", "S[x]=-3", "K=0", ""])
def test_a_residue_that_is_no_definition_is_told(wrong):
    with pytest.raises(InputError, match=r"residue .*: (expected LETTER|the mass)"):
        defined(wrong)


def test_the_known_modifications_weigh_what_their_formulas_do():
    mass = pytest.importorskip("pyteomics.mass").calculate_mass
    formulas = {
        "Phospho": {"H": 1, "O": 3, "P": 1},
        "Glu->pyro-Glu": {"H": -2, "O": -1},
        "GG": {"C": 4, "H": 6, "N": 2, "O": 2},
        "Cysteinyl": {"C": 3, "H": 5, "N": 1, "O": 2, "S": 1},
        "Amidated": {"H": 1, "N": 1, "O": -1},
        "Trimethyl": {"C": 3, "H": 6},
        "Glutathione": {"C": 10, "H": 15, "N": 3, "O": 6, "S": 1},
        "TMT6plex": {"C": 8, "C[13]": 4, "H": 20, "N": 1, "N[15]": 1, "O": 2},
        "TMTpro": {"C": 8, "C[13]": 7, "H": 25, "N": 1, "N[15]": 2, "O": 3},
        "Label:13C(6)15N(4)": {"C": -6, "C[13]": 6, "N": -4, "N[15]": 4},
    }
    rows = {m.name: m for m in KNOWN}
    for name, formula in formulas.items():
        assert rows[name].mass == pytest.approx(mass(composition=formula), abs=3e-6), name
    assert len({m.unimod for m in KNOWN}) == len({m.name for m in KNOWN}) == len(KNOWN)


def test_a_c_terminal_modification_is_in_the_y_ions():
    plain, amidated = parse("PEK"), parse("PEK-[Amidated]")
    (b, y), (b2, y2) = fragments(plain), fragments(amidated)
    assert b2 == pytest.approx(b)
    assert y2 == pytest.approx(y - 0.984016)
    assert len(amidated) == 3
    assert amidated.mass == pytest.approx(plain.mass - 0.984016)


def test_of_modifications_of_one_mass_the_one_of_the_site_is_meant():
    assert [known("-18.011", site).name for site in "nSE"] == ["Glu->pyro-Glu", "Dehydrated", "Glu->pyro-Glu"]
    assert known("+1.000", "S") is None
