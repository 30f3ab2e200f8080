//! All that the console knows and shows. [`update`](super::update::update) changes it, the view draws it.

mod act;
mod form;

use std::collections::BTreeSet;

use headroom_rules::groups::{GroupLine, GroupState};
use headroom_rules::model::{NodeId, Power, RoundNo, Span, TerminalId, Timestamp};
use headroom_rules::orders::{Action, Issuer, Order, OrderId, OrderState};
use headroom_rules::output::{AlarmId, AlarmPriority, AlarmState, Event};
use headroom_rules::view::{NodeView, Resumption, TerminalDetail, TerminalView, View};
use tui_input::Input;

pub(crate) use act::{
    ASPECT, Act, ActKey, ByHand, CHANGE, CLASS, Change, DraftOf, DressAt, FOR, FROM, GroupLook, GroupStep, LIMIT,
    NOTICE, Preview, REDUCTION, ROUNDS, Reduction, UNTIL, VALUE, WHY, What, group_power,
};
pub(crate) use form::{Field, Form, Step};

use super::message::{About, Health, Journal, TrendPoint};
use super::metering::Metering;
use super::node::NodeScreen;
use super::theme::Theme;

/// The view is fetched this often, ms.
pub(crate) const POLL_MS: u64 = 500;
/// Without a new view for this long what is shown counts as old, ms.
pub(crate) const STALE_MS: u64 = 2_500;
/// A notice stays for this long, ms.
const NOTICE_MS: u64 = 12_000;

/// What fills the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    Overview,
    Node(NodeId),
    Terminals,
    Detail(TerminalId),
    Alarms,
    Orders,
    Events,
    Metering,
    /// Proposals, group orders, targets and tags.
    Acts,
}

/// What lies above the body and takes the keys.
#[derive(Clone, Debug)]
pub(crate) enum Overlay {
    Help { scroll: u16 },
    Quit,
    Comment { alarm: AlarmId, input: Input },
    Dialogue(Box<Dialogue>),
    Limit(Box<LimitDialogue>),
    Resume(Box<ResumeDialogue>),
    Act(Box<Act>),
}

/// A line selected by what it stands for, so that a refresh does not move it.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<K> {
    pub(crate) key: Option<K>,
    pub(crate) index: usize,
    pub(crate) offset: usize,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self { key: None, index: 0, offset: 0 }
    }
}

impl<K: Clone + PartialEq> Cursor<K> {
    /// Finds the selected line again; where it is gone, the one in its place.
    pub(crate) fn find(&mut self, keys: &[K], pin: bool) {
        if let Some(at) = self.key.as_ref().and_then(|key| keys.iter().position(|k| k == key)) {
            self.index = at;
        } else if self.key.is_none() && !pin {
            self.index = 0;
        } else {
            self.index = self.index.min(keys.len().saturating_sub(1));
            self.key = keys.get(self.index).cloned();
        }
    }

    /// Scrolls so that the selected line is among `height`.
    pub(crate) fn scroll(&mut self, len: usize, height: usize) {
        let height = height.max(1);
        self.offset =
            self.offset.min(len.saturating_sub(height)).clamp(self.index.saturating_sub(height - 1), self.index);
    }

    pub(crate) fn select(&mut self, keys: &[K], index: usize) {
        self.index = index.min(keys.len().saturating_sub(1));
        self.key = keys.get(self.index).cloned();
    }

    pub(crate) fn step(&mut self, keys: &[K], by: isize) {
        self.select(keys, self.index.saturating_add_signed(by));
    }
}

/// How far a control dialogue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Shows what is going to happen.
    Review,
    /// The centre was asked to select.
    Asking,
    /// The order exists; where it stands comes with the view.
    Following { order: OrderId, executing: bool, cancelling: bool },
    /// Over before there was an order.
    Ended { sentence: String },
}

/// What a control dialogue is to do; a cap has its figure still to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Trip(RoundNo),
    Restore(RoundNo),
    Cap,
}

/// Select, check-back, execute, effect.
#[derive(Clone, Debug)]
pub(crate) struct Dialogue {
    pub(crate) terminal: TerminalId,
    pub(crate) wish: Wish,
    /// What was sent with the select.
    pub(crate) action: Option<Action>,
    pub(crate) reason: Input,
    /// Kilowatts, as typed.
    pub(crate) cap: Input,
    /// Whether typing goes to the cap and not to the reason.
    pub(crate) in_cap: bool,
    pub(crate) stage: Stage,
    /// What the centre said last, for the operator.
    pub(crate) note: Option<String>,
}

impl Dialogue {
    pub(crate) fn new(terminal: TerminalId, wish: Wish) -> Self {
        Self {
            terminal,
            wish,
            action: None,
            reason: Input::default(),
            cap: Input::default(),
            in_cap: wish == Wish::Cap,
            stage: Stage::Review,
            note: None,
        }
    }
}

/// How far the setting of a limit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LimitStage {
    /// The figure and the reason are being entered.
    Entry,
    /// Shows what is going to be, and waits for the word.
    Confirm(Power),
    /// The centre was asked.
    Asking(Power),
    Done(Power),
    /// Refused, or without an answer.
    Failed(String),
}

/// A node's limit: figure, reason, confirmation, answer.
#[derive(Clone, Debug)]
pub(crate) struct LimitDialogue {
    pub(crate) node: NodeId,
    /// The limit in force when the dialogue was opened: if somebody else changes it meanwhile, nothing is set.
    pub(crate) seen: Option<Power>,
    /// Kilowatts, as typed.
    pub(crate) limit: Input,
    pub(crate) reason: Input,
    /// Whether typing goes to the reason and not to the figure.
    pub(crate) in_reason: bool,
    pub(crate) stage: LimitStage,
    /// Why the figure is none.
    pub(crate) note: Option<String>,
}

/// How far the end of a stop is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResumeStage {
    /// Shows what the rules would do, and waits for the word.
    Look,
    /// The centre was asked.
    Asking,
    Ended(String),
}

/// The end of a stop of automatic control: what would follow, the reason, the answer.
#[derive(Clone, Debug)]
pub(crate) struct ResumeDialogue {
    /// None until the centre has reckoned it.
    pub(crate) preview: Option<Result<Resumption, String>>,
    pub(crate) reason: Input,
    pub(crate) stage: ResumeStage,
    /// Lines of what would follow that lie above the first one shown.
    pub(crate) scroll: u16,
}

/// Whether the centre answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Nothing came yet.
    Connecting,
    Live,
    /// Since this time on the wall, with why.
    Lost {
        since: u64,
        why: String,
    },
}

/// All of it.
pub(crate) struct State {
    pub(crate) theme: Theme,
    pub(crate) size: (u16, u16),
    pub(crate) screen: Screen,
    /// Where Esc leads to from a terminal's detail.
    pub(crate) back: Screen,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) connection: Connection,
    pub(crate) about: Option<About>,
    pub(crate) about_asked_at: Option<u64>,
    pub(crate) view: View,
    pub(crate) health: Health,
    /// ms on the wall.
    pub(crate) wall: u64,
    pub(crate) received_at: Option<u64>,
    pub(crate) polled_at: Option<u64>,
    pub(crate) view_in_flight: bool,
    pub(crate) detail_in_flight: bool,
    pub(crate) trend_in_flight: bool,
    pub(crate) trend_asked_at: Option<u64>,
    pub(crate) notice: Option<(String, u64)>,

    pub(crate) collapsed: BTreeSet<NodeId>,
    pub(crate) nodes: Cursor<NodeId>,
    pub(crate) only_below: Option<NodeId>,
    pub(crate) filter: Input,
    pub(crate) filtering: bool,
    pub(crate) terminals: Cursor<TerminalId>,
    pub(crate) detail: Option<TerminalDetail>,
    pub(crate) detail_error: Option<String>,
    /// Terminals that are being read on demand.
    pub(crate) reading: BTreeSet<TerminalId>,
    pub(crate) trend: Vec<TrendPoint>,
    pub(crate) rounds: Cursor<RoundNo>,
    pub(crate) points_scroll: usize,
    pub(crate) alarms: Cursor<AlarmId>,
    pub(crate) orders: Cursor<OrderId>,
    pub(crate) events: Cursor<Event>,
    pub(crate) expanded: Option<Event>,
    pub(crate) metering: Metering,
    pub(crate) acts: Cursor<ActKey>,
    /// Terminals that are marked for a group order.
    pub(crate) marked: BTreeSet<TerminalId>,
    pub(crate) node_screen: NodeScreen,
}

impl State {
    pub(crate) fn new(theme: Theme, size: (u16, u16)) -> Self {
        Self {
            theme,
            size,
            screen: Screen::Overview,
            back: Screen::Terminals,
            overlay: None,
            connection: Connection::Connecting,
            about: None,
            about_asked_at: None,
            view: View::default(),
            health: Health::default(),
            wall: 0,
            received_at: None,
            polled_at: None,
            view_in_flight: false,
            detail_in_flight: false,
            trend_in_flight: false,
            trend_asked_at: None,
            notice: None,
            collapsed: BTreeSet::new(),
            nodes: Cursor::default(),
            only_below: None,
            filter: Input::default(),
            filtering: false,
            terminals: Cursor::default(),
            detail: None,
            detail_error: None,
            reading: BTreeSet::new(),
            trend: Vec::new(),
            rounds: Cursor::default(),
            points_scroll: 0,
            alarms: Cursor::default(),
            orders: Cursor::default(),
            events: Cursor::default(),
            expanded: None,
            metering: Metering::default(),
            acts: Cursor::default(),
            marked: BTreeSet::new(),
            node_screen: NodeScreen::default(),
        }
    }

    /// Who the token names.
    pub(crate) fn me(&self) -> Option<&str> {
        self.about.as_ref().map(|about| about.operator.as_str())
    }

    /// What may be done about a group order, by whoever sits here.
    pub(crate) fn may(&self, line: &GroupLine) -> GroupStep {
        GroupStep::of(line, self.me(), self.about.as_ref().is_some_and(|about| about.supervisor))
    }

    /// What may be done about the group order whose list is on the screen.
    pub(crate) fn group_step(&self) -> GroupStep {
        match self.act().map(|act| &act.what) {
            Some(What::Group(look)) => look.group.as_ref().map_or(GroupStep::Nothing, |group| self.may(&group.line)),
            _ => GroupStep::Nothing,
        }
    }

    pub(crate) fn act(&self) -> Option<&Act> {
        match &self.overlay {
            Some(Overlay::Act(act)) => Some(act),
            _ => None,
        }
    }

    /// What waits for a word of whoever sits here: proposals, and group orders of somebody else.
    pub(crate) fn decisions(&self) -> usize {
        let groups = self.view.groups.iter().filter(|line| self.may(line) == GroupStep::Approve);
        self.view.proposals.len() + groups.count()
    }

    /// The lines of the screen of acts: what waits for a decision first, what is over last.
    pub(crate) fn act_keys(&self) -> Vec<ActKey> {
        let over =
            |line: &&GroupLine| matches!(line.state, GroupState::Done | GroupState::Cancelled | GroupState::Expired);
        let groups = || self.view.groups.iter();
        let mut keys: Vec<ActKey> = self.view.proposals.iter().map(|proposal| ActKey::Proposal(proposal.id)).collect();
        keys.extend(groups().filter(|line| !over(line)).map(|line| ActKey::Group(line.id)));
        keys.extend(self.view.targets.iter().map(|target| ActKey::Target(target.id)));
        let standing = self.view.measures.iter().filter(|it| it.ended.is_none());
        keys.extend(standing.map(|it| ActKey::Measure(it.id)));
        keys.extend(self.view.tags.iter().map(|tag| ActKey::Tag(tag.id)));
        keys.extend(self.view.dressings.iter().map(|it| ActKey::ByHand(it.id)));
        keys.extend(groups().filter(over).map(|line| ActKey::Group(line.id)));
        keys
    }

    /// Shows a sentence above the command bar for a while.
    pub(crate) fn tell(&mut self, sentence: impl Into<String>) {
        self.notice = Some((sentence.into(), self.wall + NOTICE_MS));
    }

    pub(crate) fn connected(&self) -> bool {
        self.connection == Connection::Live
    }

    /// Whether what is shown is so now and orders can be given.
    pub(crate) fn live(&self) -> bool {
        self.why_not_live().is_none()
    }

    /// Why no order can be given now.
    pub(crate) fn why_not_live(&self) -> Option<&'static str> {
        if !self.connected() {
            Some("the centre does not answer")
        } else if self.journal_failing().is_some() {
            Some("the centre cannot write its journal")
        } else {
            None
        }
    }

    /// For how many seconds on the wall the centre has not written its journal, with why.
    pub(crate) fn journal_failing(&self) -> Option<(u64, &str)> {
        match &self.health.journal {
            Journal::Good => None,
            Journal::Failing { since_s, error } => {
                Some((since_s.saturating_add(self.age_ms().unwrap_or(0) / 1_000), error))
            }
        }
    }

    /// How long ago the last view came, ms on the wall.
    pub(crate) fn age_ms(&self) -> Option<u64> {
        Some(self.wall.saturating_sub(self.received_at?))
    }

    /// How old what is shown is, seconds on the wall: a view that came late shows what was when the journal failed.
    pub(crate) fn shown_age_s(&self) -> Option<u64> {
        let age = self.age_ms()? / 1_000;
        Some(self.journal_failing().map_or(age, |(since, _)| since))
    }

    pub(crate) fn time_factor(&self) -> f64 {
        self.about.as_ref().map(|about| about.time_factor).filter(|f| f.is_finite() && *f > 0.0).unwrap_or(1.0)
    }

    /// The centre's time now: that of the view, run on by the wall clock. It stands still while the journal fails.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a few seconds, and a cast that saturates"
    )]
    pub(crate) fn now(&self) -> Timestamp {
        if self.journal_failing().is_some() {
            return self.view.now;
        }
        let run_on = self.age_ms().unwrap_or(0).min(STALE_MS) as f64 * self.time_factor();
        self.view.now.after(Span::new(run_on as i64))
    }

    /// A span of the centre's time on the operator's clock, whole seconds, not below 0.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "seconds for showing, and a cast that saturates"
    )]
    pub(crate) fn wall_s(&self, span: Span) -> i64 {
        (span.get().max(0) as f64 / self.time_factor() / 1_000.0) as i64
    }

    /// The nodes that are not hidden below a collapsed one.
    pub(crate) fn shown_nodes(&self) -> Vec<&NodeView> {
        let mut hidden_below: Option<u8> = None;
        let mut shown = Vec::new();
        for node in &self.view.nodes {
            if hidden_below.is_some_and(|depth| node.depth > depth) {
                continue;
            }
            hidden_below = self.collapsed.contains(&node.id).then_some(node.depth);
            shown.push(node);
        }
        shown
    }

    pub(crate) fn has_children(&self, id: NodeId) -> bool {
        self.view.nodes.iter().any(|node| node.parent == Some(id))
    }

    /// Whether `node` is `top` or lies below it.
    fn is_below(&self, node: Option<NodeId>, top: NodeId) -> bool {
        let mut at = node;
        // A supply tree has four levels; the bound keeps a view that contradicts itself from going round.
        for _ in 0..8 {
            match at {
                Some(id) if id == top => return true,
                Some(id) => at = self.view.nodes.iter().find(|n| n.id == id).and_then(|n| n.parent),
                None => return false,
            }
        }
        false
    }

    /// The terminals that the chosen node and the filter leave.
    pub(crate) fn shown_terminals(&self) -> Vec<&TerminalView> {
        let wanted = self.filter.value().to_lowercase();
        let matches = |text: &str| text.to_lowercase().contains(&wanted);
        self.view
            .terminals
            .iter()
            .filter(|t| self.only_below.is_none_or(|top| self.is_below(t.node, top)))
            .filter(|t| {
                wanted.is_empty()
                    || matches(t.id.as_str())
                    || matches(&t.name)
                    || t.customer.is_some_and(|c| matches(c.as_str()))
                    || t.node.is_some_and(|n| matches(n.as_str()))
            })
            .collect()
    }

    /// The terminals that a node supplies, or that measure it.
    pub(crate) fn terminals_below(&self, top: NodeId) -> Vec<&TerminalView> {
        self.view.terminals.iter().filter(|terminal| self.is_below(terminal.node, top)).collect()
    }

    pub(crate) fn terminal(&self, id: TerminalId) -> Option<&TerminalView> {
        // They come by id.
        let at = self.view.terminals.binary_search_by(|terminal| terminal.id.cmp(&id)).ok();
        at.and_then(|at| self.view.terminals.get(at))
            .or_else(|| self.detail.as_ref().map(|d| &d.summary).filter(|s| s.id == id))
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<&NodeView> {
        self.view.nodes.iter().find(|node| node.id == id)
    }

    pub(crate) fn order(&self, id: OrderId) -> Option<&Order> {
        self.view.orders.iter().find(|order| order.id == id)
    }

    pub(crate) fn is_mine(&self, order: &Order) -> bool {
        matches!((&order.issuer, &self.about), (Issuer::Operator { name }, Some(about)) if *name == about.operator)
    }

    /// Orders of this operator that hold a terminal's point and wait for a decision.
    pub(crate) fn my_selected(&self) -> Vec<&Order> {
        self.view.orders.iter().filter(|o| o.state.awaits_execute() && self.is_mine(o)).collect()
    }

    /// Alarms of this priority that nobody acknowledged.
    pub(crate) fn unacknowledged(&self, priority: AlarmPriority) -> usize {
        let open = |s| matches!(s, AlarmState::Unacknowledged | AlarmState::ReturnedUnacknowledged);
        self.view.alarms.iter().filter(|a| a.priority == priority && open(a.state)).count()
    }

    pub(crate) fn dialogue(&self) -> Option<&Dialogue> {
        match &self.overlay {
            Some(Overlay::Dialogue(dialogue)) => Some(dialogue),
            _ => None,
        }
    }

    /// The dialogue's order, once the terminal has confirmed the select of exactly what was asked. Only then, and
    /// only while the centre answers and writes its journal, is an execute offered (`select-before-execute`).
    pub(crate) fn checked_back(&self) -> Option<&Order> {
        let dialogue = self.dialogue()?;
        let Stage::Following { order, executing: false, cancelling: false } = dialogue.stage else { return None };
        let order = self.order(order)?;
        let same = order.terminal == dialogue.terminal && Some(order.action) == dialogue.action;
        (self.live() && same && order.state == OrderState::Selected && order.expires_at > self.now()).then_some(order)
    }
}
