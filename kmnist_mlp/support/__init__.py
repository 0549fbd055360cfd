"""Helpers below the core: checks of input, memory, whole files, statistics, threads, console."""
