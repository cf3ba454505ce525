"""The panel: what ATLAS holds, waits for and did, on one page made for a phone.

It reads the database the daemon writes and never talks to the daemon itself. `create_app` makes the WSGI application.
"""

from web.app import PanelConfig, create_app

__all__ = ["PanelConfig", "create_app"]
