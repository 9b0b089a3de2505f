"""Parts of several models: ragged batches of texts, attention over alignments, encoders of spectra."""
