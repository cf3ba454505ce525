"""How a local exchange listens and limits; every default is the real exchange's, with its source in coinbase.md."""

from msgspec import Struct

from atlas.errors import UsageError


class ExchangeOptions(Struct, frozen=True, kw_only=True):
    """Times here are wall seconds: limits and patience are counted in wall time at any speed."""

    host: str = "127.0.0.1"
    ws_port: int = 8765
    rest_port: int = 8766
    """0 takes any free port."""
    speed: float = 1.0
    """Exchange seconds per wall second."""
    free_run: bool = False
    """Do not wait for slow clients, drop them, as the exchange does."""
    hold: bool = False
    """Stand still whenever nobody listens, not only before the start."""
    rest_limit: float = 10
    """REST requests a second and address (coinbase.md 2)."""
    rest_burst: float = 15
    connections_per_second: float = 8
    messages_per_second: float = 8
    """Of one client (coinbase.md 1.1)."""
    subscribe_within: float = 5.0
    idle_close: float = 75.0
    """A connection without heartbeats closes after this long without a frame (documented: 60-90 s)."""
    level2_products: int = 30
    client_id: bool = False
    """Put an empty `client_id` into every frame, as older captures have it."""
    settle: float = 0.25
    """After the last message of a client, how long a standing market waits for more before it starts."""
    stall_limit: float = 60.0
    """A client that took no frame for this long is dropped, so that it cannot hold the market for ever."""
    buffer_frames: int = 1000
    """Frames that may wait for a slow client when running free."""

    def checked(self) -> "ExchangeOptions":
        """Return the options. Raises UsageError for a value that cannot be."""
        for name in ("speed", "rest_limit", "connections_per_second", "messages_per_second"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} {getattr(self, name)} is not above 0; 1 is the exchange's own pace")
        for name in ("ws_port", "rest_port"):
            if not 0 <= getattr(self, name) <= 65_535:
                raise UsageError(f"{name} {getattr(self, name)} is no port; give 0 to 65535, 0 for any free one")
        if self.ws_port == self.rest_port != 0:
            raise UsageError(f"ws_port and rest_port are both {self.ws_port}; give two different ports")
        return self
