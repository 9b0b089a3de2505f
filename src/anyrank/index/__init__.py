"""Indexes over a store, one file for each kind: lexical, stored vectors by a scan or by postings; collections;
building."""
