"""Reading spectra (MGF, mzML) and engines' outputs (CSV, TSV, mzTab), and writing mzTab."""
