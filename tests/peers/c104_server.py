"""A controlled station on lib60870-C (c104) that does what it is told, and tells what it sees.

Usage: c104_server.py PORT. Takes one JSON object a line on stdin and answers each, in order, by one on stdout:
`{"did": DO, "ok": true}`, or `"ok": false` with the error. `do` is one of

- `add`: a point: `ca`, `ioa`, `type`, for a command `mode` ("direct" or "select")
- `set`: what a point holds: `ca`, `ioa`, and what `points` reads
- `report`: sends a point: `ca`, `ioa`, `cause` (its number)
- `batch`: sends points of one type as one message: `ca`, `ioas`, `cause`
- `answer`: how a command point, or the clock (without `ioa`), answers from then on: `ca`, `ioa`, `with` ("SUCCESS" or
  "FAILURE")
- `start`, `quit`

What is seen without being asked for: `{"seen": "command" or "clock", ...}`.
"""

import datetime
import sys

import c104
from peer import end_after, say, serve
from points import information, told, type_of

# Longer than any test waits altogether: whoever forgot to quit it finds no station left.
end_after(300)

server = c104.Server(ip="127.0.0.1", port=int(sys.argv[1]), tick_rate_ms=50, select_timeout_ms=10000)
answers = {}
clock_answer = c104.ResponseState.SUCCESS
causes = {cause.value: cause for cause in c104.Cot.__members__.values()}


def on_command(point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage) -> c104.ResponseState:
    ca, ioa = point.station.common_address, point.io_address
    cause, select = message.cot.value, message.is_select_command
    say(seen="command", ca=ca, ioa=ioa, cause=cause, select=select, **told(message.type, message.info))
    return answers.get((ca, ioa), c104.ResponseState.SUCCESS)


def on_clock_sync(server: c104.Server, ip: str, date_time: datetime.datetime) -> c104.ResponseState:
    say(seen="clock", time=round(date_time.timestamp() * 1000))
    return clock_answer


server.on_clock_sync(callable=on_clock_sync)


def point(ca, ioa):
    return server.get_station(common_address=ca).get_point(io_address=ioa)


def add(ca, ioa, type, mode="direct"):
    station = server.get_station(common_address=ca) or server.add_station(common_address=ca)
    modes = {"direct": c104.CommandMode.DIRECT, "select": c104.CommandMode.SELECT_AND_EXECUTE}
    added = station.add_point(io_address=ioa, type=type_of(type), command_mode=modes[mode])
    if type.startswith("C_"):
        added.on_receive(callable=on_command)
    return added is not None


def set_info(ca, ioa, **said):
    point(ca, ioa).info = information(said)


def report(ca, ioa, cause):
    return point(ca, ioa).transmit(cause=causes[cause])


def batch(ca, ioas, cause):
    return server.transmit_batch(c104.Batch(cause=causes[cause], points=[point(ca, ioa) for ioa in ioas]))


def answer(ca=None, ioa=None, **how):
    global clock_answer
    state = c104.ResponseState.__members__[how["with"]]
    if ioa is None:
        clock_answer = state
    else:
        answers[(ca, ioa)] = state


serve(add=add, set=set_info, report=report, batch=batch, answer=answer, start=server.start)
