//! The engine and a whole fleet in one thread on virtual time, without sockets: what a scenario comes to.

use std::collections::BTreeMap;
use std::time::Duration;

use headroom_rules::engine::Engine;
use headroom_rules::input::Input;
use headroom_rules::model::{Power, Span, TerminalId};
use headroom_rules::orders::{Action, Command, OrderState, Outcome, Step};
use headroom_rules::output::{Happening, Output};
use headroom_terminals::agent::Agent;
use headroom_terminals::iec104::{CommandAnswer, Object, Station, StationCommand};
use headroom_terminals::profile::Profile;
use tokio::time::advance;

use crate::fleet::Fleet;
use crate::scenario::Scenario;
use crate::server::{PlantSite, SharedPlant, SimClock, agents};

struct Rehearsal {
    fleet: Fleet,
    plant: SharedPlant,
    clock: SimClock,
    engine: Engine,
    agents: BTreeMap<TerminalId, Agent<PlantSite>>,
    profile: Profile,
    happened: Vec<Happening>,
    /// Final states of orders, by number.
    orders: BTreeMap<u64, (OrderState, Action, TerminalId)>,
    /// Seconds that each limited node was above its limit in truth, at its head.
    over_s: Vec<u32>,
}

impl Rehearsal {
    fn new(terminals: u32, seed: u64, scenario: &str) -> Self {
        let fleet = Fleet::generate(terminals, seed, Scenario::named(scenario).unwrap()).unwrap();
        let plant = SharedPlant::new(fleet.plant.clone());
        let clock = SimClock::new(fleet.plant.start(), 1.0);
        let agents = agents(&fleet, &plant, clock).into_iter().map(|(post, agent)| (post.terminal, agent)).collect();
        let over_s = vec![0; fleet.policy.limits.len()];
        let (engine, profile) = (Engine::new(), Profile::standard());
        Self { fleet, plant, clock, engine, agents, profile, happened: Vec::new(), orders: BTreeMap::new(), over_s }
    }

    /// Applies an input and, after it, all that comes of the commands that follow.
    fn give(&mut self, input: Input) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            self.engine.apply(&input, &mut out);
            for output in out {
                match output {
                    Output::Command(command) => inputs.extend(self.obey(command)),
                    Output::Event(event) => self.happened.push(event.what),
                    Output::Order(order) => {
                        self.orders.insert(order.id.0, (order.state, order.action, order.terminal));
                    }
                    _ => {}
                }
            }
        }
    }

    fn readings(&self, terminal: TerminalId, objects: &[Object]) -> Input {
        let readings = objects.iter().filter_map(|object| self.profile.reading(object)).collect();
        Input::Readings { at: self.clock.now(), terminal, readings }
    }

    fn obey(&mut self, command: Command) -> Vec<Input> {
        let Command { order, terminal, action, step, .. } = command;
        let outcome = |outcome| Input::Outcome { at: self.clock.now(), order, outcome };
        if step == Step::ReadBack {
            let mut objects = Vec::new();
            self.agents.get_mut(&terminal).unwrap().interrogated(&mut objects);
            return vec![self.readings(terminal, &objects), outcome(Outcome::Confirmed(step))];
        }
        let (ioa, value) = self.profile.command_address(action).unwrap();
        match self.agents.get_mut(&terminal).unwrap().command(StationCommand::new(ioa, value, step)) {
            CommandAnswer::Accepted => vec![outcome(Outcome::Confirmed(step))],
            _ => vec![outcome(Outcome::Refused { step, cause: 7 })],
        }
    }

    async fn run(&mut self, span: Span) {
        let at = self.clock.now();
        self.give(Input::Started { at });
        self.give(Input::Inventory { at, inventory: Box::new(self.fleet.inventory.clone()) });
        self.give(Input::Policy { at, policy: Box::new(self.fleet.policy.clone()) });
        for terminal in self.agents.keys().copied().collect::<Vec<_>>() {
            self.give(Input::Link { at, terminal, up: true });
        }
        for _ in 0..span.s() {
            advance(Duration::from_secs(1)).await;
            let at = self.clock.now();
            self.plant.lock().advance(at);
            for terminal in self.agents.keys().copied().collect::<Vec<_>>() {
                let mut objects = Vec::new();
                self.agents.get_mut(&terminal).unwrap().spontaneous(&mut objects);
                if !objects.is_empty() {
                    self.give(self.readings(terminal, &objects));
                }
            }
            self.give(Input::Tick { at });
            let plant = self.plant.lock();
            for ((feeder, rule), over_s) in plant.feeders().iter().zip(&self.fleet.policy.limits).zip(&mut self.over_s)
            {
                *over_s += u32::from(feeder.power() > rule.limit);
            }
        }
    }

    fn count(&self, fits: impl Fn(&Happening) -> bool) -> usize {
        self.happened.iter().filter(|what| fits(what)).count()
    }

    fn tripped_guaranteed(&self) -> usize {
        let customers = self.orders.values().filter(|(_, action, _)| matches!(action, Action::Trip { .. }));
        let guaranteed = |terminal| self.fleet.inventory.customer_of(terminal).is_some_and(|(_, c)| c.guaranteed);
        customers.filter(|(_, _, terminal)| guaranteed(*terminal)).count()
    }
}

#[tokio::test(start_paused = true)]
async fn an_evening_peak_is_shed_verified_and_restored_and_nobody_guaranteed_is_touched() {
    for seed in 1..=3 {
        let mut centre = Rehearsal::new(200, seed, "evening-peak");
        centre.run(Span::from_s(1_800)).await;
        let story = || centre.happened.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(centre.count(|what| matches!(what, Happening::Breach { .. })) >= 1, "{}", story());
        assert_eq!(centre.count(|what| matches!(what, Happening::Futile { .. })), 0, "{}", story());
        assert_eq!(centre.count(|what| matches!(what, Happening::NoResponse { .. })), 0, "{}", story());
        assert_eq!(centre.count(|what| matches!(what, Happening::PlanRefused { .. })), 0, "{}", story());
        let peaks = centre.plant.lock().feeders().iter().filter(|feeder| feeder.peaks).count();
        assert_eq!(centre.count(|what| matches!(what, Happening::Restored { .. })), peaks, "{}", story());
        assert!(centre.orders.values().all(|(state, ..)| state.took_effect()), "{:?}", centre.orders);
        assert_eq!(centre.tripped_guaranteed(), 0);
        let off: usize = centre.engine.view().nodes.iter().map(|node| node.rounds_shed as usize).sum();
        assert_eq!(off, 0, "{}", story());
        // The delay before a plan is 30 s; select, execute and switch take seconds.
        assert!(centre.over_s.iter().all(|s| *s <= 120), "{:?}\n{}", centre.over_s, story());
    }
}

#[tokio::test(start_paused = true)]
async fn switches_that_are_stuck_are_replaced_by_others() {
    let mut centre = Rehearsal::new(200, 1, "stuck-switch");
    centre.run(Span::from_s(900)).await;
    let story = || centre.happened.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(centre.count(|what| matches!(what, Happening::NoResponse { .. })) >= 1, "{}", story());
    let over =
        centre.plant.lock().feeders().iter().zip(&centre.fleet.policy.limits).any(|(f, rule)| f.power() > rule.limit);
    assert!(!over, "{}", story());
    assert_eq!(centre.tripped_guaranteed(), 0);
}

#[tokio::test(start_paused = true)]
async fn on_a_quiet_morning_nothing_is_switched() {
    let mut centre = Rehearsal::new(100, 7, "quiet");
    centre.run(Span::from_s(900)).await;
    assert!(centre.orders.is_empty());
    let loads = centre.engine.view().nodes.iter().map(|node| node.load.power().unwrap_or(Power::ZERO)).min();
    assert!(loads.is_some_and(|load| load > Power::ZERO), "every node has a load");
}

#[tokio::test(start_paused = true)]
async fn each_peak_of_the_evening_is_as_high_as_the_first() {
    let mut centre = Rehearsal::new(50, 1, "evening-peak");
    centre.run(Span::from_s(3 * 3_600)).await;
    let peaks = centre.plant.lock().feeders().iter().filter(|feeder| feeder.peaks).count();
    let story = || centre.happened.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(centre.count(|what| matches!(what, Happening::Planned { .. })) >= 6 * peaks, "{}", story());
    assert_eq!(centre.count(|what| matches!(what, Happening::Restored { .. })), 6 * peaks, "{}", story());
    assert_eq!(centre.tripped_guaranteed(), 0);
}
