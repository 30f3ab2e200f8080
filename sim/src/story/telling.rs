//! How a story runs: engine, plant and terminals second by second, with a second on the way for every command and answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use headroom_rules::engine::Engine;
use headroom_rules::input::{Input, Origin, Request};
use headroom_rules::model::{NodeId, Power, RoundNo, Span, TerminalId, Timestamp};
use headroom_rules::notices::Telling as Text;
use headroom_rules::orders::{Action, Command, Issuer, NotSent, Order, OrderId, OrderState, Outcome, Step};
use headroom_rules::output::{Alarm, AlarmId, AlarmState, Output, Reply};
use headroom_rules::policy::LimitRule;
use headroom_rules::target::TargetId;
use headroom_terminals::agent::{Agent, SETTINGS_FILE, notice_text};
use headroom_terminals::iec104::{CommandAnswer, Object, Station as _, StationCommand};
use headroom_terminals::profile::Profile;

use super::file::{Act, Cue, Expect, Story, StoryError, Switching};
use crate::fleet::Fleet;
use crate::server::{PlantSite, SharedPlant, agent_at};

/// On the way from the centre to a terminal, and back.
const WAY: Span = Span::from_s(1);
/// Whether a limit is kept is looked at so often.
const LOOK_EVERY_S: u32 = 5;
/// When a feeder is supplied again, its terminals have links again within this.
const LIGHT_WITHIN_S: i64 = 60;

/// One line of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Since the story's start.
    pub at: Span,
    /// What happened, in a sentence.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at.s();
        write!(f, "{:3}:{:02}  {}", seconds / 60, seconds % 60, self.text)
    }
}

/// What did not come as the story says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet(pub String);

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

enum Coming {
    Command(Command),
    Outcome(OrderId, Outcome),
    LinkUp,
    Text(Text),
}

struct Telling<'a> {
    story: &'a Story,
    fleet: Fleet,
    plant: SharedPlant,
    start: Timestamp,
    now: Timestamp,
    engine: Engine,
    agents: BTreeMap<TerminalId, Agent<PlantSite>>,
    profile: Profile,
    down: BTreeSet<TerminalId>,
    /// In the order in which they were sent.
    coming: VecDeque<(Timestamp, TerminalId, Coming)>,
    lines: Vec<Line>,
    /// Lines that acts have looked at.
    heard: usize,
    done: Vec<bool>,
    states: BTreeMap<OrderId, OrderState>,
    alarms: BTreeMap<AlarmId, AlarmState>,
    newest: BTreeMap<TerminalId, OrderId>,
    /// What must never be, and was.
    wrong: Vec<Unmet>,
    over_s: BTreeMap<NodeId, u32>,
}

impl Story {
    /// Runs the story and gives each line as it happens. What of it did not come as it says; nothing when all is well.
    ///
    /// # Errors
    /// When the story speaks of what its fleet does not have.
    pub fn tell(&self, say: &mut dyn FnMut(&Line)) -> Result<Vec<Unmet>, StoryError> {
        let mut telling = Telling::new(self)?;
        telling.begin();
        let mut said = 0;
        let end = telling.start.after(self.span);
        while telling.now < end {
            telling.second();
            telling.lines.iter().skip(said).for_each(&mut *say);
            said = telling.lines.len();
        }
        Ok(telling.unmet())
    }
}

impl<'a> Telling<'a> {
    fn new(story: &'a Story) -> Result<Self, StoryError> {
        let mut fleet = Fleet::generate(story.terminals, story.seed, story.scenario.clone())?;
        for id in &story.guaranteed {
            guarantee(&mut fleet, id)?;
        }
        for (node, limit) in &story.limits {
            if !fleet.inventory.nodes.contains_key(node) {
                return Err(StoryError::NotThere { what: "node", id: node.to_string() });
            }
            let limits = &mut fleet.policy.limits;
            match (limits.iter().position(|rule| rule.node == *node), limits.first().cloned()) {
                (Some(at), _) => limits[at].limit = *limit,
                (None, Some(like)) => limits.push(LimitRule { node: *node, limit: *limit, ..like }),
                (None, None) => {}
            }
        }
        if story.notice > Span::ZERO {
            for rule in &mut fleet.policy.limits {
                rule.notice.before = story.notice;
            }
        }
        for (_, act) in &story.acts {
            fleet_has(&fleet, act)?;
        }
        let plant = SharedPlant::new(fleet.plant.clone());
        let profile = Profile::standard();
        let agent = |post: &crate::fleet::Post| {
            (post.terminal, agent_at(PlantSite::on_plant_time(plant.clone(), *post), profile.clone()))
        };
        let agents = fleet.posts.iter().map(agent).collect();
        let start = fleet.plant.start();
        Ok(Self {
            story,
            plant,
            start,
            now: start,
            engine: Engine::new(),
            agents,
            profile,
            down: BTreeSet::new(),
            coming: VecDeque::new(),
            lines: Vec::new(),
            heard: 0,
            done: vec![false; story.acts.len()],
            states: BTreeMap::new(),
            alarms: BTreeMap::new(),
            newest: BTreeMap::new(),
            wrong: Vec::new(),
            over_s: BTreeMap::new(),
            fleet,
        })
    }

    /// The centre starts and every link comes up: no part of the story.
    fn begin(&mut self) {
        let at = self.now;
        self.give(&Input::Started { at });
        self.give(&Input::Inventory { at, inventory: Box::new(self.fleet.inventory.clone()) });
        self.give(&Input::Policy { at, policy: Box::new(self.fleet.policy.clone()) });
        for terminal in self.agents.keys().copied().collect::<Vec<_>>() {
            self.link(terminal, true);
        }
        self.lines.clear();
    }

    fn say(&mut self, text: String) {
        self.lines.push(Line { at: self.now.since(self.start), text });
    }

    fn give(&mut self, input: &Input) -> Option<Output> {
        let mut out = Vec::new();
        self.engine.apply(input, &mut out);
        let mut reply = None;
        for output in out {
            match output {
                Output::Command(command) => self.send(command),
                Output::Tell(text) => {
                    self.coming.push_back((self.now.after(WAY), text.terminal, Coming::Text(text)));
                }
                Output::Event(event) => self.say(event.what.to_string()),
                Output::Order(order) => self.on_order(&order),
                Output::Alarm(alarm) => self.on_alarm(&alarm),
                Output::Reply(_) => reply = Some(output),
                _ => {}
            }
        }
        reply
    }

    fn send(&mut self, command: Command) {
        let Command { terminal, action, step, .. } = command;
        let guaranteed = self.fleet.inventory.customer_of(terminal).is_some_and(|(_, customer)| customer.guaranteed);
        if guaranteed && step == Step::Select && matches!(action, Action::Trip { .. }) {
            self.wrong.push(Unmet(format!("never-shed-protected: {terminal} is guaranteed, and was to be tripped")));
        }
        self.coming.push_back((self.now.after(WAY), terminal, Coming::Command(command)));
    }

    fn on_order(&mut self, order: &Order) {
        let Order { id, terminal, action, state, detail, .. } = order;
        self.newest.insert(*terminal, *id);
        if self.states.insert(*id, *state) == Some(*state) {
            return;
        }
        // What a rule's orders go through when all goes well is no news; their end is.
        let step = matches!(
            state,
            OrderState::Selecting | OrderState::Selected | OrderState::Executing | OrderState::Executed
        );
        if step && matches!(order.issuer, Issuer::Limit { .. }) {
            return;
        }
        let because = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        self.say(format!("order {id} of {}, {terminal} {action}: {state}{because}", order.issuer));
    }

    fn on_alarm(&mut self, alarm: &Alarm) {
        let stands = |state| matches!(state, AlarmState::Unacknowledged | AlarmState::Acknowledged);
        let before = self.alarms.insert(alarm.id, alarm.state);
        if before.is_some_and(stands) == stands(alarm.state) {
            return;
        }
        let text = if stands(alarm.state) {
            format!("ALARM {}: {}", alarm.cause, alarm.detail)
        } else {
            format!("alarm over: {}", alarm.cause)
        };
        self.say(text);
    }

    fn link(&mut self, terminal: TerminalId, up: bool) {
        if up {
            self.down.remove(&terminal);
        } else {
            self.down.insert(terminal);
        }
        let at = self.now;
        self.give(&Input::Link { at, terminal, up });
        if up {
            self.interrogate(terminal);
        } else {
            // What was on its way did not arrive, or its answer did not.
            let lost: Vec<(OrderId, Outcome)> = self
                .coming
                .iter()
                .filter(|(_, of, _)| *of == terminal)
                .filter_map(|(_, _, what)| match what {
                    Coming::Command(Command { order, step, .. }) => Some((*order, Outcome::LinkLost(*step))),
                    Coming::Outcome(order, Outcome::Confirmed(step)) => Some((*order, Outcome::LinkLost(*step))),
                    _ => None,
                })
                .collect();
            self.coming.retain(|(_, of, what)| *of != terminal || matches!(what, Coming::LinkUp));
            for (order, outcome) in lost {
                self.give(&Input::Outcome { at, order, outcome });
            }
        }
    }

    fn readings(&mut self, terminal: TerminalId, objects: &[Object]) {
        let readings = objects.iter().filter_map(|object| self.profile.reading(object)).collect();
        self.give(&Input::Readings { at: self.now, terminal, readings });
    }

    fn interrogate(&mut self, terminal: TerminalId) {
        let mut objects = Vec::new();
        if let Some(agent) = self.agents.get_mut(&terminal) {
            agent.interrogated(&mut objects);
        }
        self.readings(terminal, &objects);
    }

    fn second(&mut self) {
        self.now = self.now.after(Span::from_s(1));
        let now = self.now;
        self.plant.lock().advance(now);
        self.act();
        let due = |coming: &VecDeque<(Timestamp, TerminalId, Coming)>| coming.iter().position(|(at, _, _)| *at <= now);
        while let Some((_, terminal, what)) = due(&self.coming).and_then(|at| self.coming.remove(at)) {
            match what {
                Coming::Command(command) => self.arrive(command),
                Coming::Outcome(order, outcome) => drop(self.give(&Input::Outcome { at: now, order, outcome })),
                Coming::LinkUp => self.link(terminal, true),
                Coming::Text(text) => self.show(&text),
            }
        }
        for terminal in self.agents.keys().copied().filter(|id| !self.down.contains(id)).collect::<Vec<_>>() {
            let mut objects = Vec::new();
            if let Some(agent) = self.agents.get_mut(&terminal) {
                agent.spontaneous(&mut objects);
            }
            if !objects.is_empty() {
                self.readings(terminal, &objects);
            }
        }
        self.give(&Input::Tick { at: now });
        if now.since(self.start).s() % i64::from(LOOK_EVERY_S) == 0 {
            self.look_at_limits();
        }
    }

    /// A text reaches the customer's display, or does not.
    fn show(&mut self, text: &Text) {
        let Text { notice, terminal, text, expires_at, .. } = text;
        let octets = notice_text(text).into_bytes();
        let failed = if self.now >= *expires_at || self.down.contains(terminal) {
            Some("the link is down")
        } else {
            let taken = self.agents.get_mut(terminal).is_some_and(|agent| agent.write_file(SETTINGS_FILE, &octets));
            (!taken).then_some("the text was refused")
        };
        match failed {
            None => self.say(format!("{terminal} shows: {text}")),
            Some(why) => self.say(format!("{terminal} does not show its notice: {why}")),
        }
        self.give(&Input::Told { at: self.now, notice: *notice, failed: failed.map(str::to_owned) });
    }

    /// A command reaches its terminal, or does not.
    fn arrive(&mut self, command: Command) {
        let Command { order, terminal, action, step, expires_at, .. } = command;
        let not_sent = |why| Outcome::NotSent { step, why };
        let outcome = if self.now >= expires_at {
            not_sent(NotSent::Expired)
        } else if self.down.contains(&terminal) {
            not_sent(NotSent::NoLink)
        } else if step == Step::ReadBack {
            self.interrogate(terminal);
            Outcome::Confirmed(step)
        } else {
            let answer = self.profile.command_address(action).and_then(|(ioa, value)| {
                Some(self.agents.get_mut(&terminal)?.command(StationCommand::new(ioa, value, step)))
            });
            match answer {
                Some(CommandAnswer::Accepted) => Outcome::Confirmed(step),
                Some(_) => Outcome::Refused { step, cause: 7 },
                None => not_sent(NotSent::NoPoint),
            }
        };
        self.coming.push_back((self.now.after(WAY), terminal, Coming::Outcome(order, outcome)));
    }

    fn look_at_limits(&mut self) {
        for node in self.engine.view().nodes {
            let (Some(limit), Some(power)) = (node.limit, self.truth(node.id)) else { continue };
            *self.over_s.entry(node.id).or_default() += LOOK_EVERY_S * u32::from(power > limit);
        }
    }

    /// What a feeder truly carries at its head, or the customers of an area together.
    fn truth(&self, node: NodeId) -> Option<Power> {
        let plant = self.plant.lock();
        if let Some(at) = feeder(&self.fleet, node) {
            return Some(plant.feeders().get(at)?.power());
        }
        let below = self.fleet.posts.iter().filter_map(|post| {
            let (_, customer) = self.fleet.inventory.customer_of(post.terminal)?;
            (customer.supplied_by == node).then_some(plant.loads().get(post.load?)?.power())
        });
        Some(below.sum())
    }

    /// All acts whose time has come.
    fn act(&mut self) {
        let elapsed = self.now.since(self.start);
        let heard = std::mem::replace(&mut self.heard, self.lines.len());
        let story = self.story;
        for (number, (cue, act)) in story.acts.iter().enumerate() {
            let due = match cue {
                Cue::At(at) => elapsed >= *at,
                Cue::When(line) => self.lines.iter().skip(heard).any(|told| fits(line, &told.text)),
            };
            if due && !std::mem::replace(&mut self.done[number], true) {
                self.perform(act);
            }
        }
    }

    fn perform(&mut self, act: &Act) {
        match act {
            Act::Select { by, terminal, action, round } => {
                let action = match action {
                    Switching::Trip => Action::Trip { round: *round },
                    Switching::Restore => Action::Restore { round: *round },
                };
                let request = Request::Select { terminal: *terminal, action, qualifier: None, reason: String::new() };
                self.ask(by, &format!("selects {terminal} to {action}"), request);
            }
            Act::Execute { by, terminal } => {
                let order = self.newest.get(terminal).copied().unwrap_or(OrderId(0));
                self.ask(by, &format!("executes order {order}"), Request::Execute { order });
            }
            Act::Cancel { by, terminal } => {
                let order = self.newest.get(terminal).copied().unwrap_or(OrderId(0));
                self.ask(by, &format!("cancels order {order}"), Request::Cancel { order });
            }
            Act::SetLimit { by, node, kw } => {
                let limit = Power::from_kw(*kw);
                let request = Request::SetLimit { node: *node, limit, expected: None, reason: String::new() };
                self.ask(by, &format!("sets the limit of {node} to {limit}"), request);
            }
            Act::TakeOff { by, node, kw, minutes, after_min } => {
                let (reduction, from) = (Power::from_kw(*kw), self.now.after(Span::from_s(after_min * 60)));
                let to = from.after(Span::from_s(minutes * 60));
                let request = Request::SetTarget { node: *node, reduction, from, to, reason: String::new() };
                let when = if *after_min > 0 { format!(", in {after_min} min") } else { String::new() };
                self.ask(by, &format!("takes {reduction} off {node} for {minutes} min{when}"), request);
            }
            Act::DropTarget { by, node } => {
                let targets = self.engine.view().targets;
                let target = targets.iter().find(|target| target.node == *node).map_or(TargetId(0), |target| target.id);
                let request = Request::CancelTarget { target, reason: String::new() };
                self.ask(by, &format!("takes back target {target} of {node}"), request);
            }
            Act::StopAutomatic { by } => {
                self.ask(by, "stops automatic control", Request::StopAutomatic { reason: String::new() });
            }
            Act::ResumeAutomatic { by } => {
                self.ask(by, "resumes automatic control", Request::ResumeAutomatic { reason: String::new() });
            }
            Act::CutLink { terminal, for_s } => {
                self.say(format!("-- the link of {terminal} is cut"));
                self.link(*terminal, false);
                if let Some(seconds) = for_s {
                    let back = self.now.after(Span::from_s(*seconds));
                    self.coming.push_back((back, *terminal, Coming::LinkUp));
                }
            }
            Act::Lie { terminal, round } => {
                self.say(format!("-- from now on the switch of {terminal} round {round} lies"));
                if let Some(load) = self.fleet.posts.iter().find(|p| p.terminal == *terminal).and_then(|p| p.load) {
                    self.plant.lock().make_liar(load, *round);
                }
            }
            Act::Dark { feeder: node } => {
                self.say(format!("-- {node} goes dark"));
                self.set_dark(*node, true);
            }
            Act::Light { feeder: node } => {
                self.say(format!("-- {node} is supplied again"));
                self.set_dark(*node, false);
            }
        }
    }

    fn set_dark(&mut self, node: NodeId, dark: bool) {
        let Some(at) = feeder(&self.fleet, node) else { return };
        self.plant.lock().set_dark(at, dark);
        let posts = self.fleet.posts.iter().filter(|post| post.feeder == at);
        let terminals: Vec<TerminalId> = posts.map(|post| post.terminal).collect();
        for (number, terminal) in (0_i64..).zip(terminals) {
            if dark {
                self.link(terminal, false);
            } else {
                let back = self.now.after(Span::from_s(5 + number * 7 % (LIGHT_WITHIN_S - 5)));
                self.coming.push_back((back, terminal, Coming::LinkUp));
            }
        }
    }

    fn ask(&mut self, by: &str, what: &str, request: Request) {
        let at = self.lines.len();
        let origin = Origin::new(by, "story");
        let reply = self.give(&Input::Request { at: self.now, origin, request });
        let answer = match reply {
            Some(Output::Reply(Ok(Reply::Order { order }))) => format!("{by} {what}: order {order}"),
            Some(Output::Reply(Err(refusal))) => format!("{by} {what}: REFUSED, {refusal}"),
            _ => format!("{by} {what}: done"),
        };
        // What a person asks stands above what comes of it.
        self.lines.insert(at, Line { at: self.now.since(self.start), text: answer });
    }

    fn unmet(&self) -> Vec<Unmet> {
        let mut unmet = self.wrong.clone();
        for Expect { line, from, by, times } in &self.story.expects {
            let within = |told: &&Line| told.at >= *from && told.at <= *by && fits(line, &told.text);
            let count = self.lines.iter().filter(within).count();
            let window = format!("from {from} to {by}");
            match times {
                Some(times) if count != *times as usize => {
                    unmet.push(Unmet(format!("\"{line}\" {window}: wanted {times} times, came {count} times")));
                }
                None if count == 0 => unmet.push(Unmet(format!("\"{line}\" {window}: did not come"))),
                _ => {}
            }
        }
        for (number, (cue, act)) in self.story.acts.iter().enumerate() {
            if let (Cue::When(line), false) = (cue, self.done[number]) {
                unmet.push(Unmet(format!("the cue \"{line}\" of {act:?} did not come")));
            }
        }
        for (node, over_s) in &self.over_s {
            if let Some(most) = self.story.over_limit_s_max.filter(|most| over_s > most) {
                unmet.push(Unmet(format!("{node} was above its limit for {over_s} s: wanted at most {most} s")));
            }
        }
        let off = self.off();
        if let Some(wanted) = self.story.off_at_end.filter(|wanted| *wanted != off) {
            unmet.push(Unmet(format!("{off} rounds are off at the end: wanted {wanted}")));
        }
        unmet
    }

    /// Rounds that are off by anybody's order.
    fn off(&self) -> u32 {
        let plant = self.plant.lock();
        let rounds = plant.loads().iter().flat_map(|load| &load.rounds).filter(|round| round.wired);
        let open = rounds.filter(|round| !round.is_closed()).count();
        u32::try_from(open).unwrap_or(u32::MAX)
    }
}

fn feeder(fleet: &Fleet, node: NodeId) -> Option<usize> {
    let head = fleet.inventory.nodes.get(&node)?.measured_by?;
    fleet.posts.iter().find(|post| post.terminal == head).map(|post| post.feeder)
}

fn guarantee(fleet: &mut Fleet, id: &str) -> Result<(), StoryError> {
    let node: Option<NodeId> = id.parse().ok().filter(|node| fleet.inventory.nodes.contains_key(node));
    let mut found = false;
    for post in &mut fleet.posts {
        let Some(customer) = fleet.inventory.terminals.get(&post.terminal).and_then(|terminal| terminal.customer)
        else {
            continue;
        };
        let inventory = &mut fleet.inventory;
        let Some(supplied_by) = inventory.customers.get(&customer).map(|customer| customer.supplied_by) else {
            continue;
        };
        let below = node.is_some_and(|node| inventory.path_up(supplied_by).any(|above| above == node));
        if !below && post.terminal.to_string() != id {
            continue;
        }
        found = true;
        post.guaranteed = true;
        if let Some(customer) = inventory.customers.get_mut(&customer) {
            customer.guaranteed = true;
        }
    }
    found.then_some(()).ok_or_else(|| StoryError::NotThere { what: "terminal or node", id: id.to_owned() })
}

/// Whether everything that an act names is there.
fn fleet_has(fleet: &Fleet, act: &Act) -> Result<(), StoryError> {
    let inventory = &fleet.inventory;
    let round_there = |terminal: TerminalId, round: RoundNo| {
        inventory.terminals.get(&terminal).is_some_and(|entry| entry.rounds.contains_key(&round))
    };
    let missing = |what, id: String| Err(StoryError::NotThere { what, id });
    match act {
        Act::Select { terminal, round, .. } | Act::Lie { terminal, round } if !round_there(*terminal, *round) => {
            missing("terminal and round", format!("{terminal} {round}"))
        }
        Act::Execute { terminal, .. } | Act::Cancel { terminal, .. } | Act::CutLink { terminal, .. }
            if !inventory.terminals.contains_key(terminal) =>
        {
            missing("terminal", terminal.to_string())
        }
        Act::SetLimit { node, .. } | Act::TakeOff { node, .. } | Act::DropTarget { node, .. }
            if !inventory.nodes.contains_key(node) =>
        {
            missing("node", node.to_string())
        }
        Act::Dark { feeder: node } | Act::Light { feeder: node } if feeder(fleet, *node).is_none() => {
            missing("feeder with a meter at its head", node.to_string())
        }
        _ => Ok(()),
    }
}

/// Whether `text` is `pattern`, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = pattern.contains('*').then(|| parts.next_back()).flatten() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
