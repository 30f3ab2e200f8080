"""A controlled station on lib60870-C (c104): what `headroom serve` is tried against.

Usage: c104_station.py PORT COMMON_ADDRESS MS, where MS is the time of the first values. Says one JSON object a line on
stdout for all that it is asked; on stdin takes `power KW MS` (a spontaneous measured value with that time), `invalid` (the
voltage, marked IV) and `quit`.
"""

import datetime
import sys

import c104
from peer import end, end_after, say

# Longer than any test waits altogether: whoever forgot to quit it finds no station left.
end_after(300)


def utc(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)


port, common_address, start_ms = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
server = c104.Server(ip="127.0.0.1", port=port, tick_rate_ms=50, select_timeout_ms=10000)
station = server.add_station(common_address=common_address)
power = station.add_point(io_address=2001, type=c104.Type.M_ME_TF_1)
voltage = station.add_point(io_address=2002, type=c104.Type.M_ME_NC_1)
switch = station.add_point(io_address=1001, type=c104.Type.M_DP_TB_1)
round_power = station.add_point(io_address=2011, type=c104.Type.M_ME_NC_1)
energy = station.add_point(io_address=3001, type=c104.Type.M_IT_TB_1)
command = station.add_point(
    io_address=6001,
    type=c104.Type.C_DC_NA_1,
    related_io_address=1001,
    related_io_autoreturn=True,
    command_mode=c104.CommandMode.SELECT_AND_EXECUTE,
)

power.info = c104.ShortInfo(actual=100.5, recorded_at=utc(start_ms))
voltage.info = c104.ShortInfo(actual=231.0)
round_power.info = c104.ShortInfo(actual=40.0)
switch.info = c104.DoubleInfo(state=c104.Double.ON, recorded_at=utc(start_ms))
energy.value = 12345


def on_command(point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage) -> c104.ResponseState:
    say(seen="command", ioa=point.io_address, value=str(point.value), select=message.is_select_command)
    if not message.is_select_command:
        switch.value = point.value
        round_power.value = 0.0 if point.value == c104.Double.OFF else 40.0
        round_power.transmit(cause=c104.Cot.SPONTANEOUS)
    return c104.ResponseState.SUCCESS


def on_clock_sync(server: c104.Server, ip: str, date_time: datetime.datetime) -> c104.ResponseState:
    say(seen="clock", time=date_time.timestamp())
    return c104.ResponseState.SUCCESS


def on_receive_raw(server: c104.Server, data: bytes) -> None:
    # Type 100: interrogation; 101: counter interrogation. Octet 6 of an I-frame is the type, 8 the cause.
    if len(data) > 8 and data[2] & 1 == 0 and data[6] in (100, 101):
        say(seen="interrogation" if data[6] == 100 else "counter interrogation", cause=data[8] & 0x3F)


command.on_receive(callable=on_command)
server.on_clock_sync(callable=on_clock_sync)
server.on_receive_raw(callable=on_receive_raw)
server.start()
say(seen="listening")
for line in sys.stdin:
    match line.split():
        case ["power", kw, ms]:
            power.info = c104.ShortInfo(actual=float(kw), recorded_at=utc(int(ms)))
            power.transmit(cause=c104.Cot.SPONTANEOUS)
        case ["invalid"]:
            voltage.info = c104.ShortInfo(actual=0.0, quality=c104.Quality.Invalid)
            voltage.transmit(cause=c104.Cot.SPONTANEOUS)
        case ["quit"]:
            break
        case _:
            say(error=f"{line!r}: wanted power KW MS, invalid or quit")
            end(1)
server.stop()
end(0)
