"""Language models and classifiers on transformers."""
