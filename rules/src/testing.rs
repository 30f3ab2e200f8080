//! A small supply tree for tests: region R > substation S > feeder F (head terminal H) > areas A1 and A2 > customers.

use std::collections::BTreeMap;

use crate::measures::{Agreed, MeasureKind, MeasureRule, Window};
use crate::model::{
    Customer, Inventory, Node, NodeId, NodeKind, PointKind, Power, PriorityClass, Quality, Reading, Round, RoundNo,
    Span, SwitchPosition, Terminal, TerminalId, Timestamp,
};
use crate::notices::{NoticeRule, NoticeTexts};
use crate::outlook::{Fairness, Next, NoMore, Outlook};
use crate::own::Own;
use crate::policy::{FAIRNESS_WEEKS, Flow, GroupRules, LimitRule, PassCaps, Policy, Substitute};

pub(crate) const START: Timestamp = Timestamp::new(1_700_000_000_000);

pub(crate) fn node(id: &str) -> NodeId {
    id.parse().unwrap()
}

pub(crate) fn terminal(id: &str) -> TerminalId {
    id.parse().unwrap()
}

pub(crate) fn round(number: u8) -> RoundNo {
    RoundNo::try_from(number).unwrap()
}

pub(crate) const fn kw(kw: i32) -> Power {
    Power::from_kw(kw)
}

pub(crate) const fn s(seconds: i64) -> Span {
    Span::from_s(seconds)
}

/// A customer with a terminal and rounds numbered from 1.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) terminal: TerminalId,
    pub(crate) area: NodeId,
    pub(crate) class: u8,
    pub(crate) guaranteed: bool,
    pub(crate) floor: Power,
    /// Behind no switch.
    pub(crate) base: Power,
    pub(crate) rounds: Vec<Power>,
    pub(crate) measures: Vec<Agreed>,
}

/// A customer of class 3 in an area, with 10 kW behind no switch.
pub(crate) fn site(id: &str, area: &str, rounds_kw: &[i32]) -> Site {
    Site {
        terminal: terminal(id),
        area: node(area),
        class: 3,
        guaranteed: false,
        floor: Power::ZERO,
        base: kw(10),
        rounds: rounds_kw.iter().map(|power| kw(*power)).collect(),
        measures: Vec::new(),
    }
}

impl Site {
    pub(crate) fn class(self, class: u8) -> Self {
        Self { class, ..self }
    }

    pub(crate) fn guaranteed(self) -> Self {
        Self { guaranteed: true, ..self }
    }

    pub(crate) fn floor(self, floor_kw: i32) -> Self {
        Self { floor: kw(floor_kw), ..self }
    }

    pub(crate) fn base(self, base_kw: i32) -> Self {
        Self { base: kw(base_kw), ..self }
    }

    /// With a measure: notice of a minute, in force for ten at most.
    pub(crate) fn agrees(mut self, kind: MeasureKind, power_kw: i32) -> Self {
        self.measures.push(Agreed {
            kind,
            power: kw(power_kw),
            notice: s(60),
            lasts_max: s(600),
            window: Window::ALWAYS,
            per_week_max: None,
        });
        self
    }

    pub(crate) fn numbered(&self) -> impl Iterator<Item = (RoundNo, Power)> + '_ {
        RoundNo::ALL.into_iter().zip(self.rounds.iter().copied())
    }
}

pub(crate) fn inventory(sites: &[Site]) -> Inventory {
    let of = |kind, parent: Option<&str>, head: Option<&str>| Node {
        kind,
        name: String::new(),
        parent: parent.map(node),
        measured_by: head.map(terminal),
    };
    let mut inventory = Inventory {
        nodes: BTreeMap::from([
            (node("R"), of(NodeKind::Region, None, None)),
            (node("S"), of(NodeKind::Substation, Some("R"), None)),
            (node("F"), of(NodeKind::Feeder, Some("S"), Some("H"))),
            (node("A1"), of(NodeKind::TransformerArea, Some("F"), None)),
            (node("A2"), of(NodeKind::TransformerArea, Some("F"), None)),
        ]),
        customers: BTreeMap::new(),
        terminals: BTreeMap::from([(
            terminal("H"),
            Terminal { customer: None, rounds: BTreeMap::new(), warns_for: Span::ZERO },
        )]),
    };
    for site in sites {
        let id = site.terminal.to_string().parse().unwrap();
        let contract = site.rounds.iter().copied().sum::<Power>() + site.base;
        let customer = Customer {
            name: format!("customer of {}", site.terminal),
            supplied_by: site.area,
            contract: contract.max(site.floor),
            guaranteed: site.guaranteed,
            safety_floor: site.floor,
            priority: PriorityClass::try_from(site.class).unwrap(),
            measures: site.measures.clone(),
        };
        inventory.customers.insert(id, customer);
        let rounds = site.numbered().map(|(round, _)| (round, Round { name: format!("group {round}") })).collect();
        inventory.terminals.insert(site.terminal, Terminal { customer: Some(id), rounds, warns_for: Span::ZERO });
    }
    assert_eq!(inventory.check(), []);
    inventory
}

/// A rule with short times: delay 10 s, effect after 30 s, off for 60 s, calm for 30 s, a stage every 20 s.
pub(crate) fn limit(of: &str, limit_kw: i32) -> LimitRule {
    LimitRule {
        node: node(of),
        limit: kw(limit_kw),
        schedule: None,
        margin: None,
        forecast: Span::ZERO,
        warning_percent: 90,
        delay: s(10),
        measures: MeasureRule::NONE,
        notice: NoticeRule::NONE,
        hysteresis_percent: 5,
        verify_after: s(30),
        effect_percent_min: 50,
        passes_max: 3,
        pass: PassCaps::default(),
        shed_class_from: None,
        off_time_min: s(60),
        on_time_min: Span::ZERO,
        restore_below_percent: 80,
        restore_hold: s(30),
        restore_step: s(20),
        restore_spread: Span::ZERO,
        cold_load_percent: 150,
        cold_load_learn: false,
        settle: Span::ZERO,
    }
}

pub(crate) fn policy(limits: Vec<LimitRule>) -> Policy {
    Policy {
        limits,
        calendar: None,
        flow: Flow::default(),
        groups: GroupRules::default(),
        baseline: s(900),
        notice_texts: NoticeTexts::default(),
        reading_age_max: s(60),
        frozen_after: Span::ZERO,
        substitute: Substitute::None,
        substitute_max: s(900),
        order_expiry: s(60),
        select_timeout: s(30),
        fairness_weeks: FAIRNESS_WEEKS,
        own: Own::default(),
    }
}

pub(crate) fn good(point: PointKind, value: i64) -> Reading {
    Reading { point, value, quality: Quality::GOOD, source_time: None, cause: 3 }
}

pub(crate) fn power(power: Power) -> Reading {
    good(PointKind::ActivePower, power.get())
}

pub(crate) fn behind(number: RoundNo, power: Power) -> Reading {
    good(PointKind::RoundPower(number), power.get())
}

pub(crate) fn switch(number: RoundNo, position: SwitchPosition) -> Reading {
    good(PointKind::RoundPosition(number), position.value())
}

pub(crate) fn guarantee(on: bool) -> Reading {
    good(PointKind::SupplyGuarantee, i64::from(on))
}

/// For plans made by hand.
pub(crate) fn no_outlook() -> Outlook {
    Outlook {
        level: None,
        aim: Power::ZERO,
        customers: 0,
        likely: Power::ZERO,
        unsure: Power::ZERO,
        fairness: Fairness::default(),
        measures: None,
        next: Next::Operator { why: NoMore::NothingLeft },
    }
}
