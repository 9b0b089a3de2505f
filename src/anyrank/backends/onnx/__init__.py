"""Encoders and rerankers on onnxruntime, without torch."""
