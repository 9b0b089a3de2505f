"""Documents: their content, fields, presence and filters, which indexes stand on."""
