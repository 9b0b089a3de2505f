"""Papers on training, one file each: ``CARD``, and ``recipe(out, train, **options)``, the paper's set-up as a recipe.

What a paper (or its repository) does not state is ours, and the file says so. Every part may be replaced:
``dataclasses.replace(recipe, model=…)`` trains a small model in the paper's way.
"""
