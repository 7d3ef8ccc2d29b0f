"""The proof: see README.md."""
