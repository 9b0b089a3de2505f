"""Reports as self-contained HTML pages: of a reranking, of an evaluation, and the chart of a spectrum."""
