use headroom_rules::dressing::DressingId;
use headroom_rules::model::{NodeKind, Quality, RoundNo, SwitchPosition, TerminalId};
use headroom_rules::output::{Alarm, AlarmCause, AlarmId, AlarmState};
use headroom_rules::view::{LimitState, Load, NodeView, RoundView, TerminalView};
use headroom_terminals::iec104::Value;

use super::*;
use crate::config::Shows;

fn node() -> NodeId {
    "F11".parse().unwrap()
}

fn terminal() -> TerminalId {
    "T-1".parse().unwrap()
}

fn round() -> RoundNo {
    RoundNo::try_from(2).unwrap()
}

fn view(load_kw: i32) -> View {
    let node = NodeView {
        id: node(),
        kind: NodeKind::Feeder,
        name: "Harbour 11".to_owned(),
        parent: None,
        depth: 0,
        load: Load::Measured { power: Power::from_kw(load_kw) },
        dressed: None,
        limit: Some(Power::from_kw(2_000)),
        rated: Some(Power::from_kw(2_400)),
        in_force: None,
        forecast: None,
        warning: None,
        state: LimitState::Normal,
        level: None,
        rounds_shed: 3,
        restoration: None,
        terminals: 40_000,
        links_up: 40_000,
    };
    let terminal = TerminalView {
        id: terminal(),
        customer: None,
        name: "Foundry".to_owned(),
        node: Some(node.id),
        link_up: true,
        power: None,
        dressed: None,
        quality: Quality::GOOD,
        stands_in: None,
        stale: false,
        frozen: false,
        arrived_at: None,
        contract: None,
        guaranteed: false,
        safety_floor: Power::ZERO,
        priority: None,
        rounds: vec![RoundView {
            round: round(),
            name: "furnace".to_owned(),
            position: Some(SwitchPosition::Open),
            power: None,
            position_dressed: None,
            power_dressed: None,
            shed_by: None,
            held_by_operator: false,
            cold_load: None,
            tag: None,
        }],
    };
    View { nodes: vec![node], terminals: vec![terminal], ..View::default() }
}

struct Joined {
    station: Northbound,
    picture: watch::Sender<Arc<View>>,
    settings: mpsc::Receiver<Setting>,
    answers: mpsc::Sender<(CommandToken, CommandAnswer)>,
}

/// A station that shows each of `shows` from address 1 on, and sets the limit of F11 at 100.
fn joined(shows: &[Shows]) -> Joined {
    let (picture, seen) = watch::channel(Arc::new(view(1_500)));
    let (settings_to, settings) = mpsc::channel(1);
    let (answers, answers_from) = mpsc::channel(1);
    let point = |shows: &Shows| NorthboundPoint { shows: *shows, deadband: Power::from_kw(10) };
    let station = Northbound {
        view: seen,
        clock: Clock::from_source(1.0, || Timestamp::new(5)),
        points: (1..).zip(shows.iter().map(point)).collect(),
        told: vec![None; shows.len()],
        limits: BTreeMap::from([(100, node())]),
        settings: settings_to,
        answers: answers_from,
    };
    Joined { station, picture, settings, answers }
}

fn told(objects: &[Object]) -> Vec<(u32, Value, Quality)> {
    objects.iter().map(|object| (object.ioa, object.value, object.quality)).collect()
}

fn interrogated(station: &mut Northbound) -> Vec<(u32, Value, Quality)> {
    let mut out = Vec::new();
    station.interrogated(&mut out);
    told(&out)
}

#[test]
fn every_point_shows_what_operators_see() {
    let over = AlarmCause::OverLimit { node: node() };
    let mut joined = joined(&[
        Shows::Load(node()),
        Shows::Limit(node()),
        Shows::Headroom(node()),
        Shows::RoundsShed(node()),
        Shows::LinksUp(node()),
        Shows::Position(terminal(), round()),
        Shows::Alarm(over),
        Shows::Alarm(AlarmCause::Warning { node: node() }),
        Shows::Alarm(AlarmCause::JournalFailing),
        Shows::Alarm(AlarmCause::JournalDamaged),
        Shows::Alarm(AlarmCause::ReplayDiffers),
    ]);
    let mut with_alarms = view(1_500);
    let alarm = |cause, state| Alarm {
        id: AlarmId(1),
        cause,
        priority: AlarmCause::priority(cause),
        state,
        raised_at: Timestamp::new(0),
        changed_at: Timestamp::new(0),
        detail: String::new(),
        acknowledged_by: None,
        comment: String::new(),
    };
    with_alarms.alarms = vec![
        alarm(over, AlarmState::Acknowledged),
        // Gone, though nobody has seen it yet.
        alarm(AlarmCause::Warning { node: node() }, AlarmState::ReturnedUnacknowledged),
        alarm(AlarmCause::JournalFailing, AlarmState::ReturnedUnacknowledged),
        // Over before it was told.
        alarm(AlarmCause::JournalDamaged, AlarmState::ReturnedUnacknowledged),
        alarm(AlarmCause::ReplayDiffers, AlarmState::Normal),
    ];
    joined.picture.send_replace(Arc::new(with_alarms));
    let good = Quality::GOOD;
    assert_eq!(
        interrogated(&mut joined.station),
        [
            (1, Value::Float(1_500.0), good),
            (2, Value::Float(2_000.0), good),
            (3, Value::Float(500.0), good),
            (4, Value::Scaled(3), good),
            (5, Value::Scaled(i16::MAX), Quality::OVERFLOW),
            (6, Value::Double(SwitchPosition::Open), good),
            (7, Value::Single(true), good),
            (8, Value::Single(false), good),
            (9, Value::Single(false), good),
            (10, Value::Single(true), good),
            (11, Value::Single(false), good),
        ]
    );
}

#[test]
fn what_is_not_known_is_invalid_and_what_an_absent_link_keeps_is_not_topical() {
    let foreign: NodeId = "F99".parse().unwrap();
    let mut joined = joined(&[
        Shows::Load(node()),
        Shows::Headroom(node()),
        Shows::Load(foreign),
        Shows::Position(terminal(), round()),
        Shows::Position("T-9".parse().unwrap(), round()),
    ]);
    let mut unknown = view(0);
    unknown.nodes[0].load = Load::Unknown;
    unknown.terminals[0].link_up = false;
    joined.picture.send_replace(Arc::new(unknown));
    let marks: Vec<_> = interrogated(&mut joined.station).into_iter().map(|(_, _, quality)| quality).collect();
    let (invalid, not_topical) = (Quality::INVALID, Quality::NOT_TOPICAL);
    assert_eq!(marks, [invalid, invalid, invalid, not_topical, invalid]);
}

#[test]
fn what_is_by_hand_is_told_as_substituted() {
    let mut joined = joined(&[Shows::Load(node()), Shows::Headroom(node()), Shows::Position(terminal(), round())]);
    let mut by_hand = view(0);
    by_hand.nodes[0].load = Load::Substituted { power: Power::from_kw(900) };
    by_hand.terminals[0].rounds[0].position_dressed = Some(DressingId(1));
    joined.picture.send_replace(Arc::new(by_hand));
    let marks: Vec<_> = interrogated(&mut joined.station).into_iter().map(|(_, _, quality)| quality).collect();
    assert_eq!(marks, [Quality::SUBSTITUTED; 3]);
}

#[test]
fn a_change_is_told_once_and_only_beyond_its_deadband() {
    let mut joined = joined(&[Shows::Load(node()), Shows::Limit(node())]);
    assert_eq!(interrogated(&mut joined.station).len(), 2);
    let mut changed = |load_kw| {
        joined.picture.send_replace(Arc::new(view(load_kw)));
        let mut out = Vec::new();
        joined.station.spontaneous(&mut out);
        joined.station.spontaneous(&mut out);
        assert!(out.iter().all(|object| object.time == Some(Timestamp::new(5)) && object.cause == 3));
        told(&out)
    };
    assert_eq!(changed(1_509), []);
    assert_eq!(changed(1_510), [(1, Value::Float(1_510.0), Quality::GOOD)]);
    assert_eq!(changed(1_501), [], "the deadband is around what was told last");
}

#[test]
fn the_centre_above_is_told_that_its_clock_is_not_taken() {
    let mut joined = joined(&[Shows::Load(node())]);
    assert!(!joined.station.set_clock(Timestamp::new(7)));
    assert_eq!(joined.station.now(), Timestamp::new(5));
}

#[test]
fn a_limit_is_selected_within_its_rating_only_and_confirmed_when_the_engine_granted_it() {
    let mut joined = joined(&[Shows::Limit(node())]);
    let mut ask = |ioa, value, step| joined.station.command(StationCommand::new(ioa, value, step));
    let set = CommandValue::SetFloat;
    assert_eq!(ask(101, set(1_800.0), Step::Select), CommandAnswer::UnknownObject);
    assert_eq!(ask(100, CommandValue::Double(true), Step::Select), CommandAnswer::UnknownObject);
    for wrong in [0.0, -1.0, 2_400.5, f32::MAX] {
        assert_eq!(ask(100, set(wrong), Step::Select), CommandAnswer::Refused, "{wrong}");
    }
    assert_eq!(ask(100, set(1_800.5), Step::Select), CommandAnswer::Accepted);
    assert_eq!(ask(100, set(1_800.5), Step::Execute), CommandAnswer::Later);
    // The engine's word is what counts: nothing is held back here, and nothing waits without bound.
    assert_eq!(
        ask(100, set(1_700.0), Step::Execute),
        CommandAnswer::Refused,
        "one is under way, and there is room for one"
    );
    let setting = joined.settings.try_recv().unwrap();
    assert_eq!((setting.node, setting.limit), (node(), Power::new(1_800_500)));
    assert_eq!(joined.station.answered(), None);
    joined.answers.try_send((setting.token, CommandAnswer::Accepted)).unwrap();
    assert_eq!(joined.station.answered(), Some((setting.token, CommandAnswer::Accepted)));
}
