//! Tags, group orders, targets, proposals, what-ifs, parameters: what people do beside switching one round.

use super::*;
use crate::console::frame_text;
use crate::console::keys::{Context, context};
use crate::console::state::{Overlay, Screen, What};
use headroom_rules::dressing::{DressOn, Dressing, DressingId};
use headroom_rules::groups::{
    Group, GroupAct, GroupId, GroupLine, GroupNotice, GroupScope, GroupState, Member, MemberState,
};
use headroom_rules::local_control::Parameters;
use headroom_rules::measures::{Agreed, Measure, MeasureId, MeasureKind, MeasureState, Window};
use headroom_rules::notices::{Delivery, Notice, NoticeId, Sending};
use headroom_rules::own::{Place, Proposal, ProposalId, Subject};
use headroom_rules::tags::{Tag, TagId, TagOn};
use headroom_rules::target::{Begun, Target, TargetId};
use headroom_rules::view::{DryRun, Forbidden, InterlockView, TerminalParameters, Waiting};
use insta::assert_snapshot;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

fn shows(state: &State, text: &str) -> bool {
    frame_text(state).unwrap().contains(text)
}

/// The console with the cursor on F03.
fn at_f03(size: (u16, u16)) -> State {
    let mut state = console(size);
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Down);
    state
}

fn tag(id: u64, on: TagOn, owner: &str) -> Tag {
    Tag { id: TagId(id), on, owner: owner.into(), reason: "men at work".into(), since: ago(300) }
}

fn on_round(id: &str) -> TagOn {
    TagOn::Round { terminal: id.parse().unwrap(), round: RoundNo::ALL[0] }
}

fn member(id: &str, state: MemberState, why: &str) -> Member {
    let (terminal, power) = (id.parse().unwrap(), Power::from_kw(120));
    Member { terminal, round: RoundNo::ALL[0], power, state, order: None, why: why.into() }
}

/// Drawn up by li: two rounds of 120 kW and a hospital that is left out.
fn a_group(state: GroupState, second_person: bool) -> Group {
    let line = GroupLine {
        id: GroupId(3),
        act: GroupAct::Trip,
        scope: GroupScope::Node { node: "F03".parse().unwrap(), class: None, numbers: Vec::new() },
        reason: "heat wave".into(),
        state,
        drafted_by: "li".into(),
        second_person,
        approved_by: None,
        power: Power::from_kw(240),
        drafted_at: ago(60),
        changed_at: ago(60),
        expires_at: NOW.after(Span::from_s(540)),
        rounds: 3,
        left_out: 1,
        confirmed: 0,
        failed: 0,
    };
    let members = vec![
        member("T1", MemberState::LeftOut, "T1 has guaranteed supply; it is never tripped"),
        member("T2", MemberState::Waiting, ""),
        member("T3", MemberState::Waiting, ""),
    ];
    Group { line, members, notice: None }
}

/// The console with a group order's list open.
fn at_group(size: (u16, u16), group: &Group) -> State {
    let mut state = console(size);
    refresh(&mut state, |view| view.groups = vec![group.line.clone()]);
    keys(&mut state, "7");
    assert_eq!(press(&mut state, KeyCode::Enter), [Effect::FetchGroup(GroupId(3))]);
    update(&mut state, Message::Group(GroupId(3), Ok(group.clone())));
    state
}

fn a_proposal() -> Proposal {
    Proposal {
        id: ProposalId(2),
        rule: "evening-peak".parse().unwrap(),
        subject: Subject::Named,
        node: "F03".parse().unwrap(),
        power: Power::from_kw(500),
        since: ago(90),
        text: "the peak of the evening comes".into(),
    }
}

fn a_target() -> Target {
    Target {
        id: TargetId(5),
        node: "F03".parse().unwrap(),
        reduction: Power::from_kw(400),
        from: ago(600),
        to: NOW.after(Span::from_s(3_600)),
        by: "li".into(),
        reason: "by the dispatch centre above".into(),
        begun: Some(Begun { baseline: Power::from_kw(4_300), limit: Power::from_kw(3_900) }),
    }
}

/// Under 3810 kW, which is 85 kW more than there is to shed.
fn a_dry_run() -> DryRun {
    let node: NodeId = "F03".parse().unwrap();
    DryRun {
        node,
        at: NOW,
        load: Power::from_kw(4_310),
        limit: Power::from_kw(3_810),
        target: Power::from_kw(3_810),
        level: Some(Level::Orange),
        measures: Default::default(),
        plans: a_view().events.into_iter().take(1).collect(),
        shed: Power::from_kw(415),
        rounds: 2,
        customers: 2,
        missing: Power::from_kw(85),
        refused: None,
    }
}

#[test]
fn a_tag_wants_a_reason_and_a_last_look_and_is_sent_once() {
    let mut state = at_terminal(SMALL);
    keys(&mut state, "h");
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty());
    assert!(shows(&state, "a tag wants a reason") && context(&state) == Context::Entry);
    keys(&mut state, "men at work");
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty(), "looked at once more");
    assert!(shows(&state, "Locks out round 1 of Steelworks, 120.0 kW behind it"));
    let sent = keys(&mut state, "yyy");
    let on = on_round("T2");
    assert_eq!(asks(&sent), [&Request::SetTag { on, reason: "men at work".into() }]);
    press(&mut state, KeyCode::Esc);
    assert_eq!(context(&state), Context::Asking, "its answer finds its dialogue");
    update(&mut state, Message::Answer(Asked::Act("the tag"), Answer::Granted(Reply::Tag { tag: TagId(4) })));
    assert!(shows(&state, "tag L4 hangs on T2 round 1"));
}

#[test]
fn a_value_by_hand_wants_value_time_and_reason_and_a_last_look_and_is_sent_once() {
    let mut state = at_f03(SMALL);
    keys(&mut state, "e");
    keys(&mut state, "much");
    press(&mut state, KeyCode::Enter);
    assert!(shows(&state, "\"much\" is no power") && context(&state) == Context::Entry);
    for _ in 0..4 {
        press(&mut state, KeyCode::Backspace);
    }
    keys(&mut state, "4200");
    press(&mut state, KeyCode::Tab);
    keys(&mut state, "4");
    press(&mut state, KeyCode::Enter);
    assert!(shows(&state, "wants a reason"));
    press(&mut state, KeyCode::Tab);
    keys(&mut state, "meter out");
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty(), "looked at once more");
    assert!(shows(&state, "F03 load: 4200.0 kW by hand, until") && shows(&state, "Now F03 load: 4310.0 kW"));
    let on = DressOn::Load { node: "F03".parse().unwrap() };
    let until = NOW.after(Span::from_s(4 * 3_600));
    let wanted = Request::Dress { on, value: 4_200_000, until, reason: "meter out".into() };
    assert_eq!(asks(&keys(&mut state, "yyy")), [&wanted]);
    let reply = Reply::Dressing { dressing: DressingId(7) };
    update(&mut state, Message::Answer(Asked::Act("the value by hand"), Answer::Granted(reply)));
    assert!(shows(&state, "H7: F03 load counts as 4200.0 kW now"));
}

#[test]
fn a_round_s_switch_is_set_by_hand_and_taken_off_from_the_list_by_its_owner() {
    let mut state = at_terminal(SMALL);
    keys(&mut state, "e");
    keys(&mut state, "switch");
    press(&mut state, KeyCode::Tab);
    keys(&mut state, "open");
    press(&mut state, KeyCode::Tab);
    keys(&mut state, "30 min");
    press(&mut state, KeyCode::Tab);
    keys(&mut state, "seen on site");
    press(&mut state, KeyCode::Enter);
    let (on, until) = (
        DressOn::RoundPosition { terminal: "T2".parse().unwrap(), round: RoundNo::ALL[0] },
        NOW.after(Span::from_s(1_800)),
    );
    let wanted = Request::Dress { on, value: 1, until, reason: "seen on site".into() };
    assert_eq!(asks(&keys(&mut state, "y")), [&wanted]);
    let mut state = console(SMALL);
    let standing = Dressing {
        id: DressingId(7),
        on,
        value: 1,
        owner: "li".into(),
        reason: "seen on site".into(),
        since: ago(60),
        until,
    };
    refresh(&mut state, |view| view.dressings = vec![standing]);
    keys(&mut state, "7");
    assert!(shows(&state, "by hand") && shows(&state, "T2 round 1 switch: open by li: seen on site"));
    press(&mut state, KeyCode::Enter);
    assert!(shows(&state, "It is li's: only li or a supervisor may take it off."));
    press(&mut state, KeyCode::Enter);
    assert_eq!(asks(&keys(&mut state, "y")), [&Request::Undress { dressing: DressingId(7), reason: String::new() }]);
}

#[test]
fn a_rule_that_gave_up_is_let_try_again_after_a_look_and_no_other_one_is() {
    let mut state = at_f03(SMALL);
    keys(&mut state, "T");
    assert!(state.overlay.is_none() && shows(&state, "F03: its limit rule has not given up"));
    let node: NodeId = "F03".parse().unwrap();
    refresh(&mut state, |view| {
        for known in view.nodes.iter_mut().filter(|known| known.id == node) {
            known.state = LimitState::Futile;
        }
    });
    assert_eq!(keys(&mut state, "T"), [Effect::FetchDryRun(node, None)]);
    update(&mut state, Message::DryRun(node, None, Ok(Box::new(a_dry_run()))));
    keys(&mut state, "fitters are through");
    press(&mut state, KeyCode::Enter);
    assert!(shows(&state, "y lets it plan anew"));
    let wanted = Request::TryAgain { node, reason: "fitters are through".into() };
    assert_eq!(asks(&keys(&mut state, "yy")), [&wanted]);
}

#[test]
fn a_tag_hangs_on_what_is_under_the_cursor() {
    let (node, terminal) = ("F03".parse().unwrap(), "T2".parse().unwrap());
    let hangs = |state: &State| match &state.act().unwrap().what {
        What::HangTag(on) => *on,
        other => panic!("{other:?}"),
    };
    let mut state = at_f03(SMALL);
    keys(&mut state, "h");
    assert_eq!(hangs(&state), TagOn::Node { node });
    assert!(shows(&state, "Locks out 2 terminals with 4 rounds, load 4310.0 kW"));
    let mut state = at_f03(SMALL);
    keys(&mut state, "vh");
    assert_eq!(hangs(&state), TagOn::Node { node });
    let mut state = console(SMALL);
    keys(&mut state, "2");
    press(&mut state, KeyCode::Down);
    keys(&mut state, "h");
    assert_eq!(hangs(&state), TagOn::Terminal { terminal });
    let mut state = at_terminal(SMALL);
    keys(&mut state, "H");
    assert_eq!(hangs(&state), TagOn::Terminal { terminal });
}

#[test]
fn a_tag_shows_where_it_hangs_and_another_persons_is_told_to_be_theirs() {
    let mut state = at_terminal(LARGE);
    refresh(&mut state, |view| {
        view.tags = vec![tag(4, on_round("T2"), "li"), tag(6, TagOn::Node { node: "F04".parse().unwrap() }, "wang")];
        view.terminals[1].rounds[0].tag = Some(TagId(4));
    });
    assert!(shows(&state, "⚑ L4"));
    keys(&mut state, "u");
    assert!(shows(&state, "Hung by li 5 min ago: men at work"));
    assert!(shows(&state, "only li or a supervisor may take it off"));
    press(&mut state, KeyCode::Enter);
    let sent = keys(&mut state, "y");
    assert_eq!(asks(&sent), [&Request::RemoveTag { tag: TagId(4), reason: String::new() }]);
    let refused = "tag L4 is li's: li or a supervisor has to take it off";
    update(&mut state, Message::Answer(Asked::Act("taking the tag off"), Answer::Refused(refused.into())));
    assert!(shows(&state, refused));
    press(&mut state, KeyCode::Esc);
    keys(&mut state, "1");
    assert!(shows(&state, "F04⚑"));
    keys(&mut state, "2");
    assert!(shows(&state, "1●⚑2○"));
    press(&mut state, KeyCode::Up);
    keys(&mut state, "u");
    assert!(shows(&state, "no tag hangs here"));
}

#[test]
fn a_group_order_is_drawn_up_for_a_node_and_its_list_comes_next() {
    let mut state = at_f03(SMALL);
    keys(&mut state, "o9");
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty());
    assert!(shows(&state, "\"9\" is no class: wanted 1 to 5"));
    press(&mut state, KeyCode::Backspace);
    keys(&mut state, "4");
    press(&mut state, KeyCode::Tab);
    keys(&mut state, "1, 3");
    press(&mut state, KeyCode::Tab);
    keys(&mut state, "heat wave");
    let scope = GroupScope::Node {
        node: "F03".parse().unwrap(),
        class: Some(PriorityClass::try_from(4).unwrap()),
        numbers: vec![RoundNo::ALL[0], RoundNo::ALL[2]],
    };
    let wanted = Request::DraftGroup { act: GroupAct::Trip, scope, reason: "heat wave".into(), notice_min: 0 };
    assert_eq!(asks(&press(&mut state, KeyCode::Enter)), [&wanted]);
    let name = "the draft of the group order";
    update(&mut state, Message::Answer(Asked::Act(name), Answer::Granted(Reply::Group { group: GroupId(3) })));
    assert!(update(&mut state, Message::Clock(50)).contains(&Effect::FetchGroup(GroupId(3))));
    assert!(shows(&state, "fetching its list"));
    update(&mut state, Message::Group(GroupId(3), Ok(a_group(GroupState::Drafted, true))));
    assert!(shows(&state, "WILL OPEN 2 rounds with 240.0 kW"));
    assert!(shows(&state, "T1 has guaranteed supply"));
}

#[test]
fn marked_terminals_go_into_one_group_order_with_all_their_rounds() {
    let mut state = console(SMALL);
    keys(&mut state, "2mm");
    assert!(shows(&state, "2 marked") && shows(&state, "*● up   T1"));
    keys(&mut state, "O");
    assert!(shows(&state, "restore the rounds of 2 terminals"));
    let sent = press(&mut state, KeyCode::Enter);
    let [Request::DraftGroup { act: GroupAct::Restore, scope: GroupScope::Rounds { rounds }, .. }] = asks(&sent)[..]
    else {
        panic!("{sent:?}")
    };
    assert_eq!(rounds.len(), 4);
    update(&mut state, Message::Answer(Asked::Act("the draft of the group order"), Answer::Refused("no".into())));
    assert!(shows(&state, "refused: no"));
    press(&mut state, KeyCode::Esc);
    keys(&mut state, "M");
    assert!(!shows(&state, "marked"));
}

#[test]
fn second_person_approves_only_a_list_that_was_seen_to_its_end_and_tells_what_was_seen() {
    let mut group = a_group(GroupState::Drafted, true);
    group.members.extend((10..40).map(|n| member(&format!("T{n}"), MemberState::Waiting, "")));
    let mut state = at_group(SMALL, &group);
    assert_eq!(context(&state), Context::GroupApprove);
    assert!(asks(&keys(&mut state, "xy")).is_empty());
    assert!(shows(&state, "you answer for all of it, so see it to its end first"));
    press(&mut state, KeyCode::End);
    let seen = Some(Power::from_kw(32 * 120));
    let sent = keys(&mut state, "yy");
    assert_eq!(asks(&sent), [&Request::ApproveGroup { group: GroupId(3), seen }]);
    let refused = "group order G3 has 4000.0 kW now, and you saw 3840.0 kW";
    update(&mut state, Message::Answer(Asked::Act("the group order"), Answer::Refused(refused.into())));
    assert!(shows(&state, refused) && context(&state) == Context::GroupApprove);
}

#[test]
fn second_person_is_not_whoever_drew_it_up_and_nothing_is_executed_before() {
    let mut group = a_group(GroupState::Drafted, true);
    group.line.drafted_by = "wang".into();
    let mut state = at_group(SMALL, &group);
    assert_eq!(context(&state), Context::GroupCallOff);
    assert!(asks(&keys(&mut state, "xy")).is_empty());
    assert!(shows(&state, "Somebody else has to approve it"));
    (group.line.state, group.line.approved_by) = (GroupState::Approved, Some("li".into()));
    update(&mut state, Message::Group(GroupId(3), Ok(group)));
    assert!(shows(&state, "li approved 240.0 kW") && shows(&state, "x sends these orders now: trip 240.0 kW"));
    assert_eq!(asks(&keys(&mut state, "xx")), [&Request::ExecuteGroup { group: GroupId(3), at_once: None }]);
}

#[test]
fn a_group_order_of_others_is_only_looked_at() {
    let group = a_group(GroupState::Drafted, false);
    let mut state = at_group(SMALL, &group);
    assert_eq!(context(&state), Context::Look);
    assert!(asks(&keys(&mut state, "xyw")).is_empty());
    assert!(shows(&state, "li goes on with it."));
    state.about.as_mut().unwrap().supervisor = true;
    let called_off = keys(&mut state, "w");
    assert!(matches!(asks(&called_off)[..], [Request::CancelGroup { group: GroupId(3), .. }]));
}

#[test]
fn a_group_order_that_was_called_off_does_not_read_as_one_that_switches() {
    let state = at_group(SMALL, &a_group(GroupState::Cancelled, true));
    assert!(shows(&state, "WAS TO OPEN 2 rounds") && shows(&state, "It is over: nothing more is sent for it."));
    assert!(shows(&state, "second person: nobody approved it") && !shows(&state, "OPENS"));
}

#[test]
fn what_went_wrong_in_a_group_order_stands_first_and_the_list_is_renewed() {
    let mut group = a_group(GroupState::Executing, false);
    group.members[1].state = MemberState::Ordered(OrderState::Confirmed);
    (group.members[2].state, group.members[2].order) = (MemberState::Ordered(OrderState::Failed), Some(OrderId(31)));
    group.members[2].why = "the switch did not move".into();
    (group.line.confirmed, group.line.failed) = (1, 1);
    let mut state = at_group(SMALL, &group);
    assert!(shows(&state, "1 confirmed, 1 ended otherwise, 0 under way"));
    let frame = frame_text(&state).unwrap();
    assert!(frame.contains("#31 failed: the switch did"), "{frame}");
    assert!(frame.find("▼ T3").unwrap() < frame.find("▼ T2").unwrap(), "{frame}");
    assert!(update(&mut state, Message::Clock(1_200)).contains(&Effect::FetchGroup(GroupId(3))));
    assert!(!update(&mut state, Message::Clock(2_400)).contains(&Effect::FetchGroup(GroupId(3))), "one at a time");
}

#[test]
fn what_waits_for_a_decision_counts_at_the_screens_name() {
    let mut state = console(SMALL);
    refresh(&mut state, |view| {
        view.proposals = vec![a_proposal()];
        view.groups = vec![a_group(GroupState::Drafted, true).line];
    });
    assert!(shows(&state, "7 Acts 2"));
    refresh(&mut state, |view| view.groups[0].drafted_by = "wang".into());
    assert!(shows(&state, "7 Acts 1"), "one's own waits for somebody else");
}

#[test]
fn a_target_shows_whether_it_can_be_met_before_it_is_set() {
    let mut state = at_f03(SMALL);
    let node: NodeId = "F03".parse().unwrap();
    keys(&mut state, "dmuch");
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty());
    assert!(shows(&state, "\"much\" is no reduction"));
    for _ in 0..4 {
        press(&mut state, KeyCode::Backspace);
    }
    keys(&mut state, "0.5 MW");
    press(&mut state, KeyCode::Tab);
    press(&mut state, KeyCode::Tab);
    keys(&mut state, "+180");
    let asked = press(&mut state, KeyCode::Enter);
    assert_eq!(asked, [Effect::FetchDryRun(node, Some(3_810))]);
    assert!(shows(&state, "take 500.0 kW off, 2026-01-31 18:05Z to 21:05Z (3 h 00 min)"));
    update(&mut state, Message::DryRun(node, Some(9), Ok(Box::new(a_dry_run()))));
    assert!(shows(&state, "reckons what would be done"), "an answer to something else");
    update(&mut state, Message::DryRun(node, Some(3_810), Ok(Box::new(a_dry_run()))));
    assert!(shows(&state, "NOT MET: 415.0 kW from 2 rounds of 2 customers, 85.0 kW too little"));
    let (from, to, reason) = (NOW, NOW.after(Span::from_s(10_800)), String::new());
    let wanted = Request::SetTarget { node, reduction: Power::from_kw(500), from, to, reason };
    assert_eq!(asks(&keys(&mut state, "yy")), [&wanted]);
    let sentence = "F03 can be taken 415.0 kW off at most";
    update(&mut state, Message::Answer(Asked::Act("the target"), Answer::Refused(sentence.into())));
    assert!(shows(&state, sentence));
}

#[test]
fn nothing_is_taken_off_a_node_without_a_rule() {
    let mut state = console(SMALL);
    keys(&mut state, "d");
    assert!(state.overlay.is_none() && shows(&state, "R: no rule limits it"));
}

#[test]
fn a_target_is_dropped_from_the_list_after_a_last_look() {
    let mut state = console(SMALL);
    refresh(&mut state, |view| view.targets = vec![a_target()]);
    keys(&mut state, "7");
    press(&mut state, KeyCode::Enter);
    assert!(shows(&state, "In force: baseline 4300.0 kW, limit 3900.0 kW"));
    assert!(asks(&keys(&mut state, "y")).is_empty(), "typed into the reason");
    press(&mut state, KeyCode::Enter);
    let wanted = Request::CancelTarget { target: TargetId(5), reason: "y".into() };
    assert_eq!(asks(&keys(&mut state, "y")), [&wanted]);
    refresh(&mut state, |view| view.targets.clear());
    update(&mut state, Message::Answer(Asked::Act("dropping the target"), Answer::Granted(Reply::Done)));
    assert!(shows(&state, "target R5 of F03 is dropped"));
}

fn a_measure() -> Measure {
    let (due, until) = (ago(60), NOW.after(Span::from_s(3_600)));
    let agreed = Agreed {
        kind: MeasureKind::Avoid,
        power: Power::from_kw(40),
        notice: Span::from_s(600),
        lasts_max: Span::from_s(3_660),
        window: Window::ALWAYS,
        per_week_max: None,
    };
    Measure {
        id: MeasureId(4),
        node: "F03".parse().unwrap(),
        by: None,
        customer: "C2".parse().unwrap(),
        terminal: "T2".parse().unwrap(),
        agreed,
        asked_at: ago(660),
        due,
        until,
        reference: Power::from_kw(100),
        expected: Power::from_kw(40),
        gone: Power::from_kw(25),
        energy: Energy::new(400),
        counted_at: NOW,
        told: Sending {
            id: NoticeId(9),
            sent_at: ago(660),
            expires_at: due,
            delivery: Delivery::Delivered { at: ago(659) },
        },
        state: MeasureState::Due,
        released: None,
        ended: None,
    }
}

#[test]
fn a_measure_that_stands_is_ended_from_the_list_or_noted_as_declined() {
    for (key, declined) in [('y', false), ('n', true)] {
        let mut state = console(LARGE);
        refresh(&mut state, |view| view.measures = vec![a_measure()]);
        keys(&mut state, "7");
        assert!(shows(&state, "◇ due"));
        press(&mut state, KeyCode::Enter);
        assert!(shows(&state, "T2 Steelworks: avoid 40.0 kW for F03"));
        assert!(shows(&state, "due, 25.0 kW of 40.0 kW gone"));
        keys(&mut state, "ok");
        press(&mut state, KeyCode::Enter);
        let (measure, reason) = (MeasureId(4), "ok".to_owned());
        let wanted = if declined {
            Request::DeclineMeasure { measure, reason }
        } else {
            Request::ReleaseMeasure { measure, reason }
        };
        assert_eq!(asks(&press(&mut state, KeyCode::Char(key))), [&wanted]);
    }
}

#[test]
fn a_nodes_screen_says_what_customers_were_asked_to_do_and_what_is_still_to_come() {
    let mut state = at_f03(LARGE);
    refresh(&mut state, |view| view.measures = vec![a_measure()]);
    keys(&mut state, "v");
    assert!(shows(&state, "MEASURES  1 avoid: 25.0 kW gone, 15.0 kW still to come (7 lists them)"));
    assert!(shows(&state, "M4 T2 Steelworks: avoid 40.0 kW for F03, due, 25.0 kW gone, until 19:05:12Z"));
}

#[test]
fn a_proposal_shows_what_it_would_do_and_is_approved_or_declined() {
    for (key, approve) in [('y', true), ('n', false)] {
        let mut state = console(SMALL);
        refresh(&mut state, |view| view.proposals = vec![a_proposal()]);
        keys(&mut state, "7");
        let node = "F03".parse().unwrap();
        assert_eq!(press(&mut state, KeyCode::Enter), [Effect::FetchDryRun(node, Some(3_810))]);
        update(&mut state, Message::DryRun(node, Some(3_810), Ok(Box::new(a_dry_run()))));
        assert!(shows(&state, "85.0 kW too little"));
        keys(&mut state, "ok");
        press(&mut state, KeyCode::Enter);
        assert_eq!(context(&state), Context::Decide);
        let wanted = Request::DecideProposal { proposal: ProposalId(2), approve, reason: "ok".into() };
        let sent = press(&mut state, KeyCode::Char(key));
        assert_eq!(asks(&sent), [&wanted]);
    }
}

#[test]
fn a_what_if_says_who_would_be_shed_who_is_spared_and_what_comes_next() {
    let mut state = at_f03(LARGE);
    let node = "F03".parse().unwrap();
    assert_eq!(keys(&mut state, "w"), [Effect::FetchDryRun(node, None)]);
    update(&mut state, Message::DryRun(node, None, Err("F03: its load is not known".into())));
    assert!(shows(&state, "F03: its load is not known"));
    keys(&mut state, "3810");
    assert_eq!(press(&mut state, KeyCode::Enter), [Effect::FetchDryRun(node, Some(3_810))]);
    update(&mut state, Message::DryRun(node, Some(3_810), Ok(Box::new(a_dry_run()))));
    for line in [
        "load 4310.0 kW, limit 3810.0 kW: level orange",
        "▼ T2 round 1 (120.0 kW; class 5",
        "spared: T1",
        "if that is not enough: plan 2 from 1 rounds",
    ] {
        assert!(shows(&state, line), "{line} in\n{}", frame_text(&state).unwrap());
    }
    keys(&mut state, "x");
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert!(shows(&state, "\"3810x\" is no limit"));
}

fn with_parameters(state: &mut State) {
    let read = Parameters { floor_kw: 30, ..Parameters::default() };
    let wanted = Parameters { floor_kw: 40, ..Parameters::default() };
    let parameters = TerminalParameters {
        wanted: Some(wanted),
        wanted_by: "li".into(),
        wanted_at: Some(ago(900)),
        read: Some(read),
        read_at: Some(ago(60)),
        failed: None,
    };
    update(state, Message::Detail(Box::new(TerminalDetail { parameters: Some(parameters), ..a_detail() })));
}

#[test]
fn a_parameter_is_changed_after_a_look_at_what_it_was_and_what_differs_stands_first() {
    let mut state = at_terminal(SMALL);
    keys(&mut state, "p");
    with_parameters(&mut state);
    assert!(shows(&state, "≠ floor_kw                       40                 30"));
    keys(&mut state, "floor_kw 50");
    assert!(!press(&mut state, KeyCode::Enter).iter().any(|it| matches!(it, Effect::SetParameters(..))));
    assert!(shows(&state, "floor_kw: 40 -> 50"));
    let terminal = "T2".parse().unwrap();
    let wanted = Effect::SetParameters(terminal, serde_json::json!({"floor_kw": 50}), String::new());
    assert_eq!(keys(&mut state, "yy"), [wanted]);
    update(&mut state, Message::ParametersSent(terminal, Err("T2 was not asked: it has no link".into())));
    assert!(shows(&state, "T2 was not asked: it has no link"));
}

#[test]
fn what_forbids_an_action_is_told_before_anybody_asks_for_it() {
    let mut state = at_terminal(LARGE);
    let why = "interlock bus-tie does not permit trip of round 1: closed with closed = 0";
    let forbidden = |n: usize, trip: Option<&str>| Forbidden {
        round: RoundNo::ALL[n],
        trip: trip.map(str::to_owned),
        restore: None,
    };
    let interlock = InterlockView {
        id: "bus-tie".parse().unwrap(),
        place: Place::Terminal("T2".parse().unwrap()),
        trip: true,
        restore: false,
        bars: Some("closed with closed = 0".into()),
    };
    let detail = TerminalDetail {
        forbidden: vec![forbidden(0, Some(why)), forbidden(1, None)],
        interlocks: vec![interlock],
        ..a_detail()
    };
    update(&mut state, Message::Detail(Box::new(detail)));
    assert!(shows(&state, "✖ bus-tie bars trip: closed with closed = 0"));
    keys(&mut state, "i");
    assert!(shows(&state, "✖ trip: interlock bus-tie") && shows(&state, "✔ restore: nothing forbids it"));
    assert!(shows(&state, "bus-tie guards T2 against trip: DOES NOT PERMIT"));
    press(&mut state, KeyCode::Esc);
    keys(&mut state, "t");
    assert!(shows(&state, "It will be refused: interlock bus-tie"));
}

#[test]
fn an_order_that_waits_for_its_turn_says_for_what() {
    let mut state = after_select(SMALL);
    let why = "2 of 2 selects below F03 stand".to_owned();
    order_is(&mut state, OrderState::Approved, "");
    refresh(&mut state, |view| view.waiting = vec![Waiting { order: OrderId(12), why }]);
    assert!(shows(&state, "turn, place 1: 2 of 2 selects below F03 stand"));
    state.overlay = None;
    keys(&mut state, "4");
    assert!(shows(&state, "waits for its turn: 2 of 2 selects below F03 stand"));
}

#[test]
fn nothing_is_begun_or_sent_while_the_centre_does_not_answer_and_escape_leaves_everything_as_it_is() {
    for key in ["h", "o", "O", "d"] {
        let mut dead = at_f03(SMALL);
        update(&mut dead, Message::Lost("refused".into()));
        keys(&mut dead, key);
        assert!(dead.overlay.is_none() && shows(&dead, "the centre does not answer"), "{key}");
        let mut state = at_f03(SMALL);
        keys(&mut state, key);
        assert!(state.overlay.is_some(), "{key}");
        assert_eq!(press(&mut state, KeyCode::Esc), [], "{key}");
        assert!(state.overlay.is_none(), "{key}");
    }
    let mut state = at_f03(SMALL);
    keys(&mut state, "hwhy");
    press(&mut state, KeyCode::Enter);
    update(&mut state, Message::View(Box::new(a_view()), disk_full()));
    assert!(asks(&keys(&mut state, "y")).is_empty());
    assert!(shows(&state, "the centre cannot write its journal: nothing was sent"));
    let mut group = a_group(GroupState::Approved, true);
    group.line.approved_by = Some("wang".into());
    let mut state = at_group(SMALL, &group);
    assert_eq!(context(&state), Context::GroupExecute);
    update(&mut state, Message::Lost("refused".into()));
    assert!(asks(&keys(&mut state, "x")).is_empty());
}

#[test]
fn automatic_control_is_stopped_from_every_act() {
    for act in ["h", "d", "w", "o"] {
        let mut state = at_f03(SMALL);
        keys(&mut state, act);
        assert!(matches!(state.overlay, Some(Overlay::Act(_))), "{act}");
        let stopped = press(&mut state, KeyCode::F(12));
        assert!(matches!(asks(&stopped)[..], [Request::StopAutomatic { .. }]), "{act}");
    }
}

#[test]
fn acts_at_80x24_and_120x40() {
    for (size, suffix) in [(SMALL, "80x24"), (LARGE, "120x40")] {
        let mut state = console(size);
        refresh(&mut state, |view| {
            view.proposals = vec![a_proposal()];
            view.groups = vec![a_group(GroupState::Drafted, true).line];
            view.targets = vec![a_target()];
            view.tags = vec![tag(4, on_round("T2"), "li")];
        });
        keys(&mut state, "7");
        assert_eq!(state.screen, Screen::Acts);
        assert_snapshot!(format!("acts_{suffix}"), frame_text(&state).unwrap());
        let state = at_group(size, &a_group(GroupState::Drafted, true));
        assert_snapshot!(format!("act_group_{suffix}"), frame_text(&state).unwrap());
        let mut state = at_f03(size);
        keys(&mut state, "w");
        update(&mut state, Message::DryRun("F03".parse().unwrap(), None, Ok(Box::new(a_dry_run()))));
        assert_snapshot!(format!("act_what_if_{suffix}"), frame_text(&state).unwrap());
        let mut state = at_f03(size);
        keys(&mut state, "d");
        assert_snapshot!(format!("act_target_{suffix}"), frame_text(&state).unwrap());
        let mut state = at_terminal(size);
        keys(&mut state, "p");
        with_parameters(&mut state);
        assert_snapshot!(format!("act_parameters_{suffix}"), frame_text(&state).unwrap());
    }
}

#[test]
fn a_group_trip_may_give_notice_and_nothing_but_minutes_counts_as_one() {
    let mut state = console(LARGE);
    keys(&mut state, "o");
    (0..3).for_each(|_| drop(press(&mut state, KeyCode::Tab)));
    keys(&mut state, "61");
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty());
    assert!(shows(&state, "is no notice: wanted 1 to 60 minutes"));
    press(&mut state, KeyCode::Backspace);
    let sent = press(&mut state, KeyCode::Enter);
    assert!(matches!(asks(&sent)[..], [Request::DraftGroup { act: GroupAct::Trip, notice_min: 6, .. }]));
}

#[test]
fn a_group_orders_list_says_whom_its_notice_did_not_reach_and_no_wait_wants_a_reason() {
    let mut group = a_group(GroupState::Drafted, false);
    group.line.drafted_by = "wang".into();
    let due = NOW.after(Span::from_s(120));
    let notice = |number, id: &str, delivery| Notice {
        terminal: id.parse().unwrap(),
        rounds: vec![RoundNo::ALL[0]],
        power: Power::from_kw(120),
        due,
        told: Sending { id: NoticeId(number), sent_at: NOW, expires_at: due, delivery },
        tripped: false,
        called_off: None,
    };
    let told = vec![
        notice(1, "T2", Delivery::Delivered { at: NOW }),
        notice(2, "T3", Delivery::NotReached { why: "the link is down".into() }),
    ];
    group.notice = Some(GroupNotice { before: Span::from_s(180), due: Some(due), told });
    let mut state = at_group(LARGE, &group);
    assert!(shows(&state, "NOTICE  1 told, 1 not reached, x from 18:07:12Z, in 2 min (X: now)"));
    assert!(shows(&state, "not reached: T3 "));
    assert!(asks(&keys(&mut state, "X")).is_empty());
    assert!(shows(&state, "Its orders go out now all the same"));
    press(&mut state, KeyCode::Enter);
    assert!(shows(&state, "say why its customers' time is cut short"));
    keys(&mut state, "fire");
    assert!(asks(&press(&mut state, KeyCode::Enter)).is_empty());
    let at_once = Some("fire".to_owned());
    assert_eq!(asks(&keys(&mut state, "y")), [&Request::ExecuteGroup { group: GroupId(3), at_once }]);
}
