"""Judges that work on any other judge (both orders, order of presentation, votes, passages), judges by vectors, and
consensus over shuffles."""
