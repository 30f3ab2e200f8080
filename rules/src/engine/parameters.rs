//! Parameters of terminals: what people want, what was read back, and the alarm where they differ.
//!
//! **Invariant:** `never-shed-protected`: no terminal is set to trip by itself whose customer is guaranteed, without the
//! customer's safety floor, or past a tag.
//!
//! The engine sends nothing of it by itself: a person does, and what the terminal then says is an input like any other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::requests::Granted;
use crate::input::Origin;
use crate::local_control::Parameters;
use crate::model::{Power, Span, TerminalId};
use crate::orders::Action;
use crate::output::{AlarmCause, Output, Refusal, Reply};
use crate::view::TerminalParameters;

/// Differences that an alarm or the audit log spells out.
const SPELT_OUT: usize = 4;

/// Of each terminal of which anything is wanted or known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ParameterBook(BTreeMap<TerminalId, TerminalParameters>);

impl ParameterBook {
    pub(super) fn of(&self, terminal: TerminalId) -> Option<&TerminalParameters> {
        self.0.get(&terminal)
    }

    pub(super) fn retain(&mut self, exists: impl Fn(&TerminalId) -> bool) {
        self.0.retain(|terminal, _| exists(terminal));
    }
}

impl Engine {
    pub(super) fn set_parameters(
        &mut self,
        origin: &Origin,
        terminal: TerminalId,
        parameters: &Parameters,
    ) -> Result<Granted, Refusal> {
        if !self.grid.inventory.terminals.contains_key(&terminal) {
            return Err(Refusal::UnknownTerminal { terminal });
        }
        self.may_command(origin, terminal)?;
        if let Err(error) = parameters.check() {
            return Err(Refusal::ParameterOutOfRange { terminal, why: error.to_string() });
        }
        if parameters.trips_by_itself()
            && let Some(refusal) = self.forbids_local_control(terminal, parameters)
        {
            return Err(refusal);
        }
        let page = self.parameters.0.entry(terminal).or_default();
        let before = page.wanted.clone().unwrap_or_default();
        let (mut was, mut is) = (Vec::new(), Vec::new());
        for (key, old, new) in before.differences(parameters) {
            was.push(format!("{key} = {old}"));
            is.push(format!("{key} = {new}"));
        }
        page.wanted = Some(parameters.clone());
        page.wanted_by.clone_from(&origin.operator);
        page.wanted_at = Some(self.now);
        Ok(Granted { reply: Reply::Done, object: terminal.to_string(), before: listed(&was), after: listed(&is) })
    }

    /// Why a terminal must not be set to trip by itself (`never-shed-protected`): whoever made it may not know of all that
    /// the centre protects.
    fn forbids_local_control(&self, terminal: TerminalId, parameters: &Parameters) -> Option<Refusal> {
        if let Some(tag) = self.tag_on_any_part(terminal) {
            return Some(tag.into());
        }
        if self.grid.guaranteed(terminal) {
            return Some(Refusal::Guaranteed { terminal });
        }
        let floor = self.grid.customer(terminal).map_or(Power::ZERO, |(_, customer)| customer.safety_floor);
        let set = Power::new(i64::from(parameters.floor_kw) * 1_000);
        (set < floor).then(|| {
            let why =
                format!("floor_kw = {}: wanted at least the customer's safety floor of {floor}", parameters.floor_kw);
            Refusal::ParameterOutOfRange { terminal, why }
        })
    }

    /// How long a terminal warns its customer before it carries out a trip: the longest of what was read of its parameters and
    /// of what it shall have, or else what its point map says.
    pub(super) fn warns_for(&self, terminal: TerminalId, action: Action) -> Span {
        if !matches!(action, Action::Trip { .. }) {
            return Span::ZERO;
        }
        let page = self.parameters.of(terminal);
        let known = page.into_iter().flat_map(|page| [&page.read, &page.wanted]).flatten();
        let minutes = known.map(|parameters| parameters.remote.warning_min).max();
        minutes.map_or_else(
            || self.grid.inventory.terminals.get(&terminal).map_or(Span::ZERO, |it| it.warns_for),
            |minutes| Span::from_s(i64::from(minutes) * 60),
        )
    }

    /// What came of reading a terminal's parameters back, or of sending them.
    pub(super) fn on_parameters(
        &mut self,
        terminal: TerminalId,
        read: Option<&Parameters>,
        failed: Option<&str>,
        out: &mut Vec<Output>,
    ) {
        if !self.grid.inventory.terminals.contains_key(&terminal) {
            return;
        }
        let page = self.parameters.0.entry(terminal).or_default();
        page.failed = failed.map(str::to_owned);
        if let Some(read) = read {
            page.read = Some(read.clone());
            page.read_at = Some(self.now);
        }
        let cause = AlarmCause::ParametersDiffer { terminal };
        let differences: Vec<String> = page
            .differences()
            .into_iter()
            .map(|(key, wanted, read)| format!("{key}: wanted {wanted}, read {read}"))
            .collect();
        match failed {
            // What was wanted is not there as far as anybody knows.
            Some(why) if page.wanted_at > page.read_at => {
                self.alarms.raise(cause, self.now, || why.to_owned(), out);
            }
            Some(_) => {}
            None if differences.is_empty() => self.alarms.clear(cause, self.now, out),
            None => self.alarms.raise(cause, self.now, || listed(&differences), out),
        }
    }
}

fn listed(items: &[String]) -> String {
    let mut text = items.iter().take(SPELT_OUT).map(String::as_str).collect::<Vec<_>>().join("; ");
    if items.len() > SPELT_OUT {
        text.push_str(&format!("; and {} more", items.len() - SPELT_OUT));
    }
    text
}
