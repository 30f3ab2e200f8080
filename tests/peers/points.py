"""Information of c104 as JSON, both ways, so that a test compares whole objects.

`{"type": "M_ST_NA_1", "fields": [-64, true], "quality": 128, "time": 1795521600000}`: the fields are what the type carries,
whole numbers and booleans only, so that nothing is rounded on the way: a normalized value as 2^-15, a short float as its 32
bits, a double point or step as its number on the wire. `quality` are the bits of QDS, for a counter its CY, CA and IV, for a
command its QU or QL. `time` is in ms since 1970, or null.
"""

import datetime
import struct

import c104

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MS = datetime.timedelta(milliseconds=1)


def utc(ms):
    return None if ms is None else _EPOCH + ms * _MS


def ms_of(at):
    return None if at is None else (at.astimezone(datetime.timezone.utc) - _EPOCH) // _MS


def _float(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def _bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def _normalized(raw):
    return c104.NormalizedFloat(raw / 32768)


def _raw(value):
    return round(float(value) * 32768)


def _member(members):
    """Of an enumeration, by its number on the wire."""
    numbered = {member.value: member for member in members.__members__.values()}
    return lambda number: numbered[number]


_double, _direction, _state = _member(c104.Double), _member(c104.Step), _member(c104.EventState)
_qualifier = _member(c104.Qoc)


class _Kind:
    """How a class of c104 is made, and what of it is told."""

    def __init__(self, make, read, quality=c104.Quality):
        self.make, self.read, self.quality = make, read, quality


def _ql(number):
    return c104.UInt7(number)



_SINGLE = _Kind(lambda on: lambda q, t: c104.SingleInfo(on, q, t), lambda i: [bool(i.on)])
_DOUBLE = _Kind(lambda n: lambda q, t: c104.DoubleInfo(_double(n), q, t), lambda i: [i.state.value])
_STEP = _Kind(
    lambda n, moves: lambda q, t: c104.StepInfo(c104.Int7(n), moves, q, t),
    lambda i: [int(i.position), bool(i.transient)],
)
_BINARY = _Kind(
    lambda n: lambda q, t: c104.BinaryInfo(c104.Byte32(n), q, t),
    lambda i: [int.from_bytes(bytes(i.blob), "little")],
)
_NORMALIZED = _Kind(lambda n: lambda q, t: c104.NormalizedInfo(_normalized(n), q, t), lambda i: [_raw(i.actual)])
_SCALED = _Kind(lambda n: lambda q, t: c104.ScaledInfo(c104.Int16(n), q, t), lambda i: [int(i.actual)])
_SHORT = _Kind(lambda n: lambda q, t: c104.ShortInfo(_float(n), q, t), lambda i: [_bits(i.actual)])
_COUNTER = _Kind(
    lambda total, sequence: lambda q, t: c104.BinaryCounterInfo(total, c104.UInt5(sequence), q, t),
    lambda i: [int(i.counter), int(i.sequence)],
    c104.BinaryCounterQuality,
)
_EVENT = _Kind(
    lambda n, ms: lambda q, t: c104.ProtectionEventInfo(_state(n), c104.UInt16(ms), q, t),
    lambda i: [i.state.value, int(i.elapsed_ms)],
)
_STARTS = _Kind(
    lambda n, ms: lambda q, t: c104.ProtectionStartInfo(c104.StartEvents(n), c104.UInt16(ms), q, t),
    lambda i: [i.events.value, int(i.relay_duration_ms)],
)
_TRIPS = _Kind(
    lambda n, ms: lambda q, t: c104.ProtectionCircuitInfo(c104.OutputCircuits(n), c104.UInt16(ms), q, t),
    lambda i: [i.circuits.value, int(i.relay_operating_ms)],
)
_PACKED = _Kind(
    lambda n, changed: lambda q, t: c104.StatusAndChanged(c104.PackedSingle(n), c104.PackedSingle(changed), q, t),
    lambda i: [i.status.value, i.changed.value],
)
_SINGLE_COMMAND = _Kind(lambda on: lambda q, t: c104.SingleCmd(on, q, t), lambda i: [bool(i.on)], _qualifier)
_DOUBLE_COMMAND = _Kind(lambda n: lambda q, t: c104.DoubleCmd(_double(n), q, t), lambda i: [i.state.value], _qualifier)
_STEP_COMMAND = _Kind(
    lambda n: lambda q, t: c104.StepCmd(_direction(n), q, t), lambda i: [i.direction.value], _qualifier
)
_SET_NORMALIZED = _Kind(lambda n: lambda q, t: c104.NormalizedCmd(_normalized(n), q, t), lambda i: [_raw(i.target)], _ql)
_SET_SCALED = _Kind(lambda n: lambda q, t: c104.ScaledCmd(c104.Int16(n), q, t), lambda i: [int(i.target)], _ql)
_SET_SHORT = _Kind(lambda n: lambda q, t: c104.ShortCmd(_float(n), q, t), lambda i: [_bits(i.target)], _ql)
_SET_BITS = _Kind(
    lambda n: lambda q, t: c104.BinaryCmd(c104.Byte32(n), t), lambda i: [int.from_bytes(bytes(i.blob), "little")], int
)

_KINDS = {
    "M_SP": _SINGLE,
    "M_DP": _DOUBLE,
    "M_ST": _STEP,
    "M_BO": _BINARY,
    "M_ME_NA": _NORMALIZED,
    "M_ME_TD": _NORMALIZED,
    "M_ME_ND": _NORMALIZED,
    "M_ME_NB": _SCALED,
    "M_ME_TE": _SCALED,
    "M_ME_NC": _SHORT,
    "M_ME_TF": _SHORT,
    "M_IT": _COUNTER,
    "M_EP_TD": _EVENT,
    "M_EP_TE": _STARTS,
    "M_EP_TF": _TRIPS,
    "M_PS": _PACKED,
    "C_SC": _SINGLE_COMMAND,
    "C_DC": _DOUBLE_COMMAND,
    "C_RC": _STEP_COMMAND,
    "C_SE_NA": _SET_NORMALIZED,
    "C_SE_TA": _SET_NORMALIZED,
    "C_SE_NB": _SET_SCALED,
    "C_SE_TB": _SET_SCALED,
    "C_SE_NC": _SET_SHORT,
    "C_SE_TC": _SET_SHORT,
    "C_BO": _SET_BITS,
}


def _kind(type_name):
    return _KINDS.get(type_name[:7]) or _KINDS[type_name[:4]]


def type_of(name):
    return c104.Type.__members__[name]


def information(said):
    """What c104 sends for it."""
    kind = _kind(said["type"])
    return kind.make(*said["fields"])(kind.quality(said.get("quality", 0)), utc(said.get("time")))


def told(type_, info):
    """What c104 made of what came."""
    quality = getattr(info, "qualifier", None) if type_.name.startswith("C_") else info.quality
    number = int(getattr(quality, "value", quality or 0))
    return {
        "type": type_.name,
        "fields": _kind(type_.name).read(info),
        "quality": number,
        "time": ms_of(info.recorded_at),
    }
