"""Finds and opens models: the registry of short names, model folders, and the Hugging Face hub."""
