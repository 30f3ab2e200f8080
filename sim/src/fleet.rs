//! A fleet out of a number and a seed: supply tree, limit rules, links and the plant that they belong to.

use std::collections::BTreeMap;

use headroom_rules::measures::MeasureRule;
use headroom_rules::model::{
    CodeError, Customer, CustomerId, Inventory, Node, NodeId, NodeKind, Power, PriorityClass, PriorityError, Round,
    RoundNo, Span, Terminal, TerminalId,
};
use headroom_rules::notices::{NoticeRule, NoticeTexts};
use headroom_rules::own::Own;
use headroom_rules::policy::{FAIRNESS_WEEKS, Flow, GroupRules, LimitRule, PassCaps, Policy, Substitute};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::plant::{Feeder, Load, LoadType, Plant, PlantRound};
use crate::scenario::Scenario;

#[cfg(test)]
mod tests;

/// Why no fleet could be made.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Out of range.
    #[error("a fleet of {0} terminals: wanted 2 to 5000")]
    Size(u32),
    /// A name that the fleet gives does not hold as an id.
    #[error("fleet: an id does not hold")]
    Id(#[from] CodeError),
    /// Likewise, a priority class.
    #[error("fleet: a priority class does not hold")]
    Priority(#[from] PriorityError),
}

/// What one terminal of the fleet stands at.
#[derive(Clone, Copy, Debug)]
pub struct Post {
    /// The terminal.
    pub terminal: TerminalId,
    /// Its common address.
    pub common_address: u16,
    /// Its customer's load in the plant; none for a terminal at a feeder's head.
    pub load: Option<usize>,
    /// Its feeder in the plant.
    pub feeder: usize,
    /// The customer's contract, or the feeder's nominal load.
    pub contract: Power,
    /// The customer's safety floor.
    pub safety_floor: Power,
    /// Whether supply is guaranteed.
    pub guaranteed: bool,
}

/// A simulated fleet.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// The supply tree.
    pub inventory: Inventory,
    /// A limit for each feeder, so that the scenario's peak exceeds it where it is to.
    pub policy: Policy,
    /// How each terminal is addressed.
    pub links: Vec<(TerminalId, u16)>,
    /// What each terminal stands at, in the order of the links.
    pub posts: Vec<Post>,
    /// Loads and feeders at the scenario's start.
    pub plant: Plant,
}

impl Fleet {
    /// Terminals in a fleet at most.
    pub const TERMINALS_MAX: u32 = 5_000;

    /// The same for the same three arguments. Of the terminals, one for each feeder (one to eight feeders) measures its
    /// head, the others serve a customer each.
    ///
    /// # Errors
    /// When `terminals` is not 2..=5000.
    pub fn generate(terminals: u32, seed: u64, scenario: Scenario) -> Result<Self, FleetError> {
        const PER_FEEDER: u32 = 25;
        if !(2..=Self::TERMINALS_MAX).contains(&terminals) {
            return Err(FleetError::Size(terminals));
        }
        let feeders = (terminals / PER_FEEDER).clamp(1, 8);
        let peaking = scenario.peak_feeders(feeders);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let first_peak = rng.random_range(0..feeders);
        let mut maker = Maker {
            rng,
            inventory: tree(feeders)?,
            posts: Vec::new(),
            loads: Vec::new(),
            stuck_percent: scenario.stuck_switches_percent,
        };
        for feeder in 0..feeders {
            maker.head(feeder)?;
        }
        for number in 1..=terminals - feeders {
            maker.customer(number, (number - 1) % feeders, feeders)?;
        }
        let Maker { inventory, mut posts, loads, .. } = maker;
        let plant_feeders = (0..feeders)
            .map(|feeder| {
                let on_it = loads.iter().filter(|load| load.feeder == feeder as usize);
                let nominal = on_it.map(|load| load.contract).sum::<Power>().percent(65);
                // Every third feeder, so that the peaks do not all hang on one substation.
                let distance = (feeder + feeders - first_peak) % feeders;
                let peaks = (0..peaking).any(|n| (n * 3) % feeders == distance);
                Feeder::new(peaks, nominal)
            })
            .collect::<Vec<_>>();
        for post in posts.iter_mut().filter(|post| post.load.is_none()) {
            post.contract = plant_feeders.get(post.feeder).map_or(Power::ZERO, |feeder| feeder.nominal);
        }
        let plant = Plant::new(scenario, loads, plant_feeders);
        let policy = policy(&plant)?;
        let links = posts.iter().map(|post| (post.terminal, post.common_address)).collect();
        Ok(Self { inventory, policy, links, posts, plant })
    }
}

fn feeder_id(feeder: u32) -> Result<NodeId, CodeError> {
    format!("F{:02}", feeder + 1).parse()
}

const AREAS: u32 = 2;

/// One region, one or two substations, the feeders and two transformer areas under each.
fn tree(feeders: u32) -> Result<Inventory, CodeError> {
    let mut nodes = BTreeMap::new();
    let mut add = |id: NodeId, kind, name: String, parent, measured_by| {
        nodes.insert(id, Node { kind, name, parent, measured_by });
    };
    let region: NodeId = "R1".parse()?;
    add(region, NodeKind::Region, "Lakeside".into(), None, None);
    for feeder in 0..feeders {
        let (number, name) = if feeder < feeders.div_ceil(2) { (1, "Harbour") } else { (2, "Old Mill") };
        let substation: NodeId = format!("S{number}").parse()?;
        add(substation, NodeKind::Substation, name.into(), Some(region), None);
        let id = feeder_id(feeder)?;
        let head = format!("H-{:02}", feeder + 1).parse()?;
        add(id, NodeKind::Feeder, format!("{name} feeder {}", feeder + 1), Some(substation), Some(head));
        for area in 1..=AREAS {
            add(
                format!("{id}-A{area}").parse()?,
                NodeKind::TransformerArea,
                format!("Area {area} of {id}"),
                Some(id),
                None,
            );
        }
    }
    Ok(Inventory { nodes, ..Inventory::default() })
}

struct Maker {
    rng: ChaCha8Rng,
    inventory: Inventory,
    posts: Vec<Post>,
    loads: Vec<Load>,
    stuck_percent: u8,
}

impl Maker {
    fn next_address(&self) -> u16 {
        u16::try_from(self.posts.len() + 1).unwrap_or(u16::MAX)
    }

    fn head(&mut self, feeder: u32) -> Result<(), FleetError> {
        let terminal: TerminalId = format!("H-{:02}", feeder + 1).parse()?;
        self.inventory
            .terminals
            .insert(terminal, Terminal { customer: None, rounds: BTreeMap::new(), warns_for: Span::ZERO });
        self.posts.push(Post {
            terminal,
            common_address: self.next_address(),
            load: None,
            feeder: feeder as usize,
            contract: Power::ZERO,
            safety_floor: Power::ZERO,
            guaranteed: false,
        });
        Ok(())
    }

    fn customer(&mut self, number: u32, feeder: u32, feeders: u32) -> Result<(), FleetError> {
        const TYPES: [LoadType; 10] = [
            LoadType::Residential,
            LoadType::Office,
            LoadType::TwoShift,
            LoadType::Shop,
            LoadType::ThreeShift,
            LoadType::ColdStore,
            LoadType::Residential,
            LoadType::TwoShift,
            LoadType::Shop,
            LoadType::Residential,
        ];
        // In turn within each feeder, so that every feeder has the same mixture.
        let turn = (number - 1) / feeders;
        let kind = TYPES[turn as usize % TYPES.len()];
        let (name, contract_kw, names): (_, std::ops::Range<i32>, &[&str]) = match kind {
            LoadType::Residential => ("Residents", 150..400, &["charging", "heating", "lifts"]),
            LoadType::Office => ("Offices", 200..800, &["air conditioning", "lighting", "kitchen"]),
            LoadType::TwoShift => ("Works", 400..1_200, &["furnace", "presses", "compressors", "hall"]),
            LoadType::ThreeShift => ("Mill", 500..1_500, &["line 1", "line 2", "grinding", "pumps"]),
            LoadType::Shop => ("Shops", 100..500, &["air conditioning", "lighting", "escalators"]),
            LoadType::ColdStore => ("Cold store", 200..700, &["cold room 1", "cold room 2", "fans"]),
        };
        let contract = Power::from_kw(self.rng.random_range(contract_kw) / 10 * 10);
        let guaranteed = self.rng.random_range(0..100) < 5;
        let priority = PriorityClass::try_from(self.rng.random_range(1..=5_u8))?;
        let safety_floor = contract.percent(self.rng.random_range(6..=14));
        let count = self.rng.random_range(2..=names.len());
        let mut rounds = BTreeMap::new();
        let mut switches = Vec::new();
        for (no, name) in RoundNo::ALL.into_iter().zip(names).take(count) {
            rounds.insert(no, Round { name: (*name).to_owned() });
            let share = self.rng.random_range(0.12..0.20);
            let delay = Span::new(self.rng.random_range(800..3_000));
            let stuck = self.rng.random_range(0..100) < self.stuck_percent;
            switches.push(PlantRound::new(share, delay, stuck));
        }
        let customer: CustomerId = format!("C-{number:04}").parse()?;
        let terminal: TerminalId = format!("T-{number:04}").parse()?;
        let supplied_by = format!("{}-A{}", feeder_id(feeder)?, turn % AREAS + 1).parse()?;
        let name = format!("{name} {number}");
        let measures = Vec::new();
        let entry = Customer { name, supplied_by, contract, guaranteed, safety_floor, priority, measures };
        self.inventory.customers.insert(customer, entry);
        self.inventory.terminals.insert(terminal, Terminal { customer: Some(customer), rounds, warns_for: Span::ZERO });
        self.posts.push(Post {
            terminal,
            common_address: self.next_address(),
            load: Some(self.loads.len()),
            feeder: feeder as usize,
            contract,
            safety_floor,
            guaranteed,
        });
        let noise_seed = self.rng.random();
        self.loads.push(Load::new(feeder as usize, kind, contract, kind.tangent(), switches, noise_seed));
        Ok(())
    }
}

/// Limits sized on the load that comes when nobody intervenes: a peaking feeder's stays 6 % above its limit, the
/// others keep clear of the warning.
fn policy(plant: &Plant) -> Result<Policy, FleetError> {
    const PEAK_PERCENT: i64 = 106;
    const CLEAR_PERCENT: i64 = 118;
    const MINUTES: i64 = 30;
    /// The plateau of the peak, in minutes since the start.
    const PLATEAU: std::ops::RangeInclusive<i64> = 4..=9;
    let mut natural = plant.clone();
    let mut highest = vec![Power::ZERO; plant.feeders().len()];
    let mut plateau = highest.clone();
    for minute in 1..=MINUTES {
        natural.advance(plant.start().after(Span::from_s(minute * 60)));
        for ((feeder, highest), plateau) in natural.feeders().iter().zip(&mut highest).zip(&mut plateau) {
            *highest = (*highest).max(feeder.power());
            if PLATEAU.contains(&minute) {
                *plateau += feeder.power();
            }
        }
    }
    let plateau_minutes = PLATEAU.end() - PLATEAU.start() + 1;
    let mut limits = Vec::new();
    for (number, ((feeder, highest), plateau)) in (0_u32..).zip(plant.feeders().iter().zip(highest).zip(plateau)) {
        let watts = if feeder.peaks {
            plateau.get() / plateau_minutes * 100 / PEAK_PERCENT
        } else {
            highest.percent(CLEAR_PERCENT).get()
        };
        limits.push(LimitRule {
            node: feeder_id(number)?,
            // Whole tens of kilowatts, as people lay limits down.
            limit: Power::new(((watts + 5_000) / 10_000 * 10_000).max(10_000)),
            schedule: None,
            margin: None,
            forecast: Span::ZERO,
            warning_percent: 95,
            delay: Span::from_s(30),
            hysteresis_percent: 3,
            verify_after: Span::from_s(60),
            effect_percent_min: 50,
            passes_max: 5,
            pass: PassCaps::default(),
            shed_class_from: None,
            off_time_min: Span::from_s(180),
            on_time_min: Span::from_s(180),
            restore_below_percent: 90,
            restore_hold: Span::from_s(120),
            restore_step: Span::from_s(30),
            restore_spread: Span::from_s(15),
            cold_load_percent: 150,
            cold_load_learn: true,
            measures: MeasureRule::NONE,
            notice: NoticeRule::NONE,
            settle: Span::from_s(120),
        });
    }
    Ok(Policy {
        limits,
        calendar: None,
        flow: Flow::GENEROUS,
        groups: GroupRules::default(),
        baseline: Span::from_s(900),
        reading_age_max: Span::from_s(120),
        frozen_after: Span::from_s(1_800),
        substitute: Substitute::None,
        substitute_max: Span::from_s(900),
        // Simulated time runs fast: twenty minutes leave an operator twenty seconds at factor 60.
        order_expiry: Span::from_s(1_200),
        select_timeout: Span::from_s(1_200),
        notice_texts: NoticeTexts::default(),
        fairness_weeks: FAIRNESS_WEEKS,
        own: Own::default(),
    })
}
