"""Reads spectra (MGF, mzML, mzXML) and engines' outputs (CSV, TSV, mzTab); writes mzTab and other rescorers' tables."""
