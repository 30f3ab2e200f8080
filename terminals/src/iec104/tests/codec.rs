use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use proptest::prelude::*;

use crate::iec104::apci::{self, Frame};
use crate::iec104::asdu::{self, Asdu, CommandValue, Object, Value};
use crate::iec104::config::{RawTimers, Timers, TimersError};
use crate::iec104::error::{AsduError, FrameError};
use crate::iec104::time;

fn decode(raw: &[u8]) -> Vec<Object> {
    let mut out = Vec::new();
    Asdu::parse(raw).unwrap().objects(&mut out);
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
    let raw = asdu::command(1, 24_577, CommandValue::Double(true), true, 6);
    assert_eq!(raw, [0x2E, 0x01, 0x06, 0x00, 0x01, 0x00, 0x01, 0x60, 0x00, 0x82]);
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
    assert_eq!(time::decode([0, 0, 0, 0, 30, 2, 24]), None);
    assert!(time::decode([0, 0, 0, 0, 29, 2, 24]).is_some());
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

fn any_object() -> impl Strategy<Value = Object> {
    let value = prop_oneof![
        any::<bool>().prop_map(Value::Single),
        (0i64..4).prop_map(|n| Value::Double(SwitchPosition::from_value(n))),
        any::<i16>().prop_map(Value::Normalized),
        any::<i16>().prop_map(Value::Scaled),
        any::<i16>().prop_map(|n| Value::Float(f32::from(n) / 8.0)),
        any::<i32>().prop_map(Value::Counter),
    ];
    // 2000-01-01 to 2099-12-31, ms.
    let when = prop::option::of(946_684_800_000i64..4_102_444_800_000);
    (value, any::<bool>(), 0u32..0x100_0000, when).prop_map(|(value, invalid, ioa, when)| Object {
        common_address: 7,
        ioa,
        value,
        quality: if invalid { Quality::INVALID } else { Quality::GOOD },
        time: when.map(Timestamp::new),
        cause: 3,
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_codec_panic(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = apci::split(&raw);
        if let Ok(asdu) = Asdu::parse(&raw) {
            asdu.objects(&mut Vec::new());
            let _ = asdu.command();
            prop_assert_eq!(asdu.mirrored(asdu.cause, asdu.negative), raw);
        }
    }

    #[test]
    fn objects_come_back_as_they_were_packed(objects in prop::collection::vec(any_object(), 0..200)) {
        let packed = asdu::pack(&objects);
        prop_assert!(packed.iter().all(|(raw, _)| raw.len() <= apci::ASDU_MAX));
        let back: Vec<Object> = packed.iter().flat_map(|(raw, _)| decode(raw)).collect();
        prop_assert_eq!(back, objects);
    }
}
