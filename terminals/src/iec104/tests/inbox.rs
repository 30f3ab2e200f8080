//! Streams cut into APDUs.

use proptest::prelude::*;

use crate::iec104::apci::{self, APDU_MAX, Control, Frame};
use crate::iec104::error::FrameError;
use crate::iec104::inbox::Inbox;

fn apdu(frame: Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    apci::write(frame, &mut bytes);
    bytes
}

/// APDUs of every size.
fn any_apdu() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(apdu(Frame::U(Control::TestAct))),
        (0u16..0x8000).prop_map(|receive| apdu(Frame::S { receive })),
        prop::collection::vec(any::<u8>(), 0..=apci::ASDU_MAX).prop_map(|asdu| apdu(Frame::I {
            send: 1,
            receive: 2,
            asdu: &asdu
        })),
    ]
}

type Broken = Option<(FrameError, Vec<u8>)>;

/// What it hands over of a stream that comes in pieces.
fn read(inbox: &mut Inbox, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Broken) {
    let (mut apdus, mut broken) = (Vec::new(), None);
    for piece in pieces {
        inbox.read(piece, |frame, octets| {
            match frame {
                Ok(frame) => {
                    assert_eq!(apdu(frame), octets);
                    apdus.push(octets.to_vec());
                }
                Err(error) => broken = Some((error, octets.to_vec())),
            }
            true
        });
    }
    (apdus, broken)
}

proptest! {
    #[test]
    fn apdus_come_whole_however_the_stream_is_cut(
        apdus in prop::collection::vec(any_apdu(), 0..12),
        sizes in prop::collection::vec(1usize..400, 1..40),
    ) {
        let (stream, mut inbox) = (apdus.concat(), Inbox::default());
        let (mut rest, mut read_so_far) = (stream.as_slice(), Vec::new());
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(size.min(rest.len()));
            let (more, broken) = read(&mut inbox, &[piece]);
            prop_assert_eq!(broken, None);
            read_so_far.extend(more);
            prop_assert!(inbox.kept().0 < APDU_MAX);
            rest = after;
        }
        prop_assert_eq!(read_so_far, apdus);
        prop_assert_eq!(inbox.kept().0, 0);
    }
}

#[test]
fn no_room_is_taken_for_a_read_once_the_longest_apdu_was_cut() {
    let longest = apdu(Frame::I { send: 0, receive: 0, asdu: &[1; apci::ASDU_MAX] });
    let stream = longest.repeat(64);
    let mut inbox = Inbox::default();
    read(&mut inbox, &[&longest[..254], &longest[254..]]);
    let room = inbox.kept().1;
    for cut in [1, 2, 100, 253, 254, 255, 256, 16_000] {
        let (apdus, _) = read(&mut inbox, &[&stream[..cut], &stream[cut..]]);
        assert_eq!((apdus.len(), inbox.kept()), (64, (0, room)), "cut at {cut}");
    }
    assert!(room <= 2 * APDU_MAX, "{room}");
}

#[test]
fn what_is_no_apdu_is_told_last_with_what_came_of_it() {
    let (test, bad) = (apdu(Frame::U(Control::TestAct)), [0x68, 0x02, 1, 2, 3]);
    let stream = [&test[..], &bad, &[7; 300]].concat();
    for cut in 1..stream.len() {
        let (apdus, broken) = read(&mut Inbox::default(), &[&stream[..cut]]);
        assert_eq!(apdus.len(), usize::from(cut >= test.len()), "{cut}");
        // Nothing after it is of this protocol.
        if cut >= test.len() + 2 {
            let octets = stream[test.len()..cut].iter().copied().take(APDU_MAX).collect();
            assert_eq!(broken, Some((FrameError::Length(2), octets)), "{cut}");
        } else {
            assert_eq!(broken, None, "{cut}");
        }
    }
    // Begun in one read and wrong in the next.
    let (_, broken) = read(&mut Inbox::default(), &[&[0x68], &bad[1..]]);
    assert_eq!(broken, Some((FrameError::Length(2), bad.to_vec())));
}

#[test]
fn what_nobody_wants_any_more_is_not_kept() {
    let stop = apdu(Frame::U(Control::StopAct));
    let stream = stop.repeat(3);
    for cut in 1..stop.len() {
        let (mut inbox, mut told) = (Inbox::default(), 0);
        for piece in [&stream[..cut], &stream[cut..]] {
            inbox.read(piece, |_, _| {
                told += 1;
                false
            });
        }
        assert_eq!((told, inbox.kept().0), (1, 0), "{cut}");
    }
}
