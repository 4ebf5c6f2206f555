"""Digraphs: what carries a network, and how signals are summed along it."""
