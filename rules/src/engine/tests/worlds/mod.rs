//! Random worlds: trees, fleets, failures and people out of a seed, with the invariants watched on every output by a guard
//! that is not the engine, and a good end: when everything works again, nothing is left behind.
//!
//! `HEADROOM_WORLDS=100000` runs so many, on all processors; `HEADROOM_WORLD=SEED` replays one.

mod dice;
mod guard;
mod making;
mod people;
mod plant;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use self::dice::Dice;
use self::guard::Guard;
use self::plant::{Coming, Habit, Plant};
use crate::engine::Engine;
use crate::input::{Authority, Input, Origin, Request};
use crate::model::{NodeId, Power, Reading, RoundNo, TerminalId, Timestamp};
use crate::orders::{Command, Step};
use crate::output::{AlarmCause, AlarmState, Output};
use crate::policy::Policy;
use crate::testing::{START, s};
use crate::view::LimitState;

/// Within so many seconds after everything works again, all is as it should be.
const SETTLED_WITHIN_S: i64 = 2_400;

/// How often things happen, once in so many seconds.
struct Rates {
    failure: usize,
    dispatcher: usize,
    hand: usize,
    load: usize,
    ground: usize,
    restart: usize,
}

struct World {
    dice: Dice,
    plant: Plant,
    rules: Policy,
    /// What each customer draws behind no switch on a usual day.
    natural: BTreeMap<TerminalId, Power>,
    /// What is behind each switch at most; that changes in half of the worlds.
    behind: BTreeMap<(TerminalId, RoundNo), Power>,
    varies: bool,
    /// People whose word does not reach everywhere.
    areas: BTreeMap<&'static str, Vec<NodeId>>,
    engine: Engine,
    /// Fed the same, and put away and taken out again at times. It looks at limits with each change of a load, also where the
    /// engine spares itself the look.
    twin: Option<Engine>,
    guard: Guard,
    last_order: u64,
    /// The last that a person asked for.
    last_asked: u64,
    going_on: Option<(&'static str, Timestamp)>,
    /// A group order that its people go on with: who draws it up, whether somebody was asked to approve it, and when the next
    /// word comes.
    group_going_on: Option<(&'static str, bool, Timestamp)>,
    cycle_s: i64,
    buffer: Vec<Output>,
    /// The last things that went in and came out, for a person who looks at a failure.
    trace: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let plant = making::plant(&mut dice);
        let rules = making::rules(&mut dice, &plant);
        let natural = plant.devices.iter().map(|(id, device)| (*id, device.base)).collect();
        let rounds = |(id, device): (&TerminalId, &plant::Device)| {
            let id = *id;
            device.groups.clone().into_iter().map(move |(round, group)| ((id, round), group.power))
        };
        let behind = plant.devices.iter().flat_map(rounds).collect();
        let nodes: Vec<NodeId> = plant.inventory.nodes.keys().copied().collect();
        let area = dice.one_in(2).then(|| ("chen", vec![dice.pick(&nodes)]));
        let mut world = Self {
            twin: dice.one_in(4).then(Engine::new),
            cycle_s: dice.range(1, 4),
            varies: dice.one_in(2),
            areas: area.into_iter().collect(),
            dice,
            plant,
            rules,
            natural,
            behind,
            engine: Engine::new(),
            guard: Guard::default(),
            last_order: 0,
            last_asked: 0,
            going_on: None,
            group_going_on: None,
            buffer: Vec::new(),
            trace: false,
        };
        if world.varies {
            for ((id, round), power) in world.behind.clone() {
                let power = power.percent(world.dice.range(10, 100));
                world.plant.set_power(id, round, power);
            }
        }
        world.guard.areas = world.areas.clone();
        world.trace = environment("HEADROOM_WORLD").is_some();
        world.apply(Input::Started { at: START });
        world.apply(Input::Policy { at: START, policy: Box::new(world.rules.clone()) });
        world.apply(Input::Inventory { at: START, inventory: Box::new(world.plant.inventory.clone()) });
        world.links_up();
        world
    }

    const fn now(&self) -> Timestamp {
        self.plant.now
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is over with that")]
    fn apply(&mut self, input: Input) {
        if self.trace {
            match &input {
                Input::Tick { .. } => {}
                Input::Readings { terminal, readings, .. } => {
                    let positions = |r: &&Reading| matches!(r.point, crate::model::PointKind::RoundPosition(_));
                    for reading in readings.iter().filter(positions) {
                        eprintln!("{} <- {terminal} {reading:?}", self.now().since(START));
                    }
                }
                input => eprintln!("{} <- {input:?}", self.now().since(START)),
            }
        }
        self.guard.before(&input, &self.plant);
        let mut out = std::mem::take(&mut self.buffer);
        self.engine.apply(&input, &mut out);
        if let Some(twin) = &mut self.twin {
            let mut twins = Vec::new();
            twin.spare_no_look = true;
            twin.apply(&input, &mut twins);
            assert_eq!(out, twins, "replay-equals-live: {input:?}");
        }
        let asked = matches!(input, Input::Request { request: Request::Select { .. }, .. });
        for output in out.drain(..) {
            if self.trace && !matches!(output, Output::Load(_) | Output::Audit(_)) {
                match &output {
                    Output::Event(event) => eprintln!("{}    -> {}", self.now().since(START), event.what),
                    output => eprintln!("{}    -> {output:?}", self.now().since(START)),
                }
            }
            self.guard.after(&output, &self.plant, || self.engine.view());
            // As good as random: delivered, failed, or no answer at all.
            if let Output::Tell(telling) = &output {
                let notice = telling.notice;
                match notice.0 % 3 {
                    0 => self.plant.later(1, Coming::Told(notice, Some("it refused the file".to_owned()))),
                    1 => self.plant.later(2, Coming::Told(notice, None)),
                    _ => {}
                }
            }
            if let Output::Command(command @ Command { order, step, .. }) = output {
                self.last_order = self.last_order.max(order.0);
                if asked && step == Step::Select {
                    self.last_asked = order.0;
                }
                let delay = i64::from(self.dice.one_in(4));
                self.plant.later(delay, Coming::Command(command));
            }
        }
        self.guard.done();
        self.buffer = out;
    }

    fn ask(&mut self, operator: &str, request: Request) {
        let authority = Authority { area: self.areas.get(operator).cloned(), supervisor: false };
        let origin = Origin { authority, ..Origin::new(operator, "10.0.0.1") };
        self.apply(Input::Request { at: self.now(), origin, request });
    }

    fn tell(&mut self, terminal: TerminalId, readings: Vec<Reading>) {
        if !readings.is_empty() {
            self.apply(Input::Readings { at: self.now(), terminal, readings });
        }
    }

    fn tell_all(&mut self, terminal: TerminalId) {
        let readings = self.plant.points(terminal, false);
        self.tell(terminal, readings);
    }

    fn link(&mut self, terminal: TerminalId, up: bool) {
        self.plant.links(terminal, up);
        self.apply(Input::Link { at: self.now(), terminal, up });
        if up {
            self.tell_all(terminal);
        }
    }

    fn terminals(&self) -> Vec<TerminalId> {
        self.plant.heads.keys().chain(self.plant.devices.keys()).copied().collect()
    }

    fn links_up(&mut self) {
        for id in self.terminals() {
            self.link(id, true);
        }
    }

    /// The centre falls and gets up. What it had not sent is lost, and so is what was on its way to it.
    fn restart(&mut self) {
        let kept = serde_json::to_string(&self.engine).unwrap();
        self.engine = serde_json::from_str(&kept).unwrap();
        self.plant.coming.retain(|(_, what)| matches!(what, Coming::Move(..) | Coming::Supply(_)));
        for id in self.terminals() {
            self.plant.links(id, false);
            let after = self.dice.range(0, 8);
            self.plant.later(after, Coming::Link(id, true));
        }
        self.apply(Input::Started { at: self.now() });
    }

    /// The twin is written down and read again: it has to go on as the other does.
    fn put_away(&mut self) {
        if let Some(twin) = &mut self.twin {
            let kept = serde_json::to_string(twin).unwrap();
            *twin = serde_json::from_str(&kept).unwrap();
        }
    }

    /// One second.
    fn step(&mut self) {
        self.plant.now = self.plant.now.after(s(1));
        let now = self.now();
        loop {
            let (mut due, coming): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.plant.coming).into_iter().partition(|(at, _)| *at <= now);
            self.plant.coming = coming;
            if due.is_empty() {
                break;
            }
            // What falls on one instant comes in any order, those of one order in theirs.
            if self.dice.one_in(2) {
                let by = self.dice.below(3).min(due.len());
                due.rotate_left(by);
            }
            for (_, what) in due {
                self.come(what);
            }
        }
        if now.since(START).s() % self.cycle_s == 0 {
            for id in self.terminals() {
                let readings = self.plant.points(id, true);
                self.tell(id, readings);
            }
        }
        self.apply(Input::Tick { at: now });
        self.guard.on_tick();
    }

    fn come(&mut self, what: Coming) {
        let at = self.now();
        match what {
            Coming::Command(command) => self.plant.obey(command, &mut self.dice),
            Coming::Told(notice, failed) => self.apply(Input::Told { at, notice, failed }),
            Coming::Outcome(order, outcome) => self.apply(Input::Outcome { at, order, outcome }),
            Coming::Move(terminal, round, closed) => {
                if self.plant.switch(terminal, round, closed) {
                    self.tell_all(terminal);
                }
            }
            Coming::Points(terminal) => self.tell_all(terminal),
            Coming::Link(terminal, up) => self.link(terminal, up),
            Coming::Supply(node) => self.plant.supply(node, true),
            Coming::Old(terminal, readings) => self.tell(terminal, readings),
        }
    }

    fn live(&mut self, seconds: i64) {
        let usual = |dice: &mut Dice, least| dice.pick(&[least, 2 * least, 4 * least, 1_000_000]);
        let rates = Rates {
            failure: usual(&mut self.dice, 8),
            dispatcher: usual(&mut self.dice, 3),
            hand: usual(&mut self.dice, 60),
            load: self.dice.pick(&[20, 40, 80]),
            ground: usual(&mut self.dice, 60),
            restart: usual(&mut self.dice, 80),
        };
        for _ in 0..seconds {
            self.step();
            self.dispatcher_goes_on();
            self.group_goes_on();
            if self.dice.one_in(rates.load) {
                self.load_changes();
            }
            if self.dice.one_in(rates.failure) {
                self.something_fails();
            }
            if self.dice.one_in(rates.dispatcher) {
                self.dispatcher_asks();
            }
            if self.dice.one_in(rates.hand) {
                self.by_hand();
            }
            if self.dice.one_in(rates.ground) {
                self.ground_moves();
            }
            if self.dice.one_in(rates.restart) {
                self.restart();
            }
            if self.dice.one_in(50) {
                self.put_away();
            }
        }
    }

    /// Everything works again, there is room for all, and the rules may act.
    fn heal(&mut self) {
        let at = self.now();
        self.plant.coming.retain(|(_, what)| !matches!(what, Coming::Link(_, false)));
        for device in self.plant.devices.values_mut() {
            (device.habit, device.silent, device.bad, device.guarantee) = (Habit::Obedient, false, false, false);
            device.excluded = false;
        }
        for node in self.plant.dark.clone() {
            self.plant.supply(node, true);
        }
        for head in self.plant.heads.values_mut() {
            (head.silent, head.bad) = (false, false);
        }
        for (id, natural) in self.natural.clone() {
            self.plant.set_base(id, natural);
        }
        for ((id, round), power) in self.behind.clone() {
            self.plant.set_power(id, round, power);
        }
        self.rules = making::with_room(&self.rules, &self.plant);
        self.apply(Input::Policy { at, policy: Box::new(self.rules.clone()) });
        for rule in self.rules.limits.clone() {
            self.ask(
                "wang",
                Request::SetLimit { node: rule.node, limit: rule.limit, expected: None, reason: String::new() },
            );
        }
        if self.guard.is_stopped() {
            self.ask("wang", Request::ResumeAutomatic { reason: String::new() });
        }
        for (tag, (_, owner)) in self.guard.tags.clone() {
            self.ask(&owner, Request::RemoveTag { tag, reason: String::new() });
        }
        for (dressing, by_hand) in self.guard.dressings.clone() {
            self.ask(&by_hand.owner, Request::Undress { dressing, reason: String::new() });
        }
        self.links_up();
    }

    /// What is not as it should be; nothing when all is well.
    fn amiss(&self) -> Option<String> {
        if let Some(order) = self.guard.open_orders().next() {
            return Some(format!("an order stays open: {order:?}"));
        }
        for ((terminal, round), node) in &self.guard.shed {
            let open = self.plant.devices[terminal].groups.get(round).is_some_and(|group| !group.closed);
            if open && !self.plant.lied_about.contains(&(*terminal, *round)) {
                return Some(format!("{terminal} round {round} stays off, which the limit of {node} shed"));
            }
        }
        let view = self.engine.view();
        let standing = |state| matches!(state, AlarmState::Unacknowledged | AlarmState::Acknowledged);
        for alarm in view.alarms.iter().filter(|alarm| standing(alarm.state)) {
            // Where nobody is supplied and nothing measured there is nothing to know.
            let expected = matches!(alarm.cause, AlarmCause::NoEffect { .. })
                || alarm.cause.node().is_some_and(|node| !self.plant.is_known(node));
            if !expected {
                return Some(format!("an alarm stays: {alarm:?}"));
            }
        }
        let known = view.nodes.iter().filter(|node| node.limit.is_some() && self.plant.is_known(node.id));
        let node = known.into_iter().find(|node| node.state != LimitState::Normal)?;
        Some(format!("{} is {:?}", node.id, node.state))
    }

    fn settle(&mut self) {
        self.heal();
        let mut quiet = 0;
        for _ in 0..SETTLED_WITHIN_S {
            self.step();
            quiet = if self.amiss().is_none() { quiet + 1 } else { 0 };
            if quiet == 5 {
                return;
            }
        }
        panic!("not settled: {}", self.amiss().unwrap_or_default());
    }
}

fn run(seed: u64) -> BTreeMap<&'static str, u32> {
    let mut world = World::new(seed);
    let seconds = world.dice.range(60, 400);
    world.live(seconds);
    world.settle();
    assert!(world.twin.is_none_or(|twin| twin.view() == world.engine.view()), "replay-equals-live");
    world.guard.seen
}

#[expect(clippy::disallowed_methods, reason = "a person says how long to search; no rule reads it")]
fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs the seeds on all processors; what was seen in all of them, or the seeds that failed.
fn search(seeds: std::ops::Range<u64>) -> Result<BTreeMap<&'static str, u32>, Vec<u64>> {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new((BTreeMap::new(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || found.lock().unwrap().1.len() >= 5 {
                        return;
                    }
                    let seen = std::panic::catch_unwind(|| run(seed));
                    let mut found = found.lock().unwrap();
                    match seen {
                        Ok(seen) => {
                            for (what, times) in seen {
                                *found.0.entry(what).or_default() += times;
                            }
                        }
                        Err(_) => {
                            eprintln!("the world {seed} failed: HEADROOM_WORLD={seed} replays it");
                            found.1.push(seed);
                        }
                    }
                }
            });
        }
    });
    let (seen, failed) = found.into_inner().unwrap();
    if failed.is_empty() { Ok(seen) } else { Err(failed) }
}

#[test]
fn in_random_worlds_the_invariants_hold_and_nothing_is_left_behind() {
    if let Some(seed) = environment("HEADROOM_WORLD") {
        run(seed);
        return;
    }
    let count = environment("HEADROOM_WORLDS").unwrap_or(60);
    let first = environment("HEADROOM_WORLDS_FROM").unwrap_or(1);
    match search(first..first + count) {
        Ok(seen) => {
            eprintln!("{count} worlds: {seen:?}");
            // Worlds in which nothing happens prove nothing.
            for what in [
                "trip of a rule confirmed",
                "restoration of a rule",
                "order of an operator confirmed",
                "read back",
                "stop",
                "cancel",
                "group order executed by two",
                "group order executed by one",
                "dark",
                "user's rule",
                "notice",
                "trip after notice",
                "restoration of what is announced",
                "value by hand",
                "outside the area",
                "waits for its turn",
            ] {
                assert!(seen.get(what).is_some_and(|times| u64::from(*times) >= count / 10), "{what}: {seen:?}");
            }
            assert!(seen.contains_key("proposal approved"), "{seen:?}");
        }
        Err(seeds) => panic!("worlds that failed, HEADROOM_WORLD=SEED replays one: {seeds:?}"),
    }
}
