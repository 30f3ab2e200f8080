//! Where things are on the screen, for drawing and for the mouse alike.

use headroom_rules::model::Span;
use ratatui::layout::{Constraint, Layout, Rect};

use super::message::Store;
use super::state::{Overlay, Screen, Stage, State};
use super::view::text;

/// The smallest screen that holds anything to be trusted, columns and rows.
pub(crate) const SMALLEST: (u16, u16) = (60, 16);

/// Whether nothing of the state is drawn.
pub(crate) const fn too_small(width: u16, height: u16) -> bool {
    width < SMALLEST.0 || height < SMALLEST.1
}

/// The screen's standing parts.
pub(crate) struct Areas {
    pub(crate) tabs: Rect,
    pub(crate) status: Rect,
    pub(crate) body: Rect,
    pub(crate) notice: Rect,
    pub(crate) bar: Rect,
}

pub(crate) fn areas(state: &State, area: Rect) -> Areas {
    let notice = u16::try_from(notice(state, area.width).len()).unwrap_or(0);
    let [tabs, status, body, notice, bar] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(notice),
        Constraint::Length(1),
    ])
    .areas(area);
    Areas { tabs, status, body, notice, bar }
}

/// What stands above the command bar: why the centre stands still as long as it does, and what was said last.
pub(crate) fn notice(state: &State, width: u16) -> Vec<String> {
    let cells = usize::from(width.max(4)) - 2;
    let lines = |sentence: &str, most: usize| {
        let mut lines = text::wrap(sentence, cells);
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                *last = text::fit(&format!("{last} …"), cells.min(text::width(last) + 2));
            }
        }
        lines
    };
    let failing = match (state.journal_failing(), &state.health.store.failing) {
        (Some((_, error)), _) => lines(error, 2),
        (None, Some(error)) => {
            let Store { behind, behind_s, .. } = &state.health.store;
            let age = behind_s.map_or(String::new(), |s| format!(", {}", Span::from_s(s)));
            lines(&format!("store {behind} inputs{age} behind, lists and trends have gaps: {error}"), 2)
        }
        (None, None) => Vec::new(),
    };
    let said = state.notice.as_ref().map(|(sentence, _)| lines(sentence, 3)).unwrap_or_default();
    failing.into_iter().chain(said).collect()
}

/// Supply tree above, events below: the tree takes what it needs, up to two thirds. Between them, where the tree does
/// not fit, a line for what is hidden.
pub(crate) fn overview(state: &State, body: Rect) -> (Rect, Rect, Rect) {
    let wanted = u16::try_from(state.shown_nodes().len()).unwrap_or(u16::MAX).saturating_add(1);
    let most = (body.height.saturating_mul(2) / 3).max(3);
    let fold = u16::from(wanted > most);
    let [tree, fold, feed] =
        Layout::vertical([Constraint::Length(wanted.min(most) - fold), Constraint::Length(fold), Constraint::Min(0)])
            .areas(body);
    (tree, fold, feed)
}

/// A list above, the selected line in full below.
pub(crate) fn list_and_text(body: Rect) -> (Rect, Rect) {
    let [list, text] = Layout::vertical([Constraint::Min(3), Constraint::Length(6)]).areas(body);
    (list, text)
}

/// Interlocks shown among the rounds at most; `i` shows all.
const BARRING_MAX: usize = 2;

/// Head, rounds, trend, points, orders of a terminal.
pub(crate) struct DetailAreas {
    pub(crate) head: Rect,
    pub(crate) rounds: Rect,
    /// Interlocks that do not permit something now.
    pub(crate) barring: Rect,
    pub(crate) trend: Rect,
    pub(crate) points: Rect,
    pub(crate) orders: Rect,
}

pub(crate) fn detail(body: Rect, rounds: usize, barring: usize) -> DetailAreas {
    let [head, rest] = Layout::vertical([Constraint::Length(3), Constraint::Min(0)]).areas(body);
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).spacing(1).areas(rest);
    let rounds = u16::try_from(rounds.max(1)).unwrap_or(8).saturating_add(1).min(9);
    let barring = u16::try_from(barring.min(BARRING_MAX)).unwrap_or(0);
    let [rounds, barring, points] =
        Layout::vertical([Constraint::Length(rounds), Constraint::Length(barring), Constraint::Min(3)]).areas(left);
    let orders = if right.height > 30 { 12 } else { right.height / 3 };
    let [trend, orders] = Layout::vertical([Constraint::Min(3), Constraint::Length(orders)]).areas(right);
    DetailAreas { head, rounds, barring, trend, points, orders }
}

/// The rows of the screen's list, without its heading.
pub(crate) fn rows(state: &State) -> Rect {
    let body = areas(state, Rect::new(0, 0, state.size.0, state.size.1)).body;
    let below_heading = |area: Rect| Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    match state.screen {
        Screen::Overview => below_heading(overview(state, body).0),
        Screen::Node(_) => Rect { height: 0, ..body },
        Screen::Terminals => {
            let area = below_heading(body);
            Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
        }
        Screen::Detail(id) => {
            let rounds = state.terminal(id).map_or(0, |t| t.rounds.len());
            below_heading(detail(body, rounds, 0).rounds)
        }
        Screen::Metering => {
            let area = below_heading(list_and_text(body).0);
            Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
        }
        Screen::Alarms | Screen::Orders | Screen::Acts => below_heading(list_and_text(body).0),
        Screen::Events => below_heading(body),
    }
}

/// Between two names of screens. With alarms of three digits and a dozen decisions, all seven fit 80 columns.
pub(crate) const TAB_GAP: u16 = 2;
/// What stands before them, where there is room for it.
pub(crate) const TITLE: &str = " Headroom  ";

/// The title of a screen so wide.
pub(crate) const fn title(width: u16) -> &'static str {
    if width < 96 { " " } else { TITLE }
}

/// The names of the screens in the top line with the column where each begins.
pub(crate) fn tabs(state: &State) -> Vec<(u16, String, Screen)> {
    let (alarms, decisions) = (state.view.alarms.len(), state.decisions());
    let named = [
        ("1 Overview".to_owned(), Screen::Overview),
        ("2 Terminals".to_owned(), Screen::Terminals),
        (if alarms == 0 { "3 Alarms".to_owned() } else { format!("3 Alarms {alarms}") }, Screen::Alarms),
        ("4 Orders".to_owned(), Screen::Orders),
        ("5 Events".to_owned(), Screen::Events),
        ("6 Meters".to_owned(), Screen::Metering),
        (if decisions == 0 { "7 Acts".to_owned() } else { format!("7 Acts {decisions}") }, Screen::Acts),
    ];
    let mut at = u16::try_from(title(state.size.0).len()).unwrap_or(0);
    named
        .into_iter()
        .map(|(name, screen)| {
            let start = at;
            at += u16::try_from(name.len()).unwrap_or(0) + TAB_GAP;
            (start, name, screen)
        })
        .collect()
}

/// Where an overlay lies.
pub(crate) fn overlay(overlay: &Overlay, area: Rect) -> Rect {
    let (width, height) = match overlay {
        Overlay::Help { .. } => (66, u16::MAX),
        Overlay::Quit => (64, 9),
        Overlay::Comment { .. } => (64, 8),
        Overlay::Dialogue(dialogue) => match dialogue.stage {
            Stage::Ended { .. } => (70, 13),
            _ => (70, 19),
        },
        Overlay::Limit(_) => (70, 13),
        Overlay::Resume(_) | Overlay::Act(_) => (78, u16::MAX),
    };
    // What may be longer than the screen leaves the status line, which may say that all below it is old.
    let head = if matches!(overlay, Overlay::Help { .. } | Overlay::Resume(_) | Overlay::Act(_)) { 2 } else { 1 };
    let (width, height) = (width.min(area.width), height.min(area.height.saturating_sub(head + 1)));
    let y = ((area.height - height) / 2).max(head.min(area.height - height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + y, width, height }
}
