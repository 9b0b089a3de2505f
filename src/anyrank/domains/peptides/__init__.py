"""Peptides: candidates of several de novo sequencing engines, read, merged, scored, reranked and evaluated (extra
``peptides``).

- Chemistry: `residues` (the table of masses), `peptide`, `notation` (ProForma and others), `ions`, `distance`.
- Data: `spectrum`, `psm` (engines' peptides, joined to their spectra), `merge` (candidates of several engines as
  rankings); `files` reads and writes them.
- Rankers: `judges` (no training), `matching` (scores of ions against peaks), `features` and `boosted` (trees); the
  table of all is in `methods`. `neural` holds those on torch.
- Training data: `corrupt` (wrong candidates), `simulate` (spectra), `split` (no peptide in both parts).
- Evaluation: `accuracy`; `reports` are its pages.
"""
