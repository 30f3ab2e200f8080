//! Every type, octet for octet, and the times.

use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use proptest::prelude::*;

use crate::iec104::asdu::types::{self, Layout};
use crate::iec104::asdu::{Asdu, Element, HEADER_LEN, Object, Tag, Value, pack};
use crate::iec104::error::AsduError;
use crate::iec104::time::{Cp16, Cp24, Cp56, TimeBase, Zone};

/// A message of any known type with any content of the right size.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    (
        prop::sample::select(types::ALL),
        any::<[u8; 4]>(),
        any::<bool>(),
        1usize..128,
        prop::collection::vec(any::<u8>(), 249),
    )
        .prop_map(|(info, [cot, originator, ca_low, ca_high], sequence, count, noise)| {
            let room = 249 - HEADER_LEN;
            let (count, sequence, body) = match info.layout {
                Layout::Segment => {
                    let mut body = noise[..room].to_vec();
                    body[6] %= u8::try_from(room - 7).unwrap();
                    body.truncate(7 + usize::from(body[6]));
                    (1, false, body)
                }
                Layout::Fixed(length) if sequence => {
                    let count = count.min((room - 3) / length.max(1));
                    let mut body = noise[..3 + count * length].to_vec();
                    body[2] &= 0x7F;
                    (count, true, body)
                }
                Layout::Fixed(length) => {
                    let count = count.min(room / (3 + length));
                    (count, false, noise[..count * (3 + length)].to_vec())
                }
            };
            let vsq = u8::try_from(count).unwrap() | if sequence { 0x80 } else { 0 };
            [&[info.id, vsq, cot, originator, ca_low, ca_high][..], &body].concat()
        })
}

proptest! {
    #[test]
    fn every_type_comes_back_octet_for_octet_reserved_bits_included(raw in any_message()) {
        let asdu = Asdu::parse(&raw).unwrap();
        let information: Vec<_> = asdu.information().collect();
        prop_assert_eq!(information.len(), usize::from(asdu.count));
        let mut again = raw[..HEADER_LEN].to_vec();
        for (n, one) in information.iter().enumerate() {
            prop_assert_eq!(one.element.type_id(one.tag.kind()), Some(asdu.type_id));
            if n == 0 || !asdu.sequence {
                again.extend_from_slice(&one.ioa.to_le_bytes()[..3]);
            }
            one.element.encode(&mut again);
            one.tag.encode(&mut again);
        }
        prop_assert_eq!(again, raw);
    }

    #[test]
    fn what_a_station_says_in_any_type_is_said_again_the_same(raw in any_message()) {
        let base = TimeBase::utc(Timestamp::new(1_700_000_000_000));
        let mut objects = Vec::new();
        Asdu::parse(&raw).unwrap().objects(base, &mut objects);
        let mut again = Vec::new();
        for (message, _) in pack(&objects, Zone::UTC) {
            Asdu::parse(&message).unwrap().objects(base, &mut again);
        }
        prop_assert_eq!(again, objects);
    }

    #[test]
    fn every_instant_of_the_century_comes_back(ms in 0i64..3_155_760_000_000, offset in -840i16..=840) {
        let zone = Zone { offset_minutes: offset, summer_time: false };
        let at = Timestamp::new(ms);
        let tag = Cp56::new(at, zone);
        let within = (0..3_155_760_000_000).contains(&(ms + i64::from(offset) * 60_000));
        prop_assert_eq!(tag.instant(zone), within.then_some(at));
        // The short tag tells the same within half an hour of its arrival.
        for delay in [-1_799_999, 0, 1_799_999] {
            let base = TimeBase { zone, arrival: Timestamp::new(ms + delay) };
            prop_assert_eq!(Cp24::new(at, zone).instant(base), Some(at));
        }
    }

    #[test]
    fn no_octets_are_a_time_that_cannot_be(raw in any::<[u8; 7]>()) {
        if let Some(at) = Cp56(raw).instant(Zone::UTC) {
            let again = Cp56::new(at, Zone::UTC).0;
            // Without GEN, SU, day of week and reserved bits.
            let [a, b, minute, hour, day, month, year] = raw;
            prop_assert_eq!(again, [a, b, minute & 0x3F, hour & 0x1F, day & 0x1F, month & 0x0F, year & 0x7F]);
        }
    }
}

fn instant(raw: [u8; 7], zone: Zone) -> Option<String> {
    Cp56(raw).instant(zone).map(|at| at.to_string())
}

#[test]
fn a_time_tag_reads_bit_by_bit() {
    #[rustfmt::skip]
    let tag = Cp56([
        0x5F, 0xEA,  // 59999 ms
        0x40 | 0x3B, // minute 59, GEN = 1 (substituted), IV = 0
        0x80 | 0x17, // hour 23, SU = 1
        0xE0 | 0x1F, // day 31, DOW 7
        0x0C,        // December
        0x45,        // year 69
    ]);
    assert!(tag.substituted() && tag.summer() && !tag.invalid());
    assert_eq!(tag.day_of_week(), 7);
    assert_eq!(instant(tag.0, Zone::UTC).unwrap(), "2069-12-31T23:59:59.999Z");
    let mut invalid = tag.0;
    invalid[2] |= 0x80;
    assert!(Cp56(invalid).invalid());
    assert_eq!(instant(invalid, Zone::UTC), None);
}

#[test]
fn a_clock_that_was_never_set_is_of_1970_and_not_of_2070() {
    assert_eq!(instant([0, 0, 0, 0, 1, 1, 70], Zone::UTC).unwrap(), "1970-01-01T00:00:00.000Z");
    assert_eq!(instant([0, 0, 0, 0, 29, 2, 72], Zone::UTC).unwrap(), "1972-02-29T00:00:00.000Z");
    assert_eq!(instant([0, 0, 0, 0, 29, 2, 0], Zone::UTC).unwrap(), "2000-02-29T00:00:00.000Z");
    assert_eq!(instant([0, 0, 0, 0, 1, 1, 100], Zone::UTC), None);
    assert_eq!(Cp56::new(Timestamp::new(-1), Zone::UTC), Cp56::INVALID);
}

#[test]
fn a_station_on_local_time_is_read_on_its_own_clock() {
    let noon = [0, 0, 0, 12, 1, 7, 26];
    let beijing = Zone { offset_minutes: 480, summer_time: false };
    assert_eq!(instant(noon, beijing).unwrap(), "2026-07-01T04:00:00.000Z");
    let mut in_summer = noon;
    in_summer[3] |= 0x80;
    let berlin = Zone { offset_minutes: 60, summer_time: true };
    assert_eq!(instant(in_summer, berlin).unwrap(), "2026-07-01T10:00:00.000Z");
    assert_eq!(instant(noon, berlin).unwrap(), "2026-07-01T11:00:00.000Z");
    // Some stations on UTC set SU all the same.
    assert_eq!(instant(in_summer, Zone::UTC).unwrap(), "2026-07-01T12:00:00.000Z");
}

#[test]
fn a_tag_without_the_hour_is_of_the_hour_that_is_nearest_to_its_arrival() {
    // 59:58.000 arrives two seconds past the hour, then the other way round.
    let base = TimeBase::utc(Timestamp::new(3_600_000 * 10 + 2_000));
    assert_eq!(Cp24([0x90, 0xE2, 59]).instant(base), Some(Timestamp::new(3_600_000 * 10 - 2_000)));
    let base = TimeBase::utc(Timestamp::new(3_600_000 * 10 - 2_000));
    assert_eq!(Cp24([0xD0, 0x07, 0]).instant(base), Some(Timestamp::new(3_600_000 * 10 + 2_000)));
    assert_eq!(Cp24([0, 0, 0x80]).instant(base), None);
    assert_eq!(Cp24([0, 0, 60]).instant(base), None);
    assert_eq!(Cp16([0x60, 0xEA]).ms(), None, "60 000 ms");
}

#[test]
fn old_types_with_short_tags_are_read() {
    #[rustfmt::skip]
    let raw = [
        0x04, 0x01,       // M_DP_TA_1 (4), SQ = 0, one object
        0x03, 0x00,       // spontaneous
        0x01, 0x00,       // common address 1
        0x0A, 0x00, 0x00, // object 10
        0x42,             // ON, NT
        0xE8, 0x03, 0x1E, // 30 min 1.000 s
    ];
    let mut objects = Vec::new();
    // Arrived at 31 min.
    Asdu::parse(&raw).unwrap().objects(TimeBase::utc(Timestamp::new(31 * 60_000)), &mut objects);
    let wanted = Object {
        common_address: 1,
        ioa: 10,
        value: Value::Double(SwitchPosition::Closed),
        quality: Quality::NOT_TOPICAL,
        time: Some(Timestamp::new(30 * 60_000 + 1_000)),
        cause: 3,
    };
    assert_eq!(objects, [wanted]);
}

#[test]
fn a_segment_has_its_own_length() {
    #[rustfmt::skip]
    let raw = [
        0x7D, 0x01,       // F_SG_NA_1 (125), one
        0x0D, 0x00,       // file transfer
        0x01, 0x00,       // common address 1
        0x05, 0x00, 0x00, // object 5
        0x03, 0x00,       // name: 3, sequences of events
        0x01,             // section 1
        0x02, 0xAB, 0xCD, // two octets
    ];
    let information: Vec<_> = Asdu::parse(&raw).unwrap().information().collect();
    assert_eq!(information[0].element, Element::FileSegment(3, 1, &[0xAB, 0xCD]));
    assert_eq!(information[0].tag, Tag::None);
    for wrong in [&raw[..14], &raw[..HEADER_LEN], &[&raw[..], &[0]].concat()] {
        assert!(matches!(Asdu::parse(wrong), Err(AsduError::Size { type_id: 125, .. })));
    }
}

#[test]
fn a_sequence_past_the_last_address_is_refused() {
    let raw = [1, 0x82, 20, 0, 1, 0, 0xFF, 0xFF, 0xFF, 0, 0];
    assert_eq!(Asdu::parse(&raw), Err(AsduError::Addresses { first: 0xFF_FFFF, count: 2 }));
}

#[test]
fn an_interrogation_is_packed_as_a_sequence_and_events_are_not() {
    let object = |ioa, cause| Object {
        common_address: 1,
        ioa,
        value: Value::Float(0.0),
        quality: Quality::GOOD,
        time: None,
        cause,
    };
    let objects = |cause| (100..200).map(|ioa| object(ioa, cause)).collect::<Vec<_>>();
    let counts =
        |cause| pack(&objects(cause), Zone::UTC).iter().map(|(m, n)| (m[1] & 0x80 != 0, *n)).collect::<Vec<_>>();
    assert_eq!(counts(20), [(true, 48), (true, 48), (true, 4)]);
    assert_eq!(counts(3), [(false, 30), (false, 30), (false, 30), (false, 10)]);
}

#[test]
fn names_are_those_of_the_standard() {
    assert_eq!((types::name(36), types::name(127), types::name(41)), (Some("M_ME_TF_1"), Some("F_SC_NB_1"), None));
    assert!(types::ALL.iter().zip(types::ALL.iter().skip(1)).all(|(a, b)| a.id < b.id));
    assert_eq!((types::causes::name(47), types::causes::name(48)), (Some("unknown information object address"), None));
}
