"""Peptides: candidates of several de novo sequencing engines, read, merged, scored, reranked and judged (extra
``peptides``).

Chemistry: residues, peptide, notation, ions, distance. Files: spectrum, spectra (mgf, mzml), table, mztab. Candidates:
psm (joining), merge, corrupt (for training). Rankers: judges, matching, features, boosted, and methods, the table of
all. Neural, on torch: neural (RankNovo as a judge), training (with groups and simulate, on the loop of
`anyrank.train`), base_engine (a small engine of our own) and engine_training. Evaluation: accuracy, charts, page.
"""
