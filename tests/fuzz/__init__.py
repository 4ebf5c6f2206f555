"""Inputs that nobody should give, and some that are only unusual: right or refused."""
