"""Has tshark dissect what ours sent in the captures of an interop run, and prints the figures.

Usage: dissect.py FOLDER, with captures NAME.OURS.pcap, where OURS are the last digits of the addresses that are ours (1 the
controlling station, 2 the controlled one), and counts NAME.rows of the matrix. Fails where tshark marks a packet of ours as
malformed, dissects another number of APDUs than were sent, or where a type of the matrix was not sent at all.
"""

import collections
import pathlib
import re
import subprocess
import sys

# All that a station or a centre of ours sends; C_BO without and with time as confirmations of the station's.
WANTED = {1, 3, 5, 7, 9, 11, 13, 15, 20, *range(30, 41), *range(45, 52), *range(58, 65), 70, *range(100, 106), 107}
WANTED |= {*range(110, 114), *range(120, 128)}
FIELDS = ("frame.number", "ip.src", "iec60870_104.type", "iec60870_asdu.typeid", "_ws.malformed", "_ws.expert.message")


def packets(capture):
    """Sender's last digit, its port and payload of each packet, as our own writer writes them: Ethernet, IPv4, TCP."""
    octets, at = capture.read_bytes(), 24
    while at < len(octets):
        length = int.from_bytes(octets[at + 8 : at + 12], "little")
        ip = octets[at + 16 + 14 : at + 16 + length]
        end = int.from_bytes(ip[2:4], "big")
        ports = int.from_bytes(ip[20:22], "big"), int.from_bytes(ip[22:24], "big")
        yield str(ip[15]), max(ports), ip[40:end]
        at += 16 + length


def sent(capture, ours):
    """How many whole APDUs were sent by ours, counted without a dissector."""
    streams = collections.defaultdict(bytes)
    for sender, port, payload in packets(capture):
        streams[sender, port] += payload
    count = 0
    for (sender, _), stream in streams.items():
        while len(stream) >= 2 and len(stream) >= stream[1] + 2:
            assert stream[0] == 0x68, stream[:16]
            stream = stream[stream[1] + 2 :]
            count += sender in ours
    return count


def dissect(capture, ours):
    fields = [argument for field in FIELDS for argument in ("-e", field)]
    command = ["tshark", "-n", "-r", capture, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,", *fields]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    apdus, types, wrong = 0, collections.Counter(), []
    for line in lines:
        number, source, frames, type_ids, malformed, expert = (line.split("\t") + [""] * 6)[:6]
        if source.rpartition(".")[2] not in ours:
            continue
        apdus += len(frames.split(",")) if frames else 0
        types.update(int(type_id) for type_id in type_ids.split(",") if type_id)
        if malformed or re.search("malformed", expert, re.IGNORECASE):
            wrong.append(f"packet {number}: {malformed} {expert}".strip())
    return apdus, types, wrong


def main(folder):
    total, seen, failures = 0, collections.Counter(), []
    captures = sorted(folder.glob("*.pcap"))
    if not captures:
        sys.exit(f"{folder}: no captures; the interop tests write them")
    for capture in captures:
        name, ours, _ = capture.name.split(".")
        wanted = sent(capture, ours)
        apdus, types, wrong = dissect(capture, ours)
        print(f"{name:30} {apdus:5} APDUs of ours, {sum(types.values()):5} messages of {len(types):2} types")
        if apdus != wanted:
            failures.append(f"{name}: {wanted} APDUs of ours were sent, tshark finds {apdus}")
        failures += [f"{name}: {line}" for line in wrong]
        total += apdus
        seen += types
    missing = sorted(WANTED - set(seen))
    if missing:
        failures.append(f"types never sent: {missing}")
    rows = {path.stem: int(path.read_text()) for path in sorted(folder.glob("*.rows"))}
    for name, count in rows.items():
        print(f"{name:30} {count:5} rows passed")
    print(f"matrix: {sum(rows.values())} rows passed in {len(rows)} tests")
    print(f"tshark: {total} APDUs of ours, {len(seen)} types, {sum(seen.values())} messages, {len(failures)} faults")
    if failures:
        sys.exit("\n".join(failures))


main(pathlib.Path(sys.argv[1]))
