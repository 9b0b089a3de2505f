"""Rankings of things other than documents; no domain imports another."""
