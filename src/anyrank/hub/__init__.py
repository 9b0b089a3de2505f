"""One door to models: the registry of names, model folders, and the hub."""
