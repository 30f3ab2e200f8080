//! File transfer: both sides joined, then the stations against frames by the standard's layout.

use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;
use proptest::prelude::*;

use super::controlled::{A, B, Desk};
use crate::iec104::apci::Control;
use crate::iec104::asdu::element::{Afq, FileName, Lsq, Srq};
use crate::iec104::asdu::{Asdu, Element, Object, Tag, message};
use crate::iec104::config::{LinkConfig, StationConfig};
use crate::iec104::controlled::{self, CommandAnswer, Station, StationCommand};
use crate::iec104::controlling::{FileAnswer, FileRequest, Output, Session};
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
fn a_sender_that_says_more_than_it_announced_is_not_believed() {
    let now = Instant::now();
    // The length of the section is told, or left out (0).
    for section in [8, 0] {
        let mut transfer = Transfer::Receiving(Receiver::offered(now, FILE, 8, 10));
        let segment = octets(9);
        for element in [Element::SectionReady(EVENTS, 1, section, Srq(0)), Element::FileSegment(EVENTS, 1, &segment)] {
            assert!(transfer.next(now).is_some());
            transfer.on(now, &element);
        }
        transfer.on(now, &Element::FileSegment(EVENTS, 1, &segment));
        transfer.on(now, &Element::FileLast(EVENTS, 1, Lsq(3), checksum(&segment).wrapping_mul(2)));
        assert!(matches!(transfer.next(now), Some(Element::FileAck(EVENTS, 1, Afq(0x24)))), "{section}");
        let Transfer::Receiving(mut receiver) = transfer else { unreachable!() };
        assert!(receiver.take().is_empty());
    }
}

#[test]
fn a_side_that_hears_nothing_gives_up_and_says_so() {
    let made = Instant::now();
    let mut sender = Transfer::Sending(Sender::new(made, FILE, octets(300)));
    let mut receiver = Transfer::Receiving(Receiver::select(made, FILE, 300));
    // It counts from the word that was said last, not from the making.
    let now = made + Duration::from_secs(10);
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
    fn set_clock(&mut self, _: Timestamp) -> bool {
        true
    }
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

/// Both sessions, joined on virtual time; what the station says may be changed, and the cable cut.
struct Pair {
    now: Instant,
    centre: Session,
    station: controlled::Session<Cabinet>,
    results: Vec<(u64, Result<FileAnswer, Failure>)>,
    /// Octets that still pass, either way.
    left: usize,
}

impl Pair {
    fn new(settings: Vec<u8>) -> Self {
        let now = Instant::now();
        let cabinet = Cabinet { settings, deleted: Vec::new(), queried: None };
        let mut pair = Self {
            now,
            centre: Session::new(LinkConfig::new("station:2404", 1), now, Timestamp::new(0)),
            station: controlled::Session::new(StationConfig::new(1), cabinet, now),
            results: Vec::new(),
            left: usize::MAX,
        };
        pair.link();
        pair
    }

    fn link(&mut self) {
        self.centre = Session::new(LinkConfig::new("station:2404", 1), self.now, Timestamp::new(0));
        self.station.on_disconnected(A);
        assert!(self.station.on_connected(self.now, A));
        self.left = usize::MAX;
        self.settle(&mut |_| {});
    }

    fn settle(&mut self, spoil: &mut impl FnMut(&mut Vec<u8>)) {
        loop {
            let mut moved = false;
            while let Some(output) = self.centre.next_output() {
                moved = true;
                match output {
                    Output::Bytes(mut bytes) => {
                        spoil(&mut bytes);
                        if self.passes(bytes.len()) {
                            self.station.on_bytes(self.now, A, &bytes);
                        }
                    }
                    Output::Objects { received, .. } => self.centre.durable(self.now, received),
                    Output::File { request, result } => self.results.push((request, result)),
                    _ => {}
                }
            }
            while let Some((_, mut bytes)) = self.station.next_output() {
                moved = true;
                spoil(&mut bytes);
                if self.passes(bytes.len()) {
                    bytes.chunks(100).for_each(|piece| self.centre.on_bytes(self.now, piece));
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn passes(&mut self, octets: usize) -> bool {
        let passes = octets <= self.left;
        self.left = self.left.saturating_sub(if passes { octets } else { self.left });
        passes
    }

    fn ask(&mut self, request: FileRequest) -> Option<Result<FileAnswer, Failure>> {
        self.centre.transfer(self.now, 7, request);
        self.settle(&mut |_| {});
        self.results.pop().map(|(request, result)| {
            assert_eq!(request, 7);
            result
        })
    }

    /// Nothing is said for so long.
    fn wait(&mut self, passed: Duration) {
        self.now += passed;
        self.centre.on_deadline(self.now);
        self.station.on_deadline(self.now);
    }
}

/// Changes the last octet of each message of a type in a batch of frames, while the closure says so.
fn spoiling(type_id: u8, mut when: impl FnMut() -> bool) -> impl FnMut(&mut Vec<u8>) {
    move |bytes| {
        let mut at = 0;
        while let Some(&length) = bytes.get(at + 1) {
            let end = at + 2 + usize::from(length);
            if bytes[at + 2] & 1 == 0 && bytes.get(at + 6) == Some(&type_id) && when() {
                bytes[end - 1] = bytes[end - 1].wrapping_add(1);
            }
            at = end;
        }
    }
}

#[test]
fn the_centre_lists_reads_queries_and_writes_files_and_reads_back_what_it_wrote() {
    let mut pair = Pair::new(octets(40_000));
    let Some(Ok(FileAnswer::Directory(files))) = pair.ask(FileRequest::Directory) else { panic!() };
    let listed: Vec<_> = files.iter().map(|info| (info.file.ioa, info.file.name, info.length)).collect();
    assert_eq!(listed, [(30_000, 3, 5), (30_001, 1, 5), (40_000, 9, 5)]);
    assert_eq!(files[0].created, Some(Timestamp::new(1_782_907_200_000)));
    assert_eq!(pair.ask(FileRequest::ReadFile(FILE)), Some(Ok(FileAnswer::Read(vec![1, 2, 3, 4, 250]))));
    // Three sections.
    assert_eq!(pair.ask(FileRequest::ReadFile(SETTINGS)), Some(Ok(FileAnswer::Read(octets(40_000)))));
    let times = [Timestamp::new(0), Timestamp::new(60_000)];
    assert_eq!(pair.ask(FileRequest::QueryLog(FILE, times)), Some(Ok(FileAnswer::Read(vec![7]))));
    assert_eq!(pair.station.station().queried, Some((Some(times[0]), Some(times[1]))));
    let text = b"cap = 30".to_vec();
    assert_eq!(pair.ask(FileRequest::SendFile(SETTINGS, text.clone())), Some(Ok(FileAnswer::Sent)));
    assert_eq!(pair.ask(FileRequest::ReadFile(SETTINGS)), Some(Ok(FileAnswer::Read(text))));
}

#[test]
fn what_is_refused_is_said_to_be_and_the_link_goes_on() {
    let mut pair = Pair::new(octets(10));
    let refused = Some(Err(Failure::Refused));
    assert_eq!(pair.ask(FileRequest::ReadFile(FileId { ioa: 5, name: 1 })), refused);
    assert_eq!(pair.ask(FileRequest::SendFile(FILE, vec![1])), refused, "not taken");
    assert_eq!(pair.ask(FileRequest::SendFile(SETTINGS, vec![0xFF])), refused, "taken, and its content is no good");
    assert_eq!(pair.ask(FileRequest::QueryLog(SETTINGS, [Timestamp::new(0); 2])), refused, "cause 47");
    assert_eq!(pair.ask(FileRequest::SendFile(SETTINGS, vec![0; 0x100_0000])), Some(Err(Failure::TooLong)));
    assert_eq!(pair.ask(FileRequest::ReadFile(SETTINGS)), Some(Ok(FileAnswer::Read(octets(10)))));
    pair.centre.close("cable cut");
    assert_eq!(pair.ask(FileRequest::Directory), Some(Err(Failure::LinkLost)));
}

#[test]
fn one_request_at_a_time_and_one_that_hears_nothing_times_out() {
    let mut pair = Pair::new(octets(10));
    for request in [FileRequest::Directory, FileRequest::ReadFile(SETTINGS), FileRequest::SendFile(SETTINGS, vec![1])] {
        pair.centre.transfer(pair.now, 1, request.clone());
        pair.centre.transfer(pair.now, 2, FileRequest::Directory);
        // On the way the message becomes one of a private type: acknowledged, and no answer to the request.
        pair.settle(&mut |bytes| bytes.iter_mut().skip(6).take(1).for_each(|type_id| *type_id = 200));
        assert_eq!(pair.results, [(2, Err(Failure::Busy))]);
        for _ in 0..3 {
            assert_eq!(pair.results.len(), 1, "{request:?}");
            pair.wait(TIMEOUT / 3);
            pair.settle(&mut |_| {});
        }
        assert_eq!(pair.results.pop(), Some((1, Err(Failure::TimedOut))), "{request:?}");
        pair.results.clear();
        assert!(!pair.centre.is_closed());
    }
}

#[test]
fn a_section_damaged_on_the_way_is_repeated_by_either_session() {
    for write in [false, true] {
        let mut pair = Pair::new(octets(900));
        let mut left = 3;
        let mut spoil = spoiling(125, || {
            left -= i32::from(left > 0);
            left > 0
        });
        let request =
            if write { FileRequest::SendFile(SETTINGS, octets(900)) } else { FileRequest::ReadFile(SETTINGS) };
        pair.centre.transfer(pair.now, 7, request);
        pair.settle(&mut spoil);
        let result = pair.results.pop().unwrap().1;
        if write {
            assert_eq!(result, Ok(FileAnswer::Sent));
            assert_eq!(pair.station.station().settings, octets(900));
        } else {
            assert_eq!(result, Ok(FileAnswer::Read(octets(900))));
        }
        // Always damaged: given up, and nothing of it is taken.
        let before = pair.station.station().settings.clone();
        let request =
            if write { FileRequest::SendFile(SETTINGS, octets(800)) } else { FileRequest::ReadFile(SETTINGS) };
        pair.centre.transfer(pair.now, 8, request);
        pair.settle(&mut spoiling(125, || true));
        assert!(matches!(pair.results.pop(), Some((8, Err(Failure::Damaged | Failure::Deactivated)))));
        assert_eq!(pair.station.station().settings, before);
    }
}

proptest! {
    #[test]
    fn a_file_of_any_size_crosses_both_sessions_either_way(length in 0usize..900, long in 0usize..40_000) {
        let mut pair = Pair::new(octets(long));
        prop_assert_eq!(pair.ask(FileRequest::ReadFile(SETTINGS)), Some(Ok(FileAnswer::Read(octets(long)))));
        prop_assert_eq!(pair.ask(FileRequest::SendFile(SETTINGS, octets(length))), Some(Ok(FileAnswer::Sent)));
        prop_assert_eq!(&pair.station.station().settings, &octets(length));
    }

    #[test]
    fn a_link_cut_anywhere_leaves_the_old_file_or_the_new_one_and_the_next_link_carries_it(
        cut in 0usize..1_500, write in any::<bool>(),
    ) {
        let (old, new) = (octets(700), octets(701));
        let mut pair = Pair::new(old.clone());
        pair.left = cut;
        let request = if write { FileRequest::SendFile(SETTINGS, new.clone()) } else { FileRequest::ReadFile(SETTINGS) };
        let result = pair.ask(request.clone());
        if result.is_none() {
            pair.centre.close("cable cut");
            pair.settle(&mut |_| {});
            prop_assert_eq!(pair.results.pop(), Some((7, Err(Failure::LinkLost))));
        }
        let settings = &pair.station.station().settings;
        prop_assert!(*settings == old || write && *settings == new);
        pair.link();
        let whole = if write { FileAnswer::Sent } else { FileAnswer::Read(old) };
        prop_assert_eq!(pair.ask(request), Some(Ok(whole)));
    }
}
