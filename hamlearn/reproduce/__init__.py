"""Figures and claims of the papers, redrawn and checked.

Each module has `run(out, *, quick=False) -> list[Claim]`: it draws its figures into
the directory `out` as PNG files and returns what it checked.
"""

from ._claim import Claim as Claim
