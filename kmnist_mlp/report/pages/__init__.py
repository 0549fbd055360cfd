"""From executed notebooks to HTML. A change in this folder asks for no new execution."""
