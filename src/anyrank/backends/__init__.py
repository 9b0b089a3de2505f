"""Models behind encoders, judges and language models: one heavy package a file, imported when it is first used.

``registry`` knows models by name, ``onnx`` runs encoders and cross-encoders without torch, ``hf`` runs transformers.
"""
