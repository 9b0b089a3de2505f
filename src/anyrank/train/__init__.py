"""Training: losses, training data, curricula, mining of negatives, distillation and the loop (extra ``train``)."""
