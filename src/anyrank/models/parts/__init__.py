"""What several models share: ragged batches of texts, attention over alignments, encoders of spectra."""
