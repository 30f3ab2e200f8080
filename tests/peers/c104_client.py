"""A controlling station on lib60870-C (c104) that tries a soft terminal with the standard profile.

Usage: c104_client.py PORT COMMON_ADDRESS. Interrogates, reads the counters, sets the clock, selects and executes a trip of
round 1 and its return, executes without a select, and says what it saw as one JSON object.
"""

import json
import sys
import threading

import c104

port, common_address = int(sys.argv[1]), int(sys.argv[2])
client = c104.Client(tick_rate_ms=50)
connection = client.add_connection(ip="127.0.0.1", port=port, init=c104.Init.NONE)
station = connection.add_station(common_address=common_address)
# Interrogated values come without time, changes of a switch with it.
power = station.add_point(io_address=2001, type=c104.Type.M_ME_NC_1)
switch = station.add_point(io_address=1001, type=c104.Type.M_DP_TB_1)
energy = station.add_point(io_address=3001, type=c104.Type.M_IT_NA_1)
command = station.add_point(
    io_address=6001, type=c104.Type.C_DC_NA_1, command_mode=c104.CommandMode.SELECT_AND_EXECUTE
)
positions, changed = [], threading.Condition()


def on_switch(point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage) -> c104.ResponseState:
    with changed:
        positions.append((str(point.value), str(message.cot)))
        changed.notify_all()
    return c104.ResponseState.SUCCESS


def switched(wanted):
    with changed:
        return changed.wait_for(lambda: bool(positions) and positions[-1][0] == str(wanted), timeout=30)


interrogated = set()


def on_receive_raw(connection: c104.Connection, data: bytes) -> None:
    # An I-frame: octet 6 is the type, 8 the cause; 20 is interrogated, 37 a requested counter.
    if len(data) > 8 and data[2] & 1 == 0 and data[8] & 0x3F in (20, 37):
        interrogated.add(data[6])


switch.on_receive(callable=on_switch)
connection.on_receive_raw(callable=on_receive_raw)
client.start()
connected = threading.Event()


def on_state(connection: c104.Connection, state: c104.ConnectionState) -> None:
    if state == c104.ConnectionState.OPEN:
        connected.set()


connection.on_state_change(callable=on_state)
connection.connect()
result = {"connected": connected.wait(20)}
result["interrogated"] = connection.interrogation(common_address=common_address)
result["counted"] = connection.counter_interrogation(common_address=common_address)
result["clock"] = connection.clock_sync(common_address=common_address)
result["interrogated_types"] = sorted(interrogated)
result["power_kw"] = power.value
result["energy"] = int(energy.value) if energy.value is not None else None
command.value = c104.Double.OFF
result["trip_accepted"] = command.transmit(cause=c104.Cot.ACTIVATION)
result["tripped"] = switched(c104.Double.OFF)
command.value = c104.Double.ON
result["restore_accepted"] = command.transmit(cause=c104.Cot.ACTIVATION)
result["restored"] = switched(c104.Double.ON)
command.command_mode = c104.CommandMode.DIRECT
command.value = c104.Double.OFF
result["execute_without_select_accepted"] = command.transmit(cause=c104.Cot.ACTIVATION)
result["positions"] = positions
client.stop()
print(json.dumps(result), flush=True)
