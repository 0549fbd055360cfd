"""Helpers below the core: checks of input, memory, standardised images, files, statistics."""
