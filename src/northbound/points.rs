//! What the points show, read off the picture that operators see.

use std::collections::BTreeMap;

use headroom_rules::model::{NodeId, Power, Quality, SwitchPosition, TerminalId};
use headroom_rules::output::{AlarmCause, AlarmState};
use headroom_rules::view::{NodeView, TerminalView, View};
use headroom_terminals::iec104::Value;

use crate::config::{NorthboundPoint, Shows};

/// A value with its quality.
pub(super) type Shown = (Value, Quality);

/// A picture, by id.
pub(super) struct Picture<'a> {
    nodes: BTreeMap<NodeId, &'a NodeView>,
    terminals: BTreeMap<TerminalId, &'a TerminalView>,
    view: &'a View,
}

impl<'a> Picture<'a> {
    pub(super) fn new(view: &'a View) -> Self {
        Self {
            nodes: view.nodes.iter().map(|node| (node.id, node)).collect(),
            terminals: view.terminals.iter().map(|terminal| (terminal.id, terminal)).collect(),
            view,
        }
    }

    /// What is not known is 0 with IV; what an absent link keeps from changing is NT.
    pub(super) fn shown(&self, shows: Shows) -> Shown {
        match shows {
            Shows::Load(node) => marked(self.node(node), power(self.node(node).and_then(|node| node.load.power()))),
            Shows::Limit(node) => power(self.node(node).and_then(|node| node.limit)),
            Shows::Headroom(node) => marked(self.node(node), power(self.node(node).and_then(NodeView::headroom))),
            Shows::RoundsShed(node) => count(self.node(node).map(|node| node.rounds_shed)),
            Shows::LinksUp(node) => count(self.node(node).map(|node| node.links_up)),
            Shows::Position(terminal, round) => {
                let terminal = self.terminals.get(&terminal);
                let rounds = terminal.map_or(&[][..], |terminal| &terminal.rounds);
                let round = rounds.iter().find(|view| view.round == round);
                let position = round.and_then(|view| view.position);
                let mark = match (position, terminal) {
                    (None, _) => Quality::INVALID,
                    (Some(_), _) if round.is_some_and(|view| view.position_dressed.is_some()) => Quality::SUBSTITUTED,
                    (Some(_), Some(terminal)) if terminal.link_up => Quality::GOOD,
                    (Some(_), _) => Quality::NOT_TOPICAL,
                };
                (Value::Double(position.unwrap_or(SwitchPosition::Indeterminate)), mark)
            }
            Shows::Alarm(cause) => (Value::Single(self.stands(cause)), Quality::GOOD),
        }
    }

    fn node(&self, node: NodeId) -> Option<&NodeView> {
        self.nodes.get(&node).copied()
    }

    fn stands(&self, cause: AlarmCause) -> bool {
        let standing = |state| match state {
            AlarmState::Unacknowledged | AlarmState::Acknowledged => true,
            AlarmState::ReturnedUnacknowledged => cause.is_of_what_is_over(),
            AlarmState::Normal => false,
        };
        self.view.alarms.iter().any(|alarm| alarm.cause == cause && standing(alarm.state))
    }
}

fn power(power: Option<Power>) -> Shown {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the wire's precision")]
    let kw = |power: Power| (power.get() as f64 / 1_000.0) as f32;
    match power {
        Some(power) => (Value::Float(kw(power)), Quality::GOOD),
        None => (Value::Float(0.0), Quality::INVALID),
    }
}

/// What is made of a load that was not all measured is SB, substituted.
fn marked(node: Option<&NodeView>, (value, quality): Shown) -> Shown {
    let substituted = node.is_some_and(|node| node.load.is_substituted());
    (value, if substituted { quality.with(Quality::SUBSTITUTED) } else { quality })
}

fn count(count: Option<u32>) -> Shown {
    match count {
        Some(count) => match i16::try_from(count) {
            Ok(count) => (Value::Scaled(count), Quality::GOOD),
            Err(_) => (Value::Scaled(i16::MAX), Quality::OVERFLOW),
        },
        None => (Value::Scaled(0), Quality::INVALID),
    }
}

/// Whether a change is worth a message.
pub(super) fn differs(point: &NorthboundPoint, told: Shown, now: Shown) -> bool {
    match (told, now) {
        ((Value::Float(told), before), (Value::Float(now), after)) if before == after => {
            #[allow(clippy::cast_precision_loss, reason = "a deadband is far below 2^52 W")]
            let deadband_kw = point.deadband.get() as f64 / 1_000.0;
            let change = f64::from(now - told).abs();
            change > 0.0 && change >= deadband_kw
        }
        _ => told != now,
    }
}
