"""An HTTP server over a pipeline: reranking in every vendor's dialect, embeddings, search; extra ``serve``."""
