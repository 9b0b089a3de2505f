"""Documents: their content, fields, presence and filters."""
