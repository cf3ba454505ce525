"""The log: lines for people, or JSON for a machine, of the same records.

A record's `extra` (actor, trade, setup, symbol, gate) stands beside the text in JSON, so that
`jq 'select(.trade == …)'` finds the story of a trade; the lines are for reading and leave it out.
"""

import logging

import structlog

LINES = "%(asctime)s %(levelname)s %(name)s: %(message)s"
CHATTY = ("urllib3", "pykka", "alembic", "pyrate_limiter")
"""Libraries of which only warnings are told."""


def log_to_stderr(*, as_json: bool) -> None:
    """Log to stderr, where systemd's journal takes it."""
    handler = logging.StreamHandler()
    handler.setFormatter(json_formatter() if as_json else logging.Formatter(LINES))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def json_formatter() -> logging.Formatter:
    """Return what makes one line of JSON of a record: at, level, logger, event, what is bound to it, exception."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False),
        ],
    )
