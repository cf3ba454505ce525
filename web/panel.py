"""The pages of the panel, in the order of the menu."""

from web import overview
from web.pages import Page

PAGES: tuple[Page, ...] = (overview.PAGE,)
