"""Measurements of hamlearn; each module is a script that writes JSON to results/."""
