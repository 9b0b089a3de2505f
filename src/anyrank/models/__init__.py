"""Torch modules, one file each; they score texts and know nothing of how they are trained."""
