"""Fixtures: ideal spectra, and small MGF and mzML files."""

import base64
import zlib

import numpy as np
import pytest

from anyrank.domains.peptides.ions import by_ions
from anyrank.domains.peptides.notation import parse
from anyrank.domains.peptides.spectrum import Spectrum


@pytest.fixture
def ideal():
    """A spectrum that shows every ion of a peptide, and nothing else."""

    def ideal_spectrum(text: str, charge: int = 2, **fields) -> Spectrum:
        p = parse(text)
        mz = np.unique(by_ions(p, charge))
        return Spectrum(mz, np.linspace(1.0, 2.0, len(mz)), p.mz(charge), charge, peptide=p, **fields)

    return ideal_spectrum


@pytest.fixture
def write_mgf(tmp_path):
    def write(spectra, name="run.mgf", seq=True):
        path = tmp_path / name
        with open(path, "w") as f:
            for s in spectra:
                f.write(f"BEGIN IONS\nTITLE={s.title}\nPEPMASS={s.precursor_mz} 123.4\nCHARGE={s.charge}+\n")
                f.write(f"SCANS={s.scan}\nRTINSECONDS={s.rt or 1.5}\n")
                if seq and s.peptide:
                    f.write(f"SEQ={s.peptide.proforma}\n")
                f.writelines(f"{m} {i}\n" for m, i in zip(s.mz.tolist(), s.intensity.tolist()))
                f.write("END IONS\n\n")
        return path

    return write


def binary(values, kind: str, packed: bool, broken: bool = False) -> str:
    raw = np.asarray(values, dtype="<f8").tobytes()
    text = base64.b64encode(zlib.compress(raw) if packed else raw).decode()
    compression = ("MS:1000574", "zlib compression") if packed else ("MS:1000576", "no compression")
    names = {"mz": ("MS:1000514", "m/z array"), "intensity": ("MS:1000515", "intensity array")}
    terms = (("MS:1000523", "64-bit float"), compression, names[kind])
    params = "".join(f'<cvParam cvRef="MS" accession="{a}" name="{n}" value=""/>' for a, n in terms)
    text = "AAAA" + text[4:] if broken else text
    return f'<binaryDataArray encodedLength="{len(text)}">{params}<binary>{text}</binary></binaryDataArray>'


@pytest.fixture
def write_mzml(tmp_path):
    """mzML by hand; ``without`` leaves out a term of every second spectrum, ``broken`` spoils its peaks."""

    def write(spectra, name="run.mzML", without="", broken=False):
        def term(accession, what, value, unit=""):
            return f'<cvParam cvRef="MS" accession="{accession}" name="{what}" value="{value}" {unit}/>'

        rows = []
        for i, s in enumerate(spectra):
            odd = i % 2 == 1
            ion = term("MS:1000744", "selected ion m/z", s.precursor_mz)
            if not (odd and without == "charge"):
                ion += term("MS:1000041", "charge state", s.charge)
            minutes = 'unitCvRef="UO" unitAccession="UO:0000031" unitName="minute"'
            begun = term("MS:1000016", "scan start time", (s.rt or 60) / 60, minutes)
            arrays = binary(s.mz, "mz", True, broken and odd) + binary(s.intensity, "intensity", False)
            rows.append(
                f'<spectrum index="{i}" id="controllerType=0 controllerNumber=1 scan={s.scan}" '
                f'defaultArrayLength="{len(s)}">{term("MS:1000511", "ms level", 2)}'
                f'<scanList count="1"><scan>{begun}</scan></scanList><precursorList count="1"><precursor>'
                f'<selectedIonList count="1"><selectedIon>{ion}</selectedIon></selectedIonList></precursor>'
                f'</precursorList><binaryDataArrayList count="2">{arrays}</binaryDataArrayList></spectrum>'
            )
        level = term("MS:1000511", "ms level", 1)
        survey = f'<spectrum index="{len(rows)}" id="scan=999" defaultArrayLength="0">{level}</spectrum>'
        path = tmp_path / name
        path.write_text(
            '<?xml version="1.0"?>\n<mzML xmlns="http://psi.hupo.org/ms/mzml" version="1.1.0"><run id="r">\n'
            f'<spectrumList count="{len(rows) + 1}">\n'
            + "\n".join([*rows, survey])
            + "\n</spectrumList></run></mzML>\n"
        )
        return path

    return write
