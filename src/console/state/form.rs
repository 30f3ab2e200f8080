//! The course of what a person asks for: typed, looked at once more, asked, answered.

use tui_input::Input;

/// One line to type into.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// What it is for, as the dialogue says.
    pub(crate) name: &'static str,
    pub(crate) input: Input,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The fields are being filled in, or there are none and it is only to be looked at.
    Entry,
    /// Shows what is going to be, and waits for the word.
    Confirm,
    /// The centre was asked.
    Asking,
    Done(String),
    /// Refused, or without an answer.
    Failed(String),
}

/// Fields, step, what was wrong with them, and how far the text is scrolled.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) fields: Vec<Field>,
    /// The field that takes what is typed.
    pub(crate) at: usize,
    pub(crate) step: Step,
    pub(crate) note: Option<String>,
    /// Lines that lie above the first one shown.
    pub(crate) scroll: u16,
}

impl Form {
    pub(crate) fn new(names: &[&'static str]) -> Self {
        let fields = names.iter().map(|name| Field { name, input: Input::default() }).collect();
        Self { fields, at: 0, step: Step::Entry, note: None, scroll: 0 }
    }

    /// What stands in a field, without spaces around it.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.fields.iter().find(|field| field.name == name).map_or("", |field| field.input.value().trim())
    }

    pub(crate) fn typed(&mut self) -> Option<&mut Input> {
        self.note = None;
        self.fields.get_mut(self.at).map(|field| &mut field.input)
    }

    pub(crate) fn other_field(&mut self) {
        self.at = (self.at + 1) % self.fields.len().max(1);
    }

    pub(crate) fn to(&mut self, step: Step) {
        (self.step, self.note, self.scroll) = (step, None, 0);
    }
}
