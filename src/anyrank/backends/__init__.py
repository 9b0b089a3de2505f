"""Models behind encoders, judges and language models: one heavy package a file or folder, imported at its first use.

``onnx`` runs encoders and rerankers without torch, ``torch`` the models of `anyrank.models`, ``clip`` encoders of
images and texts, ``hf`` transformers, ``llamacpp`` GGUF files, ``openai`` language models on servers,
``rerank_endpoint`` rerankers on servers. `hub.open` opens them by name.
"""
