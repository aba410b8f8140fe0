"""What was read against what shall be: one module an area, each a function that yields findings."""
