"""Training data made from documents alone: sampling, queries that a model or rules write, filters, rewriting, click
grades, and the parts of an adaptation that keep it from doing harm. One file one idea; the commands are
``anyrank synth`` and ``anyrank adapt``."""
