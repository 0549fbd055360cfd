"""Helpers that know nothing of networks: checks of input, whole files, statistics."""
