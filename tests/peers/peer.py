"""What both peers share: saying what happens as JSON lines, and an end that comes in any case."""

import faulthandler
import json
import os
import sys
import threading
import time

_saying = threading.Lock()


def say(**what):
    # One write for the whole line: callbacks say things from threads of their own.
    line = json.dumps(what) + "\n"
    with _saying:
        sys.stdout.write(line)
        sys.stdout.flush()


def end_after(seconds):
    """Ends the process at the latest then, saying on stderr where each thread stood; needs no interpreter lock."""
    faulthandler.enable()
    faulthandler.dump_traceback_later(seconds, exit=True)


def end(code):
    """Leaves without waiting for anybody: the threads of c104 must not keep a test waiting."""
    sys.stdout.flush()
    os._exit(code)


def until(fits, seconds):
    """What `fits` gives, as soon as it is true, at the latest after so long. Looks at states, so it can miss no event."""
    at_last = time.monotonic() + seconds
    while True:
        found = fits()
        if found or time.monotonic() >= at_last:
            return found
        time.sleep(0.01)


def serve(**doors):
    """Does what each line of stdin says, by the door of that name, until `quit` or the end of it."""
    for line in sys.stdin:
        asked = json.loads(line)
        name = asked.pop("do")
        if name == "quit":
            break
        try:
            ok = doors[name](**asked)
            say(did=name, ok=ok is not False)
        except Exception as error:
            say(did=name, ok=False, error=f"{type(error).__name__}: {error}", asked=asked)
    end(0)
