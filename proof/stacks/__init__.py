"""The product, ready to be called: in one process, or deployed on the local stack."""
