"""Types, stages, the lockstep reranker, groupings, fusion, trace and errors. Standard library and numpy only."""
