//! TCP put together: any order, doubled, overlapping, lost.

use headroom_terminals::iec104::apci::Control;
use proptest::prelude::*;

use super::writer::{ACK, Below, CLIENT, Format, SERVER, Talk, Tcp, apdus, file, float, i, lines, s, u};

/// Packets that a packet may come too late or too early.
const WINDOW: usize = 8;

/// What a station and a centre say to each other, in segments of any size.
fn conversation(values: &[(bool, f32, usize)], first: (u32, u32)) -> (Vec<Tcp>, Vec<(bool, Vec<u8>)>) {
    let mut talk = Talk::started(CLIENT, SERVER, first);
    let (mut wanted, mut sent) = (vec![(true, u(Control::StartAct)), (false, u(Control::StartCon))], [0_u16; 2]);
    let mut streams = [Vec::new(), Vec::new()];
    for &(from_client, value, cut) in values {
        let [server, client] = sent;
        let (send, receive) = if from_client { (client, server) } else { (server, client) };
        sent[usize::from(from_client)] += 1;
        let apdu = i(send, receive, &float(1, 2001, value));
        wanted.push((from_client, apdu.clone()));
        let stream = &mut streams[usize::from(from_client)];
        stream.extend(apdu);
        let rest = stream.split_off(cut.min(stream.len()));
        let segment = std::mem::replace(stream, rest);
        talk.say(from_client, &segment);
    }
    for (side, rest) in [false, true].into_iter().zip(streams) {
        talk.say(side, &rest);
    }
    (talk.segments, wanted)
}

fn capture(segments: &[Tcp]) -> Vec<u8> {
    let packets: Vec<_> = segments.iter().map(|segment| segment.packet(Below::Ethernet)).collect();
    file(Format::USUAL, 1, &packets)
}

fn of_side(apdus: &[(bool, Vec<u8>)], side: bool) -> Vec<&[u8]> {
    apdus.iter().filter(|(from_client, _)| *from_client == side).map(|(_, octets)| &octets[..]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_same_apdus_come_out_for_any_order_within_the_window(
        values in prop::collection::vec((any::<bool>(), -1e6_f32..1e6, 0_usize..60), 1..40),
        first in (prop_oneof![any::<u32>(), u32::MAX - 600..], any::<u32>()),
        late in prop::collection::vec(0..WINDOW, 128),
        doubled in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        overlapped in prop::collection::vec((any::<prop::sample::Index>(), 1_u32..30), 0..6),
    ) {
        let (segments, wanted) = conversation(&values, first);
        let mut shuffled: Vec<(usize, Tcp)> = Vec::new();
        for (n, segment) in segments.iter().enumerate() {
            shuffled.push((n + late[n % late.len()], segment.clone()));
        }
        for index in doubled {
            let n = index.index(segments.len());
            shuffled.push((n + WINDOW / 2, segments[n].clone()));
        }
        // A retransmission that begins within the segment before it, as stacks send them that merge segments.
        for (index, back) in overlapped {
            let n = index.index(segments.len());
            let own = |other: &&Tcp| other.from == segments[n].from && other.flags == ACK;
            let stream: Vec<u8> = segments[..n].iter().filter(own).flat_map(|s| s.payload.clone()).collect();
            let back = back.min(u32::try_from(stream.len()).unwrap());
            let tail = &stream[stream.len() - usize::try_from(back).unwrap()..];
            let mut merged = segments[n].clone();
            if merged.flags == ACK {
                merged.sequence = merged.sequence.wrapping_sub(back);
                merged.payload = [tail, &merged.payload].concat();
                shuffled.push((n + WINDOW / 2, merged));
            }
        }
        shuffled.sort_by_key(|(at, _)| *at);
        let shuffled: Vec<_> = shuffled.into_iter().map(|(_, segment)| segment).collect();
        let found = apdus(&capture(&shuffled));
        for side in [false, true] {
            prop_assert_eq!(of_side(&found, side), of_side(&wanted, side));
        }
    }

    #[test]
    fn a_lost_packet_costs_no_apdu_that_lies_beyond_the_next_sound_beginning(
        count in 20_usize..60,
        lost in any::<prop::sample::Index>(),
    ) {
        let mut talk = Talk::started(CLIENT, SERVER, (1, u32::MAX - 300));
        for n in 0..u16::try_from(count).unwrap() {
            talk.say(false, &i(n, 0, &float(1, 2001, f32::from(n))));
            talk.say(true, &s(n + 1));
        }
        let mut segments = talk.segments.clone();
        // One of the station's segments, from its second one on and before its last one.
        let lost = 5 + 2 * lost.index(count - 1);
        let gone = segments.remove(lost);
        let found = apdus(&capture(&segments));
        let wanted = (0..count).map(|n| i(u16::try_from(n).unwrap(), 0, &float(1, 2001, n as f32)));
        let wanted: Vec<_> = wanted.filter(|apdu| *apdu != gone.payload).collect();
        prop_assert_eq!(of_side(&found, false)[1..].to_vec(), wanted.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let text = lines(&capture(&segments));
        let said = format!("octets between packets {} and {} are not in the capture", 5.max(lost - 1), lost + 2);
        prop_assert!(text.contains(&said), "{}: {}", said, text);
        prop_assert!(!text.contains("!!"), "a packet that the capture lost is no fault of the stations: {}", text);
    }
}

#[test]
fn a_capture_that_begins_within_a_stream_says_so_and_goes_on_at_a_sound_apdu() {
    let mut talk = Talk::midstream(CLIENT, SERVER, (1, 1));
    talk.say(false, &i(40, 7, &float(1, 2001, 1.0))[5..]);
    talk.say(false, &[i(41, 7, &float(1, 2001, 2.0)), i(42, 7, &float(1, 2001, 3.0))].concat());
    talk.say(true, &s(43));
    let text = lines(&talk.file());
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].contains("     1 ") && lines[0].ends_with("from the first sound APDU on"), "{text}");
    assert!(lines[1].ends_with("15 octets skipped up to here"), "{text}");
    assert!(lines[2].contains("     2 ") && lines[2].contains("I 41/7"), "{text}");
    assert!(lines[3].contains("I 42/7") && !text.contains("!!"), "{text}");
}

#[test]
fn octets_that_are_no_apdu_are_skipped_up_to_the_next_sound_one() {
    let mut talk = Talk::started(CLIENT, SERVER, (1, 1));
    talk.say(false, &[&i(0, 0, &float(1, 2001, 1.0))[..], b"garbage"].concat());
    talk.say(false, b"more of it");
    talk.say(false, &i(1, 0, &float(1, 2001, 2.0)));
    let text = lines(&talk.file());
    let said: Vec<_> = text.lines().skip(2).map(|line| line.split_once("41000 ").unwrap().1).collect();
    assert_eq!(said.len(), 4, "{text}");
    assert!(said[0].starts_with("I 0/0") && said[1].starts_with("-- start byte 0x67"), "{text}");
    assert!(said[2] == "-- 17 octets skipped up to here" && said[3].starts_with("I 1/0"), "{text}");
}

#[test]
fn an_end_within_an_apdu_is_told() {
    let mut talk = Talk::started(CLIENT, SERVER, (1, 1));
    talk.say(false, &i(0, 0, &float(1, 2001, 1.0))[..9]);
    let text = lines(&talk.file());
    assert!(text.lines().last().unwrap().ends_with("ends with 9 octets of an APDU that is not whole"), "{text}");
}
