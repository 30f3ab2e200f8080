//! What people do in a world: dispatchers, each with their own mind, customers at their switches, and whoever changes the
//! inventory and the rules.

use super::World;
use super::making;
use super::plant::{Coming, Habit};
use crate::dressing::{DressOn, DressingId};
use crate::groups::{GroupAct, GroupId, GroupScope};
use crate::input::{Input, Request};
use crate::model::{NodeId, Power, RoundNo, TerminalId, Timestamp};
use crate::orders::{Action, OrderId};
use crate::output::AlarmId;
use crate::own::ProposalId;
use crate::tags::{TagId, TagOn};
use crate::target::TargetId;
use crate::testing::s;

const DISPATCHERS: [&str; 3] = ["wang", "li", "chen"];

impl World {
    fn any_device(&mut self) -> TerminalId {
        let ids: Vec<TerminalId> = self.plant.devices.keys().copied().collect();
        self.dice.pick(&ids)
    }

    fn any_node(&mut self) -> NodeId {
        let ids: Vec<NodeId> = self.plant.inventory.nodes.keys().copied().collect();
        self.dice.pick(&ids)
    }

    fn any_round(&mut self) -> RoundNo {
        RoundNo::ALL[self.dice.below(3)]
    }

    fn recent_group(&mut self) -> GroupId {
        let last = self.guard.groups.keys().next_back().map_or(1, |group| group.0);
        GroupId(last.saturating_sub(self.dice.below(3) as u64 / 2))
    }

    /// What a dispatcher asks next.
    pub(super) fn dispatcher_asks(&mut self) {
        let who = self.dice.pick(&DISPATCHERS);
        if self.dice.one_in(6)
            && let Some((terminal, round)) = self.guard.announced(&self.plant)
        {
            let action = Action::Restore { round };
            self.ask(who, Request::Select { terminal, action, qualifier: None, reason: String::new() });
            self.going_on = Some((who, self.now().after(s(self.dice.range(1, 6)))));
            return;
        }
        let reason = String::new();
        let recent = OrderId(self.last_order.saturating_sub(self.dice.below(3) as u64));
        let request = match self.dice.below(44) {
            0..6 => {
                let round = self.any_round();
                let action = match self.dice.below(5) {
                    0 | 1 => Action::Trip { round },
                    2 | 3 => Action::Restore { round },
                    _ => Action::SetCap { cap: if self.dice.one_in(2) { Power::ZERO } else { self.dice.kw(1, 60) } },
                };
                Request::Select { terminal: self.any_device(), action, qualifier: None, reason }
            }
            6..13 => Request::Execute { order: recent },
            13 => Request::Cancel { order: recent },
            14 => Request::AcknowledgeAlarm { alarm: AlarmId(self.dice.range(1, 20).unsigned_abs()), comment: reason },
            15 | 16 => {
                let node = self.any_node();
                let limit = self.plant.load(node).percent(self.dice.range(40, 120));
                Request::SetLimit { node, limit, expected: None, reason }
            }
            18 if self.dice.one_in(3) => {
                let terminal = self.any_device();
                let on = match self.dice.below(4) {
                    0 => TagOn::Node { node: self.any_node() },
                    1 => TagOn::Terminal { terminal },
                    _ => TagOn::Round { terminal, round: self.any_round() },
                };
                Request::SetTag { on, reason: "work on the line".into() }
            }
            19 | 20 => Request::RemoveTag { tag: TagId(self.dice.range(1, 6).unsigned_abs()), reason },
            21 | 22 => {
                let node = self.any_node();
                let reduction = self.plant.load(node).percent(self.dice.range(1, 40));
                let from = self.now().after(s(self.dice.range(-5, 30)));
                let to = from.after(s(self.dice.range(10, 120)));
                Request::SetTarget { node, reduction, from, to, reason }
            }
            24 => Request::TryAgain { node: self.any_node(), reason },
            23 => Request::CancelTarget { target: TargetId(self.dice.range(1, 6).unsigned_abs()), reason },
            17 if self.dice.one_in(3) => Request::StopAutomatic { reason },
            25 | 26 | 40..44 => {
                let act = if self.dice.percent(70) { GroupAct::Trip } else { GroupAct::Restore };
                let scope = if self.dice.one_in(2) {
                    GroupScope::Node { node: self.any_node(), class: None, numbers: Vec::new() }
                } else {
                    let rounds = (0..self.dice.range(1, 5)).map(|_| (self.any_device(), self.any_round())).collect();
                    GroupScope::Rounds { rounds }
                };
                Request::DraftGroup { act, scope, reason, notice_min: 0 }
            }
            27..30 => {
                let seen = if self.dice.one_in(4) { Some(self.dice.kw(0, 80)) } else { None };
                Request::ApproveGroup { group: self.recent_group(), seen }
            }
            30..33 => Request::ExecuteGroup { group: self.recent_group(), at_once: None },
            33 => Request::CancelGroup { group: self.recent_group(), reason },
            34 | 35 => {
                let proposal = ProposalId(self.guard.proposal.saturating_sub(self.dice.below(2) as u64));
                Request::DecideProposal { proposal, approve: self.dice.percent(70), reason }
            }
            36..39 => self.by_hand_value(),
            39 => {
                let last = self.guard.dressings.keys().next_back().copied().unwrap_or(DressingId(1));
                Request::Undress { dressing: last, reason }
            }
            _ if self.guard.is_stopped() => Request::ResumeAutomatic { reason },
            _ => Request::Execute { order: recent },
        };
        let drafted = self.guard.groups.len();
        self.ask(who, request);
        if self.guard.groups.len() > drafted && self.dice.percent(95) {
            self.group_going_on = Some((who, false, self.now().after(s(self.dice.range(1, 5)))));
        }
        // Those who selected mostly go on with it.
        if self.dice.percent(50) {
            self.going_on = Some((who, self.now().after(s(self.dice.range(1, 6)))));
        }
    }

    fn by_hand_value(&mut self) -> Request {
        let (node, terminal, round) = (self.any_node(), self.any_device(), self.any_round());
        let percent = self.dice.range(40, 160);
        let drawn = self.plant.drawn(&self.plant.devices[&terminal]);
        let (on, value) = match self.dice.below(4) {
            0 => (DressOn::Load { node }, self.plant.load(node).percent(percent).get()),
            1 => (DressOn::Power { terminal }, drawn.percent(percent).get()),
            2 => (DressOn::RoundPower { terminal, round }, self.dice.kw(0, 30).get()),
            _ => (DressOn::RoundPosition { terminal, round }, self.dice.range(1, 2)),
        };
        let until = self.now().after(s(self.dice.range(5, 90)));
        Request::Dress { on, value, until, reason: "its meter is exchanged".into() }
    }

    pub(super) fn dispatcher_goes_on(&mut self) {
        if let Some((who, at)) = self.going_on
            && at <= self.now()
        {
            self.going_on = None;
            self.ask(who, Request::Execute { order: OrderId(self.last_asked) });
        }
    }

    /// Somebody approves the group order that was drawn up last, be it who drew it up, and then it is executed.
    pub(super) fn group_goes_on(&mut self) {
        let Some((who, asked, at)) = self.group_going_on.filter(|(_, _, at)| *at <= self.now()) else { return };
        let Some(group) = self.guard.groups.keys().next_back().copied() else { return };
        self.group_going_on = (!asked).then_some((who, true, at.after(s(self.dice.range(1, 5)))));
        if asked {
            return self.ask(who, Request::ExecuteGroup { group, at_once: None });
        }
        let mut second = self.dice.pick(&DISPATCHERS);
        if second == who {
            second = self.dice.pick(&DISPATCHERS);
        }
        self.ask(second, Request::ApproveGroup { group, seen: None });
        if self.varies && self.dice.one_in(2) {
            // And then everybody switches on.
            for ((id, round), power) in self.behind.clone() {
                self.plant.set_power(id, round, power);
            }
        }
    }

    /// Loads rise and fall.
    pub(super) fn load_changes(&mut self) {
        if self.varies && self.dice.one_in(2) {
            let rounds: Vec<(TerminalId, RoundNo)> = self.behind.keys().copied().collect();
            if !rounds.is_empty() {
                let (id, round) = self.dice.pick(&rounds);
                let power = self.behind[&(id, round)].percent(self.dice.range(10, 100));
                self.plant.set_power(id, round, power);
            }
            return;
        }
        if self.dice.one_in(3) {
            // Everybody at once.
            let percent = self.dice.range(30, 250);
            for id in self.plant.devices.keys().copied().collect::<Vec<_>>() {
                let base = self.natural[&id].percent(percent);
                self.plant.set_base(id, base);
            }
        } else {
            let id = self.any_device();
            let base = self.natural[&id].percent(self.dice.range(0, 400));
            self.plant.set_base(id, base);
        }
    }

    /// Something fails, or works again.
    pub(super) fn something_fails(&mut self) {
        let id = self.any_device();
        match self.dice.below(14) {
            13 => {
                let device = self.plant.devices.get_mut(&id).unwrap();
                device.excluded = !device.excluded;
                self.tell_all(id);
            }
            12 => {
                let node = self.dice.pick(&making::supplying(&self.plant.inventory));
                self.guard.saw("dark");
                self.plant.supply(node, false);
                let again = self.dice.range(5, 120);
                self.plant.later(again, Coming::Supply(node));
            }
            0..5 => {
                let habit = match self.dice.below(14) {
                    0 => Habit::RefusesSelect,
                    1 => Habit::RefusesExecute,
                    2 => Habit::Stuck,
                    3 => Habit::Lies,
                    4 => Habit::Deaf,
                    5 => Habit::Mute,
                    6 => Habit::Cut { moved: true },
                    7 => Habit::Cut { moved: false },
                    8 => Habit::Slow(self.dice.range(4, 150)),
                    9 => Habit::Late(self.dice.range(3, 40)),
                    10 => Habit::Swallowed,
                    _ => Habit::Obedient,
                };
                self.plant.devices.get_mut(&id).unwrap().habit = habit;
            }
            5 | 6 => {
                let again = self.dice.range(1, 100);
                self.link(id, false);
                self.plant.later(again, Coming::Link(id, true));
            }
            7 => {
                let device = self.plant.devices.get_mut(&id).unwrap();
                device.silent = !device.silent;
            }
            8 => {
                let device = self.plant.devices.get_mut(&id).unwrap();
                device.bad = !device.bad;
            }
            9 => {
                let heads: Vec<TerminalId> = self.plant.heads.keys().copied().collect();
                if heads.is_empty() {
                    return;
                }
                let head = self.dice.pick(&heads);
                match self.dice.below(3) {
                    0 => {
                        let again = self.dice.range(1, 60);
                        self.link(head, false);
                        self.plant.later(again, Coming::Link(head, true));
                    }
                    1 => self.plant.heads.get_mut(&head).unwrap().silent ^= true,
                    _ => self.plant.heads.get_mut(&head).unwrap().bad ^= true,
                }
            }
            10 => {
                // Kept back on the way, and delivered behind newer ones.
                if self.plant.devices[&id].clock.is_some() {
                    let mut readings = self.plant.points(id, false);
                    // Whatever else the terminal tells in this second is told after them.
                    for reading in &mut readings {
                        reading.source_time = reading.source_time.map(|at| Timestamp::new(at.get() - 1));
                    }
                    let late = self.dice.range(2, 30);
                    self.plant.later(late, Coming::Old(id, readings));
                }
            }
            _ => {
                let device = self.plant.devices.get_mut(&id).unwrap();
                device.guarantee = !device.guarantee;
            }
        }
    }

    /// A customer moves a switch.
    pub(super) fn by_hand(&mut self) {
        let (id, round, closed) = (self.any_device(), self.any_round(), self.dice.one_in(2));
        self.guard.by_hand(id, round);
        self.plant.by_hand(id, round, closed);
        self.tell_all(id);
    }

    /// Somebody changes the tree, or the rules.
    pub(super) fn ground_moves(&mut self) {
        let at = self.now();
        if self.dice.one_in(2) {
            // What takes a second person is the same for the whole life of a world: approvals outlive rules.
            let (groups, flow) = (self.rules.groups, self.rules.flow);
            self.rules = making::rules(&mut self.dice, &self.plant);
            (self.rules.groups, self.rules.flow) = (groups, flow);
            self.apply(Input::Policy { at, policy: Box::new(self.rules.clone()) });
            return;
        }
        let id = self.any_device();
        let customer = self.plant.inventory.terminals[&id].customer.unwrap();
        match self.dice.below(3) {
            0 => {
                let entry = self.plant.inventory.customers.get_mut(&customer).unwrap();
                entry.guaranteed = !entry.guaranteed;
            }
            1 => {
                let node = self.dice.pick(&making::supplying(&self.plant.inventory));
                self.plant.inventory.customers.get_mut(&customer).unwrap().supplied_by = node;
                self.plant.move_customer(id, node);
            }
            _ => {
                let entry = self.plant.inventory.customers.get_mut(&customer).unwrap();
                entry.safety_floor = entry.contract.percent(self.dice.range(0, 60));
            }
        }
        assert_eq!(self.plant.inventory.check(), []);
        let inventory = Box::new(self.plant.inventory.clone());
        self.apply(Input::Inventory { at, inventory });
    }
}
