//! The engine's commands on their way to the terminals' links. There are no choices left here.
//!
//! **Invariants:** `expired-never-sent`; nothing here waits. The engine's task calls [`Dispatcher::dispatch`], the
//! journal waits for the engine's task, and whoever submits an input waits for the journal: one wait here would close the
//! circle. What a command came to without being sent therefore goes into a queue of its own, which [`return_outcomes`]
//! carries to the journal. That queue is as long as the engine has commands under way at most, one for each order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headroom_rules::input::Input;
use headroom_rules::model::TerminalId;
use headroom_rules::orders::{Action, Command, NotSent, Outcome, Step};
use headroom_terminals::iec104::{Command as LinkCommand, CommandValue};
use headroom_terminals::profile::Profile;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::reaction::Reactions;
use crate::clock::Clock;
use crate::journal::Submission;

/// How a terminal's commands reach its link.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// To the link's task.
    pub(super) commands: mpsc::Sender<LinkCommand>,
    /// Where its commands stand.
    pub(super) profile: Arc<Profile>,
    /// Of its ASDUs.
    pub(super) common_address: u16,
}

/// Puts commands on links.
#[derive(Debug)]
pub(super) struct Dispatcher {
    routes: BTreeMap<TerminalId, Route>,
    unsent: mpsc::UnboundedSender<Input>,
    clock: Clock,
    reactions: Arc<Reactions>,
}

impl Dispatcher {
    pub(super) const fn new(
        routes: BTreeMap<TerminalId, Route>,
        unsent: mpsc::UnboundedSender<Input>,
        clock: Clock,
        reactions: Arc<Reactions>,
    ) -> Self {
        Self { routes, unsent, clock, reactions }
    }

    /// Puts a command on its terminal's link, or reports why not. `reacting_to` is when the input came in that made a
    /// rule want this trip, for measuring the reaction time.
    pub(super) fn dispatch(&self, command: &Command, reacting_to: Option<Instant>) {
        if let Some(received) = reacting_to {
            self.reactions.begin(command.order, received);
        }
        if let Err(why) = self.send(command) {
            self.reactions.forget(command.order);
            tracing::debug!(order = %command.order, terminal = %command.terminal, step = %command.step, %why, "not sent");
            let outcome = Outcome::NotSent { step: command.step, why };
            // Without a receiver the centre is stopping: the next start finds the order in hand and reads it back.
            let _ = self.unsent.send(Input::Outcome { at: self.clock.now(), order: command.order, outcome });
        }
    }

    fn send(&self, command: &Command) -> Result<(), NotSent> {
        // A terminal that left the fleet has no link any more.
        let route = self.routes.get(&command.terminal).ok_or(NotSent::NoLink)?;
        let expires_in = self.clock.real(command.expires_at.since(self.clock.now()));
        if expires_in == Duration::ZERO {
            return Err(NotSent::Expired);
        }
        let Command { order, action, qualifier, step, .. } = *command;
        let (ioa, value) = address(&route.profile, action, step).ok_or(NotSent::NoPoint)?;
        let qualifier = route.profile.qualifier(action, qualifier).ok_or(NotSent::Qualifier)?.code();
        let (id, common_address) = (order.0, route.common_address);
        let command = LinkCommand { id, common_address, ioa, value, qualifier, step, expires_in };
        route.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => NotSent::Busy,
            TrySendError::Closed(_) => NotSent::Stopping,
        })
    }
}

/// Where a step is sent, and with what. A read-back is an interrogation of the whole station: any address will do.
fn address(profile: &Profile, action: Action, step: Step) -> Option<(u32, CommandValue)> {
    let at = profile.command_address(action);
    if step == Step::ReadBack { at.or(Some((1, CommandValue::Single(false)))) } else { at }
}

/// Carries to the journal what commands came to that were never sent, until the dispatcher or the journal is gone.
pub(super) async fn return_outcomes(mut unsent: mpsc::UnboundedReceiver<Input>, submissions: mpsc::Sender<Submission>) {
    while let Some(input) = unsent.recv().await {
        let submission = Submission { input, durable: None, reply: None, received: Instant::now() };
        if submissions.send(submission).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use headroom_rules::model::{Power, RoundNo, Timestamp};
    use headroom_rules::orders::{OrderId, Qualifier};

    use super::*;

    const NOW: i64 = 1_000_000;

    struct Bench {
        dispatcher: Dispatcher,
        commands: mpsc::Receiver<LinkCommand>,
        unsent: mpsc::UnboundedReceiver<Input>,
    }

    fn terminal() -> TerminalId {
        "T-1".parse().unwrap()
    }

    /// On simulated time at factor 60, with room for two commands.
    fn bench(profile: Profile) -> Bench {
        let (send, commands) = mpsc::channel(2);
        let (unsent_to, unsent) = mpsc::unbounded_channel();
        let clock = Clock::from_source(60.0, || Timestamp::new(NOW));
        let route = Route { commands: send, profile: Arc::new(profile), common_address: 7 };
        let routes = BTreeMap::from([(terminal(), route)]);
        let dispatcher = Dispatcher::new(routes, unsent_to, clock, Arc::default());
        Bench { dispatcher, commands, unsent }
    }

    fn trip(step: Step, expires_at: i64) -> Command {
        let action = Action::Trip { round: RoundNo::ALL[0] };
        let (order, expires_at) = (OrderId(4), Timestamp::new(expires_at));
        Command { order, terminal: terminal(), action, qualifier: None, step, expires_at }
    }

    fn not_sent(bench: &mut Bench, step: Step) -> NotSent {
        match bench.unsent.try_recv().unwrap() {
            Input::Outcome { order: OrderId(4), outcome: Outcome::NotSent { step: of, why }, .. } if of == step => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_goes_to_its_point_and_lives_as_long_in_real_time() {
        let mut bench = bench(Profile::standard());
        bench.dispatcher.dispatch(&trip(Step::Select, NOW + 120_000), None);
        let wanted = LinkCommand {
            id: 4,
            common_address: 7,
            ioa: 6001,
            value: CommandValue::Double(false),
            qualifier: 0,
            step: Step::Select,
            expires_in: Duration::from_secs(2),
        };
        assert_eq!(bench.commands.try_recv().unwrap(), wanted);
        assert!(bench.unsent.try_recv().is_err());
    }

    #[test]
    fn an_expired_command_is_not_sent() {
        let mut bench = bench(Profile::standard());
        for (step, expires_at) in [(Step::Select, NOW), (Step::Execute, NOW - 1), (Step::ReadBack, 0)] {
            bench.dispatcher.dispatch(&trip(step, expires_at), None);
            assert_eq!(not_sent(&mut bench, step), NotSent::Expired);
        }
        assert!(bench.commands.try_recv().is_err());
    }

    #[test]
    fn a_point_that_is_not_mapped_is_said_but_any_terminal_can_be_read_back() {
        let mut bench = bench(Profile::parse("points = []").unwrap());
        let cap = Command { action: Action::SetCap { cap: Power::ZERO }, ..trip(Step::Select, NOW + 1_000) };
        for command in [cap, trip(Step::Execute, NOW + 1_000)] {
            bench.dispatcher.dispatch(&command, None);
            assert_eq!(not_sent(&mut bench, command.step), NotSent::NoPoint);
        }
        bench.dispatcher.dispatch(&trip(Step::ReadBack, NOW + 1_000), None);
        assert_eq!(bench.commands.try_recv().unwrap().step, Step::ReadBack);
    }

    #[test]
    fn an_order_says_what_its_output_does_and_what_the_map_does_not_allow_is_not_sent() {
        let mut bench = bench(Profile::standard());
        for step in [Step::Select, Step::Execute] {
            let long = Command { qualifier: Some(Qualifier::Long), ..trip(step, NOW + 1_000) };
            bench.dispatcher.dispatch(&long, None);
            assert_eq!(bench.commands.try_recv().unwrap().qualifier, 2);
        }
        let cap = Action::SetCap { cap: Power::ZERO };
        let pulse = Command { action: cap, qualifier: Some(Qualifier::Short), ..trip(Step::Select, NOW + 1_000) };
        bench.dispatcher.dispatch(&pulse, None);
        assert_eq!(not_sent(&mut bench, Step::Select), NotSent::Qualifier);
        assert!(bench.commands.try_recv().is_err());
    }

    #[test]
    fn a_full_link_is_busy_a_closed_one_stopping_and_a_foreign_terminal_has_none() {
        let mut bench = bench(Profile::standard());
        for _ in 0..3 {
            bench.dispatcher.dispatch(&trip(Step::Select, NOW + 1_000), None);
        }
        assert_eq!(not_sent(&mut bench, Step::Select), NotSent::Busy);
        bench.commands.close();
        bench.dispatcher.dispatch(&trip(Step::Select, NOW + 1_000), None);
        assert_eq!(not_sent(&mut bench, Step::Select), NotSent::Stopping);
        let foreign = Command { terminal: "T-9".parse().unwrap(), ..trip(Step::Select, NOW + 1_000) };
        bench.dispatcher.dispatch(&foreign, None);
        assert_eq!(not_sent(&mut bench, Step::Select), NotSent::NoLink);
    }

    #[tokio::test]
    async fn dispatching_never_waits_while_the_journal_takes_nothing() {
        let bench = bench(Profile::standard());
        let (submit, mut submissions) = mpsc::channel(1);
        let returning = tokio::spawn(return_outcomes(bench.unsent, submit));
        // A synchronous call: the engine's task goes on although nothing is taken from the journal's channel.
        for _ in 0..1_000 {
            bench.dispatcher.dispatch(&trip(Step::Select, NOW), None);
        }
        drop(bench.dispatcher);
        for _ in 0..1_000 {
            assert!(matches!(submissions.recv().await.unwrap().input, Input::Outcome { .. }));
        }
        returning.await.unwrap();
    }
}
