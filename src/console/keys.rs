//! The one table of keys: `update` looks up commands in it, the command bar and the help are drawn from it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use headroom_rules::orders::OrderState;

use super::state::{LimitStage, Overlay, ResumeStage, Screen, Stage, State, Wish};

/// What the console is doing, as far as keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    Overview,
    Node,
    Terminals,
    Detail,
    Alarms,
    Orders,
    Events,
    Metering,
    Filter,
    Comment,
    Help,
    Quit,
    /// With one field, the reason.
    Review,
    /// With the cap beside the reason.
    ReviewCap,
    /// The select is under way.
    Waiting,
    /// The terminal's check-back is here.
    CheckBack,
    /// Executing, or asking the centre: nothing can be taken back.
    Following,
    Done,
    /// A limit's figure and reason.
    Limit,
    /// The last look at a limit.
    LimitConfirm,
    /// The centre was asked for something that no key takes back.
    Asking,
    /// What resuming automatic control would do, and the reason.
    Resume,
}

use Context::{
    Alarms, Asking, CheckBack, Comment, Detail, Done, Events, Filter, Following, Help, Limit, LimitConfirm, Metering,
    Node, Orders, Overview, Quit, Resume, Review, ReviewCap, Terminals, Waiting,
};

const SCREENS: &[Context] = &[Overview, Node, Terminals, Detail, Alarms, Orders, Events, Metering];

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    Collapse,
    Expand,
    Back,
    Go(Screen),
    NextScreen,
    PreviousScreen,
    StartFilter,
    EndFilter,
    ClearFilter,
    Acknowledge,
    SendComment,
    Trip,
    Restore,
    Cap,
    ReadNow,
    ReadParameters,
    Past,
    LessBack,
    FartherBack,
    DayBefore,
    DayAfter,
    Collect,
    StartLimit,
    ReviewLimit,
    SetLimit,
    OtherField,
    Select,
    Execute,
    Withdraw,
    Close,
    Help,
    AskQuit,
    QuitNow,
    WithdrawAll,
    StopOrResume,
    ResumeAutomatic,
    LookAgain,
}

/// One line of the table.
pub(crate) struct Binding {
    pub(crate) keys: &'static [KeyCode],
    /// As the bar and the help name the keys.
    pub(crate) label: &'static str,
    pub(crate) help: &'static str,
    pub(crate) command: Command,
    pub(crate) contexts: &'static [Context],
    /// Whether the command bar shows it; the help shows all.
    pub(crate) in_bar: bool,
}

const fn bar(
    keys: &'static [KeyCode],
    label: &'static str,
    help: &'static str,
    command: Command,
    contexts: &'static [Context],
) -> Binding {
    Binding { keys, label, help, command, contexts, in_bar: true }
}

const fn quiet(
    keys: &'static [KeyCode],
    label: &'static str,
    help: &'static str,
    command: Command,
    contexts: &'static [Context],
) -> Binding {
    Binding { keys, label, help, command, contexts, in_bar: false }
}

impl Binding {
    /// All its keys, as the help names them.
    pub(crate) fn names(&self) -> String {
        let mut names = self.label.to_owned();
        for key in self.keys.iter().skip(1) {
            let name = match key {
                KeyCode::Char(c) => c.to_string(),
                // "Backspace", "F1".
                other => other.to_string(),
            };
            if !names.split(' ').any(|known| known == name) {
                names.push(' ');
                names.push_str(&name);
            }
        }
        names
    }
}

/// What the mouse does, for the help.
pub(crate) const MOUSE: &[(&str, &str)] =
    &[("click", "goes to a screen, selects a line"), ("click again", "opens the line"), ("wheel", "up and down")];

/// All keys, in the order in which the bar shows them.
pub(crate) const TABLE: &[Binding] = &[
    bar(&[KeyCode::Char('x')], "x", "execute", Command::Execute, &[CheckBack]),
    bar(&[KeyCode::Enter], "Enter", "select at the terminal", Command::Select, &[Review, ReviewCap]),
    bar(&[KeyCode::Char('y')], "y", "set the limit", Command::SetLimit, &[LimitConfirm]),
    bar(&[KeyCode::Enter], "Enter", "resume", Command::ResumeAutomatic, &[Resume]),
    bar(&[KeyCode::F(5)], "F5", "look again", Command::LookAgain, &[Resume]),
    bar(&[KeyCode::Enter], "Enter", "look at it once more", Command::ReviewLimit, &[Limit]),
    bar(&[KeyCode::Tab], "Tab", "other field", Command::OtherField, &[ReviewCap, Limit]),
    bar(&[KeyCode::Esc], "Esc", "withdraw the select", Command::Withdraw, &[Waiting, CheckBack]),
    bar(&[KeyCode::Esc], "Esc", "close, the order goes on", Command::Close, &[Following]),
    bar(&[KeyCode::Esc], "Esc", "close", Command::Close, CLOSING),
    quiet(&[KeyCode::Enter], "Enter", "close", Command::Close, &[Done]),
    bar(&[KeyCode::Enter], "Enter", "acknowledge", Command::SendComment, &[Comment]),
    bar(&[KeyCode::Char('y')], "y", "quit, let the selects expire", Command::QuitNow, &[Quit]),
    bar(&[KeyCode::Char('w')], "w", "withdraw them", Command::WithdrawAll, &[Quit]),
    bar(&[KeyCode::Esc], "Esc", "stay", Command::Close, &[Quit]),
    bar(&[KeyCode::Enter], "Enter", "keep the filter", Command::EndFilter, &[Filter]),
    bar(&[KeyCode::Esc], "Esc", "clear the filter", Command::ClearFilter, &[Filter]),
    bar(&[KeyCode::Enter], "Enter", "terminals", Command::Open, &[Overview]),
    bar(&[KeyCode::Enter], "Enter", "open", Command::Open, &[Terminals]),
    bar(&[KeyCode::Enter], "Enter", "show terminal", Command::Open, &[Alarms]),
    bar(&[KeyCode::Enter], "Enter", "open", Command::Open, &[Orders]),
    bar(&[KeyCode::Enter], "Enter", "expand", Command::Open, &[Events]),
    bar(&[KeyCode::Left, KeyCode::Char('-')], "←", "day before", Command::DayBefore, &[Metering]),
    bar(&[KeyCode::Right, KeyCode::Char('+')], "→", "day after", Command::DayAfter, &[Metering]),
    bar(&[KeyCode::Char('c')], "c", "collect", Command::Collect, &[Metering]),
    bar(&[KeyCode::Enter], "Enter", "open", Command::Open, &[Metering]),
    bar(&[KeyCode::Left, KeyCode::Char('-')], "←", "collapse", Command::Collapse, &[Overview]),
    quiet(&[KeyCode::Right, KeyCode::Char('+')], "→", "expand", Command::Expand, &[Overview]),
    bar(&[KeyCode::Char('v')], "v", "load curve", Command::Past, &[Overview]),
    bar(&[KeyCode::Left, KeyCode::Char('-')], "←", "farther back", Command::FartherBack, &[Node]),
    bar(&[KeyCode::Right, KeyCode::Char('+')], "→", "less far", Command::LessBack, &[Node]),
    bar(&[KeyCode::Char('l')], "l", "set limit", Command::StartLimit, &[Overview]),
    bar(&[KeyCode::Char('/')], "/", "filter", Command::StartFilter, &[Terminals]),
    bar(&[KeyCode::Char('t')], "t", "trip round", Command::Trip, &[Detail]),
    bar(&[KeyCode::Char('r')], "r", "restore", Command::Restore, &[Detail]),
    bar(&[KeyCode::Char('c')], "c", "cap", Command::Cap, &[Detail]),
    bar(&[KeyCode::Char('n')], "n", "read now", Command::ReadNow, &[Detail]),
    quiet(&[KeyCode::Char('p')], "p", "read its parameters back", Command::ReadParameters, &[Detail]),
    bar(&[KeyCode::Char('a')], "a", "acknowledge", Command::Acknowledge, &[Alarms]),
    bar(&[KeyCode::Esc, KeyCode::Backspace], "Esc", "back", Command::Back, &[Node, Terminals, Detail]),
    bar(&[KeyCode::Char('!')], "!", "STOP", Command::StopOrResume, SCREENS),
    quiet(&[KeyCode::F(12)], "F12", "stop all automatic control, or resume", Command::StopOrResume, ANYWHERE),
    bar(&[KeyCode::Char('?'), KeyCode::F(1)], "?", "help", Command::Help, SCREENS),
    bar(&[KeyCode::Char('q')], "q", "quit", Command::AskQuit, SCREENS),
    quiet(&[KeyCode::Char('?'), KeyCode::Char('q')], "?", "close", Command::Close, &[Help]),
    bar(&[KeyCode::Char('1')], "1..6", "screens", Command::Go(Screen::Overview), SCREENS),
    quiet(&[KeyCode::Char('2')], "2", "terminals", Command::Go(Screen::Terminals), SCREENS),
    quiet(&[KeyCode::Char('3')], "3", "alarms", Command::Go(Screen::Alarms), SCREENS),
    quiet(&[KeyCode::Char('4')], "4", "orders", Command::Go(Screen::Orders), SCREENS),
    quiet(&[KeyCode::Char('5')], "5", "events", Command::Go(Screen::Events), SCREENS),
    quiet(&[KeyCode::Char('6')], "6", "meter reading", Command::Go(Screen::Metering), SCREENS),
    quiet(&[KeyCode::Tab], "Tab", "next screen", Command::NextScreen, SCREENS),
    quiet(&[KeyCode::BackTab], "Shift-Tab", "previous screen", Command::PreviousScreen, SCREENS),
    quiet(&[KeyCode::Up], "↑", "up", Command::Up, &[Resume]),
    quiet(&[KeyCode::Down], "↓", "down", Command::Down, &[Resume]),
    quiet(&[KeyCode::PageUp], "PgUp", "page up", Command::PageUp, &[Resume]),
    quiet(&[KeyCode::PageDown], "PgDn", "page down", Command::PageDown, &[Resume]),
    quiet(&[KeyCode::Up, KeyCode::Char('k')], "↑ k", "up", Command::Up, UP_DOWN),
    quiet(&[KeyCode::Down, KeyCode::Char('j')], "↓ j", "down", Command::Down, UP_DOWN),
    quiet(&[KeyCode::PageUp], "PgUp", "page up", Command::PageUp, UP_DOWN),
    quiet(&[KeyCode::PageDown], "PgDn", "page down", Command::PageDown, UP_DOWN),
    quiet(&[KeyCode::Home, KeyCode::Char('g')], "Home g", "first line", Command::Top, UP_DOWN),
    quiet(&[KeyCode::End, KeyCode::Char('G')], "End G", "last line", Command::Bottom, UP_DOWN),
];

const CLOSING: &[Context] = &[Review, ReviewCap, Limit, LimitConfirm, Resume, Done, Help, Comment];
/// Also where other keys are typed into a field.
const ANYWHERE: &[Context] = &[
    Overview,
    Node,
    Terminals,
    Detail,
    Alarms,
    Orders,
    Events,
    Metering,
    Filter,
    Comment,
    Help,
    Quit,
    Review,
    ReviewCap,
    Waiting,
    CheckBack,
    Following,
    Done,
    Limit,
    LimitConfirm,
    Asking,
];
const UP_DOWN: &[Context] = &[Overview, Terminals, Detail, Alarms, Orders, Events, Metering, Help];

/// What the console is doing now.
pub(crate) fn context(state: &State) -> Context {
    match &state.overlay {
        Some(Overlay::Help { .. }) => Help,
        Some(Overlay::Quit) => Quit,
        Some(Overlay::Comment { .. }) => Comment,
        Some(Overlay::Limit(dialogue)) => match dialogue.stage {
            LimitStage::Entry => Limit,
            LimitStage::Confirm(_) => LimitConfirm,
            LimitStage::Asking(_) => Asking,
            LimitStage::Done(_) | LimitStage::Failed(_) => Done,
        },
        Some(Overlay::Resume(dialogue)) => match dialogue.stage {
            ResumeStage::Look => Resume,
            ResumeStage::Asking => Asking,
            ResumeStage::Ended(_) => Done,
        },
        Some(Overlay::Dialogue(dialogue)) => match dialogue.stage {
            Stage::Review if dialogue.wish == Wish::Cap => ReviewCap,
            Stage::Review => Review,
            Stage::Ended { .. } => Done,
            Stage::Asking => Following,
            Stage::Following { order, executing, cancelling } => match state.order(order).map(|o| o.state) {
                Some(at) if at.is_final() => Done,
                _ if executing || cancelling => Following,
                None | Some(OrderState::Approved | OrderState::Selecting) => Waiting,
                Some(OrderState::Selected) if state.checked_back().is_some() => CheckBack,
                Some(OrderState::Selected) => Waiting,
                Some(_) => Following,
            },
        },
        None if state.filtering && state.screen == Screen::Terminals => Filter,
        None => match state.screen {
            Screen::Overview => Overview,
            Screen::Node(_) => Node,
            Screen::Terminals => Terminals,
            Screen::Detail(_) => Detail,
            Screen::Alarms => Alarms,
            Screen::Orders => Orders,
            Screen::Events => Events,
            Screen::Metering => Metering,
        },
    }
}

/// What can be pressed now.
pub(crate) fn bindings(context: Context) -> impl Iterator<Item = &'static Binding> {
    TABLE.iter().filter(move |binding| binding.contexts.contains(&context))
}

/// The command of a key, if it has one now. Keys with Ctrl or Alt are nobody's: they are not to trip anything.
pub(crate) fn command(context: Context, key: KeyEvent) -> Option<Command> {
    if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return None;
    }
    bindings(context).find(|binding| binding.keys.contains(&key.code)).map(|binding| binding.command)
}

/// Whether a command may run on a screen too small to show what it is about: leaving and taking back only.
pub(crate) fn acts_unseen(context: Context, command: Command) -> bool {
    match command {
        Command::AskQuit | Command::QuitNow | Command::Withdraw | Command::WithdrawAll => true,
        // An emergency waits for no larger window; nothing is resumed unseen.
        Command::StopOrResume => true,
        // Stays, and keeps every select.
        Command::Close => context == Quit,
        _ => false,
    }
}

/// Whether what is typed goes into a field.
pub(crate) const fn is_typing(context: Context) -> bool {
    matches!(context, Filter | Comment | Review | ReviewCap | Limit | Resume)
}
