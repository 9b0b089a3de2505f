"""Recommendation by texts: users and items as profiles, interactions as training data, full rankings as measurement.

- Data: `interactions` (tables of interactions, users and items), `split` (held-out and cold items), `profiles` (texts
  of users and items by templates, or by a language model).
- Rankers: `rankers` (popularity, BM25 and encoders over profiles), `lightgcn` (LightGCN, with texts or without).
- `measures` (Recall@K and nDCG@K over all items, those trained on masked), `training` (EasyRec's, by the common loop).
"""
