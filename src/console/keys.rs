//! The one table of keys: `update` looks up commands in it, the command bar and the help are drawn from it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use headroom_rules::orders::OrderState;

use super::state::{GroupStep, LimitStage, Overlay, ResumeStage, Screen, Stage, State, Step, What, Wish};

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
    Acts,
    /// An act's fields.
    Entry,
    /// The fields of an act that shows what the centre has to be asked for.
    EntryLook,
    /// The last look at an act.
    Confirm,
    /// The last look at an act that shows what the centre reckoned.
    ConfirmLook,
    /// The last look at a proposal.
    Decide,
    EndMeasure,
    /// Something to read.
    Look,
    /// A group order that waits for the second person.
    GroupApprove,
    /// A group order that can be executed.
    GroupExecute,
    /// A group order that can only be called off.
    GroupCallOff,
}

use Context::{
    Acts, Alarms, Asking, CheckBack, Comment, Confirm, ConfirmLook, Decide, Detail, Done, EndMeasure, Entry, EntryLook,
    Events, Filter, Following, GroupApprove, GroupCallOff, GroupExecute, Help, Limit, LimitConfirm, Look, Metering,
    Node, Orders, Overview, Quit, Resume, Review, ReviewCap, Terminals, Waiting,
};

const SCREENS: &[Context] = &[Overview, Node, Terminals, Detail, Alarms, Orders, Events, Metering, Acts];
/// A node is under the cursor, or on the screen.
const NODES: &[Context] = &[Overview, Node];
const TAGGING: &[Context] = &[Overview, Node, Terminals, Detail];
const GROUPING: &[Context] = &[Overview, Node, Terminals];
const ENTRIES: &[Context] = &[Resume, Entry, EntryLook];

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
    HangTag,
    HangTagOnTerminal,
    TakeTagOff,
    Dress,
    TryAgain,
    GroupTrip,
    GroupRestore,
    Mark,
    Unmark,
    StartTarget,
    DryRun,
    Parameters,
    Forbids,
    GoOn,
    Yes,
    No,
    ApproveGroup,
    ExecuteGroup,
    ExecuteGroupAtOnce,
    CallGroupOff,
    ReadAgain,
}

/// One line of the table.
pub(crate) struct Binding {
    pub(crate) keys: &'static [KeyCode],
    /// As the bar and the help name the keys.
    pub(crate) label: &'static str,
    /// For the bar; behind a `|` for the help, where that has more to say.
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
    /// What it does, as the bar says.
    pub(crate) fn short(&self) -> &'static str {
        self.help.split_once('|').map_or(self.help, |(short, _)| short)
    }

    /// What it does, as the help says.
    pub(crate) fn long(&self) -> &'static str {
        self.help.split_once('|').map_or(self.help, |(_, long)| long)
    }

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
    bar(&[KeyCode::Char('y')], "y", "yes, do it", Command::Yes, &[Confirm, ConfirmLook]),
    bar(&[KeyCode::Char('y')], "y", "approve", Command::Yes, &[Decide]),
    bar(&[KeyCode::Char('n')], "n", "decline", Command::No, &[Decide]),
    bar(&[KeyCode::Char('y')], "y", "end it", Command::Yes, &[EndMeasure]),
    bar(&[KeyCode::Char('n')], "n", "the customer declined", Command::No, &[EndMeasure]),
    bar(&[KeyCode::Char('y')], "y", "approve as the second person", Command::ApproveGroup, &[GroupApprove]),
    bar(&[KeyCode::Char('x')], "x", "execute", Command::ExecuteGroup, &[GroupExecute]),
    quiet(
        &[KeyCode::Char('X')],
        "X",
        "execute before its notice is over",
        Command::ExecuteGroupAtOnce,
        &[GroupExecute],
    ),
    bar(&[KeyCode::Char('w')], "w", "call it off", Command::CallGroupOff, &[GroupExecute, GroupCallOff]),
    bar(&[KeyCode::Enter], "Enter", "go on", Command::GoOn, &[Entry, EntryLook]),
    bar(&[KeyCode::F(5)], "F5", "ask again", Command::ReadAgain, &[EntryLook, ConfirmLook, Decide]),
    bar(&[KeyCode::Enter], "Enter", "resume", Command::ResumeAutomatic, &[Resume]),
    bar(&[KeyCode::F(5)], "F5", "look again", Command::LookAgain, &[Resume]),
    bar(&[KeyCode::Enter], "Enter", "look at it once more", Command::ReviewLimit, &[Limit]),
    bar(&[KeyCode::Tab], "Tab", "other field", Command::OtherField, &[ReviewCap, Limit, Entry, EntryLook]),
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
    bar(&[KeyCode::Enter], "Enter", "open|the terminals below it", Command::Open, &[Overview]),
    bar(&[KeyCode::Enter], "Enter", "open", Command::Open, &[Terminals]),
    bar(&[KeyCode::Enter], "Enter", "show terminal", Command::Open, &[Alarms]),
    bar(&[KeyCode::Enter], "Enter", "open", Command::Open, &[Orders]),
    bar(&[KeyCode::Enter], "Enter", "expand", Command::Open, &[Events]),
    bar(&[KeyCode::Left, KeyCode::Char('-')], "←", "day before", Command::DayBefore, &[Metering]),
    bar(&[KeyCode::Right, KeyCode::Char('+')], "→", "day after", Command::DayAfter, &[Metering]),
    bar(&[KeyCode::Char('c')], "c", "collect", Command::Collect, &[Metering]),
    bar(&[KeyCode::Enter], "Enter", "open", Command::Open, &[Metering]),
    bar(&[KeyCode::Enter], "Enter", "open", Command::Open, &[Acts]),
    quiet(&[KeyCode::Left, KeyCode::Char('-')], "←", "collapse", Command::Collapse, &[Overview]),
    quiet(&[KeyCode::Right, KeyCode::Char('+')], "→", "expand", Command::Expand, &[Overview]),
    bar(&[KeyCode::Char('v')], "v", "curve|load curve", Command::Past, &[Overview]),
    bar(&[KeyCode::Left, KeyCode::Char('-')], "←", "farther back", Command::FartherBack, &[Node]),
    bar(&[KeyCode::Right, KeyCode::Char('+')], "→", "less far", Command::LessBack, &[Node]),
    bar(&[KeyCode::Char('l')], "l", "limit|set its limit", Command::StartLimit, NODES),
    bar(&[KeyCode::Char('w')], "w", "what if|what its rule would shed now", Command::DryRun, NODES),
    bar(&[KeyCode::Char('d')], "d", "reduce|take power off its load for a time", Command::StartTarget, NODES),
    bar(&[KeyCode::Char('/')], "/", "filter", Command::StartFilter, &[Terminals]),
    bar(&[KeyCode::Char('m')], "m", "mark|mark for a group order", Command::Mark, &[Terminals]),
    quiet(&[KeyCode::Char('M')], "M", "take all marks away", Command::Unmark, &[Terminals]),
    bar(&[KeyCode::Char('o')], "o", "group|group order: trip many rounds", Command::GroupTrip, GROUPING),
    bar(&[KeyCode::Char('O')], "O", "restore|group order: restore many rounds", Command::GroupRestore, &[Terminals]),
    quiet(&[KeyCode::Char('O')], "O", "group order: restore many rounds", Command::GroupRestore, NODES),
    bar(&[KeyCode::Char('t')], "t", "trip|trip the round", Command::Trip, &[Detail]),
    bar(&[KeyCode::Char('r')], "r", "restore|restore the round", Command::Restore, &[Detail]),
    bar(&[KeyCode::Char('c')], "c", "cap|set the power cap", Command::Cap, &[Detail]),
    bar(&[KeyCode::Char('n')], "n", "read|read all its values now", Command::ReadNow, &[Detail]),
    bar(&[KeyCode::Char('i')], "i", "why not|what forbids which action now", Command::Forbids, &[Detail]),
    bar(&[KeyCode::Char('p')], "p", "params|its parameters: wanted, read, changed", Command::Parameters, &[Detail]),
    bar(&[KeyCode::Char('h')], "h", "tag|hang a tag: nobody switches there", Command::HangTag, TAGGING),
    quiet(&[KeyCode::Char('e')], "e", "put a value in by hand", Command::Dress, TAGGING),
    quiet(&[KeyCode::Char('T')], "T", "let a rule that gave up try again", Command::TryAgain, NODES),
    quiet(&[KeyCode::Char('H')], "H", "tag the whole terminal", Command::HangTagOnTerminal, &[Detail]),
    quiet(&[KeyCode::Char('u')], "u", "take the tag off", Command::TakeTagOff, TAGGING),
    bar(&[KeyCode::Char('a')], "a", "acknowledge", Command::Acknowledge, &[Alarms]),
    bar(&[KeyCode::Esc, KeyCode::Backspace], "Esc", "back", Command::Back, &[Node, Terminals, Detail]),
    bar(&[KeyCode::Char('!')], "!", "STOP", Command::StopOrResume, SCREENS),
    quiet(&[KeyCode::F(12)], "F12", "stop all automatic control, or resume", Command::StopOrResume, ANYWHERE),
    bar(&[KeyCode::Char('?'), KeyCode::F(1)], "?", "help", Command::Help, SCREENS),
    bar(&[KeyCode::Char('q')], "q", "quit", Command::AskQuit, SCREENS),
    quiet(&[KeyCode::Char('?'), KeyCode::Char('q')], "?", "close", Command::Close, &[Help]),
    bar(&[KeyCode::Char('1')], "1..7", "screens", Command::Go(Screen::Overview), SCREENS),
    quiet(&[KeyCode::Char('2')], "2", "terminals", Command::Go(Screen::Terminals), SCREENS),
    quiet(&[KeyCode::Char('3')], "3", "alarms", Command::Go(Screen::Alarms), SCREENS),
    quiet(&[KeyCode::Char('4')], "4", "orders", Command::Go(Screen::Orders), SCREENS),
    quiet(&[KeyCode::Char('5')], "5", "events", Command::Go(Screen::Events), SCREENS),
    quiet(&[KeyCode::Char('6')], "6", "meter reading", Command::Go(Screen::Metering), SCREENS),
    quiet(&[KeyCode::Char('7')], "7", "acts: proposals, groups, targets, tags", Command::Go(Screen::Acts), SCREENS),
    quiet(&[KeyCode::Tab], "Tab", "next screen", Command::NextScreen, SCREENS),
    quiet(&[KeyCode::BackTab], "Shift-Tab", "previous screen", Command::PreviousScreen, SCREENS),
    quiet(&[KeyCode::Up], "↑", "up", Command::Up, ENTRIES),
    quiet(&[KeyCode::Down], "↓", "down", Command::Down, ENTRIES),
    quiet(&[KeyCode::PageUp], "PgUp", "page up", Command::PageUp, ENTRIES),
    quiet(&[KeyCode::PageDown], "PgDn", "page down", Command::PageDown, ENTRIES),
    quiet(&[KeyCode::Up, KeyCode::Char('k')], "↑ k", "up", Command::Up, UP_DOWN),
    quiet(&[KeyCode::Down, KeyCode::Char('j')], "↓ j", "down", Command::Down, UP_DOWN),
    quiet(&[KeyCode::PageUp], "PgUp", "page up", Command::PageUp, UP_DOWN),
    quiet(&[KeyCode::PageDown], "PgDn", "page down", Command::PageDown, UP_DOWN),
    quiet(&[KeyCode::Home, KeyCode::Char('g')], "Home g", "first line", Command::Top, UP_DOWN),
    quiet(&[KeyCode::End, KeyCode::Char('G')], "End G", "last line", Command::Bottom, UP_DOWN),
];

/// Dialogues that are only looked at, to their end if need be.
const LOOKS: &[Context] = &[Confirm, ConfirmLook, Decide, EndMeasure, Look, GroupApprove, GroupExecute, GroupCallOff];
/// Dialogues of one select, one limit, one comment, the help; those of acts are in [`LOOKS`] and [`FIELDS`].
const OWN: &[Context] = &[Review, ReviewCap, Limit, LimitConfirm, Done, Help, Comment];
/// Fields of acts.
const FIELDS: &[Context] = &[Entry, EntryLook];

const CLOSING_OF: &[&[Context]] = &[OWN, FIELDS, LOOKS, &[Resume]];
const CLOSING: &[Context] = &joined::<{ count(CLOSING_OF) }>(CLOSING_OF);
/// Also where other keys are typed into a field.
const ANYWHERE_OF: &[&[Context]] =
    &[SCREENS, OWN, FIELDS, LOOKS, &[Filter, Quit, Waiting, CheckBack, Following, Asking]];
const ANYWHERE: &[Context] = &joined::<{ count(ANYWHERE_OF) }>(ANYWHERE_OF);
const UP_DOWN_OF: &[&[Context]] =
    &[&[Overview, Terminals, Detail, Alarms, Orders, Events, Metering, Acts, Help], LOOKS];
const UP_DOWN: &[Context] = &joined::<{ count(UP_DOWN_OF) }>(UP_DOWN_OF);

const fn count(parts: &[&[Context]]) -> usize {
    let (mut at, mut all) = (0, 0);
    while at < parts.len() {
        all += parts[at].len();
        at += 1;
    }
    all
}

/// Several lists as one.
const fn joined<const N: usize>(parts: &[&[Context]]) -> [Context; N] {
    let mut all = [Overview; N];
    let (mut to, mut part) = (0, 0);
    while part < parts.len() {
        let mut at = 0;
        while at < parts[part].len() {
            all[to] = parts[part][at];
            to += 1;
            at += 1;
        }
        part += 1;
    }
    all
}

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
        Some(Overlay::Act(act)) => match (&act.form.step, &act.what) {
            (Step::Asking, _) => Asking,
            (Step::Done(_) | Step::Failed(_), _) => Done,
            (Step::Confirm, What::SetTarget { .. } | What::TryAgain { .. }) => ConfirmLook,
            (Step::Confirm, What::Decide { .. }) => Decide,
            (Step::Confirm, What::Measure(_)) => EndMeasure,
            (Step::Confirm, _) => Confirm,
            (Step::Entry, What::Group(_)) => match state.group_step() {
                _ if !state.live() => Look,
                GroupStep::Approve => GroupApprove,
                GroupStep::Execute => GroupExecute,
                GroupStep::CallOff => GroupCallOff,
                GroupStep::Nothing => Look,
            },
            (Step::Entry, What::Forbids { .. }) => Look,
            (
                Step::Entry,
                What::DryRun { .. } | What::Parameters { .. } | What::Decide { .. } | What::TryAgain { .. },
            ) => EntryLook,
            (Step::Entry, _) => Entry,
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
            Screen::Acts => Acts,
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
    matches!(context, Filter | Comment | Review | ReviewCap | Limit | Resume | Entry | EntryLook)
}
