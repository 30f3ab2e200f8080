//! File transfer: both sides joined, then the stations against frames by the standard's layout.

use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;
use proptest::prelude::*;

use super::controlled::{A, B, Desk};
use crate::iec104::apci::Control;
use crate::iec104::asdu::element::{Afq, FileName};
use crate::iec104::asdu::{Asdu, Element, Object, Tag, message};
use crate::iec104::config::StationConfig;
use crate::iec104::controlled::{CommandAnswer, Station, StationCommand};
use crate::iec104::files::{
    EVENTS, Failure, FileId, FileInfo, Receiver, SEGMENT_MAX, Sender, TIMEOUT, TRANSPARENT, Transfer, checksum,
};

const FILE: FileId = FileId { ioa: 30_000, name: EVENTS };

/// What `from` has to say is heard by `to`, over the octets; whether it said anything. `spoil` may change them.
fn carry(now: Instant, from: &mut Transfer, to: &mut Transfer, spoil: &mut impl FnMut(&mut Vec<u8>)) -> bool {
    let Some(element) = from.next(now) else { return false };
    let mut octets = message(13, 1, FILE.ioa, &element, Tag::None).unwrap();
    spoil(&mut octets);
    let asdu = Asdu::parse(&octets).unwrap();
    to.on(now, &asdu.information().next().unwrap().element);
    true
}

/// Both sides until neither has anything to say; the receiver takes what arrives. Its bytes, and how each side ended.
fn join(
    sender: Sender,
    receiver: Receiver,
    mut spoil: impl FnMut(&mut Vec<u8>),
) -> (Vec<u8>, [Option<Result<(), Failure>>; 2]) {
    let now = Instant::now();
    let (mut sender, mut receiver) = (Transfer::Sending(sender), Transfer::Receiving(receiver));
    // The select; its answer is the announcement.
    assert!(receiver.next(now).is_none_or(|said| matches!(said, Element::FileCall(..))));
    loop {
        let said = carry(now, &mut sender, &mut receiver, &mut spoil);
        if let Transfer::Receiving(receiver) = &mut receiver
            && receiver.arrived().is_some()
        {
            receiver.accept(true);
        }
        if !carry(now, &mut receiver, &mut sender, &mut spoil) && !said {
            break;
        }
    }
    let ends = [sender.ended(), receiver.ended()];
    let Transfer::Receiving(mut receiver) = receiver else { unreachable!() };
    (receiver.take(), ends)
}

fn octets(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n * n % 251).unwrap()).collect()
}

proptest! {
    #[test]
    fn a_file_of_any_size_in_any_pieces_arrives_the_same(
        length in 0usize..6_000, section in 1usize..3_000, segment in 1usize..300,
    ) {
        let now = Instant::now();
        let data = octets(length);
        let sender = Sender::with_sizes(now, FILE, data.clone(), section, segment);
        let (arrived, ends) = join(sender, Receiver::select(now, FILE, length), |_| {});
        prop_assert_eq!(ends, [Some(Ok(())); 2]);
        prop_assert_eq!(arrived, data);
    }

    #[test]
    fn nothing_but_the_file_arrives_whatever_happens_to_its_segments(
        length in 1usize..3_000, section in 1usize..3_000,
        // Together below 256, for faults that cancel out escape a sum.
        faults in prop::collection::vec((any::<bool>(), 1u8..42), 0..6),
    ) {
        let now = Instant::now();
        let data = octets(length);
        let mut faults = faults.into_iter();
        let spoil = |octets: &mut Vec<u8>| {
            if octets[0] == 125 && let Some((true, by)) = faults.next() && octets[12] > 0 {
                let last = octets.len() - 1;
                octets[last] = octets[last].wrapping_add(by);
            }
        };
        let sender = Sender::with_sizes(now, FILE, data.clone(), section, SEGMENT_MAX);
        let (arrived, ends) = join(sender, Receiver::select(now, FILE, length), spoil);
        prop_assert!(ends.iter().all(Option::is_some), "{:?}", ends);
        if ends[1] == Some(Ok(())) {
            prop_assert_eq!(arrived, data);
        }
    }

    #[test]
    fn no_words_make_a_transfer_panic_or_hold_more_than_allowed(
        words in prop::collection::vec((120u8..=127, prop::collection::vec(any::<u8>(), 16)), 0..60),
        offered in any::<bool>(),
    ) {
        let now = Instant::now();
        let mut receiver =
            if offered { Receiver::offered(now, FILE, 90, 100) } else { Receiver::select(now, FILE, 100) };
        receiver.accept(true);
        let mut both = [Transfer::Sending(Sender::with_sizes(now, FILE, octets(500), 100, 9)), Transfer::Receiving(receiver)];
        for (type_id, mut word) in words {
            word.truncate(match type_id { 120 => 6, 121 => 7, 122 | 124 => 4, 123 => 5, 126 => 13, _ => 16 });
            if type_id == 125 {
                word[3] = 12;
            }
            let Some((element, _)) = Element::decode(type_id, &word) else { continue };
            for transfer in &mut both {
                transfer.on(now, &element);
                let _ = transfer.next(now);
            }
        }
        let [_, Transfer::Receiving(receiver)] = &mut both else { unreachable!() };
        prop_assert!(receiver.take().len() <= 100);
    }
}

#[test]
fn a_damaged_section_is_repeated_and_one_that_stays_damaged_ends_the_transfer_on_both_sides() {
    let now = Instant::now();
    for (times, ends) in [(3, [Some(Ok(())); 2]), (4, [Some(Err(Failure::Deactivated)), Some(Err(Failure::Damaged))])] {
        let (mut left, mut nacks) = (times, 0);
        let (arrived, ended) =
            join(Sender::with_sizes(now, FILE, octets(300), 200, 100), Receiver::select(now, FILE, 300), |octets| {
                // The checksum of the last segment.
                if octets[0] == 123 && octets[12] == 3 && left > 0 {
                    left -= 1;
                    octets[13] ^= 1;
                }
                // AFQ 4 (section not taken) for reason 2 (checksum).
                nacks += usize::from(octets[0] == 124 && octets[12] == 0x24);
            });
        assert_eq!(ended, ends);
        assert_eq!(nacks, 3);
        assert_eq!(arrived == octets(300), ended[1] == Some(Ok(())));
    }
}

#[test]
fn a_wrong_checksum_of_the_file_is_not_taken() {
    let now = Instant::now();
    let (_, ended) = join(Sender::new(now, FILE, octets(300)), Receiver::select(now, FILE, 300), |octets| {
        if octets[0] == 123 && octets[12] == 1 {
            octets[13] ^= 1;
        }
    });
    assert_eq!(ended, [Some(Err(Failure::Refused)), Some(Err(Failure::Damaged))]);
}

#[test]
fn a_file_that_is_longer_than_taken_is_broken_off_before_its_first_octet() {
    let now = Instant::now();
    let (arrived, ended) = join(Sender::new(now, FILE, octets(301)), Receiver::select(now, FILE, 300), |_| {});
    assert_eq!(ended, [Some(Err(Failure::Deactivated)), Some(Err(Failure::TooLong))]);
    assert!(arrived.is_empty());
}

#[test]
fn a_side_that_hears_nothing_gives_up_and_says_so() {
    let now = Instant::now();
    let mut sender = Transfer::Sending(Sender::new(now, FILE, octets(300)));
    let mut receiver = Transfer::Receiving(Receiver::select(now, FILE, 300));
    assert_eq!(sender.deadline(), None, "its own word is due");
    for transfer in [&mut sender, &mut receiver] {
        assert!(transfer.next(now).is_some());
        // Asked in vain meanwhile: that is not an answer.
        assert!(transfer.next(now + TIMEOUT / 2).is_none());
        assert_eq!(transfer.deadline(), Some(now + TIMEOUT));
        transfer.on_deadline(now + TIMEOUT - Duration::from_millis(1));
        assert!(transfer.next(now).is_none());
        transfer.on_deadline(now + TIMEOUT);
        assert_eq!(transfer.ended(), None);
    }
    // LSQ 2: with deactivation. SCQ 3: deactivate.
    assert!(matches!(sender.next(now), Some(Element::FileLast(EVENTS, 1, lsq, 0)) if lsq.0 == 2));
    assert!(matches!(receiver.next(now), Some(Element::FileCall(EVENTS, 0, scq)) if scq.0 == 3));
    for transfer in [sender, receiver] {
        assert_eq!(transfer.ended(), Some(Err(Failure::TimedOut)));
    }
}

/// A station with two files side by side, one apart, and a log.
struct Cabinet {
    settings: Vec<u8>,
    deleted: Vec<FileId>,
    queried: Option<(Option<Timestamp>, Option<Timestamp>)>,
}

const SETTINGS: FileId = FileId { ioa: 30_001, name: TRANSPARENT };

impl Station for Cabinet {
    fn now(&self) -> Timestamp {
        Timestamp::new(0)
    }
    fn interrogated(&mut self, _: &mut Vec<Object>) {}
    fn counters(&mut self, _: &mut Vec<Object>) {}
    fn spontaneous(&mut self, _: &mut Vec<Object>) {}
    fn command(&mut self, _: StationCommand) -> CommandAnswer {
        CommandAnswer::UnknownObject
    }
    fn set_clock(&mut self, _: Timestamp) {}
    fn files(&mut self, out: &mut Vec<FileInfo>) {
        let created = Some(Timestamp::new(1_782_907_200_000));
        let apart = FileId { ioa: 40_000, name: 9 };
        out.extend([FILE, SETTINGS, apart].map(|file| FileInfo { file, length: 5, created, status: 0 }));
    }
    fn read_file(&mut self, file: FileId) -> Option<Vec<u8>> {
        match file {
            FILE => Some(vec![1, 2, 3, 4, 250]),
            SETTINGS => Some(self.settings.clone()),
            _ => None,
        }
    }
    fn query_log(&mut self, file: FileId, from: Option<Timestamp>, to: Option<Timestamp>) -> Option<Vec<u8>> {
        self.queried = Some((from, to));
        (file == FILE).then(|| vec![7])
    }
    fn takes_file(&mut self, file: FileId, length: u32) -> bool {
        file == SETTINGS && length < 1_000
    }
    fn write_file(&mut self, _: FileId, data: &[u8]) -> bool {
        let good = data.first() != Some(&0xFF);
        if good {
            self.settings = data.to_vec();
        }
        good
    }
    fn delete_file(&mut self, file: FileId) -> bool {
        self.deleted.push(file);
        file == SETTINGS
    }
}

fn cabinet() -> Desk<Cabinet> {
    let station = Cabinet { settings: b"cap = 10".to_vec(), deleted: Vec::new(), queried: None };
    let mut desk = Desk::with(StationConfig { connections_max: 2, ..StationConfig::new(1) }, station);
    desk.connect(A);
    let _ = desk.say(A, Control::StartAct);
    desk.acknowledge_all(A);
    desk
}

/// A file message to or from object 30000 or 30001, cause 13.
fn said(type_id: u8, ioa: u16, name: FileName, rest: &[u8]) -> Vec<u8> {
    let ([a, b], [n, m]) = (ioa.to_le_bytes(), name.to_le_bytes());
    [&[type_id, 1, 13, 0, 1, 0, a, b, 0, n, m], rest].concat()
}

#[test]
fn an_event_file_is_read_octet_for_octet_as_the_standard_says() {
    let mut desk = cabinet();
    let event = |type_id, rest: &[u8]| said(type_id, 30_000, 3, rest);
    #[rustfmt::skip]
    let dialogue: &[(Vec<u8>, Vec<Vec<u8>>)] = &[
        // F_SC: NOS 0, SCQ 1 select -> F_FR: LOF 5, FRQ 0.
        (event(122, &[0, 1]), vec![event(120, &[5, 0, 0, 0])]),
        // SCQ 2 call -> F_SR: NOS 1, LOF 5, SRQ 0.
        (event(122, &[0, 2]), vec![event(121, &[1, 5, 0, 0, 0])]),
        // SCQ 6 call section 1 -> F_SG: NOS 1, LOS 5, octets; F_LS: NOS 1, LSQ 3, CHS 260 modulo 256.
        (event(122, &[1, 6]), vec![event(125, &[1, 5, 1, 2, 3, 4, 250]), event(123, &[1, 3, 4])]),
        // F_AF: NOS 1, AFQ 4 for reason 2 -> the section is ready again.
        (event(124, &[1, 0x24]), vec![event(121, &[1, 5, 0, 0, 0])]),
        (event(122, &[1, 6]), vec![event(125, &[1, 5, 1, 2, 3, 4, 250]), event(123, &[1, 3, 4])]),
        // AFQ 3 -> F_LS: LSQ 1, the file's checksum.
        (event(124, &[1, 3]), vec![event(123, &[1, 1, 4])]),
        // AFQ 1: over.
        (event(124, &[1, 1]), vec![]),
        // Nothing is under way any more: cause 47, P/N = 1.
        (event(124, &[1, 1]), vec![{ let mut no = event(124, &[1, 1]); no[2] = 47 | 0x40; no }]),
    ];
    for (word, answers) in dialogue {
        assert_eq!(desk.ask(A, word), *answers, "{word:02x?}");
    }
}

#[test]
fn a_transparent_file_is_written_octet_for_octet_as_the_standard_says() {
    let settings = |type_id, rest: &[u8]| said(type_id, 30_001, 1, rest);
    for (content, taken) in [(b"cap = 20", true), (b"\xFFap = 20", false)] {
        let mut desk = cabinet();
        let sum = checksum(content);
        // F_FR: LOF 8 -> F_SC: SCQ 2 call.
        assert_eq!(desk.ask(A, &settings(120, &[8, 0, 0, 0])), [settings(122, &[0, 2])]);
        // F_SR: NOS 1, LOF 8 -> SCQ 6 call section 1.
        assert_eq!(desk.ask(A, &settings(121, &[1, 8, 0, 0, 0])), [settings(122, &[1, 6])]);
        assert!(desk.ask(A, &settings(125, &[&[1, 8][..], content].concat())).is_empty());
        // A wrong checksum: AFQ 4 for reason 2; then again.
        assert_eq!(desk.ask(A, &settings(123, &[1, 3, sum ^ 1])), [settings(124, &[1, 0x24])]);
        assert_eq!(desk.ask(A, &settings(121, &[1, 8, 0, 0, 0])), [settings(122, &[1, 6])]);
        assert!(desk.ask(A, &settings(125, &[&[1, 8][..], content].concat())).is_empty());
        assert_eq!(desk.ask(A, &settings(123, &[1, 3, sum])), [settings(124, &[1, 3])]);
        // AFQ 1 taken, or 2 for reason 1.
        let afq = if taken { 1 } else { 0x12 };
        assert_eq!(desk.ask(A, &settings(123, &[1, 1, sum])), [settings(124, &[1, afq])]);
        assert_eq!(desk.session.station().settings == content, taken);
    }
}

#[test]
fn a_file_that_is_not_there_or_not_taken_is_refused() {
    let mut desk = cabinet();
    // F_FR: LOF 0, FRQ 80H.
    assert_eq!(desk.ask(A, &said(122, 30_000, 9, &[0, 1])), [said(120, 30_000, 9, &[0, 0, 0, 0x80])]);
    assert_eq!(desk.ask(A, &said(120, 30_000, 3, &[8, 0, 0, 0])), [said(120, 30_000, 3, &[0, 0, 0, 0x80])]);
    assert_eq!(desk.ask(A, &said(120, 30_001, 1, &[0xE8, 3, 0, 0])), [said(120, 30_001, 1, &[0, 0, 0, 0x80])]);
    // T: for a test nothing is taken.
    let mut test = said(120, 30_001, 1, &[8, 0, 0, 0]);
    test[2] |= 0x80;
    assert_eq!(desk.ask(A, &test)[0][2..], said(120, 30_001, 1, &[0, 0, 0, 0x80])[2..]);
    for (ioa, name, frq) in [(30_001, 1, 0), (30_000, 3, 0x80)] {
        // SCQ 4: delete.
        assert_eq!(desk.ask(A, &said(122, ioa, name, &[0, 4])), [said(120, ioa, name, &[0, 0, 0, frq])]);
    }
    assert_eq!(desk.session.station().deleted, [SETTINGS, FILE]);
}

#[test]
fn a_directory_lists_every_file_and_marks_the_last() {
    let mut desk = cabinet();
    let time = [0, 0, 0, 12, 1, 7, 26];
    let entry = |name: u8, sof: u8| [&[name, 0, 5, 0, 0, sof], &time[..]].concat();
    // F_DR: SQ = 1, cause 5 (requested); SOF: LFD in bit 5.
    let side_by_side = [&[126, 0x82, 5, 4, 1, 0, 0x30, 0x75, 0][..], &entry(3, 0), &entry(1, 0)].concat();
    let apart = [&[126, 0x81, 5, 4, 1, 0, 0x40, 0x9C, 0][..], &entry(9, 0x20)].concat();
    assert_eq!(desk.ask(A, &[122, 1, 5, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0]), [side_by_side, apart]);
    for message in desk.ask(A, &[122, 1, 5, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0]) {
        assert!(Asdu::parse(&message).is_ok());
    }
}

#[test]
fn a_log_is_asked_for_by_its_times_and_comes_as_a_file() {
    let mut desk = cabinet();
    let (from, to) = ([0, 0, 0, 12, 1, 7, 26], [0, 0, 0x80, 0, 1, 1, 0]);
    let times = [from, to].concat();
    assert_eq!(desk.ask(A, &said(127, 30_000, 3, &times)), [said(120, 30_000, 3, &[1, 0, 0, 0])]);
    assert_eq!(desk.session.station().queried, Some((Some(Timestamp::new(1_782_907_200_000)), None)));
    let mut unknown = said(127, 30_001, 1, &times);
    let asked = unknown.clone();
    unknown[2] = 47 | 0x40;
    assert_eq!(desk.ask(A, &asked), [unknown]);
}

#[test]
fn a_transfer_ends_with_its_deactivation_its_connection_or_its_time() {
    for how in 0..4 {
        let mut desk = cabinet();
        let _ = desk.ask(A, &said(122, 30_000, 3, &[0, 1]));
        let call = said(122, 30_000, 3, &[0, 2]);
        let mut id = A;
        match how {
            0 => {
                // SCQ 3 -> confirmed by F_FR.
                assert_eq!(desk.ask(A, &said(122, 30_000, 3, &[0, 3])), [said(120, 30_000, 3, &[0, 0, 0, 0])]);
            }
            1 => {
                desk.session.on_disconnected(A);
                desk.connect(A);
                let _ = desk.say(A, Control::StartAct);
            }
            2 => {
                desk.connect(B);
                let _ = desk.say(B, Control::StartAct);
                id = B;
            }
            _ => {
                for _ in 0..2 {
                    desk.after(TIMEOUT / 2);
                    let _ = desk.drain();
                    let _ = desk.say(A, Control::TestCon);
                }
                desk.after(Duration::from_secs(1));
                let _ = desk.drain();
                desk.acknowledge_all(A);
            }
        }
        assert_eq!(desk.ask(id, &call)[0][2], 47 | 0x40, "{how}");
    }
}

#[test]
fn a_long_file_gives_way_to_everything_else_and_never_overfills_the_window() {
    let mut desk = cabinet();
    desk.session.station_mut().settings = octets(10_000);
    let _ = desk.ask(A, &said(122, 30_001, 1, &[0, 1]));
    let _ = desk.ask(A, &said(122, 30_001, 1, &[0, 2]));
    desk.send(A, &said(122, 30_001, 1, &[1, 6]));
    let first = desk.on(A);
    assert_eq!(first.iter().filter(|message| message.first() == Some(&125)).count(), 12, "k");
    // A read that arrives amid the segments is answered before the next of them.
    desk.send(A, &[102, 1, 5, 0, 1, 0, 9, 0, 0]);
    desk.acknowledge_all(A);
    let next: Vec<_> = desk.on(A).into_iter().filter(|message| message.len() > 1).collect();
    assert_eq!((next[0][0], next[1][0]), (102, 125));
}

#[test]
fn an_acknowledgement_of_another_section_is_not_one() {
    let now = Instant::now();
    let mut sender = Transfer::Sending(Sender::with_sizes(now, FILE, octets(20), 10, 10));
    for what in [(0, 2), (1, 6)] {
        let _ = sender.next(now);
        let asdu = said(122, 30_000, 3, &[what.0, what.1]);
        sender.on(now, &Asdu::parse(&asdu).unwrap().information().next().unwrap().element);
    }
    assert!(matches!(sender.next(now), Some(Element::FileSegment(_, 1, _))));
    assert!(matches!(sender.next(now), Some(Element::FileLast(_, 1, ..))));
    sender.on(now, &Element::FileAck(EVENTS, 2, Afq(3)));
    assert!(sender.next(now).is_none());
    sender.on(now, &Element::FileAck(EVENTS, 1, Afq(3)));
    assert!(matches!(sender.next(now), Some(Element::SectionReady(_, 2, 10, _))));
}
