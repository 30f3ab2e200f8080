use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use proptest::prelude::*;

use crate::iec104::apci::{self, Frame};
use crate::iec104::asdu::{self, Asdu, Bcr, CommandValue, Object, Value, WireCommand};
use crate::iec104::config::{RawTimers, Timers, TimersError};
use crate::iec104::error::{AsduError, FrameError};
use crate::iec104::time::{Cp56, TimeBase, Zone};

fn decode(raw: &[u8]) -> Vec<Object> {
    let mut out = Vec::new();
    Asdu::parse(raw).unwrap().objects(TimeBase::utc(Timestamp::new(0)), &mut out);
    out
}

#[test]
fn a_timed_float_reads_field_by_field() {
    #[rustfmt::skip]
    let frame = [
        0x68, 0x1A,             // start, octets that follow, set below
        0x04, 0x00, 0x06, 0x00, // N(S) = 2, N(R) = 3
        0x24, 0x01,             // M_ME_TF_1 (36), SQ = 0, one object
        0x03, 0x00,             // spontaneous, originator 0
        0x01, 0x00,             // common address 1
        0x02, 0x40, 0x00,       // object 16386
        0x00, 0x00, 0x48, 0x41, // 12.5
        0x40,                   // NT
        0x10, 0x27,             // 10000 ms
        0x05, 0x12,             // 18:05
        0x1F, 0x01, 0x1A,       // 31 January 2026, day of week 0
    ];
    let mut frame = frame;
    frame[1] = u8::try_from(frame.len() - 2).unwrap();
    let Ok(Some((Frame::I { send: 2, receive: 3, asdu }, taken))) = apci::split(&frame) else { panic!() };
    assert_eq!(taken, frame.len());
    let object = decode(asdu)[0];
    assert_eq!((object.common_address, object.ioa, object.cause), (1, 16_386, 3));
    assert_eq!((object.value, object.quality), (Value::Float(12.5), Quality::NOT_TOPICAL));
    assert_eq!(object.time.unwrap().to_string(), "2026-01-31T18:05:10.000Z");
}

#[test]
fn a_sequence_counts_its_addresses_up() {
    #[rustfmt::skip]
    let raw = [
        0x03, 0x83, 0x14, 0x00, 0x01, 0x00, // M_DP_NA_1, SQ = 1, three; interrogated; address 1
        0x0A, 0x00, 0x00,                   // from object 10
        0x01, 0x82, 0x13,                   // OFF; ON with IV; indeterminate with BL
    ];
    let got: Vec<_> = decode(&raw).iter().map(|o| (o.ioa, o.value, o.quality)).collect();
    assert_eq!(
        got,
        [
            (10, Value::Double(SwitchPosition::Open), Quality::GOOD),
            (11, Value::Double(SwitchPosition::Closed), Quality::INVALID),
            (12, Value::Double(SwitchPosition::Indeterminate), Quality::BLOCKED),
        ]
    );
}

#[test]
fn a_double_command_is_written_as_the_standard_says() {
    // C_DC_NA_1, one, activation, address 1, object 24577; DCO: ON, QU 0, S/E = 1.
    let raw = asdu::command(1, 24_577, CommandValue::Double(true), 0, true, 6, None);
    assert_eq!(raw, [0x2E, 0x01, 0x06, 0x00, 0x01, 0x00, 0x01, 0x60, 0x00, 0x82]);
}

#[test]
fn single_commands_are_written_and_read_as_the_standard_says() {
    #[rustfmt::skip]
    let select_on = [
        0x2D, 0x01,       // C_SC_NA_1 (45), SQ = 0, one object
        0x06, 0x00,       // activation, originator 0
        0x01, 0x00,       // common address 1
        0x71, 0x17, 0x00, // object 6001
        0x81,             // SCO: S/E = 1 (select), QU 0, SCS = 1 (ON)
    ];
    #[rustfmt::skip]
    let execute_off = [
        0x2D, 0x01, 0x06, 0x00, 0x01, 0x00, 0x71, 0x17, 0x00,
        0x00,             // SCO: S/E = 0 (execute), QU 0, SCS = 0 (OFF)
    ];
    for (raw, on, select) in [(select_on, true, true), (execute_off, false, false)] {
        let value = CommandValue::Single(on);
        assert_eq!(asdu::command(1, 6_001, value, 0, select, 6, None), raw);
        assert_eq!(
            Asdu::parse(&raw).unwrap().command(),
            Some(WireCommand { ioa: 6_001, value: Some(value), select, qualifier: 0, sent: None })
        );
    }
}

#[test]
fn a_set_point_is_written_and_read_as_the_standard_says() {
    #[rustfmt::skip]
    let select = [
        0x32, 0x01,             // C_SE_NC_1 (50), SQ = 0, one object
        0x06, 0x00,             // activation, originator 0
        0x02, 0x01,             // common address 258
        0xD5, 0x17, 0x00,       // object 6101
        0x00, 0x00, 0x7A, 0x43, // 250.0 = 1.953125 x 2^7: exponent 134, fraction 0x7A0000
        0x80,                   // QOS: S/E = 1 (select), QL 0
    ];
    let mut execute = select;
    execute[13] = 0x00; // QOS: S/E = 0 (execute)
    for (raw, selects) in [(select, true), (execute, false)] {
        let value = CommandValue::SetFloat(250.0);
        assert_eq!(asdu::command(258, 6_101, value, 0, selects, 6, None), raw);
        let read = Asdu::parse(&raw).unwrap();
        assert_eq!(
            read.command(),
            Some(WireCommand { ioa: 6_101, value: Some(value), select: selects, qualifier: 0, sent: None })
        );
        let mut confirmation = raw;
        confirmation[2] = 0x07; // activation confirmation, P/N = 0
        assert_eq!(read.mirrored(7, false), confirmation);
        let mut refusal = raw;
        refusal[2] = 0x47; // activation confirmation, P/N = 1
        assert_eq!(read.mirrored(7, true), refusal);
        let refusal = Asdu::parse(&refusal).unwrap();
        assert_eq!((refusal.cause, refusal.negative), (7, true));
    }
}

/// The one object of a message, which is also what its own encoding gives.
fn same_both_ways(raw: &[u8]) -> Object {
    let objects = decode(raw);
    assert_eq!(asdu::pack(&objects, Zone::UTC), [(raw.to_vec(), objects.len())]);
    objects[0]
}

#[test]
fn states_read_field_by_field() {
    // 7.2.6.1: SIQ is SPI in bit 1, then BL 0x10, SB 0x20, NT 0x40, IV 0x80.
    #[rustfmt::skip]
    let single = same_both_ways(&[
        0x01, 0x01,       // M_SP_NA_1 (1), SQ = 0, one object
        0x14, 0x00,       // interrogated by station interrogation, originator 0
        0x01, 0x00,       // common address 1
        0xA1, 0x0F, 0x00, // object 4001
        0x51,             // SIQ: NT, BL, ON
    ]);
    assert_eq!((single.ioa, single.value, single.cause, single.time), (4_001, Value::Single(true), 20, None));
    assert_eq!(single.quality, Quality::NOT_TOPICAL.with(Quality::BLOCKED));

    #[rustfmt::skip]
    let tag = [
        0x5F, 0xEA, // 59999 ms
        0x3B,       // minute 59, IV = 0
        0x17,       // hour 23, SU = 0
        0x9D,       // day of month 29, day of week 4 (Thursday)
        0x02,       // February
        0x18,       // 2024
    ];
    // The day of the week is not kept, so these two are read only.
    let timed = |type_id: u8, element: u8| {
        let mut raw = vec![type_id, 0x01, 0x03, 0x00, 0x01, 0x00, 0xE9, 0x03, 0x00, element];
        raw.extend(tag);
        decode(&raw)[0]
    };
    let single = timed(0x1E, 0xA0); // M_SP_TB_1 (30); SIQ: IV, SB, OFF
    assert_eq!((single.ioa, single.value, single.cause), (1_001, Value::Single(false), 3));
    assert_eq!(single.quality, Quality::INVALID.with(Quality::SUBSTITUTED));
    assert_eq!(single.time.unwrap().to_string(), "2024-02-29T23:59:59.999Z");
    let double = timed(0x1F, 0x02); // M_DP_TB_1 (31); DIQ: ON, good
    assert_eq!((double.value, double.quality), (Value::Double(SwitchPosition::Closed), Quality::GOOD));
    assert_eq!(double.time.unwrap().to_string(), "2024-02-29T23:59:59.999Z");
}

#[test]
fn a_scaled_value_reads_field_by_field() {
    #[rustfmt::skip]
    let scaled = same_both_ways(&[
        0x0B, 0x01,       // M_ME_NB_1 (11), SQ = 0, one object
        0x01, 0x00,       // periodic, originator 0
        0x01, 0x00,       // common address 1
        0xD1, 0x07, 0x00, // object 2001
        0x18, 0xFC,       // -1000
        0x01,             // QDS: OV
    ]);
    assert_eq!((scaled.value, scaled.quality), (Value::Scaled(-1_000), Quality::OVERFLOW));
}

#[test]
fn a_counter_keeps_its_reading_whatever_its_sequence_notation_says() {
    // BCR (7.2.6.9): 32 bits, then the sequence number in 5 bits, CY 0x20, CA 0x40, IV 0x80.
    #[rustfmt::skip]
    let plain = decode(&[
        0x0F, 0x02,             // M_IT_NA_1 (15), SQ = 0, two objects
        0x25, 0x00,             // requested by general counter request (37), originator 0
        0x01, 0x00,             // common address 1
        0xB9, 0x0B, 0x00,       // object 3001
        0x15, 0xCD, 0x5B, 0x07, // 123456789
        0x75,                   // sequence number 21, CY, CA
        0xBA, 0x0B, 0x00,       // object 3002
        0xFF, 0xFF, 0xFF, 0xFF, // -1
        0x9F,                   // sequence number 31, IV
    ]);
    let got: Vec<_> = plain.iter().map(|o| (o.ioa, o.value, o.quality, o.cause)).collect();
    let wanted = [
        (3_001, Value::Counter(Bcr { total: 123_456_789, notes: 0x75 }), Quality::GOOD, 37),
        (3_002, Value::Counter(Bcr { total: -1, notes: 0x1F }), Quality::INVALID, 37),
    ];
    assert_eq!(got, wanted);
    #[rustfmt::skip]
    let timed = decode(&[
        0x25, 0x01,                               // M_IT_TB_1 (37), SQ = 0, one object
        0x03, 0x00,                               // spontaneous, originator 0
        0x01, 0x00,                               // common address 1
        0xB9, 0x0B, 0x00,                         // object 3001
        0x00, 0x00, 0x00, 0x80,                   // -2147483648
        0xA3,                                     // sequence number 3, CY, IV
        0x00, 0x00, 0x1E, 0x0C, 0x01, 0x07, 0x1A, // 1 July 2026, 12:30:00.000
    ])[0];
    assert_eq!((timed.value, timed.quality), (Value::Counter(Bcr { total: i32::MIN, notes: 0x23 }), Quality::INVALID));
    assert_eq!(timed.time.unwrap().to_string(), "2026-07-01T12:30:00.000Z");
}

#[test]
fn a_read_command_with_sq_set_is_survived() {
    let frame = [0x68, 0x0d, 0, 0, 0, 0, 0x66, 0x81, 5, 0, 1, 0, 1, 0, 0];
    let Ok(Some((Frame::I { asdu, .. }, 15))) = apci::split(&frame) else { panic!() };
    let read = Asdu::parse(asdu).unwrap();
    assert_eq!(read.elements().collect::<Vec<_>>(), [(1, &[][..])]);
}

#[test]
fn a_bad_time_tag_marks_its_own_object_only() {
    let mut raw = vec![30, 2, 3, 0, 1, 0, 1, 0, 0, 1];
    raw.extend([0xFF; 7]);
    raw.extend([2, 0, 0, 1, 0, 0, 0, 0, 1, 1, 26]);
    let objects = decode(&raw);
    assert_eq!(objects[0].time, None);
    assert_eq!(objects[1].time.unwrap().to_string(), "2026-01-01T00:00:00.000Z");
}

#[test]
fn a_number_that_is_none_is_zero_and_invalid() {
    for float in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let [a, b, c, d] = float.to_le_bytes();
        let object = decode(&[13, 1, 3, 0, 1, 0, 1, 0, 0, a, b, c, d, 0])[0];
        assert_eq!((object.value, object.quality), (Value::Float(0.0), Quality::INVALID));
    }
}

#[test]
fn hostile_lengths_are_refused() {
    assert_eq!(apci::split(&[0x68, 3, 1, 0, 0]), Err(FrameError::Length(3)));
    assert_eq!(apci::split(&[0x68, 254]), Err(FrameError::Length(254)));
    assert_eq!(apci::split(&[0x68, 5, 1, 0, 0, 0, 0]), Err(FrameError::Length(5)));
    assert_eq!(apci::split(&[0x69]), Err(FrameError::Start(0x69)));
    assert_eq!(apci::split(&[0x68, 4, 0x0F, 0, 0, 0]), Err(FrameError::Control([0x0F, 0, 0, 0])));
    assert!(matches!(Asdu::parse(&[13, 127, 3, 0, 1, 0, 1, 0, 0]), Err(AsduError::Size { .. })));
}

#[test]
fn a_thirtieth_of_february_is_no_time() {
    assert_eq!(Cp56([0, 0, 0, 0, 30, 2, 24]).instant(Zone::UTC), None);
    assert!(Cp56([0, 0, 0, 0, 29, 2, 24]).instant(Zone::UTC).is_some());
}

#[test]
fn contradicting_timers_are_refused() {
    let raw = RawTimers { t2_s: 15, ..RawTimers::default() };
    assert_eq!(Timers::try_from(raw), Err(TimersError::AckTooLate { t2: 15, t1: 15 }));
    let raw = RawTimers { w: 13, ..RawTimers::default() };
    assert_eq!(Timers::try_from(raw), Err(TimersError::WindowTooWide { w: 13, k: 12 }));
    assert_eq!(Timers::try_from(RawTimers::default()), Ok(Timers::default()));
    assert!(toml::from_str::<Timers>("t4_s = 1").is_err());
    assert_eq!(toml::from_str::<Timers>("k = 20").unwrap().k(), 20);
}

fn any_value() -> impl Strategy<Value = Value> {
    let elapsed_ms = || prop::option::of(0u16..60_000);
    prop_oneof![
        any::<bool>().prop_map(Value::Single),
        (0i64..4).prop_map(|n| Value::Double(SwitchPosition::from_value(n))),
        (-64i8..64, any::<bool>()).prop_map(|(position, transient)| Value::Step { position, transient }),
        any::<u32>().prop_map(Value::Bits),
        any::<i16>().prop_map(Value::Normalized),
        any::<i16>().prop_map(Value::Scaled),
        any::<i16>().prop_map(|n| Value::Float(f32::from(n) / 8.0)),
        (any::<i32>(), 0u8..0x80).prop_map(|(total, notes)| Value::Counter(Bcr { total, notes })),
        any::<(u16, u16)>().prop_map(|(states, changed)| Value::Packed { states, changed }),
        (0u8..4, elapsed_ms()).prop_map(|(state, elapsed_ms)| Value::ProtectionEvent { state, elapsed_ms }),
        (0u8..0x40, elapsed_ms()).prop_map(|(starts, elapsed_ms)| Value::ProtectionStarts { starts, elapsed_ms }),
        (0u8..0x10, elapsed_ms()).prop_map(|(circuits, elapsed_ms)| Value::ProtectionTrips { circuits, elapsed_ms }),
    ]
}

/// Objects as stations send them: often alike, often at consecutive addresses.
fn any_objects() -> impl Strategy<Value = Vec<Object>> {
    // The whole of 1970 to 2069, ms.
    let when = prop::option::of(0i64..3_155_760_000_000);
    let run =
        (any_value(), any::<bool>(), 0u32..0xFF_FF00, when, prop::sample::select(vec![1u8, 3, 20]), 1u32..140, 1u32..3);
    prop::collection::vec(run, 0..5).prop_map(|runs| {
        let mut objects = Vec::new();
        for (value, invalid, first, when, cause, count, apart) in runs {
            let timeless = matches!(value, Value::Packed { .. });
            objects.extend((0..count).map(|n| Object {
                common_address: 7,
                ioa: first + n * apart,
                value,
                quality: if invalid { Quality::INVALID } else { Quality::GOOD },
                time: when.filter(|_| !timeless).map(Timestamp::new),
                cause,
            }));
        }
        objects
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_codec_panic(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = apci::split(&raw);
        if let Ok(asdu) = Asdu::parse(&raw) {
            asdu.objects(TimeBase::utc(Timestamp::new(0)), &mut Vec::new());
            let _ = asdu.information().count();
            let _ = asdu.command();
            prop_assert_eq!(asdu.mirrored(asdu.cause, asdu.negative), raw);
        }
    }

    #[test]
    fn objects_come_back_as_they_were_packed(objects in any_objects()) {
        let packed = asdu::pack(&objects, Zone::UTC);
        prop_assert!(packed.iter().all(|(raw, _)| raw.len() <= apci::ASDU_MAX));
        let back: Vec<Object> = packed.iter().flat_map(|(raw, _)| decode(raw)).collect();
        prop_assert_eq!(back, objects);
    }
}
