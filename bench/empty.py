"""A deploy without operations: what pyinfra itself costs over the same hosts."""
