"""Images as candidates: the pictures of a folder as documents, words found in them, and results as a page."""
