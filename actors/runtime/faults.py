"""What a shell makes of an exception: whose it is, and how it is put in words."""

import threading
import traceback


def belongs_to_operator(error: BaseException) -> bool:
    """Whether an exception is none of the behaviour's doing: Ctrl-C or a test's timeout.

    Signals interrupt the main thread only, where a virtual core may run; on actor threads all is the behaviour's, also
    SystemExit and KeyboardInterrupt: in a plain Pykka actor either would stop every actor of the process.
    """
    return threading.current_thread() is threading.main_thread() and not isinstance(
        error, Exception | SystemExit | GeneratorExit
    )


def describe(error: BaseException) -> str:
    """Return class and message of an error in one line."""
    return f"{type(error).__name__}: {error}"


def traceback_text(error: BaseException) -> str:
    """Return the whole traceback, with causes."""
    return "".join(traceback.format_exception(error))
