//! The stop of all automatic control, at one key; and its end, with a look at what the rules would do.

use headroom_rules::input::Request;
use headroom_rules::view::Resumption;
use tui_input::Input;

use super::message::{Answer, Asked, Effect};
use super::state::{Overlay, ResumeDialogue, ResumeStage, State};

/// Why, in the audit log: whoever presses the key has no time to write.
const BY_KEY: &str = "stopped by key at the console";

/// Stops what runs at once; opens the look at its end where it is stopped already.
pub(crate) fn key(state: &mut State) -> Vec<Effect> {
    if let Some(why) = state.why_not_live() {
        let what = if state.view.stopped.is_some() { "resumed" } else { "stopped" };
        state.tell(format!("{why}: automatic control cannot be {what} now"));
        return Vec::new();
    }
    if state.view.stopped.is_none() {
        state.tell("asking the centre to stop all automatic control");
        return vec![Effect::Ask(Asked::StopAutomatic, Request::StopAutomatic { reason: BY_KEY.to_owned() })];
    }
    if matches!(state.overlay, Some(Overlay::Resume(_))) {
        return Vec::new();
    }
    let dialogue = ResumeDialogue { preview: None, reason: Input::default(), stage: ResumeStage::Look, scroll: 0 };
    state.overlay = Some(Overlay::Resume(Box::new(dialogue)));
    vec![Effect::FetchResumption]
}

/// What resuming would do is here, or why not; none where somebody resumed meanwhile.
pub(crate) fn on_preview(state: &mut State, preview: Result<Option<Resumption>, String>) {
    if let Some(Overlay::Resume(dialogue)) = &mut state.overlay {
        match preview {
            Ok(Some(preview)) => dialogue.preview = Some(Ok(preview)),
            Ok(None) => dialogue.stage = ResumeStage::Ended("automatic control is running already".to_owned()),
            Err(sentence) => dialogue.preview = Some(Err(sentence)),
        }
    }
}

/// Asks the centre to resume; only from a look at what that would do.
pub(crate) fn resume(state: &mut State) -> Vec<Effect> {
    let why_not = state.why_not_live();
    let Some(Overlay::Resume(dialogue)) = &mut state.overlay else { return Vec::new() };
    if dialogue.stage != ResumeStage::Look || why_not.is_some() || !matches!(dialogue.preview, Some(Ok(_))) {
        return Vec::new();
    }
    dialogue.stage = ResumeStage::Asking;
    let reason = dialogue.reason.value().trim().to_owned();
    vec![Effect::Ask(Asked::ResumeAutomatic, Request::ResumeAutomatic { reason })]
}

/// Looks anew at what resuming would do.
pub(crate) fn look_again(state: &mut State) -> Vec<Effect> {
    let Some(Overlay::Resume(dialogue)) = &mut state.overlay else { return Vec::new() };
    dialogue.preview = None;
    vec![Effect::FetchResumption]
}

pub(crate) fn on_answer(state: &mut State, asked: Asked, answer: Answer) {
    let sentence = match (asked, answer) {
        (Asked::StopAutomatic, Answer::Granted(_)) => {
            return state.tell("ALL AUTOMATIC CONTROL IS STOPPED: no limit is kept");
        }
        (Asked::StopAutomatic, Answer::Refused(sentence)) => return state.tell(format!("not stopped: {sentence}")),
        (Asked::StopAutomatic, Answer::Unanswered(sentence)) => {
            return state.tell(format!("no answer ({sentence}): the status line says whether it is stopped"));
        }
        (_, Answer::Granted(_)) => "automatic control is running again".to_owned(),
        (_, Answer::Refused(sentence)) => format!("not resumed: {sentence}"),
        (_, Answer::Unanswered(sentence)) => {
            format!("no answer ({sentence}): the status line says whether it is stopped")
        }
    };
    match &mut state.overlay {
        Some(Overlay::Resume(dialogue)) => dialogue.stage = ResumeStage::Ended(sentence),
        _ => state.tell(sentence),
    }
}
