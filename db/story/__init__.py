"""Why (not)? The whole story of one trigger: its bars, setup, continuity, gates, size, fills and money.

`Story` is what there is to tell; `read` finds it in the database and `tell` puts it together, without a database, from
what was recorded. `atlas explain` and the panel's trade page show the same one.
"""

from db.story.find import found, known
from db.story.read import read
from db.story.story import Story
from db.story.tell import tell

__all__ = ["Story", "found", "known", "read", "tell"]
