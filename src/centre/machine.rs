//! The engine as its task sees it.

use headroom_rules::engine::Engine;
use headroom_rules::groups::{Group, GroupId};
use headroom_rules::input::Input;
use headroom_rules::model::{NodeId, Power, TerminalId};
use headroom_rules::output::Output;
use headroom_rules::view::{DryRun, NotPlanned, Resumption, TerminalDetail, View};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is a function of the inputs in their order. A copy goes its own way from there on: the same inputs give it the
/// same outputs (`replay-equals-live`).
pub(super) trait Machine: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// Before anything happened.
    fn new() -> Self;
    /// Looks at what the next inputs touch, so that applying them is faster; changes nothing.
    fn reach_for<'a>(&self, _next: impl Iterator<Item = &'a Input> + Clone) {}
    /// Applies an input.
    fn apply(&mut self, input: &Input, out: &mut Vec<Output>);
    /// The picture for operators.
    fn view(&self) -> View;
    /// A terminal in full.
    fn terminal(&self, id: TerminalId) -> Option<TerminalDetail>;
    /// What resuming automatic control would do; none while it runs.
    fn resumption(&self) -> Option<Resumption>;
    /// What the rule of a node would do now under a limit, or under the one in force.
    fn dry_run(&self, node: NodeId, limit: Option<Power>) -> Result<DryRun, NotPlanned>;
    fn group(&self, id: GroupId) -> Option<Group>;
}

impl Machine for Engine {
    fn new() -> Self {
        Self::new()
    }
    fn reach_for<'a>(&self, next: impl Iterator<Item = &'a Input> + Clone) {
        self.reach_for(next.take(Self::REACH));
    }
    fn apply(&mut self, input: &Input, out: &mut Vec<Output>) {
        self.apply(input, out);
    }
    fn view(&self) -> View {
        self.view()
    }
    fn terminal(&self, id: TerminalId) -> Option<TerminalDetail> {
        self.terminal(id)
    }
    fn resumption(&self) -> Option<Resumption> {
        self.resumption()
    }
    fn dry_run(&self, node: NodeId, limit: Option<Power>) -> Result<DryRun, NotPlanned> {
        self.dry_run(node, limit)
    }
    fn group(&self, id: GroupId) -> Option<Group> {
        self.group_now(id)
    }
}

/// So many inputs are reached for together.
pub(super) const REACH: usize = Engine::REACH;

/// Applies an input and gives what the store takes; what is for the dispatcher and for people goes to `direct`.
pub(super) fn apply<M: Machine>(machine: &mut M, input: &Input, direct: &mut Vec<Output>) -> Vec<Output> {
    let mut outputs = Vec::new();
    machine.apply(input, &mut outputs);
    if !outputs.is_empty() {
        direct.extend(
            outputs.extract_if(.., |output| matches!(output, Output::Command(_) | Output::Tell(_) | Output::Reply(_))),
        );
    }
    outputs
}
