//! Ours is the controlled station, lib60870-C (PyPI `c104`) the controlling one.

use headroom_rules::orders::Step;
use headroom_terminals::iec104::asdu::causes;
use headroom_terminals::iec104::controlled::Freeze;
use headroom_terminals::iec104::{CommandAnswer, CommandValue, Object, StationCommand, StationConfig};
use serde_json::{Value as Json, json};

use super::COMMON_ADDRESS;
use super::device::{self, Asked, Device, Holds};
use super::driver::{Driver, point};
use super::relay::Relay;
use super::rows::{self, Row};
use super::tally::Tally;
use crate::peer::now;

/// What it told of an object, without what is not of the row.
async fn told(centre: &mut Driver, row: &Row, cause: u8) -> Json {
    let fits = |told: &Json| told["seen"] == "point" && told["ioa"] == row.ioa && told["cause"] == cause;
    let mut told = centre.seen(&format!("{} by cause {cause}", row.name()), fits).await;
    for key in ["seen", "cause"] {
        told.as_object_mut().unwrap().remove(key);
    }
    told
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_client_of_lib60870_sees_every_value_of_every_type_that_ours_sends() {
    let rows: Vec<Row> = rows::monitored().into_iter().filter(|row| row.sent).collect();
    let of = |keep: fn(&Row) -> bool| rows.iter().filter(|row| keep(row)).map(|row| row.object(0)).collect::<Vec<_>>();
    let objects = of(|row| !row.is_timed() && !row.is_counter());
    let holds = Holds {
        group: objects[..3].to_vec(),
        objects,
        counters: of(|row| !row.is_timed() && row.is_counter()),
        ..Holds::default()
    };
    let device = Device::start(device::config(), holds).await;
    let relay = Relay::start(device.address, Vec::new()).await;
    let points: Vec<_> = rows.iter().map(|row| point(row.ioa, row.type_name)).collect();
    let mut centre = Driver::centre(&relay, &points).await;
    let mut tally = Tally::new("controlled-monitored");

    let plain = |counters: bool| rows.iter().filter(move |row| !row.is_timed() && row.is_counter() == counters);
    centre.tell("interrogate", json!({ "ca": COMMON_ADDRESS })).await;
    for row in plain(false) {
        tally.row(format!("interrogated {}", row.name()), &told(&mut centre, row, 20).await, &row.told());
    }
    centre.tell("interrogate", json!({ "ca": COMMON_ADDRESS, "qualifier": 21 })).await;
    for row in rows.iter().take(3) {
        tally.row(format!("in group 1 {}", row.name()), &told(&mut centre, row, 21).await, &row.told());
    }
    for (group, cause) in [(5, 37), (1, 38)] {
        centre.tell("counters", json!({ "ca": COMMON_ADDRESS, "group": group })).await;
        for row in plain(true) {
            tally.row(format!("counted {}", row.name()), &told(&mut centre, row, cause).await, &row.told());
        }
    }
    for row in rows.iter().filter(|row| !row.is_timed()) {
        centre.tell("read", json!({ "ca": COMMON_ADDRESS, "ioa": row.ioa })).await;
        tally.row(format!("read {}", row.name()), &told(&mut centre, row, causes::REQUEST).await, &row.told());
    }
    // Together, so that neighbours share messages.
    device.report(rows.iter().map(|row| row.object(causes::SPONTANEOUS)));
    for row in &rows {
        tally.row(format!("reported {}", row.name()), &told(&mut centre, row, causes::SPONTANEOUS).await, &row.told());
    }
    // In cycles there is no time with a value.
    let plain = || rows.iter().filter(|row| !row.is_timed());
    device.report(plain().map(|row| row.object(causes::PERIODIC)));
    for row in plain() {
        tally.row(format!("periodic {}", row.name()), &told(&mut centre, row, causes::PERIODIC).await, &row.told());
    }
    let odd: Vec<_> = centre.unlooked().iter().filter(|told| told["seen"] == "unexpected").collect();
    assert!(odd.is_empty(), "lib60870 did not expect {odd:?}");
    relay.keep("controlled-monitored", "2");
    tally.finish();
}

/// Gives a command by select and execute. Where c104 misses a confirmation, because it came before c104 began to wait for
/// it, it gives the command up half-way; then it is given again.
async fn give(centre: &mut Driver, device: &mut Device, said: &Json) -> [StationCommand; 2] {
    for _ in 0..10 {
        let done = centre.ask("command", said.clone()).await;
        let select = device.command().await;
        match device.unlooked().as_slice() {
            [Asked::Command(execute)] => return [select, *execute],
            seen => assert!(!done && seen.is_empty(), "c104 says {done}, the device was asked {select:?}, {seen:?}"),
        }
    }
    panic!("c104 gave it up ten times: {said}");
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_client_of_lib60870_selects_and_executes_every_type_of_command_at_ours() {
    command_all("controlled-commands", true).await;
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_client_of_lib60870_gives_every_type_of_command_directly_where_ours_permits_it() {
    command_all("controlled-direct-commands", false).await;
}

async fn command_all(name: &'static str, require_select: bool) {
    let rows = rows::commands();
    // The same rows with and without time, at addresses of their own.
    let timed_from = 1_000;
    let answers = rows.iter().flat_map(|row| [row.ioa, row.ioa + timed_from]).map(|ioa| (ioa, CommandAnswer::Accepted));
    let holds = Holds { answers: answers.collect(), ..Holds::default() };
    let mut device = Device::start(StationConfig { require_select, ..device::config() }, holds).await;
    let relay = Relay::start(device.address, Vec::new()).await;
    let mut points = Vec::new();
    for row in &rows {
        points.push(point(row.ioa, row.types[0]));
        points.push(point(row.ioa + timed_from, row.types[1]));
    }
    let mut centre = Driver::centre(&relay, &points).await;
    let mut tally = Tally::new(name);
    for timed in [false, true] {
        for row in &rows {
            let ioa = if timed { row.ioa + timed_from } else { row.ioa };
            let selected = require_select && row.value.can_be_selected();
            // QU: 0 to 3 by name here; QL: any. The bitstring has none.
            let qualifier = match row.value {
                CommandValue::SetBits(_) => 0,
                CommandValue::SetNormalized(_) | CommandValue::SetScaled(_) | CommandValue::SetFloat(_) => 77,
                _ => 2,
            };
            let sent_ms = now().get();
            let mut said = row.said(timed, qualifier, sent_ms);
            said["ioa"] = ioa.into();
            said["mode"] = if selected { "select" } else { "direct" }.into();
            let got = if selected {
                give(&mut centre, &mut device, &said).await.to_vec()
            } else {
                centre.ask("command", said).await;
                vec![device.command().await]
            };
            let steps: &[Step] = if selected { &[Step::Select, Step::Execute] } else { &[Step::Execute] };
            for (&step, got) in steps.iter().zip(got) {
                tally.row(
                    format!("{step:?} {}", row.name(timed)),
                    &(got.ioa, got.value, got.step, got.qualifier, got.sent.map(|at| at.get())),
                    &(ioa, row.value, step, qualifier, timed.then_some(sent_ms)),
                );
                let confirmation = centre.answer(ioa, causes::ACTIVATION_CON, step == Step::Select).await;
                let wanted = (json!(row.types[usize::from(timed)]), false);
                tally.row(format!("its confirmation {}", row.name(timed)), &confirmation, &wanted);
            }
            let (_, negative) = centre.answer(ioa, causes::TERMINATION, false).await;
            tally.row(format!("its termination {}", row.name(timed)), &negative, &false);
        }
    }
    assert_eq!(device.unlooked(), []);
    relay.keep(name, "2");
    tally.finish();
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn ours_tells_a_client_of_lib60870_what_it_does_not_do() {
    const CLOSED: u32 = 6_001;
    const SHUT: u32 = 6_002;
    const NOWHERE: u32 = 6_003;
    const CYCLE: u32 = 1_001;
    let answers = [(CLOSED, CommandAnswer::Accepted), (SHUT, CommandAnswer::Refused)].into();
    let rows = rows::monitored();
    let objects: Vec<Object> = rows.iter().take(1).map(|row| row.object(0)).collect();
    let mut device = Device::start(device::config(), Holds { answers, objects, ..Holds::default() }).await;
    let relay = Relay::start(device.address, Vec::new()).await;
    let commands = [CLOSED, SHUT, NOWHERE].map(|ioa| point(ioa, "C_DC_NA_1"));
    let mut points = commands.to_vec();
    points.push(point(CYCLE, "M_SP_NA_1"));
    points.push(point(1_999, "M_SP_NA_1"));
    points.push(json!({ "ca": 99, "ioa": CLOSED, "type": "C_DC_NA_1" }));
    let mut centre = Driver::centre(&relay, &points).await;
    let mut tally = Tally::new("controlled-refusals");
    let double = |ca: u16, ioa: u32, n: u8, mode: &str| json!({ "ca": ca, "ioa": ioa, "type": "C_DC_NA_1", "fields": [n], "mode": mode });
    let ca = COMMON_ADDRESS;
    let type_name = json!("C_DC_NA_1");
    // What is sent, the cause of the answer, whether c104 took it for done.
    let refusals = [
        ("an execute without a select", double(ca, CLOSED, 2, "direct"), causes::ACTIVATION_CON),
        ("a select that the device refuses", double(ca, SHUT, 2, "select"), causes::ACTIVATION_CON),
        ("an unknown address", double(ca, NOWHERE, 2, "select"), causes::UNKNOWN_OBJECT),
        ("an unknown station", double(99, CLOSED, 2, "select"), causes::UNKNOWN_ADDRESS),
        ("a state that is none, 0", double(ca, CLOSED, 0, "select"), causes::ACTIVATION_CON),
        ("a state that is none, 3", double(ca, CLOSED, 3, "select"), causes::ACTIVATION_CON),
    ];
    for (what, said, cause) in refusals {
        let ioa = u32::try_from(said["ioa"].as_u64().unwrap()).unwrap();
        let said_select = said["mode"] == "select";
        let taken = centre.ask("command", said).await;
        let (of, negative) = centre.answer(ioa, cause, said_select).await;
        tally.row(what, &(taken, of, negative), &(false, type_name.clone(), true));
    }
    let asked: Vec<_> = device.unlooked();
    assert_eq!(asked.len(), 2, "the device is asked where it may refuse, and for what it does not have: {asked:?}");

    centre.ask("read", json!({ "ca": ca, "ioa": 1_999 })).await;
    let (of, negative) = centre.answer(1_999, causes::UNKNOWN_OBJECT, false).await;
    tally.row("reading an unknown address", &(of, negative), &(json!("C_RD_NA_1"), true));
    centre.tell("interrogate", json!({ "ca": ca, "qualifier": 22 })).await;
    let (of, negative) = centre.answer(0, causes::ACTIVATION_CON, false).await;
    tally.row("a group that is none", &(of, negative), &(json!("C_IC_NA_1"), true));
    centre.tell("interrogate", json!({ "ca": ca, "cause": causes::DEACTIVATION })).await;
    let (of, negative) = centre.answer(0, causes::DEACTIVATION_CON, false).await;
    tally.row("stopping what does not run", &(of, negative), &(json!("C_IC_NA_1"), true));

    let before = now().get() / 1_000 * 1_000;
    centre.tell("clock", json!({ "ca": ca })).await;
    let (of, negative) = centre.answer(0, causes::ACTIVATION_CON, false).await;
    tally.row("the clock", &(of, negative), &(json!("C_CS_NA_1"), false));
    let set = device.asked().await;
    let close = matches!(set, Asked::Clock(at) if (before..before + 60_000).contains(&at.get()));
    tally.row(format!("the clock, {set:?}"), &close, &true);
    // Its test without time has 55CCH for a pattern, where the standard wants 55AAH: it comes back as it came.
    for (timed, name) in [(false, "C_TS_NA_1"), (true, "C_TS_TA_1")] {
        centre.tell("test", json!({ "ca": ca, "timed": timed })).await;
        let (of, negative) = centre.answer(0, causes::ACTIVATION_CON, false).await;
        tally.row("a test", &(of, negative), &(json!(name), false));
    }
    for (freeze, how) in [(1, Freeze::Keep), (2, Freeze::KeepAndReset), (3, Freeze::Reset)] {
        centre.tell("counters", json!({ "ca": ca, "freeze": freeze })).await;
        let (of, negative) = centre.answer(0, causes::ACTIVATION_CON, false).await;
        tally.row("counters frozen", &(of, negative), &(json!("C_CI_NA_1"), false));
        tally.row("counters frozen, at the device", &device.asked().await, &Asked::Freeze(None, how));
    }

    // What changes while it is stopped comes after it is started again.
    centre.tell("stop", json!({})).await;
    centre.seen("stopped", |told| told["state"] == "OPEN_MUTED").await;
    device.report([rows[0].object(causes::SPONTANEOUS)]);
    centre.tell("start", json!({})).await;
    centre.seen("started", |told| told["state"] == "OPEN").await;
    let seen = told(&mut centre, &rows[0], causes::SPONTANEOUS).await;
    tally.row("what changed on a stopped link", &seen, &rows[0].told());
    relay.keep("controlled-refusals", "2");
    tally.finish();
}
