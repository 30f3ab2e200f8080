//! The northbound station of `headroom serve` as a process, and lib60870-C (PyPI `c104`) as the centre above it.

use std::net::SocketAddr;

use headroom_rules::model::{Quality, SwitchPosition};
use headroom_rules::view::{NodeView, View};
use headroom_terminals::iec104::asdu::{self, causes};
use headroom_terminals::iec104::time::Zone;
use headroom_terminals::iec104::{Object, Value};
use serde_json::{Value as Json, json};

use super::COMMON_ADDRESS;
use super::driver::{Driver, octets, point, short};
use super::relay::Relay;
use super::tally::Tally;
use crate::centre::{Centre, Site};
use crate::peer::{free_port, now};
use crate::station::{Sample, Station};

const LOAD: u32 = 1;
const LIMIT: u32 = 2;
const HEADROOM: u32 = 3;
const ROUNDS_SHED: u32 = 11;
const LINKS_UP: u32 = 12;
const POSITION: u32 = 101;
const COVER_OPEN: u32 = 201;
const SET_LIMIT: u32 = 6_001;
/// The same limit, for c104 to set by another type.
const SET_LIMIT_TOO: u32 = 6_002;
const NOWHERE: u32 = 6_999;
/// Each point, without and with time.
const POINTS: [(u32, [&str; 2]); 7] = [
    (LOAD, FLOAT),
    (LIMIT, FLOAT),
    (HEADROOM, FLOAT),
    (ROUNDS_SHED, SCALED),
    (LINKS_UP, SCALED),
    (POSITION, ["M_DP_NA_1", "M_DP_TB_1"]),
    (COVER_OPEN, ["M_SP_NA_1", "M_SP_TB_1"]),
];
const FLOAT: [&str; 2] = ["M_ME_NC_1", "M_ME_TF_1"];
const SCALED: [&str; 2] = ["M_ME_NB_1", "M_ME_TE_1"];
const IV: u8 = 0x80;

/// A feeder that T-1 measures, and its customer with T-2; a centre above at `listen`.
struct Below {
    measuring: Station,
    customers: Station,
    site: Site,
    listen: SocketAddr,
}

impl Below {
    async fn start(lines: &str) -> Self {
        let (measuring, customers) = (Station::start(1).await, Station::start(2).await);
        let fleet = format!(
            "[[node]]\nid = \"R\"\nkind = \"region\"\nname = \"Region\"\n\
             [[node]]\nid = \"F-1\"\nkind = \"feeder\"\nname = \"Feeder 1\"\nparent = \"R\"\nmeasured_by = \"T-1\"\n\
             [[customer]]\nid = \"C-1\"\nname = \"Foundry\"\nsupplied_by = \"F-1\"\ncontract_kw = 2000\npriority = 4\n\
             [[terminal]]\nid = \"T-1\"\naddress = \"{}\"\ncommon_address = 1\n\
             [[terminal]]\nid = \"T-2\"\ncustomer = \"C-1\"\naddress = \"{}\"\ncommon_address = 2\n\
             rounds = [{{ no = 1, name = \"furnace 2\" }}]\n",
            measuring.address(),
            customers.address()
        );
        let site = Site::new(&fleet, "w = 1\n");
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
        site.write("rules.toml", "[[limit]]\nnode = \"F-1\"\nlimit_kw = 2400\n");
        let of_node = |ioa, shows| format!("[[point]]\nioa = {ioa}\nshows = \"{shows}\"\nnode = \"F-1\"\n");
        site.write(
            "northbound.toml",
            &format!(
                "[northbound]\nlisten = \"{listen}\"\ncommon_address = {COMMON_ADDRESS}\nname = \"dispatch\"\n{lines}\
                 {}{}{}{}{}\
                 [[point]]\nioa = {POSITION}\nshows = \"position\"\nterminal = \"T-2\"\nround = 1\n\
                 [[point]]\nioa = {COVER_OPEN}\nshows = \"alarm\"\ncause = \"cover_open\"\nterminal = \"T-2\"\n\
                 [[limit_command]]\nioa = {SET_LIMIT}\nnode = \"F-1\"\n\
                 [[limit_command]]\nioa = {SET_LIMIT_TOO}\nnode = \"F-1\"\n",
                of_node(LOAD, "load"),
                of_node(LIMIT, "limit"),
                of_node(HEADROOM, "headroom"),
                of_node(ROUNDS_SHED, "rounds_shed"),
                of_node(LINKS_UP, "links_up"),
            ),
        );
        let serve = std::fs::read_to_string(site.file("serve.toml")).unwrap();
        site.write("serve.toml", &format!("northbound = \"northbound.toml\"\n{serve}"));
        Self { measuring, customers, site, listen }
    }

    /// The feeder's load is this from now on.
    fn draws(&self, kw: u16) {
        self.measuring.send(Sample { at: now(), kw, quality: Quality::GOOD });
    }

    /// The customer's terminal tells this.
    fn tells(&self, ioa: u32, value: Value) {
        let (time, cause) = (Some(now()), causes::SPONTANEOUS);
        let object = Object { common_address: 2, ioa, value, quality: Quality::GOOD, time, cause };
        self.customers.send_raw(asdu::pack(&[object], Zone::UTC).remove(0).0);
    }
}

fn feeder(view: &View) -> &NodeView {
    view.nodes.iter().find(|node| node.id.as_str() == "F-1").unwrap()
}

async fn until_load(centre: &Centre, kw: i64) {
    let there = |view: &View| (feeder(view).load.power()?.get() == kw * 1_000).then_some(());
    centre.until(&format!("a load of {kw} kW"), there).await;
}

fn type_of(ioa: u32, timed: bool) -> &'static str {
    POINTS.iter().find(|(of, _)| *of == ioa).unwrap().1[usize::from(timed)]
}

/// A limit that is set, by the type that the address has.
fn limit(kw: f32, mode: &str) -> Json {
    json!({ "ca": COMMON_ADDRESS, "ioa": SET_LIMIT, "type": "C_SE_NC_1", "fields": short(kw), "mode": mode })
}

/// The next value of a point as it changed, with its time.
async fn told(centre: &mut Driver, tally: &mut Tally, ioa: u32, fields: &Json) {
    let told = centre.until(ioa, causes::SPONTANEOUS, fields).await;
    tally.row(format!("{ioa} as it changed"), &told, &json!([type_of(ioa, true), fields, 0, true]));
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn a_client_of_lib60870_sees_a_centre_and_sets_a_limit_over_stops_and_cuts() {
    let below = Below::start("").await;
    let centre = below.site.start().await;
    let relay = Relay::start(below.listen, Vec::new()).await;
    let mut points: Vec<_> = POINTS.iter().map(|&(ioa, types)| point(ioa, types[1])).collect();
    points.extend([point(SET_LIMIT, "C_SE_NC_1"), point(SET_LIMIT_TOO, "C_SE_NB_1"), point(NOWHERE, "C_SE_NC_1")]);
    points.push(json!({ "ca": 99, "ioa": SET_LIMIT, "type": "C_SE_NC_1" }));
    let mut above = Driver::centre(&relay, &points).await;
    let mut tally = Tally::new("above");

    // Nothing is known yet but the limit, and that no cover stands open.
    for (ioa, fields) in [(LOAD, short(0.0)), (HEADROOM, short(0.0)), (POSITION, json!([3]))] {
        let unknown = above.object(ioa, causes::SPONTANEOUS).await;
        tally.row(format!("{ioa} is not known"), &unknown, &json!([type_of(ioa, true), fields, IV, true]));
    }
    for (ioa, fields) in
        [(LIMIT, short(2_400.0)), (ROUNDS_SHED, json!([0])), (LINKS_UP, json!([2])), (COVER_OPEN, json!([false]))]
    {
        told(&mut above, &mut tally, ioa, &fields).await;
    }
    below.draws(1_234);
    told(&mut above, &mut tally, LOAD, &short(1_234.0)).await;
    told(&mut above, &mut tally, HEADROOM, &short(1_166.0)).await;
    for (position, state) in [(SwitchPosition::Open, 1), (SwitchPosition::Closed, 2)] {
        below.tells(1_001, Value::Double(position));
        told(&mut above, &mut tally, POSITION, &json!([state])).await;
    }
    for open in [true, false] {
        below.tells(4_001, Value::Single(open));
        told(&mut above, &mut tally, COVER_OPEN, &json!([open])).await;
    }
    for (ioa, fields) in [(LIMIT, short(2_400.0)), (POSITION, json!([2]))] {
        above.tell("read", json!({ "ca": COMMON_ADDRESS, "ioa": ioa })).await;
        let read = above.object(ioa, causes::REQUEST).await;
        tally.row(format!("{ioa} as it was read"), &read, &json!([type_of(ioa, true), fields, 0, true]));
    }

    set(&mut above, &mut tally).await;
    let in_force = |view: &View| (feeder(view).limit?.get() == 1_800_000).then_some(());
    centre.until("the limit that was set", in_force).await;

    // What changes on a stopped link is told after its start, and after a cut on the next one.
    above.tell("stop", json!({})).await;
    above.seen("stopped", |told| told["state"] == "OPEN_MUTED").await;
    below.draws(1_300);
    until_load(&centre, 1_300).await;
    above.tell("start", json!({})).await;
    above.seen("started", |told| told["state"] == "OPEN").await;
    told(&mut above, &mut tally, LOAD, &short(1_300.0)).await;
    for (over, kw) in (1_u16..).zip([1_400, 1_500]) {
        relay.cut();
        relay.over(usize::from(over)).await;
        below.draws(kw);
        until_load(&centre, i64::from(kw)).await;
        // It connects again by itself, and is told to start again.
        above.startdt().await;
        told(&mut above, &mut tally, LOAD, &short(f32::from(kw))).await;
        told(&mut above, &mut tally, HEADROOM, &short(f32::from(1_800 - kw))).await;
    }
    drop(above);

    interrogated(&relay, &mut tally).await;
    relay.keep("above", "2");
    tally.finish();
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
}

/// What is refused and why, then a limit that is taken.
async fn set(above: &mut Driver, tally: &mut Tally) {
    let con = causes::ACTIVATION_CON;
    let of_another = |ca: u16, ioa: u32| {
        let mut said = limit(1_800.0, "select");
        (said["ca"], said["ioa"]) = (ca.into(), ioa.into());
        said
    };
    let scaled = json!({
        "ca": COMMON_ADDRESS, "ioa": SET_LIMIT_TOO, "type": "C_SE_NB_1", "fields": [1_800], "mode": "select"
    });
    let refusals = [
        ("an execute without a select", limit(1_800.0, "direct"), con),
        ("a limit above the rating", limit(2_400.5, "select"), con),
        ("a limit of nothing", limit(0.0, "select"), con),
        ("another type than the address has", scaled, causes::UNKNOWN_OBJECT),
        ("an unknown address", of_another(COMMON_ADDRESS, NOWHERE), causes::UNKNOWN_OBJECT),
        ("an unknown station", of_another(99, SET_LIMIT), causes::UNKNOWN_ADDRESS),
    ];
    for (what, said, cause) in refusals {
        above.refused(tally, what, said, cause).await;
    }
    above.taken(tally, "a limit", &limit(1_800.0, "select")).await;
    told(above, tally, LIMIT, &short(1_800.0)).await;
    told(above, tally, HEADROOM, &short(566.0)).await;
}

/// By another connection, which knows each point without its time.
async fn interrogated(relay: &Relay, tally: &mut Tally) {
    let mut points: Vec<_> = POINTS.iter().map(|&(ioa, types)| point(ioa, types[0])).collect();
    points.push(point(1_999, "M_SP_NA_1"));
    let mut above = Driver::centre(relay, &points).await;
    let (ca, con, end) = (COMMON_ADDRESS, causes::ACTIVATION_CON, causes::TERMINATION);
    above.tell("originate", json!({ "address": 9 })).await;
    above.tell("interrogate", json!({ "ca": ca })).await;
    let confirmed = above.frame(0, con, false).await;
    tally.row("confirmed to its originator", &(octets(&confirmed)[3], &confirmed["negative"]), &(9, &json!(false)));
    let fields = [
        (LOAD, short(1_500.0)),
        (LIMIT, short(1_800.0)),
        (HEADROOM, short(300.0)),
        (ROUNDS_SHED, json!([0])),
        (LINKS_UP, json!([2])),
        (POSITION, json!([2])),
        (COVER_OPEN, json!([false])),
    ];
    for (ioa, fields) in &fields {
        let told = above.object(*ioa, causes::INTERROGATED).await;
        tally.row(format!("{ioa} interrogated"), &told, &json!([type_of(*ioa, false), fields, 0, null]));
    }
    tally.row("the end of it", &above.answer(0, end, false).await, &(json!("C_IC_NA_1"), false));
    // It has no counters, and says so by bringing none.
    above.tell("counters", json!({ "ca": ca })).await;
    for cause in [con, end] {
        tally.row("counters", &above.answer(0, cause, false).await, &(json!("C_CI_NA_1"), false));
    }
    for timed in [false, true] {
        above.tell("test", json!({ "ca": ca, "timed": timed })).await;
        let wanted = (json!(if timed { "C_TS_TA_1" } else { "C_TS_NA_1" }), false);
        tally.row("a test", &above.answer(0, con, false).await, &wanted);
    }
    let refusals = [
        // A centre keeps its own clock.
        ("clock", json!({ "ca": ca }), con, "C_CS_NA_1"),
        ("interrogate", json!({ "ca": ca, "qualifier": 21 }), con, "C_IC_NA_1"),
        ("interrogate", json!({ "ca": 99 }), causes::UNKNOWN_ADDRESS, "C_IC_NA_1"),
        ("counters", json!({ "ca": ca, "group": 1 }), con, "C_CI_NA_1"),
        ("counters", json!({ "ca": ca, "freeze": 1 }), con, "C_CI_NA_1"),
    ];
    above.asked_in_vain(tally, refusals).await;
}

#[tokio::test]
#[ignore = "needs the c104 peer: run ops/test"]
async fn the_engine_judges_what_a_client_of_lib60870_sets_without_a_select() {
    let below = Below::start("require_select = false\n").await;
    let centre = below.site.start().await;
    let relay = Relay::start(below.listen, Vec::new()).await;
    let points = [point(LIMIT, type_of(LIMIT, true)), point(SET_LIMIT, "C_SE_NC_1")];
    let mut above = Driver::centre(&relay, &points).await;
    let mut tally = Tally::new("above-direct");
    told(&mut above, &mut tally, LIMIT, &short(2_400.0)).await;
    above.refused(&mut tally, "above the rating", limit(2_401.0, "direct"), causes::ACTIVATION_CON).await;
    above.taken(&mut tally, "a limit", &limit(1_700.0, "direct")).await;
    // The first that is told after 2400: what was refused was never in force.
    let told = above.object(LIMIT, causes::SPONTANEOUS).await;
    tally.row("the limit", &told, &json!([type_of(LIMIT, true), short(1_700.0), 0, true]));
    relay.keep("above-direct", "2");
    tally.finish();
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    let judged = said.iter().filter(|line| line.contains("northbound: limit refused")).count();
    assert_eq!(judged, 1, "{said:#?}");
}
