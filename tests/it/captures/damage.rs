//! Files that are cut, foreign or hostile.

use headroom::capture::{CaptureError, Decoder, json};
use proptest::prelude::*;

use super::writer::{Below, CLIENT, Format, SERVER, Talk, file, float, i, lines, s};

fn talk(count: u16) -> Talk {
    let mut talk = Talk::started(CLIENT, SERVER, (1, 1));
    for n in 0..count {
        talk.say(false, &i(n, 0, &float(1, 2001, f32::from(n))));
        talk.say(true, &s(n + 1));
    }
    talk
}

/// Reads all that there is, in every way that it is shown.
fn read(file: &[u8]) -> Option<(usize, String)> {
    let mut decoder = Decoder::new(file, Vec::new()).ok()?;
    let mut count = 0;
    for seen in decoder.by_ref() {
        let shown = format!("{seen}{}", json::object(&seen));
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        count += 1;
    }
    Some((count, format!("{}{}", decoder.summary(), decoder.summary().json())))
}

#[test]
fn a_file_cut_anywhere_gives_what_is_before_the_cut_and_names_the_packet() {
    for format in Format::ALL {
        let whole = file(format, 1, &talk(3).packets());
        let all = lines(&whole);
        let mut best = 0;
        for cut in 0..whole.len() {
            let Some((count, _)) = read(&whole[..cut]) else { continue };
            assert!(count >= best, "a longer file gives no less");
            best = count;
            let part = lines(&whole[..cut]);
            let before: Vec<_> = part.lines().filter(|line| !line.contains(" -- ")).collect();
            assert!(all.lines().zip(&before).all(|(wanted, line)| wanted == *line), "{part}");
        }
        assert!(best + 1 >= all.lines().count(), "the cut of the last octet costs the last packet alone or nothing");
    }
    let whole = talk(10).file();
    let (_, summary) = read(&whole[..whole.len() - 1]).unwrap();
    assert!(summary.contains("left out: packet 25: the file ends within it"), "{summary}");
}

#[test]
fn a_damaged_block_costs_itself_and_is_named() {
    let mut whole = file(Format::Ng { big: false }, 1, &talk(10).packets());
    let all = lines(&whole);
    // The captured length of the first packet with an I frame: packet 6.
    let block = (0..whole.len()).filter(|&at| whole[at..].starts_with(&[6, 0, 0, 0])).nth(5).unwrap();
    whole[block + 20..block + 24].copy_from_slice(&[0xFF; 4]);
    let (_, summary) = read(&whole).unwrap();
    assert!(summary.contains("left out: packet 6: its block cannot be read"), "{summary}");
    let rest = lines(&whole);
    assert!(rest.contains("I 9/0") && !rest.contains("I 0/0") && all.contains("I 0/0"), "{rest}");
}

#[test]
fn a_packet_of_an_impossible_length_ends_the_reading_and_is_named() {
    let mut whole = talk(10).file();
    let second = 24 + 16 + 60;
    whole[second + 8..second + 12].copy_from_slice(&[0xFF; 4]);
    let (_, summary) = read(&whole).unwrap();
    assert!(summary.contains("not read to its end: after packet 1: at octet 100"), "{summary}");
}

#[test]
fn what_is_no_capture_is_refused_with_what_it_begins_with() {
    let refused = |bytes: &[u8]| Decoder::new(bytes, Vec::new()).err().unwrap();
    assert!(matches!(refused(b""), CaptureError::Short(0)));
    assert!(refused(b"[api]\nlisten = 1\n").to_string().contains("begins with 5b 61 70 69"));
    assert!(refused(&[0x1F, 0x8B, 8, 0, 0]).to_string().contains("gzip"));
}

#[test]
fn a_packet_that_the_capture_cut_is_named_and_costs_only_what_lies_beyond_its_cut() {
    let talk = talk(30);
    let mut packets = talk.packets();
    // Packet 8 brings I 1/0; five of its octets were not captured.
    let length = packets[7].len();
    packets[7].truncate(length - 5);
    let whole = file(Format::USUAL, 1, &packets);
    let text = lines(&whole);
    assert!(!text.contains("I 1/0") && text.contains("I 0/0") && text.contains("I 2/0") && text.contains("I 29/0"));
    assert!(
        text.contains("5 octets between packets 8 and 10 are not in the capture, with the APDU of 15 octets begun")
    );
    let (_, summary) = read(&whole).unwrap();
    assert!(summary.contains("left out: packet 8: cut by the capture"), "{summary}");
    assert!(summary.contains("octets are missing or of no APDU at packet 10"), "{summary}");
}

#[test]
fn a_capture_of_one_direction_alone_shows_it() {
    let talk = talk(10);
    let one: Vec<_> = talk.segments.iter().filter(|segment| segment.from == talk.server).cloned().collect();
    let packets: Vec<_> = one.iter().map(|segment| segment.packet(Below::Ethernet)).collect();
    let text = lines(&file(Format::USUAL, 1, &packets));
    assert_eq!(text.lines().count(), 11, "{text}");
    assert!(!text.contains("sequence error") && !text.contains("--"), "{text}");
}

#[test]
fn a_flood_of_connections_costs_no_link_that_speaks() {
    let mut link = Talk::started(CLIENT, SERVER, (1, 1));
    let mut packets = link.packets();
    for n in 0..40_000_u32 {
        let [_, b, c, d] = n.to_be_bytes();
        packets.push(Talk::open(&format!("10.{b}.{c}.{d}:5000"), "10.0.0.2:2404", (n, n)).packets().remove(0));
        if n % 10_000 == 0 {
            let from = link.segments.len();
            link.say(false, &i(u16::try_from(n / 10_000).unwrap(), 0, &float(1, 2001, 1.0)));
            packets.push(link.packets().remove(from));
        }
    }
    let whole = file(Format::USUAL, 1, &packets);
    let mut decoder = Decoder::new(&whole[..], Vec::new()).unwrap();
    assert_eq!(decoder.by_ref().count(), 6);
    assert_eq!(decoder.summary().links.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_damage_makes_it_panic(
        which in 0_usize..6,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut whole = file(Format::ALL[which], 1, &talk(10).packets());
        for (at, octet) in changes {
            let at = at.index(whole.len());
            whole[at] = octet;
        }
        whole.truncate(whole.len() - cut.index(whole.len() / 4));
        read(&whole);
    }

    #[test]
    fn no_bytes_make_it_panic(
        which in 0_usize..6,
        link_type in prop::sample::select(vec![0_u16, 1, 12, 101, 108, 113, 228, 229, 276]),
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..8),
        rest in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let whole = file(Format::ALL[which], link_type, &packets);
        read(&[whole, rest].concat());
    }
}
