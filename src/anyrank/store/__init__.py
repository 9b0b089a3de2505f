"""Documents: their content, fields, presence and filters, the base of all indexes."""
