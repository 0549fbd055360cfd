"""From executed notebooks to HTML. A change in this folder asks for no new execution."""

from kmnist_mlp.report.pages.export import export
from kmnist_mlp.report.pages.page import Page, make_pages
from kmnist_mlp.report.pages.site import Site, render

__all__ = ["Page", "Site", "export", "make_pages", "render"]
