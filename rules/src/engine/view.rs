//! The engine's state as operators see it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Engine, Holder, Shed};
use crate::dressing::DressOn;
use crate::model::{
    NodeId, PointKind, Power, PriorityClass, Quality, Round, RoundNo, SwitchPosition, Terminal, TerminalId, Timestamp,
};
use crate::orders::{Action, Order};
use crate::outlook::Level;
use crate::output::Alarm;
use crate::state::grid::{Held, Post};
use crate::view::{Burden, Forbidden, LimitState, NodeView, PointView, RoundView, TerminalDetail, TerminalView, View};

impl Engine {
    /// Everything on the overview. Costs time in proportion to the fleet: build it a few times a second, not for each
    /// input.
    pub fn view(&self) -> View {
        View {
            now: self.now,
            nodes: self.node_views(),
            terminals: self.terminal_views(),
            alarms: sorted(self.alarms.live().cloned().collect()),
            orders: self.orders().take(View::ORDERS_MAX).cloned().collect(),
            waiting: self.waiting_views(),
            events: self.events.iter().take(View::EVENTS_MAX).cloned().collect(),
            targets: self.targets().cloned().collect(),
            announcements: self.announcements().cloned().collect(),
            measures: self.measures().cloned().collect(),
            groups: self.groups.lines().rev().cloned().collect(),
            tags: self.tags.hanging().cloned().collect(),
            dressings: self.dressings.standing().cloned().collect(),
            proposals: self.own.proposals().cloned().collect(),
            calculated: self.calculated_views(),
            stopped: self.stopped.clone(),
        }
    }

    /// A terminal in full; none when it is not in the inventory.
    pub fn terminal(&self, id: TerminalId) -> Option<TerminalDetail> {
        let post = self.grid.posts.get(&id)?;
        let point = |held: &Held| PointView {
            reading: held.reading,
            arrived_at: held.arrived_at,
            stale: post.is_stale(held, self.now, self.grid.age_max),
            frozen: held.reading.point == PointKind::ActivePower && post.is_frozen(),
        };
        Some(TerminalDetail {
            summary: self.terminal_view(id, post, self.grid.inventory.terminals.get(&id)?),
            points: post.points().map(point).collect(),
            dressings: self.dressings.standing().filter(|it| it.on.terminal() == Some(id)).cloned().collect(),
            orders: self.orders().filter(|order| order.terminal == id).cloned().collect(),
            alarms: sorted(self.alarms.live().filter(|alarm| alarm.cause.terminal() == Some(id)).cloned().collect()),
            parameters: self.parameters.of(id).cloned(),
            interlocks: self.interlock_views(id),
            forbidden: self.forbidden(id),
            burden: self.burden(id),
        })
    }

    fn forbidden(&self, terminal: TerminalId) -> Vec<Forbidden> {
        let rounds = self.grid.inventory.terminals.get(&terminal).map(|entry| entry.rounds.keys().copied());
        let why = |action| self.forbids_select(terminal, action).map(|refusal| refusal.to_string());
        let of =
            |round| Forbidden { round, trip: why(Action::Trip { round }), restore: why(Action::Restore { round }) };
        rounds.into_iter().flatten().map(of).collect()
    }

    fn burden(&self, terminal: TerminalId) -> Burden {
        let customer = self.grid.customer(terminal);
        let (curtailed, turns) = customer.map(|(id, _)| self.curtailed_by_now(id, terminal)).unwrap_or_default();
        let response = self.responses.get(&terminal).copied().unwrap_or_default();
        let given = customer.map(|(id, _)| self.given_by_now(id)).unwrap_or_default();
        Burden { curtailed, turns, given, trips_judged: response.trips, response_permille: response.share }
    }

    /// When the present breach of a node's limit began, if there is one.
    pub fn over_limit_since(&self, node: NodeId) -> Option<Timestamp> {
        self.breach_since(node)
    }

    /// The newest first.
    fn orders(&self) -> impl Iterator<Item = &Order> {
        let mut orders: Vec<&Order> = self.ledger.open().chain(self.ledger.closed()).collect();
        orders.sort_unstable_by_key(|order| Reverse(order.id));
        orders.into_iter()
    }

    fn node_views(&self) -> Vec<NodeView> {
        let inventory = &self.grid.inventory;
        let counts = self.grid.terminals_and_links();
        let mut shed = BTreeMap::<NodeId, u32>::new();
        for round in self.sheds.values().flat_map(BTreeMap::values) {
            if let Holder::Rule(node) = round.by {
                *shed.entry(node).or_default() += 1;
            }
        }
        let mut children = BTreeMap::<Option<NodeId>, Vec<NodeId>>::new();
        for (&id, node) in &inventory.nodes {
            children.entry(node.parent).or_default().push(id);
        }
        let mut views = Vec::with_capacity(inventory.nodes.len());
        // The last one on the stack comes next, so siblings are pushed in reverse.
        let below = |parent: Option<NodeId>| children.get(&parent).into_iter().flatten().rev().copied();
        let mut stack: Vec<(NodeId, u8)> = below(None).map(|id| (id, 0)).collect();
        while let Some((id, depth)) = stack.pop() {
            let Some(node) = inventory.nodes.get(&id) else { continue };
            let rule = self.policy.rule(id);
            let rounds_shed = shed.get(&id).copied().unwrap_or_default();
            let watch = self.watches.get(&id);
            let (terminals, links_up) = counts.get(&id).copied().unwrap_or_default();
            views.push(NodeView {
                id,
                kind: node.kind,
                name: node.name.clone(),
                parent: node.parent,
                depth,
                load: self.grid.load(id),
                dressed: self.dressings.on(DressOn::Load { node: id }).map(|dressing| dressing.id),
                limit: rule.map(|rule| rule.limit),
                rated: rule.map(|rule| self.rated(rule)),
                in_force: self.in_force(id),
                forecast: rule.and_then(|rule| self.forecast(rule)),
                warning: rule.map(|rule| rule.warning()),
                state: watch.map_or(LimitState::Unlimited, |watch| watch.state(rounds_shed > 0)),
                level: rule.and_then(|rule| Level::of(self.grid.load(id).power()?, rule.limit)),
                rounds_shed,
                restoration: (rounds_shed > 0).then(|| self.restoration(id)).flatten(),
                terminals,
                links_up,
            });
            stack.extend(below(Some(id)).map(|child| (child, depth.saturating_add(1))));
        }
        views
    }

    fn terminal_views(&self) -> Vec<TerminalView> {
        let inventory = &self.grid.inventory;
        // Posts stand in the order of the inventory's terminals, one for each.
        let posts = self.grid.posts.iter().zip(&inventory.terminals);
        posts.map(|((&id, post), (_, terminal))| self.terminal_view(id, post, terminal)).collect()
    }

    fn terminal_view(&self, id: TerminalId, post: &Post, terminal: &Terminal) -> TerminalView {
        let inventory = &self.grid.inventory;
        let customer = terminal.customer.and_then(|id| Some((id, inventory.customers.get(&id)?)));
        let measures = post.heads().first().and_then(|id| inventory.nodes.get_key_value(id));
        let power = post.held(PointKind::ActivePower);
        let dressed = self.dressed_point(id, PointKind::ActivePower);
        let stands_in = self.grid.stands_in(id);
        let substituted = dressed.map(|it| Power::new(it.value)).or(stands_in.map(|(_, power)| power));
        let name = customer.map(|(_, c)| c.name.clone()).or_else(|| measures.map(|(_, node)| node.name.clone()));
        let priority = customer.map(|(_, customer)| customer.priority);
        let sheds = self.sheds.get(&id);
        let round = |(no, round): (&RoundNo, &Round)| {
            let shed = sheds.and_then(|rounds| rounds.get(no));
            self.round_view((id, *no), post, round, shed, priority)
        };
        TerminalView {
            id,
            customer: customer.map(|(id, _)| id),
            name: name.unwrap_or_default(),
            node: post.node().or_else(|| measures.map(|(id, _)| *id)),
            link_up: post.link_up,
            power: substituted.or(power.map(|held| Power::new(held.reading.value))),
            dressed: dressed.map(|it| it.id),
            stands_in: stands_in.map(|(by, _)| by),
            quality: match substituted {
                Some(_) => Quality::SUBSTITUTED,
                None => power.map_or(Quality::GOOD, |held| held.reading.quality),
            },
            stale: substituted.is_none() && power.is_none_or(|held| post.is_stale(held, self.now, self.grid.age_max)),
            frozen: substituted.is_none() && post.is_frozen(),
            arrived_at: power.map(|held| held.arrived_at),
            contract: customer.map(|(_, customer)| customer.contract),
            guaranteed: customer.is_some_and(|(_, c)| c.guaranteed) || post.says_guaranteed(),
            safety_floor: customer.map_or(Power::ZERO, |(_, c)| c.safety_floor).max(post.says_floor()),
            priority,
            rounds: terminal.rounds.iter().map(round).collect(),
        }
    }

    fn round_view(
        &self,
        (terminal, no): (TerminalId, RoundNo),
        post: &Post,
        round: &Round,
        shed: Option<&Shed>,
        class: Option<PriorityClass>,
    ) -> RoundView {
        let dressed = |kind| self.dressed_point(terminal, kind);
        let (position, power) = (PointKind::RoundPosition(no), PointKind::RoundPower(no));
        let value = |kind| dressed(kind).map(|it| it.value).or(post.held(kind).map(|held| held.reading.value));
        let off_for = shed.map(|shed| self.now.since(shed.since)).unwrap_or_default();
        RoundView {
            round: no,
            name: round.name.clone(),
            position: value(position).map(SwitchPosition::from_value),
            power: value(power).map(Power::new),
            position_dressed: dressed(position).map(|it| it.id),
            power_dressed: dressed(power).map(|it| it.id),
            shed_by: shed.and_then(|shed| match shed.by {
                Holder::Rule(node) => Some(node),
                Holder::Operator => None,
            }),
            tag: self.tag_on_round(terminal, no).map(|tag| tag.id),
            held_by_operator: shed.is_some_and(|shed| shed.by == Holder::Operator),
            cold_load: self.cold_loads.expected(terminal, no, class, off_for),
        }
    }
}

/// By priority, then the newest first.
fn sorted(mut alarms: Vec<Alarm>) -> Vec<Alarm> {
    alarms.sort_by_key(|alarm| (alarm.priority, Reverse(alarm.id)));
    alarms
}
