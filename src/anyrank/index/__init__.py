"""Indexes over a store, one kind a file: lexical, stored vectors by a scan or by postings; collections; building."""
