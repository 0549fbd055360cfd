"""Figures and tables of results, each with the numbers that it shows."""
