//! What the console does and shows, on a centre made by hand.

mod acts;
mod behaviour;
mod http;
mod screens;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use headroom_rules::input::Request;
use headroom_rules::model::{
    Energy, NodeId, NodeKind, PointKind, Power, PriorityClass, Quality, Reading, RoundNo, Span, SwitchPosition,
    Timestamp,
};
use headroom_rules::orders::{Action, Issuer, Order, OrderId, OrderState};
use headroom_rules::outlook::{Fairness, Level, Next, Outlook, Turn};
use headroom_rules::output::{
    Alarm, AlarmCause, AlarmId, AlarmState, Choice, Event, Finding, Happening, Reason, Reply,
};
use headroom_rules::view::{
    Burden, LimitState, Load, NodeView, PointView, Resumption, RoundView, Stopped, TerminalDetail, TerminalView, View,
};

use crate::api::{Day, OfTerminal};
use crate::console::node::{Curve, Past};
use crate::store::{Completeness, LoadSummary, NodeLoad, Registers};

use super::message::{About, Answer, Asked, Effect, Health, Journal, Message, Store, TrendPoint};
use super::state::State;
use super::theme::Theme;
use super::update::update;

/// 2026-01-31 18:05:12 UTC.
const NOW: Timestamp = Timestamp::new(1_769_882_712_000);

fn ago(seconds: i64) -> Timestamp {
    NOW.after(Span::from_s(-seconds))
}

fn node(id: &str, kind: NodeKind, parent: Option<&str>, depth: u8, load: i32, limit: Option<i32>) -> NodeView {
    NodeView {
        id: id.parse().unwrap(),
        kind,
        name: format!("{kind} {id}"),
        parent: parent.map(|p| p.parse().unwrap()),
        depth,
        load: Load::Measured { power: Power::from_kw(load) },
        dressed: None,
        limit: limit.map(Power::from_kw),
        rated: limit.map(Power::from_kw),
        in_force: None,
        forecast: None,
        warning: limit.map(|l| Power::from_kw(l).percent(90)),
        state: if limit.is_some() { LimitState::Normal } else { LimitState::Unlimited },
        level: None,
        rounds_shed: 0,
        restoration: None,
        terminals: 2,
        links_up: 2,
    }
}

fn terminal(id: &str, name: &str, node: &str, kw: i32) -> TerminalView {
    let round = |n: usize, name: &str, kw: i32, position| RoundView {
        round: RoundNo::ALL[n - 1],
        name: name.into(),
        position: Some(position),
        power: Some(Power::from_kw(kw)),
        position_dressed: None,
        power_dressed: None,
        shed_by: None,
        held_by_operator: false,
        cold_load: None,
        tag: None,
    };
    TerminalView {
        id: id.parse().unwrap(),
        customer: Some(format!("C-{id}").parse().unwrap()),
        name: name.into(),
        node: Some(node.parse().unwrap()),
        link_up: true,
        power: Some(Power::from_kw(kw)),
        dressed: None,
        quality: Quality::GOOD,
        stands_in: None,
        stale: false,
        frozen: false,
        arrived_at: Some(ago(12)),
        contract: Some(Power::from_kw(400)),
        guaranteed: false,
        safety_floor: Power::from_kw(30),
        priority: Some(PriorityClass::try_from(4).unwrap()),
        rounds: vec![round(1, "furnace", 120, SwitchPosition::Closed), round(2, "lighting", 0, SwitchPosition::Open)],
    }
}

fn alarm(id: u64, cause: AlarmCause, state: AlarmState, seconds: i64) -> Alarm {
    Alarm {
        id: AlarmId(id),
        cause,
        priority: cause.priority(),
        state,
        raised_at: ago(seconds),
        changed_at: ago(seconds),
        detail: "as measured then".into(),
        acknowledged_by: (state == AlarmState::Acknowledged).then(|| "li".into()),
        comment: String::new(),
    }
}

fn an_outlook() -> Outlook {
    let turn = Turn { terminal: "T4".parse().unwrap(), round: RoundNo::ALL[0], power: Power::from_kw(95) };
    Outlook {
        level: Some(Level::Yellow),
        aim: Power::from_kw(390),
        customers: 2,
        likely: Power::from_kw(398),
        unsure: Power::from_kw(31),
        fairness: Fairness { before_permille: 412, after_permille: 287 },
        measures: None,
        next: Next::Plan { pass: 2, rounds: 1, available: Power::from_kw(95), first: vec![turn] },
    }
}

fn order(id: u64, state: OrderState, detail: &str) -> Order {
    Order {
        id: OrderId(id),
        terminal: "T2".parse().unwrap(),
        action: Action::Trip { round: RoundNo::ALL[0] },
        qualifier: None,
        issuer: Issuer::Operator { name: "wang".into() },
        reason: "maintenance".into(),
        state,
        detail: detail.into(),
        issued_at: ago(20),
        changed_at: ago(10),
        expires_at: NOW.after(Span::from_s(600)),
        power_before: None,
        power_after: None,
    }
}

fn a_view() -> View {
    let f03: NodeId = "F03".parse().unwrap();
    let mut over = node("F03", NodeKind::Feeder, Some("S1"), 2, 4_310, Some(4_000));
    (over.state, over.level) = (LimitState::Over, Some(Level::Yellow));
    let mut holding = node("F04", NodeKind::Feeder, Some("S1"), 2, 2_700, Some(3_000));
    (holding.state, holding.rounds_shed, holding.links_up) = (LimitState::Holding, 3, 1);
    let mut unknown = node("F05", NodeKind::Feeder, Some("S1"), 2, 0, Some(1_000));
    unknown.load = Load::Unknown;
    let mut hospital = terminal("T1", "City hospital", "F03", 210);
    hospital.guaranteed = true;
    let mut silent = terminal("T3", "第三钢铁厂", "F04", 95);
    (silent.link_up, silent.stale, silent.quality) = (false, true, Quality::NOT_TOPICAL);
    silent.rounds[0].shed_by = Some("F04".parse().unwrap());
    let round = RoundNo::ALL[0];
    let choice = |id: &str, kw| Choice {
        terminal: id.parse().unwrap(),
        round,
        power: Power::from_kw(kw),
        reason: Reason::LeastImportant { class: 5, curtailed_wh: 12_400 },
    };
    View {
        now: NOW,
        targets: Vec::new(),
        announcements: Vec::new(),
        measures: Vec::new(),
        groups: Vec::new(),
        tags: Vec::new(),
        proposals: Vec::new(),
        dressings: Vec::new(),
        calculated: Vec::new(),
        waiting: Vec::new(),
        nodes: vec![
            node("R", NodeKind::Region, None, 0, 8_210, None),
            node("S1", NodeKind::Substation, Some("R"), 1, 8_210, None),
            over,
            holding,
            unknown,
            node("F06", NodeKind::Feeder, Some("S1"), 2, 1_200, Some(2_500)),
        ],
        terminals: vec![hospital, terminal("T2", "Steelworks", "F03", 310), silent],
        alarms: vec![
            alarm(7, AlarmCause::OverLimit { node: f03 }, AlarmState::Unacknowledged, 45),
            alarm(5, AlarmCause::LoadUnknown { node: "F05".parse().unwrap() }, AlarmState::Acknowledged, 700),
            alarm(
                4,
                AlarmCause::LinkDown { terminal: "T3".parse().unwrap() },
                AlarmState::ReturnedUnacknowledged,
                4_000,
            ),
        ],
        orders: vec![order(11, OrderState::Confirmed, "switch open, 0.3 kW left")],
        events: vec![
            Event {
                at: ago(5),
                source_time: None,
                what: Happening::Planned {
                    node: f03,
                    pass: 1,
                    load: Power::from_kw(4_310),
                    wanted: Power::from_kw(390),
                    expected: Power::from_kw(415),
                    shed: vec![choice("T2", 120), choice("T8", 295)],
                    spared: vec![
                        Finding::Guaranteed { terminal: "T1".parse().unwrap() },
                        Finding::LinkDown { terminal: "T3".parse().unwrap() },
                    ],
                    outlook: Some(Box::new(an_outlook())),
                },
            },
            Event {
                at: ago(45),
                source_time: None,
                what: Happening::Breach { node: f03, load: Power::from_kw(4_310), limit: Power::from_kw(4_000) },
            },
            Event { at: ago(90), source_time: None, what: Happening::PolicyLoaded { limits: 4 } },
            Event { at: ago(95), source_time: None, what: Happening::Started },
        ],
        stopped: None,
    }
}

fn a_detail() -> TerminalDetail {
    let point = |point, value, quality| PointView {
        reading: Reading { point, value, quality, source_time: None, cause: 3 },
        arrived_at: ago(12),
        stale: false,
        frozen: false,
    };
    TerminalDetail {
        summary: a_view().terminals[1].clone(),
        points: vec![
            point(PointKind::ActivePower, 310_000, Quality::GOOD),
            point(PointKind::VoltageA, 231_400, Quality::GOOD),
            point(PointKind::CurrentA, 0, Quality::INVALID.with(Quality::NOT_TOPICAL)),
            point(PointKind::RoundPosition(RoundNo::ALL[0]), 2, Quality::GOOD),
            point(PointKind::SupplyGuarantee, 0, Quality::SUBSTITUTED),
        ],
        dressings: Vec::new(),
        orders: vec![order(11, OrderState::Confirmed, "")],
        alarms: Vec::new(),
        parameters: None,
        interlocks: Vec::new(),
        burden: Burden::default(),
        forbidden: Vec::new(),
    }
}

fn trend() -> Vec<TrendPoint> {
    (0..60).map(|n| TrendPoint { t: ago(3_600 - n * 60).get(), v: 200_000.0 + 2_000.0 * n as f64, q: 0 }).collect()
}

/// A console that the centre has answered.
fn console(size: (u16, u16)) -> State {
    let mut state = State::new(Theme { colour: true }, size);
    update(&mut state, Message::Clock(0));
    let about =
        About { software: "headroom 0.1.0".into(), operator: "wang".into(), supervisor: false, time_factor: 60.0 };
    update(&mut state, Message::About(about));
    update(&mut state, Message::View(Box::new(a_view()), Health::default()));
    state
}

/// Of three terminals, on the day before or so far.
fn a_day(date: &str, expected: u16) -> Day {
    let of = |id: &str, late, filled, missing, registers| {
        let read = expected - late - filled - missing;
        let rate_e4 = u16::try_from(u32::from(expected - missing) * 10_000 / u32::from(expected)).unwrap();
        let completeness = Completeness { expected, read, late, filled, invalid: 0, missing, rate_e4, registers };
        OfTerminal { terminal: id.parse().unwrap(), completeness }
    };
    let begin = Timestamp::new(Timestamp::day_of_date(date).unwrap() * 86_400_000);
    let terminals = vec![
        of("T1", 0, 0, 0, Some(Registers::Read)),
        of("T2", 2, 4, 0, Some(Registers::NotYet)),
        of("T3", 0, 0, 12, Some(Registers::Missing)),
    ];
    Day { day: date.into(), begin, rate_e4: Some(9_444), terminals }
}

/// The console with today's meter reading.
fn at_metering(size: (u16, u16)) -> State {
    let mut state = console(size);
    keys(&mut state, "6");
    update(&mut state, Message::Clock(100));
    update(&mut state, Message::Completeness(None, Ok(a_day("2026-01-31", 72))));
    state
}

/// A day of F03, in stretches of 15 min: above its limit for an hour in the afternoon.
fn a_curve() -> Curve {
    let (from, to) = (NOW.after(-Span::from_s(86_400)), NOW);
    let load = |n: i32| {
        let start = from.after(Span::from_s(900 * i64::from(n)));
        let kw = 2_000 + 10 * (n * (96 - n)).min(1_800) / 12;
        let over = if (60..64).contains(&n) { Span::from_s(900) } else { Span::ZERO };
        let high = Power::from_kw(if over > Span::ZERO { 4_310 } else { kw });
        let known = Span::from_s(900);
        let (low, mean, limit) = (Power::from_kw(kw - 50), Power::from_kw(kw), Some(Power::from_kw(4_000)));
        NodeLoad { start, low, high, high_at: start, mean, last: mean, known, over, limit }
    };
    let peak = Some((Power::from_kw(4_310), from.after(Span::from_s(54_000))));
    let (known, over) = (Span::from_s(86_400), Span::from_s(3_600));
    let summary = LoadSummary { peak, known, over, energy: Energy::new(78_400_500) };
    Curve { from, to, summary, curve: (0..96).map(load).collect() }
}

fn press(state: &mut State, code: KeyCode) -> Vec<Effect> {
    update(state, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn keys(state: &mut State, text: &str) -> Vec<Effect> {
    text.chars().flat_map(|c| press(state, KeyCode::Char(c))).collect()
}

fn refresh(state: &mut State, change: impl FnOnce(&mut View)) {
    let mut view = state.view.clone();
    change(&mut view);
    let health = state.health.clone();
    update(state, Message::View(Box::new(view), health));
}

fn disk_full() -> Health {
    let error = "/srv/headroom/journal.db: cannot append: database or disk is full".into();
    Health { journal: Journal::Failing { since_s: 12, error }, ..Health::default() }
}

/// The console with the Steelworks' terminal open.
fn at_terminal(size: (u16, u16)) -> State {
    let mut state = console(size);
    keys(&mut state, "2");
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Enter);
    update(&mut state, Message::Detail(Box::new(a_detail())));
    update(&mut state, Message::Trend("T2".parse().unwrap(), trend()));
    state
}

/// The console with the dialogue for the limit of F04, which has 2700 kW of 3000.
fn at_limit(size: (u16, u16)) -> State {
    let mut state = console(size);
    for _ in 0..3 {
        press(&mut state, KeyCode::Down);
    }
    keys(&mut state, "l");
    state
}

/// The console with a trip asked for, as order 12.
fn after_select(size: (u16, u16)) -> State {
    let mut state = at_terminal(size);
    keys(&mut state, "t");
    press(&mut state, KeyCode::Enter);
    update(&mut state, Message::Answer(Asked::Select, Answer::Granted(Reply::Order { order: OrderId(12) })));
    state
}

fn order_is(state: &mut State, at: OrderState, detail: &str) {
    refresh(state, |view| {
        view.orders.retain(|o| o.id != OrderId(12));
        view.orders.insert(0, order(12, at, detail));
    });
}

fn asks(effects: &[Effect]) -> Vec<&Request> {
    effects.iter().filter_map(|e| if let Effect::Ask(_, request) = e { Some(request) } else { None }).collect()
}
