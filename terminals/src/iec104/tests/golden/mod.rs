//! Frames that other stacks sent, field by field, and encoded again to the same octets.

mod lib60870_centre;
mod lib60870_station;
mod others;

use headroom_rules::model::{Quality, Timestamp};

use crate::iec104::apci::{self, Frame};
use crate::iec104::asdu::{self, Asdu, CommandValue, Element, HEADER_LEN, Tag, Value};
use crate::iec104::time::{TimeBase, Zone};

/// All but the objects.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Head {
    send: u16,
    receive: u16,
    type_id: u8,
    sequence: bool,
    cause: u8,
    negative: bool,
    originator: u8,
    common_address: u16,
}

/// Of a message with SQ = 0 and P/N = 0.
const fn head(send: u16, receive: u16, type_id: u8, cause: u8, originator: u8, common_address: u16) -> Head {
    Head { send, receive, type_id, sequence: false, cause, negative: false, originator, common_address }
}

/// The message, after both directions of frame, header, elements and tags were tried.
fn same_both_ways(frame: &[u8], head: &Head) -> Vec<u8> {
    let Ok(Some((Frame::I { send, receive, asdu: raw }, taken))) = apci::split(frame) else {
        panic!("no I frame: {frame:02x?}")
    };
    assert_eq!(taken, frame.len());
    let asdu = Asdu::parse(raw).unwrap();
    let Asdu { type_id, sequence, cause, negative, originator, common_address, .. } = asdu;
    assert_eq!(Head { send, receive, type_id, sequence, cause, negative, originator, common_address }, *head);

    let mut message = asdu.mirrored(cause, negative);
    message.truncate(HEADER_LEN);
    for (n, information) in asdu.information().enumerate() {
        assert_eq!(information.element.type_id(information.tag.kind()), Some(type_id));
        if n == 0 || !sequence {
            message.extend_from_slice(&information.ioa.to_le_bytes()[..3]);
        }
        information.element.encode(&mut message);
        information.tag.encode(&mut message);
    }
    let mut again = Vec::new();
    apci::write(Frame::I { send, receive, asdu: &message }, &mut again);
    assert_eq!(again, frame);
    message
}

fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

/// Monitored values. They arrived at 17:45 on 31 January 2026, which tells the hour of a short time.
fn says(frame: &[u8], head: Head, wanted: &[(u32, Value, Quality, Option<&str>)]) {
    let message = same_both_ways(frame, &head);
    let mut objects = Vec::new();
    Asdu::parse(&message).unwrap().objects(TimeBase::utc(Timestamp::new(1_769_881_500_000)), &mut objects);
    assert!(objects.iter().all(|o| (o.cause, o.common_address) == (head.cause, head.common_address)));
    let got: Vec<_> = objects.iter().map(|o| (o.ioa, o.value, o.quality, text(o.time))).collect();
    let wanted: Vec<_> = wanted.iter().map(|&(ioa, v, q, time)| (ioa, v, q, time.map(str::to_owned))).collect();
    assert_eq!(got, wanted);
}

/// A command: object, value, whether it selects, qualifier.
fn commands(frame: &[u8], head: Head, wanted: (u32, Option<CommandValue>, bool, u8), sent: Option<&str>) {
    let message = same_both_ways(frame, &head);
    let command = Asdu::parse(&message).unwrap().command().unwrap();
    assert_eq!((command.ioa, command.value, command.select, command.qualifier), wanted);
    if let Some(value) = command.value {
        let (address, cause) = (u16::from_le_bytes([message[4], message[5]]), message[2] & 0x3F);
        let ours = asdu::command(address, command.ioa, value, command.qualifier, command.select, cause, command.sent);
        // But for P/N, T and the originator, which are the session's.
        assert_eq!((&ours[..2], &ours[4..]), (&message[..2], &message[4..]), "what ours would send");
    }
    assert_eq!(text(command.sent.and_then(|tag| tag.instant(Zone::UTC))).as_deref(), sent);
}

/// Anything else.
fn carries(frame: &[u8], head: Head, ioa: u32, element: Element<'_>, time: Option<&str>) {
    let message = same_both_ways(frame, &head);
    let information: Vec<_> = Asdu::parse(&message).unwrap().information().collect();
    assert_eq!(information.iter().map(|i| (i.ioa, i.element)).collect::<Vec<_>>(), [(ioa, element)]);
    let got = match information[0].tag {
        Tag::Full(tag) => tag.instant(Zone::UTC),
        Tag::None | Tag::Short(_) => None,
    };
    assert_eq!(text(got).as_deref(), time);
}
