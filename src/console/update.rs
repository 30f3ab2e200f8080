//! The console's behaviour: what happened goes in, the state changes, what is to be done comes out. No I/O, no clock.

use crossterm::event::{
    Event as TerminalEvent, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use headroom_rules::groups::GroupAct;
use headroom_rules::input::Request;
use headroom_rules::model::TerminalId;
use headroom_rules::orders::OrderId;
use headroom_rules::output::AlarmCause;
use ratatui::layout::{Position, Rect};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::acts;
use super::automatic;
use super::dialogue;
use super::dress;
use super::dry_run;
use super::group;
use super::keys::{self, Command, Context};
use super::layout;
use super::limit;
use super::message::{Answer, Asked, Effect, Message};
use super::metering;
use super::node;
use super::parameters;
use super::state::{ActKey, Connection, Overlay, POLL_MS, STALE_MS, Screen, Stage, State, What, Wish};
use super::tags;
use super::target;
use super::try_again;
use super::view::{lists, overlay};

/// The trend is fetched this often, ms.
const TREND_MS: u64 = 2_000;
/// Who the centre is, is asked again this often until it answers, ms.
const ABOUT_MS: u64 = 2_000;

/// Applies one message.
pub(crate) fn update(state: &mut State, message: Message) -> Vec<Effect> {
    let effects = match message {
        Message::Clock(ms) => clock(state, ms),
        Message::Key(key) => on_key(state, key),
        Message::Mouse(mouse) => on_mouse(state, mouse),
        Message::Resize(width, height) => {
            state.size = (width, height);
            Vec::new()
        }
        Message::View(view, health) => {
            state.view_in_flight = false;
            // After an outage the centre may be another one, with another operator or pace.
            if !state.connected() {
                state.about_asked_at = None;
            }
            state.connection = Connection::Live;
            state.received_at = Some(state.wall);
            state.view = *view;
            state.health = health;
            Vec::new()
        }
        Message::Detail(detail) => {
            state.detail_in_flight = false;
            if state.screen == Screen::Detail(detail.summary.id) {
                state.detail_error = None;
                state.detail = Some(*detail);
            }
            Vec::new()
        }
        Message::Trend(terminal, points) => {
            state.trend_in_flight = false;
            if state.screen == Screen::Detail(terminal) {
                state.trend = points;
            }
            Vec::new()
        }
        Message::About(about) => {
            state.about = Some(about);
            Vec::new()
        }
        Message::Lost(why) => {
            state.view_in_flight = false;
            lose(state, why);
            Vec::new()
        }
        Message::DetailLost(terminal, why) => {
            state.detail_in_flight = false;
            state.trend_in_flight = false;
            if state.screen == Screen::Detail(terminal) {
                state.detail_error = Some(why);
            }
            Vec::new()
        }
        Message::ReadNow(terminal, done) => {
            state.reading.remove(&terminal);
            match done {
                Ok(()) => state.tell(format!("{terminal}: all values were read")),
                Err(sentence) => state.tell(sentence),
            }
            Vec::new()
        }
        Message::Parameters(terminal, sentence) => {
            state.reading.remove(&terminal);
            match &mut state.overlay {
                Some(Overlay::Act(act)) if matches!(act.what, What::Parameters { .. }) => {
                    act.form.note = Some(sentence);
                }
                _ => state.tell(sentence),
            }
            vec![Effect::FetchDetail(terminal)]
        }
        Message::Completeness(day, answer) => {
            metering::on_answer(state, day, answer);
            Vec::new()
        }
        Message::Curve(past, answer) => {
            node::on_answer(state, past, answer);
            Vec::new()
        }
        Message::Collected(terminal, done) => {
            metering::on_collected(state, terminal, done);
            Vec::new()
        }
        Message::Group(id, answer) => {
            group::on_group(state, id, answer);
            Vec::new()
        }
        Message::DryRun(node, limit_kw, answer) => {
            dry_run::on_answer(state, node, limit_kw, answer);
            Vec::new()
        }
        Message::ParametersSent(terminal, answer) => {
            parameters::on_sent(state, terminal, answer);
            vec![Effect::FetchDetail(terminal)]
        }
        Message::Answer(asked, answer) => on_answer(state, asked, answer),
        Message::Resumption(preview) => {
            automatic::on_preview(state, preview);
            Vec::new()
        }
    };
    settle(state);
    effects
}

fn lose(state: &mut State, why: String) {
    let since = match state.connection {
        Connection::Lost { since, .. } => since,
        _ => state.received_at.unwrap_or(state.wall),
    };
    state.connection = Connection::Lost { since, why };
}

/// Decides what is due.
fn clock(state: &mut State, ms: u64) -> Vec<Effect> {
    state.wall = ms;
    if state.notice.as_ref().is_some_and(|&(_, until)| ms >= until) {
        state.notice = None;
    }
    if state.connected() && state.age_ms().is_some_and(|age| age > STALE_MS) {
        lose(state, "no answer yet".to_owned());
    }
    let due = |last: Option<u64>, every: u64| last.is_none_or(|at| ms.saturating_sub(at) >= every);
    let mut effects = Vec::new();
    if due(state.about_asked_at, ABOUT_MS) && (state.about.is_none() || state.about_asked_at.is_none()) {
        state.about_asked_at = Some(ms);
        effects.push(Effect::FetchAbout);
    }
    let poll = due(state.polled_at, POLL_MS);
    if poll && !state.view_in_flight {
        state.polled_at = Some(ms);
        state.view_in_flight = true;
        effects.push(Effect::FetchView);
    }
    if let Screen::Detail(terminal) = state.screen {
        if poll && !state.detail_in_flight {
            state.detail_in_flight = true;
            effects.push(Effect::FetchDetail(terminal));
        }
        if due(state.trend_asked_at, TREND_MS) && !state.trend_in_flight {
            state.trend_asked_at = Some(ms);
            state.trend_in_flight = true;
            effects.push(Effect::FetchTrend(terminal));
        }
    }
    effects.extend(metering::due(state));
    effects.extend(node::due(state));
    effects.extend(group::due(state));
    effects
}

fn on_answer(state: &mut State, asked: Asked, answer: Answer) -> Vec<Effect> {
    match asked {
        Asked::Acknowledge(alarm) => match answer {
            Answer::Granted(_) => state.tell(format!("{alarm}: acknowledged")),
            Answer::Refused(sentence) | Answer::Unanswered(sentence) => {
                state.tell(format!("{alarm} is not acknowledged: {sentence}"));
            }
        },
        Asked::Act(name) => acts::on_answer(state, name, answer),
        Asked::SetLimit(_) => limit::on_answer(state, answer),
        Asked::StopAutomatic | Asked::ResumeAutomatic => automatic::on_answer(state, asked, answer),
        Asked::Select | Asked::Execute(_) | Asked::Cancel(_) => dialogue::on_answer(state, asked, answer),
    }
    // What the answer changed is wanted on the screen now and not at the next turn.
    if state.view_in_flight {
        Vec::new()
    } else {
        state.view_in_flight = true;
        state.polled_at = Some(state.wall);
        vec![Effect::FetchView]
    }
}

fn on_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return ask_quit(state);
    }
    let context = keys::context(state);
    // A key held down repeats; only moving about may follow that, never a command to a terminal.
    let command = keys::command(context, key).filter(|command| {
        key.kind == KeyEventKind::Press
            || matches!(command, Command::Up | Command::Down | Command::PageUp | Command::PageDown)
    });
    let unseen = layout::too_small(state.size.0, state.size.1);
    match command {
        Some(command) if unseen && !keys::acts_unseen(context, command) => Vec::new(),
        Some(command) => run(state, context, command),
        None if unseen => Vec::new(),
        None => {
            if keys::is_typing(context) {
                type_into(state, context, key);
            }
            Vec::new()
        }
    }
}

fn type_into(state: &mut State, context: Context, key: KeyEvent) {
    /// Bytes that a field takes at most.
    const FIELD_MAX: usize = 120;
    let field: Option<&mut Input> = match (context, &mut state.overlay) {
        (Context::Filter, _) => Some(&mut state.filter),
        (Context::Comment, Some(Overlay::Comment { input, .. })) => Some(input),
        (Context::Review | Context::ReviewCap, Some(Overlay::Dialogue(dialogue))) => {
            dialogue.note = None;
            Some(if dialogue.in_cap { &mut dialogue.cap } else { &mut dialogue.reason })
        }
        (Context::Limit, Some(Overlay::Limit(dialogue))) => {
            dialogue.note = None;
            Some(if dialogue.in_reason { &mut dialogue.reason } else { &mut dialogue.limit })
        }
        (Context::Entry | Context::EntryLook, Some(Overlay::Act(act))) => act.form.typed(),
        (Context::Resume, Some(Overlay::Resume(dialogue))) => Some(&mut dialogue.reason),
        _ => None,
    };
    if let Some(field) = field {
        if matches!(key.code, KeyCode::Char(_)) && field.value().len() >= FIELD_MAX {
            return;
        }
        field.handle_event(&TerminalEvent::Key(key));
    }
}

fn ask_quit(state: &mut State) -> Vec<Effect> {
    if state.my_selected().is_empty() || matches!(state.overlay, Some(Overlay::Quit)) {
        return vec![Effect::Quit];
    }
    state.overlay = Some(Overlay::Quit);
    Vec::new()
}

fn run(state: &mut State, context: Context, command: Command) -> Vec<Effect> {
    match command {
        Command::Up => step(state, -1),
        Command::Down => step(state, 1),
        Command::PageUp => page(state, context, -1),
        Command::PageDown => page(state, context, 1),
        Command::Top => step(state, isize::MIN / 2),
        Command::Bottom => step(state, isize::MAX / 2),
        Command::Open => return open(state),
        Command::Collapse => collapse(state),
        Command::Expand => {
            if let Some(id) = state.nodes.key {
                state.collapsed.remove(&id);
            }
        }
        Command::Back => back(state),
        Command::Go(screen) => go(state, screen),
        Command::NextScreen => turn(state, 1),
        Command::PreviousScreen => turn(state, SCREENS.len() - 1),
        Command::StartFilter => state.filtering = true,
        Command::EndFilter => state.filtering = false,
        Command::ClearFilter => {
            state.filtering = false;
            state.filter.reset();
        }
        Command::Acknowledge => {
            if let Some(alarm) = state.alarms.key {
                state.overlay = Some(Overlay::Comment { alarm, input: Input::default() });
            }
        }
        Command::SendComment => {
            if let Some(Overlay::Comment { alarm, input }) = state.overlay.take() {
                let request = Request::AcknowledgeAlarm { alarm, comment: input.value().to_owned() };
                return vec![Effect::Ask(Asked::Acknowledge(alarm), request)];
            }
        }
        Command::Trip => dialogue::start(state, Wish::Trip),
        Command::Restore => dialogue::start(state, Wish::Restore),
        Command::Cap => dialogue::start(state, |_| Wish::Cap),
        Command::ReadNow => return read_now(state),
        Command::Parameters => {
            parameters::start(state);
            // What it has is asked of it once; a note says so, and F5 asks again.
            return parameters::read_back(state);
        }
        Command::Forbids => forbids(state),
        Command::HangTag => tags::hang(state, false),
        Command::HangTagOnTerminal => tags::hang(state, true),
        Command::TakeTagOff => return tags::take_off_here(state),
        Command::Dress => dress::put_in(state),
        Command::TryAgain => return try_again::begin(state),
        Command::GroupTrip => group::start_draft(state, GroupAct::Trip),
        Command::GroupRestore => group::start_draft(state, GroupAct::Restore),
        Command::Mark => {
            group::mark(state);
            step(state, 1);
        }
        Command::Unmark => state.marked.clear(),
        Command::StartTarget => target::set(state),
        Command::DryRun => return dry_run::start(state),
        Command::GoOn => return acts::go_on(state),
        Command::Yes => return acts::confirm(state, true),
        Command::No => return acts::confirm(state, false),
        Command::ReadAgain => return acts::look_again(state),
        Command::ApproveGroup => {
            let end = overlay::scroll_max(state);
            return group::approve(state, end);
        }
        Command::ExecuteGroup => return group::execute(state),
        Command::ExecuteGroupAtOnce => group::begin_at_once(state),
        Command::CallGroupOff => return group::call_off(state),
        Command::Past => return node::open(state),
        Command::FartherBack => return node::turn(state, 1),
        Command::LessBack => return node::turn(state, -1),
        Command::DayBefore => return metering::turn(state, -1),
        Command::DayAfter => return metering::turn(state, 1),
        Command::Collect => return metering::collect(state),
        Command::StartLimit => limit::start(state),
        Command::ReviewLimit => limit::review(state),
        Command::SetLimit => return limit::set(state),
        Command::OtherField => match &mut state.overlay {
            Some(Overlay::Dialogue(dialogue)) => dialogue.in_cap = dialogue.wish == Wish::Cap && !dialogue.in_cap,
            Some(Overlay::Limit(dialogue)) => dialogue.in_reason = !dialogue.in_reason,
            Some(Overlay::Act(act)) => act.form.other_field(),
            _ => {}
        },
        Command::StopOrResume => return automatic::key(state),
        Command::ResumeAutomatic => return automatic::resume(state),
        Command::LookAgain => return automatic::look_again(state),
        Command::Select => return dialogue::select(state),
        Command::Execute => return dialogue::execute(state),
        Command::Withdraw => return dialogue::withdraw(state),
        Command::Close => {
            // The answer to a select under way must find its dialogue; it comes or times out within seconds.
            if state.dialogue().is_none_or(|dialogue| dialogue.stage != Stage::Asking) {
                state.overlay = None;
            }
        }
        Command::Help => state.overlay = Some(Overlay::Help { scroll: 0 }),
        Command::AskQuit => return ask_quit(state),
        Command::QuitNow => return vec![Effect::Quit],
        Command::WithdrawAll => {
            state.overlay = None;
            let mine: Vec<OrderId> = state.my_selected().iter().map(|order| order.id).collect();
            return mine
                .into_iter()
                .map(|order| Effect::Ask(Asked::Cancel(order), Request::Cancel { order }))
                .collect();
        }
    }
    Vec::new()
}

/// Asks the terminal on the screen for all it has, once at a time.
fn read_now(state: &mut State) -> Vec<Effect> {
    let Screen::Detail(terminal) = state.screen else { return Vec::new() };
    state.tell(format!("{terminal}: reading all values"));
    if state.reading.insert(terminal) { vec![Effect::ReadNow(terminal)] } else { Vec::new() }
}

/// What forbids which action at the round under the cursor.
fn forbids(state: &mut State) {
    if let Screen::Detail(terminal) = state.screen {
        acts::look(state, What::Forbids { terminal, round: state.rounds.key }, &[]);
    }
}

fn go(state: &mut State, screen: Screen) {
    if screen == Screen::Terminals {
        state.only_below = None;
    }
    state.filtering = false;
    state.screen = screen;
}

/// The screens in the order of their keys.
const SCREENS: [Screen; 7] = [
    Screen::Overview,
    Screen::Terminals,
    Screen::Alarms,
    Screen::Orders,
    Screen::Events,
    Screen::Metering,
    Screen::Acts,
];

fn turn(state: &mut State, by: usize) {
    let here = if matches!(state.screen, Screen::Node(_)) { Screen::Overview } else { state.screen };
    let at = SCREENS.iter().position(|&screen| screen == here).unwrap_or(1);
    if let Some(&screen) = SCREENS.get((at + by) % SCREENS.len()) {
        go(state, screen);
    }
}

fn back(state: &mut State) {
    match state.screen {
        Screen::Detail(_) => state.screen = state.back,
        Screen::Terminals if !state.filter.value().is_empty() => state.filter.reset(),
        _ => {
            state.only_below = None;
            state.screen = Screen::Overview;
        }
    }
}

/// Shows a terminal in full.
pub(crate) fn show_terminal(state: &mut State, terminal: TerminalId) -> Vec<Effect> {
    if !matches!(state.screen, Screen::Detail(_)) {
        state.back = state.screen;
    }
    state.screen = Screen::Detail(terminal);
    state.detail = None;
    state.detail_error = None;
    state.trend.clear();
    state.rounds = Default::default();
    state.points_scroll = 0;
    state.detail_in_flight = true;
    state.trend_in_flight = true;
    state.trend_asked_at = Some(state.wall);
    vec![Effect::FetchDetail(terminal), Effect::FetchTrend(terminal)]
}

fn open(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::Overview => {
            if let Some(node) = state.nodes.key {
                state.only_below = Some(node);
                state.filter.reset();
                state.terminals = Default::default();
                state.screen = Screen::Terminals;
            }
        }
        Screen::Terminals => {
            if let Some(terminal) = state.terminals.key {
                return show_terminal(state, terminal);
            }
        }
        Screen::Alarms => {
            let cause = state.alarms.key.and_then(|id| state.view.alarms.iter().find(|a| a.id == id)).map(|a| a.cause);
            if let Some(terminal) = cause.and_then(AlarmCause::terminal) {
                return show_terminal(state, terminal);
            }
            if let Some(node) = cause.and_then(AlarmCause::node) {
                state.collapsed.clear();
                state.nodes.key = Some(node);
                state.screen = Screen::Overview;
            }
        }
        Screen::Orders => {
            let selected = match state.orders.key {
                Some(id) => state.order(id).cloned(),
                None => state.view.orders.first().cloned(),
            };
            if let Some(order) = selected {
                let effects = show_terminal(state, order.terminal);
                dialogue::resume(state, &order);
                return effects;
            }
        }
        Screen::Events => {
            let event = state.view.events.get(state.events.index).cloned();
            state.expanded = if state.expanded == event { None } else { event.clone() };
            state.events.key = event;
        }
        Screen::Metering => {
            if let Some(terminal) = state.metering.rows.key {
                return show_terminal(state, terminal);
            }
        }
        Screen::Acts => return acts::open(state),
        Screen::Detail(_) | Screen::Node(_) => {}
    }
    Vec::new()
}

fn collapse(state: &mut State) {
    let Some(id) = state.nodes.key else { return };
    if state.has_children(id) && !state.collapsed.contains(&id) {
        state.collapsed.insert(id);
    } else if let Some(parent) = state.view.nodes.iter().find(|n| n.id == id).and_then(|n| n.parent) {
        state.nodes.key = Some(parent);
    }
}

fn page(state: &mut State, context: Context, pages: isize) {
    if let Screen::Detail(_) = state.screen
        && context == Context::Detail
    {
        let points = state.detail.as_ref().map_or(0, |d| d.points.len());
        state.points_scroll = state.points_scroll.saturating_add_signed(pages * 5).min(points.saturating_sub(1));
        return;
    }
    let rows = if state.overlay.is_some() { state.size.1.saturating_sub(6) } else { layout::rows(state).height };
    let height = isize::try_from(rows.max(2) - 1).unwrap_or(1);
    step(state, pages * height);
}

fn step(state: &mut State, by: isize) {
    if state.overlay.is_some() {
        let most = overlay::scroll_max(state);
        let scroll = match &mut state.overlay {
            Some(Overlay::Help { scroll }) => scroll,
            Some(Overlay::Resume(dialogue)) => &mut dialogue.scroll,
            Some(Overlay::Act(act)) => &mut act.form.scroll,
            _ => return,
        };
        let by = i16::try_from(by.clamp(-30_000, 30_000)).unwrap_or(0);
        *scroll = (*scroll).min(most).saturating_add_signed(by).min(most);
        return;
    }
    let ids = Lines::of(state);
    match state.screen {
        Screen::Overview => state.nodes.step(&ids.nodes, by),
        Screen::Node(_) => {}
        Screen::Terminals => state.terminals.step(&ids.terminals, by),
        Screen::Detail(_) => state.rounds.step(&ids.rounds, by),
        Screen::Alarms => state.alarms.step(&ids.alarms, by),
        Screen::Orders => state.orders.step(&ids.orders, by),
        Screen::Metering => state.metering.rows.step(&ids.metering, by),
        Screen::Acts => state.acts.step(&ids.acts, by),
        Screen::Events => {
            // An expanded event may be longer than the screen: it is scrolled through before the next is selected.
            let (lines, rows) = (lists::event_lines(state), usize::from(layout::rows(state).height));
            let last = lines.iter().rposition(|line| line.event == state.events.index).unwrap_or(0);
            let first = lines.iter().position(|line| line.event == state.events.index).unwrap_or(0);
            if by == 1 && last >= state.events.offset + rows {
                state.events.offset += 1;
            } else if by == -1 && first < state.events.offset {
                state.events.offset -= 1;
            } else {
                let events = std::mem::take(&mut state.view.events);
                state.events.step(&events, by);
                if state.events.index == 0 {
                    state.events.key = None;
                }
                state.view.events = events;
                scroll_events(state);
            }
        }
    }
}

fn scroll_events(state: &mut State) {
    let lines = lists::event_lines(state);
    let rows = usize::from(layout::rows(state).height).max(1);
    let first = lines.iter().position(|line| line.event == state.events.index).unwrap_or(0);
    let last = lines.iter().rposition(|line| line.event == state.events.index).unwrap_or(0);
    let offset = &mut state.events.offset;
    if last >= *offset + rows {
        *offset = (last + 1).saturating_sub(rows).min(first);
    }
    *offset = (*offset).min(first);
}

/// What the lines of each list stand for.
struct Lines {
    nodes: Vec<headroom_rules::model::NodeId>,
    terminals: Vec<TerminalId>,
    rounds: Vec<headroom_rules::model::RoundNo>,
    alarms: Vec<headroom_rules::output::AlarmId>,
    orders: Vec<OrderId>,
    metering: Vec<TerminalId>,
    acts: Vec<ActKey>,
}

impl Lines {
    fn of(state: &State) -> Self {
        Self {
            nodes: state.shown_nodes().iter().map(|n| n.id).collect(),
            terminals: state.shown_terminals().iter().map(|t| t.id).collect(),
            rounds: match state.screen {
                Screen::Detail(id) => {
                    state.terminal(id).map(|t| t.rounds.iter().map(|r| r.round).collect()).unwrap_or_default()
                }
                _ => Vec::new(),
            },
            alarms: state.view.alarms.iter().map(|a| a.id).collect(),
            orders: state.view.orders.iter().map(|o| o.id).collect(),
            metering: state.metering.shown().iter().map(|one| one.terminal).collect(),
            acts: state.act_keys(),
        }
    }
}

/// Finds every selection again after whatever changed.
fn settle(state: &mut State) {
    let ids = Lines::of(state);
    let height = usize::from(layout::rows(state).height);
    state.nodes.find(&ids.nodes, true);
    state.terminals.find(&ids.terminals, true);
    state.alarms.find(&ids.alarms, true);
    state.orders.find(&ids.orders, false);
    state.metering.rows.find(&ids.metering, true);
    state.acts.find(&ids.acts, true);
    if let Screen::Detail(_) = state.screen {
        state.rounds.find(&ids.rounds, true);
    }
    match state.screen {
        Screen::Overview => state.nodes.scroll(ids.nodes.len(), height),
        Screen::Node(_) => {}
        Screen::Terminals => state.terminals.scroll(ids.terminals.len(), height),
        Screen::Alarms => state.alarms.scroll(ids.alarms.len(), height),
        Screen::Orders => state.orders.scroll(ids.orders.len(), height),
        Screen::Metering => state.metering.rows.scroll(ids.metering.len(), height),
        Screen::Acts => state.acts.scroll(ids.acts.len(), height),
        Screen::Events => {
            let events = std::mem::take(&mut state.view.events);
            let before = state.events.index;
            state.events.find(&events, false);
            state.view.events = events;
            if before != state.events.index || state.events.key.is_none() {
                scroll_events(state);
            }
        }
        Screen::Detail(_) => state.rounds.scroll(ids.rounds.len(), height),
    }
}

fn on_mouse(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    if layout::too_small(state.size.0, state.size.1) {
        return Vec::new();
    }
    let wheel = state.overlay.is_none() || matches!(state.overlay, Some(Overlay::Help { .. } | Overlay::Act(_)));
    match mouse.kind {
        MouseEventKind::ScrollUp if wheel => step(state, -1),
        MouseEventKind::ScrollDown if wheel => step(state, 1),
        // With an overlay open the keys decide: no stray click closes or executes anything.
        MouseEventKind::Down(MouseButton::Left) if state.overlay.is_none() => return click(state, mouse),
        _ => {}
    }
    Vec::new()
}

fn click(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    let areas = layout::areas(state, Rect::new(0, 0, state.size.0, state.size.1));
    let at = Position::new(mouse.column, mouse.row);
    if areas.tabs.contains(at) {
        let hit = layout::tabs(state).into_iter().find(|(start, name, _)| {
            (*start..start.saturating_add(u16::try_from(name.len()).unwrap_or(0))).contains(&mouse.column)
        });
        if let Some((_, _, screen)) = hit {
            go(state, screen);
        }
        return Vec::new();
    }
    let rows = layout::rows(state);
    if !rows.contains(at) {
        return Vec::new();
    }
    let line = usize::from(mouse.row - rows.y);
    let ids = Lines::of(state);
    // A click on the line that is selected already opens it, as Enter does.
    let again = match state.screen {
        Screen::Overview => pick(&mut state.nodes, &ids.nodes, line),
        Screen::Node(_) => false,
        Screen::Terminals => pick(&mut state.terminals, &ids.terminals, line),
        Screen::Detail(_) => pick(&mut state.rounds, &ids.rounds, line),
        Screen::Alarms => pick(&mut state.alarms, &ids.alarms, line),
        Screen::Orders => pick(&mut state.orders, &ids.orders, line),
        Screen::Metering => pick(&mut state.metering.rows, &ids.metering, line),
        Screen::Acts => pick(&mut state.acts, &ids.acts, line),
        Screen::Events => match lists::event_lines(state).get(state.events.offset + line) {
            Some(hit) => {
                let again = hit.event == state.events.index;
                state.events.index = hit.event;
                state.events.key = state.view.events.get(hit.event).cloned();
                again
            }
            None => false,
        },
    };
    if again { open(state) } else { Vec::new() }
}

fn pick<K: Clone + PartialEq>(cursor: &mut super::state::Cursor<K>, keys: &[K], line: usize) -> bool {
    let index = cursor.offset + line;
    if index >= keys.len() {
        return false;
    }
    let again = cursor.index == index;
    cursor.select(keys, index);
    again
}
