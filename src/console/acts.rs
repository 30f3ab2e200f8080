//! What all acts of a person have in common: begun only while the centre takes orders, looked at once more, asked once,
//! answered in a sentence. What is particular to each is in its own module.

use headroom_rules::input::Request;
use headroom_rules::model::NodeId;
use headroom_rules::output::Reply;

use super::message::{Answer, Asked, Effect};
use super::state::{Act, ActKey, Form, Overlay, Screen, State, Step, What};
use super::{dress, dry_run, group, measures, parameters, proposal, tags, target};

/// The node on the screen or under the cursor.
pub(super) fn chosen_node(state: &State) -> Option<NodeId> {
    match state.screen {
        Screen::Node(node) => Some(node),
        Screen::Overview => state.nodes.key,
        _ => None,
    }
}

/// Opens the dialogue, if anything could come of it now.
pub(super) fn start(state: &mut State, what: What, fields: &[&'static str]) -> bool {
    if let Some(why) = state.why_not_live() {
        state.tell(format!("{why}: nothing can be asked of it now"));
        return false;
    }
    state.overlay = Some(Overlay::Act(Box::new(Act { what, form: Form::new(fields) })));
    true
}

/// Opens what only looks.
pub(super) fn look(state: &mut State, what: What, fields: &[&'static str]) {
    state.overlay = Some(Overlay::Act(Box::new(Act { what, form: Form::new(fields) })));
}

/// Opens the selected line of the screen of acts.
pub(super) fn open(state: &mut State) -> Vec<Effect> {
    match state.acts.key {
        Some(ActKey::Group(id)) => group::look(state, id),
        Some(ActKey::Tag(id)) => tags::take_off(state, id),
        Some(ActKey::ByHand(id)) => dress::take_off(state, id),
        Some(ActKey::Target(id)) => target::drop(state, id),
        Some(ActKey::Measure(id)) => measures::end(state, id),
        Some(ActKey::Proposal(id)) => proposal::decide(state, id),
        None => Vec::new(),
    }
}

/// Takes what was typed to the last look, or to where it leads.
pub(super) fn go_on(state: &mut State) -> Vec<Effect> {
    if !may_ask(state) {
        return Vec::new();
    }
    match act(state).map(|act| &act.what) {
        Some(What::HangTag(_)) => tags::review(state),
        Some(What::Dress { .. }) => dress::review(state),
        Some(What::TakeOffTag(_) | What::Undress(_) | What::DropTarget(_) | What::Measure(_)) => confirm_next(state),
        Some(What::DraftGroup { .. }) => return group::draft(state),
        Some(What::GroupAtOnce(_)) => group::review_at_once(state),
        Some(What::SetTarget { .. }) => return target::review(state),
        Some(What::Decide { .. } | What::TryAgain { .. }) => confirm_next(state),
        Some(What::DryRun { .. }) => return dry_run::run(state),
        Some(What::Parameters { .. }) => parameters::review(state),
        Some(What::Group(_) | What::Forbids { .. }) | None => {}
    }
    Vec::new()
}

/// The word, after the last look.
pub(super) fn confirm(state: &mut State, yes: bool) -> Vec<Effect> {
    if !may_ask(state) {
        return Vec::new();
    }
    let Some(act) = act(state).filter(|act| act.form.step == Step::Confirm) else { return Vec::new() };
    let why = act.form.value(super::state::WHY).to_owned();
    let request = match &act.what {
        What::HangTag(on) => Request::SetTag { on: *on, reason: why },
        What::TakeOffTag(tag) => Request::RemoveTag { tag: tag.id, reason: why },
        What::Dress { wanted: Some(wanted), .. } => dress::request(*wanted, why),
        What::Undress(dressing) => Request::Undress { dressing: dressing.id, reason: why },
        What::TryAgain { node, .. } => Request::TryAgain { node: *node, reason: why },
        What::SetTarget { node, wanted: Some(wanted), .. } => target::request(*node, *wanted, why),
        What::GroupAtOnce(group) => Request::ExecuteGroup { group: *group, at_once: Some(why) },
        What::DropTarget(target) => Request::CancelTarget { target: target.id, reason: why },
        What::Measure(it) if yes => Request::ReleaseMeasure { measure: it.id, reason: why },
        What::Measure(it) => Request::DeclineMeasure { measure: it.id, reason: why },
        What::Decide { proposal, .. } => Request::DecideProposal { proposal: proposal.id, approve: yes, reason: why },
        What::Parameters { .. } => return parameters::send(state),
        _ => return Vec::new(),
    };
    ask(state, request)
}

/// Asks the centre; nothing closes the dialogue before it has answered.
pub(super) fn ask(state: &mut State, request: Request) -> Vec<Effect> {
    let Some(act) = act_mut(state) else { return Vec::new() };
    act.form.to(Step::Asking);
    vec![Effect::Ask(Asked::Act(act.what.name()), request)]
}

/// Asks anew what only looks.
pub(super) fn look_again(state: &mut State) -> Vec<Effect> {
    match act(state).map(|act| &act.what) {
        Some(What::DryRun { .. }) => dry_run::run(state),
        Some(What::TryAgain { node, .. }) => dry_run::in_force(state, *node),
        Some(What::SetTarget { .. }) => target::look(state),
        Some(What::Decide { .. }) => proposal::look(state),
        Some(What::Parameters { .. }) => parameters::read_back(state),
        Some(What::Group(_)) => group::fetch(state),
        _ => Vec::new(),
    }
}

/// Brings the centre's answer into the dialogue that waits for it, or into a notice where that is gone.
pub(super) fn on_answer(state: &mut State, name: &'static str, answer: Answer) {
    let waits = act(state).is_some_and(|act| act.form.step == Step::Asking && act.what.name() == name);
    if !waits {
        match answer {
            Answer::Granted(_) => {}
            Answer::Refused(sentence) => state.tell(format!("{name} was refused: {sentence}")),
            Answer::Unanswered(sentence) => state.tell(format!("{name} had no answer: {sentence}")),
        }
        return;
    }
    let Some(act) = act_mut(state) else { return };
    // A group order's list stays, whatever came of the last step.
    if let What::Group(_) = act.what {
        act.form.to(Step::Entry);
        act.form.note = match answer {
            Answer::Granted(_) => None,
            Answer::Refused(sentence) => Some(format!("refused: {sentence}")),
            Answer::Unanswered(sentence) => Some(format!("no answer ({sentence}): the list says what became of it")),
        };
        return;
    }
    let step = match answer {
        // Its list comes back after the execute that did not wait, too.
        Answer::Granted(Reply::Group { group }) => {
            act.what = What::Group(Box::new(super::state::GroupLook::new(group)));
            Step::Entry
        }
        Answer::Granted(reply) => Step::Done(done(&act.what, reply)),
        Answer::Refused(sentence) => Step::Failed(format!("refused: {sentence}")),
        Answer::Unanswered(sentence) => {
            Step::Failed(format!("no answer ({sentence}): look at the list of acts (7) whether it was done"))
        }
    };
    act.form.to(step);
}

fn done(what: &What, reply: Reply) -> String {
    match (what, reply) {
        (What::HangTag(on), Reply::Tag { tag }) => format!("tag {tag} hangs on {on}: nobody switches there now"),
        (What::TakeOffTag(tag), _) => format!("tag {} is off {}", tag.id, tag.on),
        (What::Dress { wanted: Some(wanted), .. }, Reply::Dressing { dressing }) => {
            format!("{dressing}: {} counts as {} now, marked ✎", wanted.on, wanted.on.told(wanted.value))
        }
        (What::Undress(dressing), _) => format!("{} of {} is off: what is measured counts", dressing.id, dressing.on),
        (What::TryAgain { node, .. }, _) => format!("the rule of {node} plans anew"),
        (What::SetTarget { node, .. }, Reply::Target { target }) => {
            format!("target {target} of {node} is set: its rule sheds when it begins, as far as it has to")
        }
        (What::DropTarget(target), _) => format!("target {} of {} is dropped", target.id, target.node),
        (What::Measure(it), _) => format!("measure {} of {} is over", it.id, it.terminal),
        (What::Decide { proposal, .. }, _) => format!("proposal {} is decided", proposal.id),
        _ => "done".to_owned(),
    }
}

/// From the fields to the last look.
fn confirm_next(state: &mut State) {
    if let Some(act) = act_mut(state) {
        act.form.to(Step::Confirm);
    }
}

/// Whether anything can be asked now; else the dialogue says why not.
pub(super) fn may_ask(state: &mut State) -> bool {
    let why_not = state.why_not_live();
    if let (Some(why), Some(act)) = (why_not, act_mut(state)) {
        act.form.note = Some(format!("{why}: nothing was sent"));
    }
    why_not.is_none()
}

pub(super) fn act(state: &State) -> Option<&Act> {
    state.act()
}

pub(super) fn act_mut(state: &mut State) -> Option<&mut Act> {
    match &mut state.overlay {
        Some(Overlay::Act(act)) => Some(act),
        _ => None,
    }
}
