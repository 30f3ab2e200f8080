//! Colours by meaning: grey is normal, colour is abnormal. Without colour every meaning keeps a shape and a word, and
//! weight or reverse where it must catch the eye.

use headroom_rules::model::Quality;
use headroom_rules::orders::OrderState;
use headroom_rules::output::{AlarmPriority, AlarmState};
use headroom_rules::view::LimitState;
use ratatui::style::{Color, Modifier, Style};

/// With colour or without (`NO_COLOR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) colour: bool,
}

impl Theme {
    fn fg(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(crate) fn normal(self) -> Style {
        self.fg(Color::Gray)
    }

    pub(crate) fn quiet(self) -> Style {
        self.fg(Color::DarkGray)
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn title(self) -> Style {
        self.fg(Color::Gray).add_modifier(Modifier::BOLD)
    }

    /// Added to a row that is selected: visible with and without colour.
    pub(crate) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    pub(crate) fn high(self) -> Style {
        self.fg(Color::LightRed).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn medium(self) -> Style {
        self.fg(Color::LightYellow).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn low(self) -> Style {
        self.fg(Color::LightCyan)
    }

    /// What an automatic function is doing: neither normal nor an alarm.
    pub(crate) fn active(self) -> Style {
        self.fg(Color::LightBlue).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn alarm(self, priority: AlarmPriority, state: AlarmState) -> Style {
        let style = match priority {
            AlarmPriority::High => self.high(),
            AlarmPriority::Medium => self.medium(),
            AlarmPriority::Low => self.low(),
        };
        match state {
            AlarmState::Unacknowledged => style.add_modifier(Modifier::BOLD),
            AlarmState::ReturnedUnacknowledged => style.add_modifier(Modifier::ITALIC),
            AlarmState::Acknowledged | AlarmState::Normal => style.remove_modifier(Modifier::BOLD),
        }
    }

    pub(crate) fn limit(self, state: LimitState) -> Style {
        match state {
            LimitState::Unlimited | LimitState::Normal => self.quiet(),
            LimitState::Warning => self.low(),
            LimitState::Over | LimitState::Futile => self.high(),
            LimitState::Shedding | LimitState::Verifying | LimitState::Holding | LimitState::Restoring => self.active(),
        }
    }

    pub(crate) fn order(self, state: OrderState) -> Style {
        match state {
            OrderState::Failed | OrderState::Unknown => self.medium(),
            OrderState::Refused | OrderState::Expired => self.low(),
            OrderState::Confirmed | OrderState::Verified | OrderState::Cancelled => self.normal(),
            OrderState::Approved
            | OrderState::Selecting
            | OrderState::Selected
            | OrderState::Executing
            | OrderState::Executed => self.active(),
        }
    }

    pub(crate) fn quality(self, quality: Quality, doubted: bool) -> Style {
        if !quality.decides() || doubted {
            self.medium()
        } else if quality == Quality::GOOD {
            self.quiet()
        } else {
            self.low()
        }
    }
}

/// A priority's shape and letter.
pub(crate) const fn priority_mark(priority: AlarmPriority) -> (&'static str, &'static str) {
    match priority {
        AlarmPriority::High => ("▲", "HIGH"),
        AlarmPriority::Medium => ("◆", "MED"),
        AlarmPriority::Low => ("●", "LOW"),
    }
}

/// A limit state's shape and words.
pub(crate) const fn limit_mark(state: LimitState) -> (&'static str, &'static str) {
    match state {
        LimitState::Unlimited => ("·", "no limit"),
        LimitState::Normal => ("─", "normal"),
        LimitState::Warning => ("△", "near limit"),
        LimitState::Over => ("▲", "OVER LIMIT"),
        LimitState::Shedding => ("▼", "shedding"),
        LimitState::Verifying => ("◆", "verifying"),
        LimitState::Holding => ("■", "holding"),
        LimitState::Restoring => ("◇", "restoring"),
        LimitState::Futile => ("✖", "ACT: FUTILE"),
    }
}
