"""One trade, or a trigger that is none: the story of `atlas explain`, with its bars drawn."""

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection

from db.story import Story, known, read, tell
from web.described import as_section, described
from web.pages import Arguments, Page, Section, Shown
from web.problems import Refused


class Asked(Arguments):
    """Which one: the id of a trigger, which a trade shares."""

    id: Annotated[str, Field(min_length=1, max_length=200)]


def trade(connection: Connection, shown: Shown, asked: Asked) -> Section:
    """Return the story. Raises Refused, 404, for an id that no trigger of the account has."""
    if shown.account is None or not known(connection, shown.account, asked.id):
        reason = f"Account {shown.account} has no trade or trigger {asked.id}."
        raise Refused(404, reason, "The pages Trades and Signals list every one.")
    story: dict[str, Any] = as_section(tell(read(connection, shown.account, asked.id)))
    return story


PAGE = Page(
    name="trade",
    title="Trade",
    path="/trades/<id>",
    section=trade,
    answer=described(Story),
    arguments=Asked,
    styles=("trade.css",),
    in_menu=False,
)
