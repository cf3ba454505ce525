"""The exchange and the databases of the command line's tests."""

from tests.cli.conftest import live_exchange as live_exchange
from tests.cli.conftest import new_database as new_database
