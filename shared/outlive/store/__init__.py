"""The table and the queue: rows, conditional writes, sends."""
