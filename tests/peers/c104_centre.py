"""A controlling station on lib60870-C (c104) that does what it is told, and tells what it sees.

Usage: c104_centre.py PORT. Takes one JSON object a line on stdin and answers each, in order, by one on stdout:
`{"did": DO, "ok": true}`, or `"ok": false` with the error. `do` is one of

- `add`: a point: `ca`, `ioa`, `type`, for a command `mode` ("direct" or "select")
- `originate`: as originator `address` from here on
- `connect`: without STARTDT, which `start` sends, and `stop` its opposite; `disconnect`
- `interrogate`: `ca`, `qualifier`, `cause`; `counters`: `ca`, `group` (5 = all), `freeze`; `clock`, `test`: `ca`
- `read`: `ca`, `ioa`
- `command`: `ca`, `ioa`, and what `points` reads; `ok` is what c104 says became of it
- `quit`

What is seen without being asked for: `{"seen": "point", ...}` for each object that came for a point that was added,
`{"seen": "frame", ...}` for every I-frame, as lib60870-C explains it, `{"seen": "state", ...}`, `{"seen": "unexpected", ...}`.

Only MUTED connections are opened: with any other `init` c104 2.2.1 now and then never sends STARTDT. It is not told to wait
for answers either, for a wait for one that has come already lasts until its time-out; they are seen as frames.
"""

import sys

import c104
from peer import end_after, say, serve
from points import information, told, type_of

end_after(300)

client = c104.Client(tick_rate_ms=50, command_timeout_ms=1000)
connection = client.add_connection(ip="127.0.0.1", port=int(sys.argv[1]), init=c104.Init.MUTED)
causes = {cause.value: cause for cause in c104.Cot.__members__.values()}


def on_point(point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage) -> c104.ResponseState:
    ca, ioa = point.station.common_address, point.io_address
    say(seen="point", ca=ca, ioa=ioa, cause=message.cot.value, **told(message.type, message.info))
    return c104.ResponseState.SUCCESS


def on_receive_raw(connection: c104.Connection, data: bytes) -> None:
    frame = c104.explain_bytes_dict(data)
    if frame["format"] == "I":
        say(
            seen="frame",
            type=frame["type"].name,
            cause=frame["cot"].value,
            negative=frame["negative"],
            ca=frame["commonAddress"],
            ioa=frame["firstInformationObjectAddress"],
            octets=data.hex(),
        )


def on_state_change(connection: c104.Connection, state: c104.ConnectionState) -> None:
    say(seen="state", state=state.name)


def on_unexpected(connection: c104.Connection, message: c104.IncomingMessage, cause: c104.Umc) -> None:
    say(seen="unexpected", type=message.type.name, why=cause.name)


connection.on_receive_raw(callable=on_receive_raw)
connection.on_state_change(callable=on_state_change)
connection.on_unexpected_message(callable=on_unexpected)


def add(ca, ioa, type, mode="direct"):
    station = connection.get_station(common_address=ca) or connection.add_station(common_address=ca)
    modes = {"direct": c104.CommandMode.DIRECT, "select": c104.CommandMode.SELECT_AND_EXECUTE}
    added = station.add_point(io_address=ioa, type=type_of(type), command_mode=modes[mode])
    if added is not None and type.startswith("M_"):
        added.on_receive(callable=on_point)
    return added is not None


def point(ca, ioa):
    return connection.get_station(common_address=ca).get_point(io_address=ioa)


def interrogate(ca, qualifier=20, cause=6):
    qualifiers = {qualifier.value: qualifier for qualifier in c104.Qoi.__members__.values()}
    return connection.interrogation(
        common_address=ca, cause=causes[cause], qualifier=qualifiers[qualifier], wait_for_response=False
    )


def originate(address):
    connection.originator_address = address


def counters(ca, group=5, freeze=0):
    groups = {group.value: group for group in c104.Rqt.__members__.values()}
    freezes = {freeze.value: freeze for freeze in c104.Frz.__members__.values()}
    return connection.counter_interrogation(
        common_address=ca, qualifier=groups[group], freeze=freezes[freeze], wait_for_response=False
    )


def clock(ca):
    return connection.clock_sync(common_address=ca, wait_for_response=False)


def test(ca, timed=True):
    return connection.test(common_address=ca, with_time=timed, wait_for_response=False)


def command(ca, ioa, cause=6, mode="direct", **said):
    modes = {"direct": c104.CommandMode.DIRECT, "select": c104.CommandMode.SELECT_AND_EXECUTE}
    point(ca, ioa).command_mode = modes[mode]
    point(ca, ioa).info = information(said)
    return point(ca, ioa).transmit(cause=causes[cause])


serve(
    add=add,
    originate=originate,
    connect=client.start,
    start=connection.unmute,
    stop=connection.mute,
    disconnect=connection.disconnect,
    interrogate=interrogate,
    counters=counters,
    clock=clock,
    test=test,
    read=lambda ca, ioa: point(ca, ioa).read(),
    command=command,
)
