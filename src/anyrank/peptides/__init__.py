"""Peptides: candidates of several de novo sequencing engines, read, merged, scored, reranked and judged (extra
``peptides``).

Chemistry: residues, peptide, notation, ions, distance. Files: spectrum, spectra (mgf, mzml), table, mztab. Candidates:
psm (joining), merge, corrupt (for training), alignment (for models). Rankers: judges, matching, features, boosted, and
methods, the table of all. Evaluation: accuracy, charts, page.
"""
