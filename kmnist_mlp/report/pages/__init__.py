"""From executed notebooks to HTML. A change in this folder asks for no new execution."""

from kmnist_mlp.report.pages.page import make_pages
from kmnist_mlp.report.pages.site import export, render

__all__ = ["export", "make_pages", "render"]
