"""The panel: what ATLAS holds, waits for, did and how it is, on pages made for a phone, and the same as JSON.

It reads the database the daemon writes, and asks the daemon for something only by a row of it. `create_app` makes the
WSGI application.
"""

from web.app import PanelConfig, create_app

__all__ = ["PanelConfig", "create_app"]
