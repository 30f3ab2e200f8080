//! Any octets, as a stream of frames, as a message and as times: nothing panics, and what is understood is encoded again to
//! the same octets.

#![no_main]

use headroom_rules::model::Timestamp;
use headroom_terminals::iec104::apci::{self, ASDU_MAX};
use headroom_terminals::iec104::asdu::{self, Asdu, HEADER_LEN, Object, Value};
use headroom_terminals::iec104::time::{Cp24, Cp56, TimeBase, Zone};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    stream(octets);
    message(octets);
    if let Some((&head, rest)) = octets.split_first_chunk::<2>() {
        times(i16::from_le_bytes(head), rest);
    }
});

fn stream(octets: &[u8]) {
    let mut rest = octets;
    while let Ok(Some((frame, taken))) = apci::split(rest) {
        let mut again = Vec::new();
        apci::write(frame, &mut again);
        // Reserved bits of S and U frames are not kept.
        assert_eq!(apci::split(&again), Ok(Some((frame, taken))));
        rest = &rest[taken..];
    }
}

fn message(raw: &[u8]) {
    let Ok(asdu) = Asdu::parse(raw) else { return };
    assert_eq!(asdu.mirrored(asdu.cause, asdu.negative), raw);
    if let Some(command) = asdu.command() {
        let sent = command.sent;
        let _ = command.too_old(Timestamp::new(0), Zone::UTC, std::time::Duration::from_secs(1));
        if let Some(value) = command.value {
            let again = asdu::command(
                asdu.common_address,
                command.ioa,
                value,
                command.qualifier,
                command.select,
                asdu.cause,
                sent,
            );
            assert_eq!(again.first(), Some(&asdu.type_id));
            let read = Asdu::parse(&again).expect("what is encoded is understood").command().expect("a command");
            assert_eq!(
                (read.ioa, read.value, read.qualifier, read.select, read.sent),
                (command.ioa, Some(value), command.qualifier, command.select, sent)
            );
        }
    }
    if !asdu.is_known() {
        assert_eq!((asdu.elements().count(), asdu.information().count()), (0, 0));
        return;
    }
    let information: Vec<_> = asdu.information().collect();
    assert_eq!(information.len(), usize::from(asdu.count));
    let mut again = raw[..HEADER_LEN].to_vec();
    for (n, one) in information.iter().enumerate() {
        assert_eq!(one.element.type_id(one.tag.kind()), Some(asdu.type_id));
        if n == 0 || !asdu.sequence {
            again.extend_from_slice(&one.ioa.to_le_bytes()[..3]);
        }
        one.element.encode(&mut again);
        one.tag.encode(&mut again);
    }
    assert_eq!(again, raw);
    objects(&asdu);
}

fn objects(asdu: &Asdu<'_>) {
    // Any clock of a station; a day in 2023.
    let zone = Zone { offset_minutes: i16::from(asdu.originator) * 6 - 720, summer_time: false };
    let base = TimeBase { zone, arrival: Timestamp::new(1_700_000_000_000) };
    let mut objects = Vec::new();
    asdu.objects(base, &mut objects);
    assert!(objects.is_empty() || objects.len() == usize::from(asdu.count));
    assert!(objects.iter().all(|object| !matches!(object.value, Value::Float(n) if !n.is_finite())));
    let mut again: Vec<Object> = Vec::new();
    for (message, count) in asdu::pack(&objects, zone) {
        assert!(message.len() <= ASDU_MAX && count > 0);
        Asdu::parse(&message).expect("what is packed is understood").objects(base, &mut again);
    }
    assert_eq!(again, objects);
}

fn times(offset: i16, octets: &[u8]) {
    let zone = Zone { offset_minutes: offset % 841, summer_time: false };
    if let Some(&tag) = octets.first_chunk::<7>()
        && let Some(at) = Cp56(tag).instant(zone)
    {
        let [a, b, minute, hour, day, month, year] = tag;
        // Without GEN, SU, day of week and reserved bits.
        let kept = [a, b, minute & 0x3F, hour & 0x1F, day & 0x1F, month & 0x0F, year & 0x7F];
        assert_eq!(Cp56::new(at, zone).0, kept);
        let summer = Cp56(tag).instant(Zone { summer_time: true, ..zone });
        assert_eq!(summer.map(|s| at.get() - s.get()), Some(if Cp56(tag).summer() { 3_600_000 } else { 0 }));
    }
    if let Some(&arrival) = octets.first_chunk::<8>() {
        let arrival = Timestamp::new(i64::from_le_bytes(arrival));
        let tag = Cp24([octets[0], octets[1], octets[7]]);
        if let Some(at) = tag.instant(TimeBase { zone, arrival }) {
            assert!((at.get() - arrival.get()).abs() <= 1_800_000);
            assert_eq!(Cp24::new(at, zone).ms_of_hour(), tag.ms_of_hour());
        }
        let _ = Cp56::new(arrival, zone);
    }
}
