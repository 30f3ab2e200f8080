//! `headroom terminal` as a process, and lib60870-C (PyPI `c104`) as its centre.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use headroom_terminals::iec104::asdu::causes;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::COMMON_ADDRESS;
use super::driver::{Driver, octets, point, short};
use super::relay::Relay;
use super::tally::Tally;
use crate::peer::now;
use crate::process::listening;
use crate::program::Program;

const SITE: &str = "contract_kw = 400\nload = \"three_shift\"\n\
     rounds = [{ no = 1, name = \"furnace\", share_percent = 40 }, { no = 2, name = \"lighting\", share_percent = 10 }]\n";
/// In the standard point map.
const POSITION_1: u32 = 1_001;
const POWER_1: u32 = 2_011;
const CAP: u32 = 2_101;
const ENERGY: u32 = 3_001;
const GUARANTEE: u32 = 4_002;
const SWITCH_1: u32 = 6_001;
const SWITCH_2: u32 = 6_002;
const UNWIRED: u32 = 6_003;
const SET_CAP: u32 = 6_101;
const NOWHERE: u32 = 6_999;

async fn terminal(lines: &str) -> (Program, SocketAddr, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("terminal.toml");
    let text = format!("listen = \"127.0.0.1:0\"\ncommon_address = {COMMON_ADDRESS}\nconnections = 2\n{lines}");
    std::fs::write(&config, text).unwrap();
    let mut program = Program::headroom(&["terminal", "--config", config.to_str().unwrap()]);
    let address = program.line("where it listens", listening).await;
    (program, address, folder)
}

/// What a terminal has at an address.
struct Has {
    ioa: u32,
    /// Without and with time.
    types: [&'static str; 2],
    group: u8,
    value: Wanted,
}

enum Wanted {
    Is(Json),
    /// A short float.
    Within(RangeInclusive<f32>),
}

/// All but the counter. A three-shift load of 400 kW draws 200 to 320 kW.
fn all(cap_kw: f32) -> Vec<Has> {
    const SINGLE: [&str; 2] = ["M_SP_NA_1", "M_SP_TB_1"];
    const DOUBLE: [&str; 2] = ["M_DP_NA_1", "M_DP_TB_1"];
    const FLOAT: [&str; 2] = ["M_ME_NC_1", "M_ME_TF_1"];
    let within = |ioa, range| Has { ioa, types: FLOAT, group: 2, value: Wanted::Within(range) };
    let is = |ioa, types, group, fields| Has { ioa, types, group, value: Wanted::Is(fields) };
    let mut all = vec![
        is(POSITION_1, DOUBLE, 1, json!([2])),
        is(1_002, DOUBLE, 1, json!([2])),
        within(2_001, 200.0..=320.0),
        within(2_008, 90.0..=144.0),
        within(POWER_1, 80.0..=128.0),
        within(2_012, 20.0..=32.0),
        is(CAP, FLOAT, 3, short(cap_kw)),
        is(4_001, SINGLE, 3, json!([false])),
        is(GUARANTEE, SINGLE, 3, json!([false])),
    ];
    // V and A of the phases.
    all.extend([2_002, 2_003, 2_004].map(|ioa| within(ioa, 207.0..=253.0)));
    all.extend([2_005, 2_006, 2_007].map(|ioa| within(ioa, 300.0..=600.0)));
    all
}

impl Has {
    async fn check(&self, centre: &mut Driver, tally: &mut Tally, how: &str, timed: bool, cause: u8) {
        let told = centre.object(self.ioa, cause).await;
        let (what, fields) = (format!("{how} {}", self.ioa), &told[1]);
        let wanted = match &self.value {
            Wanted::Is(fields) => fields.clone(),
            Wanted::Within(range) => {
                let value = f32::from_bits(u32::try_from(fields[0].as_u64().unwrap()).unwrap());
                tally.row(format!("{what}, {value}"), &range.contains(&value), &true);
                fields.clone()
            }
        };
        let wanted = json!([self.types[usize::from(timed)], wanted, 0, timed.then_some(true)]);
        tally.row(what, &told, &wanted);
    }
}

fn double(ca: u16, ioa: u32, n: u8, mode: &str) -> Json {
    json!({ "ca": ca, "ioa": ioa, "type": "C_DC_NA_1", "fields": [n], "mode": mode })
}

fn cap(kw: f32, mode: &str) -> Json {
    json!({ "ca": COMMON_ADDRESS, "ioa": SET_CAP, "type": "C_SE_NC_1", "fields": short(kw), "mode": mode })
}

/// The switch of round 1 on its way and at its end, as events.
async fn switched(centre: &mut Driver, tally: &mut Tally, what: &str, end: u8) {
    for position in [0, end] {
        let told = centre.until(POSITION_1, causes::RETURN_REMOTE, &json!([position])).await;
        tally.row(format!("{what}, position {position}"), &told, &json!(["M_DP_TB_1", [position], 0, true]));
    }
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_client_of_lib60870_sees_all_of_a_soft_terminal_and_switches_it_over_stops_and_cuts() {
    let (program, address, _folder) = terminal(&format!("[site]\n{SITE}")).await;
    let relay = Relay::start(address, Vec::new()).await;
    let mut tally = Tally::new("terminal");
    let timed = all(0.0);
    let mut points: Vec<_> = timed.iter().map(|has| point(has.ioa, has.types[1])).collect();
    points.extend([SWITCH_1, UNWIRED, NOWHERE].map(|ioa| point(ioa, "C_DC_NA_1")));
    points.extend([point(SWITCH_2, "C_SC_NA_1"), point(SET_CAP, "C_SE_NC_1")]);
    points.push(json!({ "ca": 99, "ioa": SWITCH_1, "type": "C_DC_NA_1" }));
    let mut centre = Driver::centre(&relay, &points).await;

    // Nobody has asked yet: everything is news.
    for has in &timed {
        has.check(&mut centre, &mut tally, "first told", true, causes::SPONTANEOUS).await;
    }
    for has in &timed {
        centre.tell("read", json!({ "ca": COMMON_ADDRESS, "ioa": has.ioa })).await;
        has.check(&mut centre, &mut tally, "read", true, causes::REQUEST).await;
    }

    let con = causes::ACTIVATION_CON;
    let refusals = [
        ("an execute without a select", double(COMMON_ADDRESS, SWITCH_1, 1, "direct"), con),
        ("a state that is none", double(COMMON_ADDRESS, SWITCH_1, 3, "select"), con),
        ("a cap below 0", cap(-1.0, "select"), con),
        ("a round that is not wired", double(COMMON_ADDRESS, UNWIRED, 1, "select"), causes::UNKNOWN_OBJECT),
        ("an unknown address", double(COMMON_ADDRESS, NOWHERE, 1, "select"), causes::UNKNOWN_OBJECT),
        (
            "another type than the address has",
            json!({ "ca": COMMON_ADDRESS, "ioa": SWITCH_2, "type": "C_SC_NA_1", "fields": [false], "mode": "select" }),
            causes::UNKNOWN_OBJECT,
        ),
        ("an unknown station", double(99, SWITCH_1, 1, "select"), causes::UNKNOWN_ADDRESS),
    ];
    for (what, said, cause) in refusals {
        centre.refused(&mut tally, what, said, cause).await;
    }

    let (trip, restore) =
        (double(COMMON_ADDRESS, SWITCH_1, 1, "select"), double(COMMON_ADDRESS, SWITCH_1, 2, "select"));
    centre.taken(&mut tally, "a trip", &trip).await;
    switched(&mut centre, &mut tally, "a trip", 1).await;
    let told = centre.until(POWER_1, causes::SPONTANEOUS, &short(0.0)).await;
    tally.row("no power behind it", &told, &json!(["M_ME_TF_1", short(0.0), 0, true]));
    centre.taken(&mut tally, "a cap", &cap(5_000.0, "select")).await;
    let told = centre.until(CAP, causes::SPONTANEOUS, &short(5_000.0)).await;
    tally.row("the cap", &told, &json!(["M_ME_TF_1", short(5_000.0), 0, true]));

    // What a switch does on a stopped link is told after its start, and after a cut on the next one.
    centre.taken(&mut tally, "a return before a stop", &restore).await;
    centre.tell("stop", json!({})).await;
    centre.seen("stopped", |told| told["state"] == "OPEN_MUTED").await;
    centre.tell("start", json!({})).await;
    centre.seen("started", |told| told["state"] == "OPEN").await;
    switched(&mut centre, &mut tally, "a return over a stop", 2).await;
    for (over, (said, end)) in (1..).zip([(&trip, 1), (&restore, 2)]) {
        centre.taken(&mut tally, "before a cut", said).await;
        relay.cut();
        relay.over(over).await;
        // It connects again by itself, and is told to start again.
        centre.startdt().await;
        switched(&mut centre, &mut tally, "over a cut", end).await;
        centre.refused(&mut tally, "the select of before", double(COMMON_ADDRESS, SWITCH_1, end, "direct"), con).await;
    }
    let odd = |told: &&Json| told["seen"] == "unexpected" && told["type"].as_str().unwrap().starts_with("M_");
    let odd: Vec<_> = centre.unlooked().iter().filter(odd).collect();
    assert!(odd.is_empty(), "lib60870 did not expect {odd:?}");
    drop(centre);

    interrogated(&relay, &mut tally).await;
    relay.keep("terminal", "2");
    tally.finish();
    assert_eq!(program.terminate().await.code(), Some(0));
}

/// By another connection, which knows each object without its time.
async fn interrogated(relay: &Relay, tally: &mut Tally) {
    let plain = all(5_000.0);
    let mut points: Vec<_> = plain.iter().map(|has| point(has.ioa, has.types[0])).collect();
    points.extend([point(ENERGY, "M_IT_NA_1"), point(1_999, "M_SP_NA_1")]);
    let mut centre = Driver::centre(relay, &points).await;
    let (ca, con, end) = (COMMON_ADDRESS, causes::ACTIVATION_CON, causes::TERMINATION);
    let general = json!("C_IC_NA_1");

    centre.tell("originate", json!({ "address": 7 })).await;
    centre.tell("interrogate", json!({ "ca": ca })).await;
    let confirmed = centre.frame(0, con, false).await;
    tally.row("confirmed to its originator", &(octets(&confirmed)[3], &confirmed["negative"]), &(7, &json!(false)));
    for has in &plain {
        has.check(&mut centre, tally, "interrogated", false, causes::INTERROGATED).await;
    }
    let first = centre.frame(POSITION_1, causes::INTERROGATED, false).await;
    tally.row("told to its originator", &octets(&first)[3], &7);
    tally.row("the end of it", &centre.answer(0, end, false).await, &(general.clone(), false));
    for group in 1..=4 {
        centre.tell("interrogate", json!({ "ca": ca, "qualifier": 20 + group })).await;
        tally.row(format!("group {group}"), &centre.answer(0, con, false).await, &(general.clone(), false));
        for has in plain.iter().filter(|has| has.group == group) {
            has.check(&mut centre, tally, "in its group", false, 20 + group).await;
        }
        tally.row(format!("the end of group {group}"), &centre.answer(0, end, false).await, &(general.clone(), false));
    }
    centre.tell("counters", json!({ "ca": ca })).await;
    tally.row("counters", &centre.answer(0, con, false).await, &(json!("C_CI_NA_1"), false));
    let told = centre.object(ENERGY, causes::COUNTER_INTERROGATED).await;
    let total = told[1][0].as_i64().unwrap();
    tally.row(format!("a count, {total}"), &(total >= 0), &true);
    tally.row("the counter", &told, &json!(["M_IT_NA_1", [total, 0], 0, null]));
    tally.row("the end of the counters", &centre.answer(0, end, false).await, &(json!("C_CI_NA_1"), false));
    for timed in [false, true] {
        centre.tell("test", json!({ "ca": ca, "timed": timed })).await;
        let wanted = (json!(if timed { "C_TS_TA_1" } else { "C_TS_NA_1" }), false);
        tally.row("a test", &centre.answer(0, con, false).await, &wanted);
    }
    centre.tell("clock", json!({ "ca": ca })).await;
    tally.row("the clock", &centre.answer(0, con, false).await, &(json!("C_CS_NA_1"), false));

    let refusals = [
        ("interrogate", json!({ "ca": ca, "qualifier": 25 }), con, "C_IC_NA_1"),
        ("interrogate", json!({ "ca": ca, "cause": causes::DEACTIVATION }), causes::DEACTIVATION_CON, "C_IC_NA_1"),
        ("interrogate", json!({ "ca": 99 }), causes::UNKNOWN_ADDRESS, "C_IC_NA_1"),
        ("counters", json!({ "ca": ca, "group": 1 }), con, "C_CI_NA_1"),
        ("counters", json!({ "ca": ca, "freeze": 1 }), con, "C_CI_NA_1"),
    ];
    centre.asked_in_vain(tally, refusals).await;
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_client_of_lib60870_commands_a_soft_terminal_directly_where_it_permits_that() {
    let lines = format!("require_select = false\ncommand_age_max_s = 30\n[site]\nguaranteed = true\n{SITE}");
    let (program, address, _folder) = terminal(&lines).await;
    let relay = Relay::start(address, Vec::new()).await;
    let mut tally = Tally::new("terminal-direct");
    let points = [
        point(CAP, "M_ME_TF_1"),
        point(GUARANTEE, "M_SP_TB_1"),
        point(SWITCH_1, "C_DC_NA_1"),
        point(SWITCH_2, "C_DC_TA_1"),
        point(SET_CAP, "C_SE_NC_1"),
        point(NOWHERE, "C_DC_NA_1"),
    ];
    let mut centre = Driver::centre(&relay, &points).await;
    let told = centre.object(GUARANTEE, causes::SPONTANEOUS).await;
    tally.row("the guarantee", &told, &json!(["M_SP_TB_1", [true], 0, true]));

    let con = causes::ACTIVATION_CON;
    let trip = double(COMMON_ADDRESS, SWITCH_1, 1, "direct");
    centre.refused(&mut tally, "a trip against the guarantee", trip, con).await;
    let nowhere = double(COMMON_ADDRESS, NOWHERE, 2, "direct");
    centre.refused(&mut tally, "an unknown address", nowhere, causes::UNKNOWN_OBJECT).await;
    centre.refused(&mut tally, "a cap below 0", cap(-0.5, "direct"), con).await;
    centre.taken(&mut tally, "a return", &double(COMMON_ADDRESS, SWITCH_1, 2, "direct")).await;
    centre.taken(&mut tally, "a cap", &cap(250.5, "direct")).await;
    let told = centre.until(CAP, causes::SPONTANEOUS, &short(250.5)).await;
    tally.row("the cap", &told, &json!(["M_ME_TF_1", short(250.5), 0, true]));

    let timed = |age_ms: i64| {
        let time = now().get() - age_ms;
        let mut said = double(COMMON_ADDRESS, SWITCH_2, 2, "direct");
        said["type"] = "C_DC_TA_1".into();
        said["time"] = time.into();
        said
    };
    centre.taken(&mut tally, "a command with its time", &timed(0)).await;
    centre.refused(&mut tally, "a command of an hour ago", timed(3_600_000), con).await;
    relay.keep("terminal-direct", "2");
    tally.finish();
    assert_eq!(program.terminate().await.code(), Some(0));
}
