"""Neural models of peptides on torch: RankNovo as a judge, a small de novo engine, and the training of both."""
