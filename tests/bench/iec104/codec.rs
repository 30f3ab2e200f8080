//! Objects a second through the codec, on one core.

use std::hint::black_box;
use std::time::{Duration, Instant};

use headroom_rules::model::{Quality, Timestamp};
use headroom_terminals::iec104::apci::{self, Frame};
use headroom_terminals::iec104::asdu::{Asdu, causes, pack_into};
use headroom_terminals::iec104::time::{TimeBase, Zone};
use headroom_terminals::iec104::{Object, Value};
use headroom_terminals::profile::Profile;
use iec104::apdu::Apdu;
use iec104::types::InformationObjects;

use crate::measure::{self, Report};

/// 2026-01-31T18:05:12Z.
const WHEN: Timestamp = Timestamp::new(1_769_882_712_000);
/// Frames between two looks at the clock.
const ROUND: u32 = 2_000;

fn objects(count: u32, time: Option<Timestamp>, cause: u8) -> Vec<Object> {
    let object = |n: u32| Object {
        common_address: 1,
        ioa: 2_001 + n,
        value: Value::Float(f32::from(u16::try_from(n).unwrap()) * 1.5),
        quality: Quality::GOOD,
        time: time.map(|time| Timestamp::new(time.get() + i64::from(n))),
        cause,
    };
    (0..count).map(object).collect()
}

/// One APDU of all objects.
fn frame(objects: &[Object]) -> Vec<u8> {
    let (mut asdu, mut frame) = (Vec::new(), Vec::new());
    assert_eq!(pack_into(objects, Zone::UTC, &mut asdu), objects.len());
    apci::write(Frame::I { send: 1, receive: 2, asdu: &asdu }, &mut frame);
    frame
}

/// Objects a second of work that is done over and over, `objects` at a time.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rate(objects: usize, within: Duration, mut work: impl FnMut()) -> f64 {
    let mut rounds = 0_u64;
    let began = Instant::now();
    while began.elapsed() < within {
        for _ in 0..ROUND {
            work();
        }
        rounds += 1;
    }
    (rounds * u64::from(ROUND)) as f64 * objects as f64 / began.elapsed().as_secs_f64()
}

fn decoded(frame: &[u8], out: &mut Vec<Object>) {
    let Ok(Some((Frame::I { asdu, .. }, _))) = apci::split(black_box(frame)) else { panic!() };
    out.clear();
    Asdu::parse(asdu).unwrap().objects(TimeBase::utc(WHEN), out);
    black_box(out.as_slice());
}

pub(crate) fn measure(report: &mut Report) {
    let (repetitions, within) = if measure::quick() { (5, 150) } else { (15, 500) };
    let within = Duration::from_millis(within);
    let plain = frame(&objects(48, None, causes::INTERROGATED));
    let timed_objects = objects(16, Some(WHEN), causes::SPONTANEOUS);
    let timed = frame(&timed_objects);
    let theirs = Apdu::from_bytes(&timed).unwrap();
    let profile = Profile::standard();
    for _ in 0..repetitions {
        let mut out = Vec::new();
        let ours = rate(48, within, || decoded(&plain, &mut out));
        let other = rate(48, within, || {
            black_box(Apdu::from_bytes(black_box(&plain)).unwrap());
        });
        let mut add = |key, what, value| report.add("decode_M_ME_NC_1_SQ1_x48", key, what, value);
        add("objects_per_s", "objects/s", ours);
        add("iec104_crate_objects_per_s", "  crate iec104", other);
        add("to_iec104_crate_ratio", "  to that", ours / other);
        let mapped = rate(48, within, || {
            decoded(&plain, &mut out);
            for object in &out {
                black_box(profile.reading(object));
            }
        });
        add("readings_per_s", "through the point map too, objects/s", mapped);

        let ours = rate(16, within, || decoded(&timed, &mut out));
        let other = rate(16, within, || {
            let apdu = Apdu::from_bytes(black_box(&timed)).unwrap();
            let iec104::apdu::Frame::I(frame) = &apdu.frame else { panic!() };
            let InformationObjects::MMeTf1(objects) = &frame.asdu.information_objects else { panic!() };
            for object in objects {
                let time = object.object.time.clone();
                black_box(chrono::NaiveDateTime::try_from(time).unwrap().and_utc().timestamp_millis());
            }
        });
        let mut add = |key, what, value| report.add("decode_M_ME_TF_1_x16_with_epoch_ms", key, what, value);
        add("objects_per_s", "objects/s", ours);
        add("iec104_crate_objects_per_s", "  crate iec104", other);
        add("to_iec104_crate_ratio", "  to that", ours / other);

        let (mut asdu, mut bytes) = (Vec::new(), Vec::new());
        let ours = rate(16, within, || {
            asdu.clear();
            bytes.clear();
            assert_eq!(pack_into(black_box(&timed_objects), Zone::UTC, &mut asdu), 16);
            apci::write(Frame::I { send: 1, receive: 2, asdu: &asdu }, &mut bytes);
            black_box(bytes.as_slice());
        });
        let other = rate(16, within, || {
            black_box(black_box(&theirs).frame.to_apdu_bytes().unwrap());
        });
        let mut add = |key, what, value| report.add("encode_M_ME_TF_1_x16", key, what, value);
        add("objects_per_s", "objects/s", ours);
        add("iec104_crate_objects_per_s", "  crate iec104", other);
        add("to_iec104_crate_ratio", "  to that", ours / other);
    }
}
