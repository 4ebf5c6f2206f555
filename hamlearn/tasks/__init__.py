"""Streams with targets, made here or shipped; nothing is downloaded."""
