//! Frames as an operator sees them.

use super::*;
use crate::console::{frame_buffer, frame_text};
use headroom_rules::notices::{Announcement, Delivery, Notice, NoticeId, Sending};
use headroom_rules::target::{InForce, LimitSource, Target, TargetId};
use headroom_rules::view::Forecast;
use insta::assert_snapshot;
use ratatui::style::{Color, Modifier};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

#[track_caller]
fn picture(name: &str, state: &State) {
    assert_snapshot!(name, frame_text(state).unwrap());
}

#[test]
fn every_screen_at_80x24_and_120x40() {
    for (size, suffix) in [(SMALL, "80x24"), (LARGE, "120x40")] {
        let mut state = console(size);
        picture(&format!("overview_{suffix}"), &state);
        for (key, name) in [("2", "terminals"), ("3", "alarms"), ("4", "orders"), ("5", "events")] {
            keys(&mut state, key);
            picture(&format!("{name}_{suffix}"), &state);
        }
        press(&mut state, KeyCode::Enter);
        picture(&format!("events_expanded_{suffix}"), &state);
        keys(&mut state, "?");
        picture(&format!("help_{suffix}"), &state);
        picture(&format!("detail_{suffix}"), &at_terminal(size));
        let mut state = console(size);
        press(&mut state, KeyCode::Down);
        press(&mut state, KeyCode::Down);
        keys(&mut state, "v");
        update(&mut state, Message::Curve(Past { node: "F03".parse().unwrap(), back: 0 }, Ok(a_curve())));
        picture(&format!("node_{suffix}"), &state);
        picture(&format!("metering_{suffix}"), &at_metering(size));
    }
}

#[test]
fn the_stages_of_a_control_dialogue() {
    let mut state = at_terminal(SMALL);
    keys(&mut state, "t");
    picture("dialogue_1_review", &state);
    let mut state = after_select(SMALL);
    picture("dialogue_2_waiting", &state);
    order_is(&mut state, OrderState::Selected, "select confirmed");
    picture("dialogue_3_check_back", &state);
    keys(&mut state, "x");
    order_is(&mut state, OrderState::Executed, "");
    picture("dialogue_4_executed", &state);
    order_is(&mut state, OrderState::Confirmed, "switch open, 0.3 kW left");
    picture("dialogue_5_confirmed", &state);
    order_is(&mut state, OrderState::Unknown, "link lost");
    picture("dialogue_6_unknown", &state);
}

#[test]
fn the_stages_of_setting_a_limit() {
    let mut state = at_limit(SMALL);
    keys(&mut state, "2400");
    press(&mut state, KeyCode::Tab);
    keys(&mut state, "shift the peak");
    picture("limit_1_entry", &state);
    press(&mut state, KeyCode::Enter);
    picture("limit_2_confirm", &state);
    keys(&mut state, "y");
    let node: NodeId = "F04".parse().unwrap();
    update(&mut state, Message::Answer(Asked::SetLimit(node), Answer::Granted(Reply::Done)));
    refresh(&mut state, |view| view.nodes[3].limit = Some(Power::from_kw(2_400)));
    picture("limit_3_done", &state);
}

#[test]
fn a_limit_below_its_rating_shows_in_the_overview() {
    for (size, suffix) in [(SMALL, "80x24"), (LARGE, "120x40")] {
        let mut state = console(size);
        refresh(&mut state, |view| {
            view.nodes[3].limit = Some(Power::from_kw(2_400));
            view.nodes[3].state = LimitState::Shedding;
            let what = Happening::LimitSet {
                node: "F04".parse().unwrap(),
                before: Power::from_kw(3_000),
                after: Power::from_kw(2_400),
                by: "wang".into(),
            };
            view.events.insert(0, Event { at: ago(2), source_time: None, what });
        });
        picture(&format!("overview_set_limit_{suffix}"), &state);
    }
    let mut narrow = console((60, 24));
    refresh(&mut narrow, |view| view.nodes[3].limit = Some(Power::from_kw(2_400)));
    let frame = frame_text(&narrow).unwrap();
    assert!(frame.contains("2400.0") && !frame.contains("RATED"), "no room for the rating: {frame}");
}

#[test]
fn the_end_of_a_stop_shows_what_the_rules_would_do() {
    picture("resume_80x24", &behaviour::at_resumption(SMALL));
    let mut stopped = console(SMALL);
    let since = behaviour::at_resumption(SMALL).view.stopped;
    refresh(&mut stopped, |view| view.stopped = since);
    picture("stopped_80x24", &stopped);
}

#[test]
fn a_centre_that_stopped_answering() {
    let mut state = console(SMALL);
    update(&mut state, Message::Clock(14_000));
    update(&mut state, Message::Lost("http://c:1: no connection".into()));
    picture("disconnected", &state);
}

#[test]
fn a_centre_that_cannot_write() {
    let mut state = console(SMALL);
    update(&mut state, Message::View(Box::new(a_view()), disk_full()));
    picture("journal_failing", &state);
    let failing = Some("/srv/headroom/store.db: cannot write: database or disk is full".into());
    let health = Health {
        journal: Journal::Good,
        store: Store { failing, behind: 45_210, behind_s: Some(725) },
        ..Health::default()
    };
    update(&mut state, Message::View(Box::new(a_view()), health));
    picture("store_failing", &state);
}

#[test]
fn a_console_that_never_had_an_answer() {
    let mut state = State::new(Theme { colour: true }, SMALL);
    update(&mut state, Message::Lost("http://c:1: no connection".into()));
    picture("never_connected", &state);
}

#[test]
fn alarm_rows_have_their_colour_and_shape() {
    let mut state = console(SMALL);
    keys(&mut state, "3");
    press(&mut state, KeyCode::End);
    let buffer = frame_buffer(&state).unwrap();
    let (high, medium) = (&buffer[(1, 3)], &buffer[(1, 4)]);
    assert_eq!((high.symbol(), high.fg), ("▲", Color::LightRed));
    assert!(high.modifier.contains(Modifier::BOLD));
    assert_eq!((medium.symbol(), medium.fg), ("◆", Color::LightYellow));
    assert!(!medium.modifier.contains(Modifier::BOLD), "an acknowledged alarm stands back");
}

#[test]
fn without_colour_there_is_none_and_the_selection_is_reversed() {
    let mut state = console(SMALL);
    state.theme = Theme { colour: false };
    keys(&mut state, "3");
    press(&mut state, KeyCode::Down);
    let buffer = frame_buffer(&state).unwrap();
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(buffer[(1, 4)].modifier.contains(Modifier::REVERSED | Modifier::BOLD));
    assert!(!buffer[(1, 3)].modifier.contains(Modifier::REVERSED));
}

#[test]
fn the_overview_tells_what_the_fold_hides() {
    let mut state = console(SMALL);
    refresh(&mut state, |view| {
        for n in 7..22 {
            view.nodes.push(node(&format!("F{n:02}"), NodeKind::Feeder, Some("S1"), 2, 100, Some(2_500)));
        }
        view.nodes[20].state = LimitState::Futile;
        view.nodes[19].load = Load::Unknown;
        view.nodes[5].state = LimitState::Holding;
    });
    picture("overview_fold", &state);
    press(&mut state, KeyCode::End);
    // F03 is over its limit, F05 not watched.
    assert!(frame_text(&state).unwrap().contains("▲ 9 more above, 2 need attention\n"));
    for _ in 0..13 {
        press(&mut state, KeyCode::Up);
    }
    let frame = frame_text(&state).unwrap();
    assert!(frame.contains("▲ 7 more above, 2 need attention  ▼ 2 more below, 2 need attention\n"), "{frame}");
}

#[test]
fn the_trend_keeps_clear_of_the_points() {
    let mut state = at_terminal(SMALL);
    let mut detail = a_detail();
    detail.points[0].arrived_at = ago(8_820);
    detail.points[0].reading.quality = Quality::INVALID.with(Quality::NOT_TOPICAL);
    update(&mut state, Message::Detail(Box::new(detail)));
    let frame = frame_text(&state).unwrap();
    let row = frame.lines().find(|line| line.contains("active power")).unwrap();
    assert_ne!(row.chars().nth(39), Some(' '), "{frame}");
    assert!(frame.lines().skip(5).take(17).all(|line| line.chars().nth(40).is_none_or(|c| c == ' ')), "{frame}");
}

#[test]
fn a_point_that_took_its_time_to_arrive_shows_when_it_was_taken() {
    for (size, line) in [(SMALL, "   at 18:04:49"), (LARGE, "good 12 s at 18:04:49")] {
        let mut state = at_terminal(size);
        let mut detail = a_detail();
        // They arrived at 18:05:00.
        detail.points[0].reading.source_time = Some(ago(23));
        detail.points[1].reading.source_time = Some(ago(21));
        detail.points[3].reading.source_time = Some(ago(24 * 3_600));
        update(&mut state, Message::Detail(Box::new(detail)));
        let frame = frame_text(&state).unwrap();
        assert!(frame.contains(line) && frame.contains("at 2026-01-30 18:05:12"), "{frame}");
        assert!(!frame.contains("18:04:51"), "nine seconds are no difference: {frame}");
    }
}

#[test]
fn no_size_makes_a_frame_fail() {
    for width in [1, 2, 20, 59, 60, 61, 79, 200] {
        for height in [1, 2, 5, 15, 16, 17, 60] {
            // The keys do nothing where the screen is too small.
            let mut state = after_select(SMALL);
            order_is(&mut state, OrderState::Selected, "");
            update(&mut state, Message::Resize(width, height));
            frame_text(&state).unwrap();
            for key in ["1", "2", "3", "4", "5", "?"] {
                state.overlay = None;
                update(&mut state, Message::Resize(SMALL.0, SMALL.1));
                keys(&mut state, key);
                update(&mut state, Message::Resize(width, height));
                frame_text(&state).unwrap();
            }
        }
    }
}

#[test]
fn the_overview_cuts_long_events_and_leaves_switches_and_links_to_their_own_screens() {
    let mut state = console(SMALL);
    let mut view = a_view();
    let terminal = "T2".parse().unwrap();
    let switch = Happening::Switch { terminal, round: RoundNo::ALL[0], position: SwitchPosition::Open };
    let event = |what| Event { at: view.now, source_time: None, what };
    let noise: Vec<Event> = (0..20).map(|_| event(switch.clone())).collect();
    for event in &mut view.events {
        if let Happening::Planned { shed, .. } = &mut event.what {
            let one = shed[0];
            shed.extend([one; 30]);
        }
    }
    view.events.splice(0..0, noise);
    update(&mut state, Message::View(Box::new(view), Health::default()));
    let frame = frame_text(&state).unwrap();
    assert!(!frame.contains("round 1 is open"), "{frame}");
    assert!(frame.contains(" …") && frame.contains("centre started"), "{frame}");
}

#[test]
fn a_nodes_screen_says_which_limit_is_in_force_where_the_load_goes_and_what_is_planned() {
    let mut state = console(LARGE);
    let id: NodeId = "F03".parse().unwrap();
    let mut view = a_view();
    let begins = NOW.after(Span::from_s(600));
    let target = Target {
        id: TargetId(7),
        node: id,
        reduction: Power::from_kw(500),
        from: begins,
        to: begins.after(Span::from_s(3_600)),
        by: "li".into(),
        reason: String::new(),
        begun: None,
    };
    view.targets = vec![target.clone(), Target { node: "F04".parse().unwrap(), ..target }];
    let node = view.nodes.iter_mut().find(|node| node.id == id).unwrap();
    node.in_force = Some(InForce {
        source: LimitSource::Schedule { kind: "workday".parse().unwrap() },
        until: Some(begins),
        next: Some(Power::from_kw(3_000)),
    });
    node.forecast = Some(Forecast {
        made_at: NOW,
        at: NOW.after(Span::from_s(300)),
        load: Power::from_kw(4_400),
        least: Power::from_kw(4_380),
        rise_per_minute: Power::from_kw(18),
    });
    update(&mut state, Message::View(Box::new(view), Health::default()));
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Down);
    keys(&mut state, "v");
    let text = frame_text(&state).unwrap();
    for line in [
        "limit by schedule of a workday of 4000.0 kW until 2026-01-31 18:15Z, then 3000.0 kW",
        "forecast: 4400.0 kW (± 20.0 kW) at 18:10:12Z, rising by 18.0 kW a minute",
        "target R7 by li: 500.0 kW off, 2026-01-31 18:15Z to 2026-01-31 19:15Z, planned",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert_eq!(text.matches("target R7").count(), 1, "not those of another node");
}

#[test]
fn a_nodes_screen_says_who_was_told_before_a_trip_and_whom_it_did_not_reach() {
    let mut state = console(LARGE);
    let id: NodeId = "F03".parse().unwrap();
    let mut view = a_view();
    let due = NOW.after(Span::from_s(180));
    let notice = |number, terminal: &str, delivery| Notice {
        terminal: terminal.parse().unwrap(),
        rounds: vec![RoundNo::ALL[0]],
        power: Power::from_kw(120),
        due,
        told: Sending { id: NoticeId(number), sent_at: NOW, expires_at: due, delivery },
        tripped: false,
        called_off: None,
    };
    view.announcements = vec![Announcement {
        node: id,
        since: NOW,
        due,
        waits: true,
        looked_at: NOW,
        in_breach: true,
        ahead: None,
        notices: vec![
            notice(1, "T1", Delivery::Delivered { at: NOW }),
            notice(2, "T2", Delivery::NotReached { why: "it has no link".into() }),
            notice(3, "T8", Delivery::Sent),
        ],
        without_notice: Vec::new(),
        ended: None,
    }];
    update(&mut state, Message::View(Box::new(view), Health::default()));
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Down);
    keys(&mut state, "v");
    let text = frame_text(&state).unwrap();
    for line in [
        "NOTICE  1 told, 1 not reached, 1 on the way, looked at anew at 18:08:12Z, in 3 min",
        "not reached: T2 Steelworks (it has no link)",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}
