//! What follows from what happens.

use super::*;
use crate::console::client::compared;
use crate::console::frame_text;
use crate::console::keys::{Context, context};
use crate::console::state::{Connection, Screen};
use crossterm::event::{KeyEventKind, MouseButton, MouseEvent, MouseEventKind};

const SIZE: (u16, u16) = (80, 24);

fn shows(state: &State, text: &str) -> bool {
    frame_text(state).unwrap().contains(text)
}

#[test]
fn execute_is_not_offered_before_check_back() {
    let mut state = after_select(SIZE);
    for at in [None, Some(OrderState::Selecting)] {
        if let Some(at) = at {
            order_is(&mut state, at, "");
        }
        assert_eq!(context(&state), Context::Waiting);
        assert!(asks(&keys(&mut state, "x")).is_empty());
        assert!(!shows(&state, "execute"));
    }
    order_is(&mut state, OrderState::Selected, "");
    assert!(shows(&state, "CHECK-BACK"));
    assert_eq!(asks(&keys(&mut state, "x")), [&Request::Execute { order: OrderId(12) }]);
}

#[test]
fn execute_is_sent_once() {
    let mut state = after_select(SIZE);
    order_is(&mut state, OrderState::Selected, "");
    assert_eq!(asks(&keys(&mut state, "xxx")).len(), 1);
    update(&mut state, Message::Answer(Asked::Execute(OrderId(12)), Answer::Unanswered("no answer".into())));
    assert!(asks(&keys(&mut state, "x")).is_empty(), "an execute without an answer may have been sent");
}

#[test]
fn a_terminal_is_read_on_demand_once_at_a_time() {
    let (mut state, terminal) = (at_terminal(SIZE), "T2".parse().unwrap());
    let reads = |effects: &[Effect]| effects.iter().filter(|effect| **effect == Effect::ReadNow(terminal)).count();
    assert_eq!(reads(&keys(&mut state, "nn")), 1);
    assert!(shows(&state, "T2: reading all values"));
    update(&mut state, Message::ReadNow(terminal, Err("T2 was not asked: it has no link".into())));
    assert!(shows(&state, "T2 was not asked: it has no link"));
    assert_eq!(reads(&keys(&mut state, "n")), 1);
    update(&mut state, Message::ReadNow(terminal, Ok(())));
    assert!(shows(&state, "T2: all values were read"));
}

#[test]
fn meter_reading_is_fetched_while_it_is_on_the_screen_and_one_day_at_a_time() {
    let fetches = |effects: Vec<Effect>| -> Vec<Option<i64>> {
        let days = effects.into_iter().filter_map(|effect| match effect {
            Effect::FetchCompleteness(day) => Some(day),
            _ => None,
        });
        days.collect()
    };
    let mut state = console(SIZE);
    assert_eq!(fetches(update(&mut state, Message::Clock(50))), []);
    keys(&mut state, "6");
    assert_eq!(fetches(update(&mut state, Message::Clock(100))), [None]);
    // Nothing is before or after a day that is not known, and nothing is asked twice.
    assert_eq!(fetches(press(&mut state, KeyCode::Left)), []);
    assert_eq!(fetches(update(&mut state, Message::Clock(9_000))), []);
    update(&mut state, Message::Completeness(None, Ok(a_day("2026-01-31", 72))));
    assert_eq!(fetches(press(&mut state, KeyCode::Right)), []);
    let yesterday = Timestamp::day_of_date("2026-01-30").unwrap();
    assert_eq!(fetches(press(&mut state, KeyCode::Left)), [Some(yesterday)]);
    assert!(!shows(&state, "2026-01-31:"), "another day's figures under this one's name");
    // What was asked before comes late.
    update(&mut state, Message::Completeness(None, Ok(a_day("2026-01-31", 72))));
    assert_eq!(fetches(update(&mut state, Message::Clock(9_100))), [Some(yesterday)]);
    update(&mut state, Message::Completeness(Some(yesterday), Ok(a_day("2026-01-30", 96))));
    assert!(shows(&state, "METER READING 2026-01-30: 94.44 %, 2 of 3 terminals complete"));
    assert_eq!(fetches(press(&mut state, KeyCode::Right)), [None]);
    let sentence = "/srv/headroom/store.db: cannot read a trend: disk I/O error";
    update(&mut state, Message::Completeness(None, Err(sentence.into())));
    assert!(shows(&state, sentence));
}

#[test]
fn a_nodes_past_is_fetched_for_the_time_that_is_looked_back() {
    let day = Span::from_s(86_400);
    let mut state = console(SIZE);
    let (past, now) = (|back| Past { node: "R".parse().unwrap(), back }, state.now());
    assert_eq!(keys(&mut state, "v"), [Effect::FetchCurve(past(0), now.after(-day), now)]);
    // A day's answer is no answer for a week.
    assert_eq!(press(&mut state, KeyCode::Left), []);
    update(&mut state, Message::Curve(past(0), Ok(a_curve())));
    assert!(shows(&state, "waiting for the centre's answer"));
    let fetched = update(&mut state, Message::Clock(100));
    assert!(fetched.iter().any(|effect| matches!(effect, Effect::FetchCurve(Past { back: 1, .. }, ..))), "{fetched:?}");
    update(&mut state, Message::Curve(past(1), Ok(a_curve())));
    assert!(shows(&state, "above its limit for 1 h 00 min: 4.1 % of 24 h 00 min"));
    // And not beyond the year, nor below the day.
    for _ in 0..9 {
        press(&mut state, KeyCode::Left);
    }
    assert!(shows(&state, "last 365 days"));
    for _ in 0..9 {
        press(&mut state, KeyCode::Right);
    }
    assert!(shows(&state, "last 24 hours"));
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.screen, Screen::Overview);
}

#[test]
fn what_is_missing_of_a_day_is_collected_from_the_least_complete_terminal_once_at_a_time() {
    let (mut state, terminal) = (at_metering(SIZE), "T3".parse().unwrap());
    let begin = Timestamp::new(Timestamp::day_of_date("2026-01-31").unwrap() * 86_400_000);
    let wanted = Effect::Collect(terminal, begin, begin.after(Span::from_s(86_400)));
    assert_eq!(keys(&mut state, "cc"), std::slice::from_ref(&wanted));
    assert!(shows(&state, "its memory is being read"));
    update(&mut state, Message::Collected(terminal, Ok(12)));
    assert!(shows(&state, "T3: 12 values came from its memory"));
    assert_eq!(keys(&mut state, "c"), [wanted]);
    update(&mut state, Message::Collected(terminal, Err("T3 was not asked: it has no link".into())));
    assert!(shows(&state, "T3 was not asked: it has no link"));
    press(&mut state, KeyCode::Enter);
    assert_eq!(state.screen, Screen::Detail(terminal));
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.screen, Screen::Metering);
}

#[test]
fn a_key_held_down_executes_nothing() {
    let mut state = after_select(SIZE);
    order_is(&mut state, OrderState::Selected, "");
    let held = KeyEvent::new_with_kind(KeyCode::Char('x'), KeyModifiers::NONE, KeyEventKind::Repeat);
    assert!(update(&mut state, Message::Key(held)).is_empty());
}

#[test]
fn a_check_back_of_something_else_is_not_executed() {
    let mut state = after_select(SIZE);
    order_is(&mut state, OrderState::Selected, "");
    refresh(&mut state, |view| view.orders[0].action = Action::Trip { round: RoundNo::ALL[1] });
    assert!(asks(&keys(&mut state, "x")).is_empty());
    assert!(shows(&state, "not what was asked"));
}

#[test]
fn execute_is_not_offered_while_the_centre_does_not_answer() {
    let mut state = after_select(SIZE);
    order_is(&mut state, OrderState::Selected, "");
    update(&mut state, Message::Lost("refused".into()));
    assert!(asks(&keys(&mut state, "x")).is_empty());
}

#[test]
fn a_screen_too_small_to_show_anything_only_quits_and_withdraws() {
    for small in [(59, 24), (80, 15)] {
        let mut state = after_select(SIZE);
        order_is(&mut state, OrderState::Selected, "");
        update(&mut state, Message::Resize(small.0, small.1));
        assert!(keys(&mut state, "xq").is_empty());
        let all = frame_text(&state).unwrap().replace('\n', " ");
        assert!(all.contains("Esc: withdraw the select") && !all.contains("execute"), "{all}");
        assert_eq!(asks(&press(&mut state, KeyCode::Esc)), [&Request::Cancel { order: OrderId(12) }]);
        let mut state = at_terminal(small);
        assert!(keys(&mut state, "tc2").is_empty());
        assert!(matches!(state.screen, Screen::Overview), "{:?}", state.screen);
        assert_eq!(keys(&mut state, "q"), [Effect::Quit]);
    }
}

#[test]
fn nothing_is_typed_and_no_select_sent_unseen() {
    let mut state = at_terminal(SIZE);
    keys(&mut state, "t");
    update(&mut state, Message::Resize(40, 10));
    keys(&mut state, "why");
    assert!(press(&mut state, KeyCode::Enter).is_empty());
    let reason = state.dialogue().map(|dialogue| dialogue.reason.value().to_owned());
    assert_eq!((context(&state), reason.as_deref()), (Context::Review, Some("")));
}

#[test]
fn the_help_reaches_its_last_line_and_its_first() {
    let mut state = console(SIZE);
    keys(&mut state, "?");
    press(&mut state, KeyCode::End);
    assert!(shows(&state, "wheel         up and down") && !shows(&state, "Everywhere"));
    let end = frame_text(&state).unwrap();
    press(&mut state, KeyCode::Down);
    assert_eq!(frame_text(&state).unwrap(), end);
    press(&mut state, KeyCode::Home);
    assert!(shows(&state, "Everywhere") && shows(&state, "? F1") && !shows(&state, "← -"));
    for _ in 0..6 {
        press(&mut state, KeyCode::Down);
    }
    assert!(!shows(&state, "Everywhere") && shows(&state, "← -"));
}

#[test]
fn another_field_is_offered_only_where_there_is_one() {
    for (key, offered) in [("t", false), ("c", true)] {
        let mut state = at_terminal(SIZE);
        keys(&mut state, key);
        assert_eq!(shows(&state, "Tab other field"), offered, "{key}");
        assert!(shows(&state, "Tab") == offered);
    }
}

#[test]
fn no_order_is_given_while_the_journal_is_not_written() {
    let mut state = after_select(SIZE);
    order_is(&mut state, OrderState::Selected, "");
    let view = state.view.clone();
    update(&mut state, Message::View(Box::new(view), disk_full()));
    assert!(asks(&keys(&mut state, "x")).is_empty());
    assert!(shows(&state, "Execute is not offered: the centre cannot write its journal"));
    let mut state = at_terminal(SIZE);
    keys(&mut state, "t");
    update(&mut state, Message::View(Box::new(a_view()), disk_full()));
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty());
    press(&mut state, KeyCode::Esc);
    keys(&mut state, "t");
    assert_eq!(context(&state), Context::Detail);
    update(&mut state, Message::View(Box::new(a_view()), Health::default()));
    keys(&mut state, "t");
    assert_eq!(context(&state), Context::Review);
}

#[test]
fn time_is_not_run_on_while_the_centre_stands_still() {
    let mut state = console(SIZE);
    update(&mut state, Message::View(Box::new(a_view()), disk_full()));
    update(&mut state, Message::Clock(2_000));
    assert_eq!(state.now(), NOW);
    assert!(shows(&state, "NOT WRITTEN for 14 s"));
    update(&mut state, Message::Lost("refused".into()));
    assert!(shows(&state, "14 s OLD"));
}

#[test]
fn no_overlay_hides_that_the_journal_is_not_written() {
    for size in [(60, 16), SIZE, (120, 40)] {
        let mut state = console(size);
        update(&mut state, Message::View(Box::new(a_view()), disk_full()));
        keys(&mut state, "?");
        assert!(shows(&state, "JOURNAL NOT WRITTEN for 12 s"), "{size:?}");
    }
}

#[test]
fn execute_is_not_offered_after_the_select_ran_out() {
    let mut state = after_select(SIZE);
    order_is(&mut state, OrderState::Selected, "");
    refresh(&mut state, |view| view.now = view.orders[0].expires_at);
    assert!(asks(&keys(&mut state, "x")).is_empty());
    assert!(shows(&state, "run out"));
}

#[test]
fn escape_withdraws_a_select() {
    let mut state = after_select(SIZE);
    order_is(&mut state, OrderState::Selected, "");
    assert_eq!(asks(&press(&mut state, KeyCode::Esc)), [&Request::Cancel { order: OrderId(12) }]);
    order_is(&mut state, OrderState::Cancelled, "");
    assert!(shows(&state, "Nothing was switched"));
    press(&mut state, KeyCode::Esc);
    assert_eq!(context(&state), Context::Detail);
}

#[test]
fn refusal_is_shown_as_a_sentence() {
    let mut state = at_terminal(SIZE);
    keys(&mut state, "t");
    press(&mut state, KeyCode::Enter);
    let sentence = "T2: the link is down; nothing was sent";
    update(&mut state, Message::Answer(Asked::Select, Answer::Refused(sentence.into())));
    assert!(shows(&state, sentence));
    assert_eq!(context(&state), Context::Done);
}

#[test]
fn a_refused_acknowledgement_is_shown_as_a_sentence() {
    let mut state = console(SIZE);
    update(
        &mut state,
        Message::Answer(Asked::Acknowledge(AlarmId(7)), Answer::Refused("alarm A7 does not exist".into())),
    );
    assert!(shows(&state, "alarm A7 does not exist"));
}

#[test]
fn selection_survives_a_refresh() {
    let mut state = console(SIZE);
    keys(&mut state, "3");
    press(&mut state, KeyCode::Down);
    assert_eq!(state.alarms.key, Some(AlarmId(5)));
    refresh(&mut state, |view| {
        let new = alarm(9, AlarmCause::CoverOpen { terminal: "T1".parse().unwrap() }, AlarmState::Unacknowledged, 1);
        view.alarms.insert(0, new);
    });
    assert_eq!((state.alarms.key, state.alarms.index), (Some(AlarmId(5)), 2));
}

#[test]
fn a_remark_goes_with_the_acknowledgement_of_the_alarm_that_was_chosen() {
    let mut state = console(SIZE);
    keys(&mut state, "3a");
    refresh(&mut state, |view| view.alarms.reverse());
    keys(&mut state, "seen, quit");
    let effects = press(&mut state, KeyCode::Enter);
    let wanted = Request::AcknowledgeAlarm { alarm: AlarmId(7), comment: "seen, quit".into() };
    assert_eq!(asks(&effects), [&wanted]);
}

#[test]
fn quitting_asks_while_an_order_of_mine_is_selected() {
    let mut state = console(SIZE);
    order_is(&mut state, OrderState::Selected, "");
    assert!(keys(&mut state, "q").is_empty());
    assert_eq!(context(&state), Context::Quit);
    assert_eq!(keys(&mut state, "y"), [Effect::Quit]);
}

#[test]
fn quitting_does_not_ask_for_the_orders_of_others() {
    let mut state = console(SIZE);
    order_is(&mut state, OrderState::Selected, "");
    refresh(&mut state, |view| view.orders[0].issuer = Issuer::Operator { name: "li".into() });
    assert_eq!(keys(&mut state, "q"), [Effect::Quit]);
}

#[test]
fn a_cap_that_is_no_number_is_not_sent() {
    for (typed, cap) in [
        ("", None),
        ("12x", None),
        ("-5", None),
        ("1.2345", None),
        ("250", Some(250_000)),
        ("62.5", Some(62_500)),
        ("0", Some(0)),
    ] {
        let mut state = at_terminal(SIZE);
        keys(&mut state, "c");
        keys(&mut state, typed);
        let effects = press(&mut state, KeyCode::Enter);
        let wanted = cap.map(|w| Request::Select {
            terminal: "T2".parse().unwrap(),
            action: Action::SetCap { cap: Power::new(w) },
            qualifier: None,
            reason: String::new(),
        });
        assert_eq!(asks(&effects), wanted.iter().collect::<Vec<_>>(), "{typed}");
    }
}

#[test]
fn the_view_is_asked_for_every_half_second_and_never_twice_at_once() {
    let mut state = console(SIZE);
    assert!(!update(&mut state, Message::Clock(499)).contains(&Effect::FetchView));
    assert!(update(&mut state, Message::Clock(500)).contains(&Effect::FetchView));
    assert!(!update(&mut state, Message::Clock(1_000)).contains(&Effect::FetchView));
    update(&mut state, Message::Lost("refused".into()));
    assert!(update(&mut state, Message::Clock(1_001)).contains(&Effect::FetchView));
}

#[test]
fn a_view_that_is_not_renewed_counts_as_old() {
    let mut state = console(SIZE);
    update(&mut state, Message::Clock(2_500));
    assert!(state.live());
    update(&mut state, Message::Clock(9_000));
    assert!(matches!(state.connection, Connection::Lost { since: 0, .. }));
    assert!(shows(&state, "9 s OLD"));
    update(&mut state, Message::View(Box::new(a_view()), Health::default()));
    assert!(state.live());
}

#[test]
fn a_node_leads_to_the_terminals_below_it() {
    let mut state = console(SIZE);
    state.nodes.key = Some("F03".parse().unwrap());
    update(&mut state, Message::Clock(1));
    press(&mut state, KeyCode::Enter);
    let ids: Vec<_> = state.shown_terminals().iter().map(|t| t.id.to_string()).collect();
    assert_eq!(ids, ["T1", "T2"]);
}

#[test]
fn typing_into_the_filter_runs_no_commands() {
    let mut state = console(SIZE);
    keys(&mut state, "2/");
    assert!(keys(&mut state, "qst").is_empty());
    assert_eq!(state.filter.value(), "qst");
    assert_eq!(state.screen, Screen::Terminals);
}

#[test]
fn a_collapsed_node_hides_what_is_below_it() {
    let mut state = console(SIZE);
    press(&mut state, KeyCode::Left);
    assert_eq!(state.shown_nodes().len(), 1);
    press(&mut state, KeyCode::Right);
    assert_eq!(state.shown_nodes().len(), 6);
}

#[test]
fn a_click_selects_a_row_and_a_tab() {
    let mut state = console(SIZE);
    let click = |column, row| {
        Message::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    update(&mut state, click(5, 5));
    assert_eq!(state.nodes.key, Some("F03".parse().unwrap()));
    update(&mut state, click(17, 0));
    assert_eq!(state.screen, Screen::Terminals);
}

#[test]
fn a_click_behind_a_dialogue_does_nothing() {
    let mut state = after_select(SIZE);
    order_is(&mut state, OrderState::Selected, "");
    let click =
        MouseEvent { kind: MouseEventKind::Down(MouseButton::Left), column: 12, row: 0, modifiers: KeyModifiers::NONE };
    assert!(update(&mut state, Message::Mouse(click)).is_empty());
    assert_eq!(context(&state), Context::CheckBack);
}

#[test]
fn a_limit_is_sent_once_and_only_after_a_last_look() {
    let mut state = at_limit(SIZE);
    keys(&mut state, " 2400.5");
    press(&mut state, KeyCode::Tab);
    assert!(asks(&keys(&mut state, "yes, dispatch wants it ")).is_empty());
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty());
    assert_eq!(context(&state), Context::LimitConfirm);
    assert!(shows(&state, "299.5 kW OVER that"));
    let held = KeyEvent::new_with_kind(KeyCode::Char('y'), KeyModifiers::NONE, KeyEventKind::Repeat);
    assert!(update(&mut state, Message::Key(held)).is_empty());
    let wanted = Request::SetLimit {
        node: "F04".parse().unwrap(),
        limit: Power::new(2_400_500),
        expected: Some(Power::from_kw(3_000)),
        reason: "yes, dispatch wants it".into(),
    };
    assert_eq!(asks(&keys(&mut state, "yyy")), [&wanted]);
    press(&mut state, KeyCode::Esc);
    assert_eq!(context(&state), Context::Asking, "the answer must find its dialogue");
    let set = Asked::SetLimit("F04".parse().unwrap());
    update(&mut state, Message::Answer(set, Answer::Granted(Reply::Done)));
    assert!(shows(&state, "The limit is 2400.5 kW now."));
    press(&mut state, KeyCode::Esc);
    assert_eq!(context(&state), Context::Overview);
}

#[test]
fn a_figure_that_is_no_limit_of_the_node_is_not_sent() {
    for typed in ["", "0", "-5", "12x", "1.2345", "3000.001", "9223372036854776", "99999999999999999999"] {
        let mut state = at_limit(SIZE);
        keys(&mut state, typed);
        press(&mut state, KeyCode::Enter);
        assert_eq!(context(&state), Context::Limit, "{typed}");
        assert!(shows(&state, "is no limit here"), "{typed}");
        assert!(asks(&keys(&mut state, "y")).is_empty());
    }
    let mut rating = at_limit(SIZE);
    keys(&mut rating, "3000");
    press(&mut rating, KeyCode::Enter);
    assert_eq!(asks(&keys(&mut rating, "y")).len(), 1);
}

#[test]
fn escape_leaves_the_limit_as_it_is() {
    for last_look in [false, true] {
        let mut state = at_limit(SIZE);
        keys(&mut state, "2400");
        if last_look {
            press(&mut state, KeyCode::Enter);
        }
        assert!(asks(&press(&mut state, KeyCode::Esc)).is_empty());
        assert_eq!(context(&state), Context::Overview);
    }
}

#[test]
fn what_became_of_a_limit_that_was_not_granted_is_shown_as_a_sentence() {
    for (answer, wanted) in [
        (Answer::Refused("F04: no rule limits it".into()), "refused: F04: no rule limits it"),
        (Answer::Unanswered("no answer within 3 s".into()), "look at the limit in the"),
    ] {
        let mut state = at_limit(SIZE);
        keys(&mut state, "2400");
        press(&mut state, KeyCode::Enter);
        keys(&mut state, "y");
        update(&mut state, Message::Answer(Asked::SetLimit("F04".parse().unwrap()), answer));
        assert!(shows(&state, wanted));
        assert!(asks(&keys(&mut state, "y")).is_empty());
    }
}

#[test]
fn no_limit_is_set_where_there_is_none_nor_while_the_centre_does_not_answer() {
    let mut state = console(SIZE);
    keys(&mut state, "l");
    assert!(shows(&state, "R: no rule limits it"));
    assert_eq!(context(&state), Context::Overview);
    let mut failing = at_limit(SIZE);
    keys(&mut failing, "2400");
    press(&mut failing, KeyCode::Enter);
    update(&mut failing, Message::View(Box::new(a_view()), disk_full()));
    assert!(asks(&keys(&mut failing, "y")).is_empty());
    assert!(shows(&failing, "the centre cannot write its journal: nothing was sent"));
    press(&mut failing, KeyCode::Esc);
    keys(&mut failing, "l");
    assert_eq!(context(&failing), Context::Overview);
    let mut lost = at_limit(SIZE);
    keys(&mut lost, "2400");
    update(&mut lost, Message::Lost("no connection".into()));
    press(&mut lost, KeyCode::Enter);
    assert!(shows(&lost, "the centre does not answer: nothing was sent"));
}

fn stopped() -> Stopped {
    Stopped { since: ago(120), by: "li".into(), reason: "smoke in the relay room".into() }
}

/// What the rules would do: the plan that stands among the view's events.
fn a_resumption() -> Resumption {
    let acts = a_view().events.into_iter().take(1).collect();
    Resumption { stopped: stopped(), at: NOW, within: Span::from_s(60), acts }
}

/// Automatic control is stopped, and the operator looks at its end.
pub(super) fn at_resumption(size: (u16, u16)) -> State {
    let mut state = console(size);
    refresh(&mut state, |view| view.stopped = Some(stopped()));
    assert_eq!(keys(&mut state, "!"), [Effect::FetchResumption]);
    update(&mut state, Message::Resumption(Ok(Some(a_resumption()))));
    state
}

#[test]
fn one_key_stops_all_automatic_control_on_every_screen_and_in_every_dialogue() {
    let wanted = Request::StopAutomatic { reason: "stopped by key at the console".into() };
    for screen in ["1", "2", "3", "4", "5", "6", "7", "1v"] {
        let mut state = console(SIZE);
        keys(&mut state, screen);
        assert_eq!(asks(&keys(&mut state, "!")), [&wanted], "{screen}");
    }
    for mut state in [at_limit(SIZE), after_select(SIZE), at_limit((40, 10))] {
        assert_eq!(asks(&press(&mut state, KeyCode::F(12))), [&wanted]);
    }
    let mut typing = at_limit(SIZE);
    assert!(asks(&keys(&mut typing, "!")).is_empty(), "typed into the field");
    let mut state = console(SIZE);
    update(&mut state, Message::Answer(Asked::StopAutomatic, Answer::Granted(Reply::Done)));
    assert!(shows(&state, "ALL AUTOMATIC CONTROL IS STOPPED"));
}

#[test]
fn nothing_is_resumed_that_was_not_looked_at() {
    let mut state = console(SIZE);
    refresh(&mut state, |view| view.stopped = Some(stopped()));
    assert!(shows(&state, "AUTOMATIC STOPPED by li"));
    keys(&mut state, "!");
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty(), "the preview is not here yet");
    update(&mut state, Message::Resumption(Err("no answer within 20 s".into())));
    assert!(shows(&state, "no answer within 20 s"));
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty());
    assert_eq!(press(&mut state, KeyCode::F(5)), [Effect::FetchResumption]);
    update(&mut state, Message::Resumption(Ok(Some(a_resumption()))));
    assert!(shows(&state, "390.0 kW wanted"));
    keys(&mut state, "relay replaced, yes");
    let wanted = Request::ResumeAutomatic { reason: "relay replaced, yes".into() };
    assert_eq!(asks(&press(&mut state, KeyCode::Enter)), [&wanted]);
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty(), "once");
    update(&mut state, Message::Answer(Asked::ResumeAutomatic, Answer::Granted(Reply::Done)));
    assert!(shows(&state, "automatic control is running again"));
}

#[test]
fn a_resumption_that_somebody_else_made_is_told() {
    let mut state = console(SIZE);
    refresh(&mut state, |view| view.stopped = Some(stopped()));
    keys(&mut state, "!");
    update(&mut state, Message::Resumption(Ok(None)));
    assert!(shows(&state, "is running already"));
    let mut dead = at_resumption(SIZE);
    update(&mut dead, Message::View(Box::new(a_view()), disk_full()));
    assert!(asks(&press(&mut dead, KeyCode::Enter)).is_empty());
}

#[test]
fn p_reads_a_terminals_parameters_back_once_at_a_time_and_the_line_says_what_differs() {
    use headroom_rules::local_control::Parameters;
    use headroom_rules::view::TerminalParameters;
    let (mut state, terminal) = (at_terminal(SIZE), "T2".parse().unwrap());
    let reads = |effects: &[Effect]| effects.iter().filter(|it| **it == Effect::ReadParameters(terminal)).count();
    assert_eq!(reads(&keys(&mut state, "p")), 1);
    assert!(shows(&state, "T2: reading its parameters back"));
    assert_eq!(
        update(&mut state, Message::Parameters(terminal, "T2: parameters as li wants them".into())),
        [Effect::FetchDetail(terminal)]
    );
    assert!(shows(&state, "T2: parameters as li wants them"));
    assert_eq!(reads(&press(&mut state, KeyCode::F(5))), 1, "asked again");
    assert_eq!(reads(&press(&mut state, KeyCode::F(5))), 0, "once at a time");
    let wanted = Some(Parameters { floor_kw: 40, ..Parameters::default() });
    let parameters = TerminalParameters { wanted, wanted_by: "li".into(), ..TerminalParameters::default() };
    assert_eq!(compared(&parameters), "never read back");
    let differs = TerminalParameters { read: Some(Parameters::default()), ..parameters.clone() };
    assert_eq!(compared(&differs), "DIFFER: floor_kw wanted 40, read 0");
    let same = TerminalParameters { read: parameters.wanted.clone(), ..parameters };
    assert_eq!(compared(&same), "as li wants them");
}
