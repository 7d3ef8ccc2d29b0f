"""Who acts, how the table stands at first, and what must hold."""
