"""A plain model of the product, compared with the handlers."""
