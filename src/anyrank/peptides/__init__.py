"""Peptides: candidates of several de novo sequencing engines, read, merged, scored, reranked and judged (extra
``peptides``).

Chemistry (residues, peptide, notation, ions), distances (distance), files (spectrum, mgf, mzml, mztab, table), joining
and merging (psm, merge), rankers (judges, matching, features, methods), training candidates (corrupt), evaluation
(accuracy, charts).
"""
