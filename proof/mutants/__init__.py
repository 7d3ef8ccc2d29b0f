"""The product with one guard taken away at a time."""
