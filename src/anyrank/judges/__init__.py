"""Judges that wrap any other judge, or score by vectors: both orders, passages, similarity, consensus."""
