//! Files, headers, and how an APDU is shown.

use headroom::capture::{Decoder, Seen, json};
use headroom_terminals::iec104::apci::Control;
use headroom_terminals::iec104::asdu::types;
use insta::assert_snapshot;
use serde_json::json;

use super::writer::{
    ACK, Below, CLIENT, FIN, Format, RST, SERVER, START_NS, Talk, apdus, decode, file, float, i, ip, lines, s,
    timed_file, u,
};

fn small_talk(client: &str, server: &str) -> Talk {
    let mut talk = Talk::started(client, server, (7, 900));
    talk.say(true, &i(0, 0, &[100, 1, 6, 0, 1, 0, 0, 0, 0, 20]));
    talk.say(false, &i(0, 1, &float(1, 2001, 1.5)));
    talk.say(true, &s(1));
    talk
}

#[test]
fn every_format_and_every_link_gives_the_same_lines() {
    for (client, server) in [(CLIENT, SERVER), ("[fd00::1]:41000", "[fd00::2]:2404")] {
        let talk = small_talk(client, server);
        let wanted = lines(&talk.file());
        assert_eq!(wanted.lines().count(), 5, "{wanted}");
        for format in Format::ALL {
            for below in Below::ALL {
                let packets: Vec<_> = talk.segments.iter().map(|segment| segment.packet(below)).collect();
                assert_eq!(lines(&file(format, below.link_type(), &packets)), wanted, "{format:?} {below:?}");
            }
        }
    }
}

#[test]
fn a_time_is_shown_to_the_microsecond() {
    let mut talk = Talk::midstream(CLIENT, SERVER, (1, 1));
    talk.say(true, &u(Control::TestAct));
    let packet = talk.packets().remove(0);
    for (format, shown) in [
        (Format::Pcap { big: false, nanos: true }, "2026-11-24T12:00:00.123456Z"),
        (Format::Pcap { big: true, nanos: false }, "2026-11-24T12:00:00.123456Z"),
        (Format::Ng { big: true }, "2026-11-24T12:00:00.123456Z"),
    ] {
        let text = lines(&timed_file(format, 1, &[(START_NS + 123_456_789, packet.clone())]));
        assert!(text.contains(shown), "{text}");
    }
}

#[test]
fn an_apdu_is_one_line_with_names_values_qualities_and_times() {
    let mut talk = Talk::started(CLIENT, SERVER, (u32::MAX - 20, 5));
    let time = [0x98, 0x3A, 0x1E, 0x0C, 0x18, 0x0B, 0x1A];
    // The station answers an interrogation of another's, with test and negative marks, and events of every shape.
    talk.say(true, &i(0, 0, &[100, 1, 6, 3, 1, 0, 0, 0, 0, 20]));
    talk.say(false, &i(0, 1, &[100, 1, 0x47 | 0x80, 3, 1, 0, 0, 0, 0, 20]));
    talk.say(false, &i(1, 1, &[1, 0x82, 20, 0, 1, 0, 0xE9, 3, 0, 1, 0xD0]));
    talk.say(false, &i(2, 1, &[&[31, 1, 3, 0, 1, 0, 0xD2, 7, 0, 0x12][..], &time].concat()));
    talk.say(false, &i(3, 1, &[&[36, 1, 3, 0, 1, 0, 0xD1, 7, 0, 0, 0, 0xC0, 0x7F, 1][..], &[0xFF; 7]].concat()));
    talk.say(false, &i(4, 1, &[15, 1, 37, 0, 1, 0, 0x0A, 0, 0, 0xD2, 4, 0, 0, 0xA3]));
    talk.say(true, &i(1, 5, &[46, 1, 6, 0, 1, 0, 0x71, 0x17, 0, 0x81]));
    talk.say(false, &i(5, 2, &[200, 1, 3, 0, 1, 0, 0xDE, 0xAD]));
    talk.say(true, &u(Control::TestAct));
    talk.say(false, &u(Control::TestCon));
    assert_snapshot!(lines(&talk.file()));
}

#[test]
fn every_type_of_the_standard_is_shown_by_its_name() {
    let mut talk = Talk::started(CLIENT, SERVER, (1, 1));
    for (n, info) in (0..).zip(types::ALL) {
        let octets = match info.layout {
            types::Layout::Fixed(length) => vec![0x11; length],
            types::Layout::Segment => vec![1, 0, 2, 3, 0xAA, 0xBB, 0xCC],
        };
        talk.say(false, &i(n, 0, &[&[info.id, 1, 3, 0, 1, 0, 5, 0, 0][..], &octets].concat()));
        if n % 8 == 7 {
            talk.say(true, &s(n + 1));
        }
    }
    let text = lines(&talk.file());
    for info in types::ALL {
        assert!(text.contains(&format!(" {} spontaneous CA 1: 5", info.name)), "{}: {text}", info.name);
    }
    assert!(!text.contains("!!"), "{text}");
    assert_snapshot!(
        text.lines()
            .filter_map(|line| line.split_once("spontaneous CA 1: 5"))
            .map(|(head, rest)| { format!("{}{rest}\n", head.trim_end().rsplit(' ').next().unwrap()) })
            .collect::<String>()
    );
}

#[test]
fn json_has_every_field() {
    let mut talk = Talk::started(CLIENT, SERVER, (1, 1));
    talk.say(false, &i(0, 0, &float(258, 2001, f32::NAN)));
    let seen = decode(&talk.file());
    let object = json::object(seen.last().unwrap());
    assert_eq!(
        object,
        json!({
            "packet": 6, "time": "2026-11-24T12:00:00.050000Z", "link": 1, "from": SERVER, "to": CLIENT,
            "from_client": false, "faults": [], "format": "I", "send": 0, "receive": 0,
            "octets": "68 12 00 00 00 00 0d 01 03 00 02 01 d1 07 00 00 00 c0 7f 00",
            "asdu": {
                "type": 13, "type_name": "M_ME_NC_1", "sequence": false, "count": 1, "cause": 3,
                "cause_name": "spontaneous", "negative": false, "test": false, "originator": 0, "common_address": 258,
                "objects": [{ "ioa": 2001, "value": "NaN", "quality": "good" }], "octets": null,
            },
        })
    );
}

#[test]
fn what_two_stations_do_wrong_is_marked_on_the_line() {
    let mut talk = Talk::open(CLIENT, SERVER, (1, 1));
    talk.say(false, &i(0, 0, &float(1, 1, 0.0)));
    talk.say(true, &u(Control::StartAct));
    talk.say(true, &u(Control::StartAct));
    talk.say(false, &u(Control::StartCon));
    talk.say(false, &i(2, 0, &float(1, 1, 0.0)));
    talk.say(true, &s(9));
    talk.say(false, &i(3, 0, &[13, 2, 3, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]));
    talk.say(false, &i(4, 0, &[13, 1, 3]));
    talk.say(true, &s(5));
    for n in 5..18 {
        talk.say(false, &i(n, 0, &float(1, 1, 0.0)));
    }
    talk.say(true, &u(Control::TestAct));
    talk.say(true, &s(18));
    let mut packets: Vec<_> = (START_NS..).step_by(10_000_000).zip(talk.packets()).collect();
    packets.last_mut().unwrap().0 += 20_000_000_000;
    let text = lines(&timed_file(Format::USUAL, 1, &packets));
    let marked = |line: &str| line.split_once(" !! ").map(|(_, faults)| faults.to_owned());
    assert_eq!(
        text.lines().filter_map(marked).collect::<Vec<_>>(),
        [
            "data before STARTDT was confirmed",
            "STARTDT act of packet 5 is not confirmed",
            "sequence error: N(S) 2, 1 was due",
            "N(R) 9 acknowledges what was not seen to be sent, 3 is the next N(S)",
            "type 13: 2 objects in 8 bytes",
            "ASDU of 3 bytes: wanted at least 6",
            "13 I frames unacknowledged, more than k = 12",
            "TESTFR act of packet 26 is not confirmed within 15 s",
        ],
        "{text}"
    );
    assert!(text.lines().last().unwrap().contains("TESTFR act of packet 26 has no answer"), "{text}");
}

#[test]
fn links_are_told_apart_and_a_port_used_again_is_another_link() {
    let mut first = small_talk(CLIENT, SERVER);
    first.push(true, ACK | FIN, &[]);
    first.push(false, ACK | FIN, &[]);
    let mut second = small_talk("10.0.0.1:41001", SERVER);
    second.push(false, RST, &[]);
    let mut again = Talk::started(CLIENT, SERVER, (70_000, 123));
    again.say(false, &i(0, 0, &float(1, 1, 2.0)));
    let packets = [first.packets(), second.packets(), again.packets()].concat();
    let capture = file(Format::USUAL, 1, &packets);
    let mut decoder = Decoder::new(&capture[..], Vec::new()).unwrap();
    let seen: Vec<_> = decoder.by_ref().collect();
    assert!(!seen.iter().any(|seen| matches!(seen, Seen::Apdu(apdu) if !apdu.faults.is_empty())), "{seen:#?}");
    let links: Vec<_> = decoder.summary().links.iter().map(|l| (l.link.client.to_string(), l.apdus)).collect();
    let wanted = [(CLIENT, (3, 2)), ("10.0.0.1:41001", (3, 2)), (CLIENT, (1, 2))];
    assert_eq!(links, wanted.map(|(client, apdus)| (client.to_owned(), apdus)));
    let ends: Vec<_> = seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Note(note) => Some(note.what.text()),
            Seen::Apdu(_) => None,
        })
        .collect();
    assert_eq!(ends, ["closed", "reset"]);
}

#[test]
fn what_is_not_of_this_protocol_is_left_out_and_named() {
    let mut talk = small_talk(CLIENT, SERVER);
    let mut web = Talk::open("10.0.0.1:5000", "10.0.0.3:80", (1, 1));
    web.say(true, b"hello there, this is text that begins with 68H");
    web.say(false, b"HTTP/1.1 200 OK\r\n\r\n");
    let tcp = &web.packets().remove(3)[34..];
    let fragment = [&[2; 12][..], &[8, 0], &ip(talk.client.ip(), talk.server.ip(), tcp, 0x2000)].concat();
    let mut udp = talk.packets().remove(0);
    udp[23] = 17;
    let mut packets = web.packets();
    packets.extend([fragment, udp, vec![1, 2, 3]]);
    packets.append(&mut talk.packets());
    talk.segments.clear();
    let capture = file(Format::USUAL, 1, &packets);
    let mut decoder = Decoder::new(&capture[..], Vec::new()).unwrap();
    assert_eq!(decoder.by_ref().count(), 5);
    let summary = decoder.summary().to_string();
    for part in ["1 connections without", "1 packets without TCP", "left out: packet 6: an IP fragment", "packet 8: "] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    assert_eq!(apdus(&file(Format::USUAL, 9, &packets)), [], "a link type that nobody reads here");
}
