"""Running laws: one loop, and what is made of it."""
