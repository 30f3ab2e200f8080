//! Parameters of terminals on the wire: the settings file, sent and read back.
//!
//! **Invariant:** what a terminal is told to have been read is what it sent, and the engine hears of every try, also of one
//! that came to nothing.

use std::time::{Duration, Instant};

use headroom_rules::input::Input;
use headroom_rules::local_control::Parameters;
use headroom_rules::model::TerminalId;
use headroom_rules::view::TerminalParameters;
use headroom_terminals::agent::{SETTINGS_FILE, Settings, SettingsError, control_text};
use headroom_terminals::iec104::controlling::{FileAnswer, FileRequest};
use headroom_terminals::iec104::files::Failure;
use headroom_terminals::iec104::task::Ask;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout_at};

use super::demand::NotAsked;
use super::handle::{Handle, Unavailable};
use crate::journal::Submission;
use crate::printable::printable;
use crate::sentence::sentence;

/// For one file. Each of its words has 30 s; this is for a terminal that always says something and comes to no end.
const WITHIN: Duration = Duration::from_secs(120);

/// Octets of a settings file at most: several times what all settings take. A transfer carries 16 MB.
const SETTINGS_OCTETS_MAX: usize = 64 * 1_024;

/// Characters of why that go into the journal, the alarm and the picture: the terminal may have written them.
const WHY_CHARS_MAX: usize = 300;

/// Between two tries while another file is on the link.
const BUSY_FOR: Duration = Duration::from_millis(250);

/// Why parameters were not sent, or not read back. Shown to the person as it stands.
#[derive(Debug, thiserror::Error)]
pub enum NotCompared {
    /// No link is configured to it.
    #[error("terminal {0} is not in the inventory")]
    Unknown(TerminalId),
    /// Nothing was asked.
    #[error("{0} was not asked: {1}")]
    NotAsked(TerminalId, NotAsked),
    /// The transfer to it came to no good end.
    #[error("{terminal}: its parameters were not sent")]
    NotSent {
        /// Which.
        terminal: TerminalId,
        /// How it ended.
        source: Failure,
    },
    /// The transfer from it came to no good end.
    #[error("{terminal}: its parameters were not read back")]
    NotRead {
        /// Which.
        terminal: TerminalId,
        /// How it ended.
        source: Failure,
    },
    /// It sent something else.
    #[error("{terminal}: what it sent is no settings")]
    Content {
        /// Which.
        terminal: TerminalId,
        /// What is wrong with it.
        source: SettingsError,
    },
    /// It sent more than settings can be.
    #[error("{terminal}: what it sent is no settings: {octets} octets, wanted at most {SETTINGS_OCTETS_MAX}")]
    TooLong {
        /// Which.
        terminal: TerminalId,
        /// How long it is.
        octets: usize,
    },
    /// The centre takes nothing.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// An error in one line that a screen only shows, of a readable length.
fn why(error: &NotCompared) -> String {
    printable(&sentence(error)).chars().take(WHY_CHARS_MAX).collect()
}

impl Handle {
    /// Sends a terminal its parameters and reads them back; what it then has, beside what is wanted. The engine has heard of it
    /// when this returns.
    ///
    /// # Errors
    /// Why they were not sent or not read back, which the engine hears of too.
    pub async fn send_parameters(
        &self,
        terminal: TerminalId,
        parameters: &Parameters,
    ) -> Result<TerminalParameters, NotCompared> {
        let file = FileRequest::SendFile(SETTINGS_FILE, control_text(parameters).into_bytes());
        match self.transfer(terminal, file).await? {
            Ok(_) => self.read_parameters(terminal).await,
            Err(source) => Err(self.failed(terminal, NotCompared::NotSent { terminal, source }).await),
        }
    }

    /// Reads a terminal's parameters back; what it has, beside what is wanted.
    ///
    /// # Errors
    /// Why they were not read, which the engine hears of too.
    pub async fn read_parameters(&self, terminal: TerminalId) -> Result<TerminalParameters, NotCompared> {
        let octets = match self.transfer(terminal, FileRequest::ReadFile(SETTINGS_FILE)).await? {
            Ok(FileAnswer::Read(octets)) => octets,
            Ok(_) => {
                let source = Failure::Refused;
                return Err(self.failed(terminal, NotCompared::NotRead { terminal, source }).await);
            }
            Err(source) => return Err(self.failed(terminal, NotCompared::NotRead { terminal, source }).await),
        };
        if octets.len() > SETTINGS_OCTETS_MAX {
            let octets = octets.len();
            return Err(self.failed(terminal, NotCompared::TooLong { terminal, octets }).await);
        }
        // Whatever is no text is no TOML either, and is refused as that.
        match Settings::usual().with(&String::from_utf8_lossy(&octets)) {
            Ok(settings) => self.tell_parameters(terminal, Some(settings.control), None).await?,
            Err(source) => return Err(self.failed(terminal, NotCompared::Content { terminal, source }).await),
        }
        let detail = self.terminal(terminal).await?.ok_or(NotCompared::Unknown(terminal))?;
        Ok(detail.parameters.unwrap_or_default())
    }

    /// The inner error is the transfer's.
    async fn transfer(
        &self,
        terminal: TerminalId,
        file: FileRequest,
    ) -> Result<Result<FileAnswer, Failure>, NotCompared> {
        let lines = self.demand.lines();
        let line = lines.get(&terminal).ok_or(NotCompared::Unknown(terminal))?;
        let until = tokio::time::Instant::now() + WITHIN;
        let why = loop {
            let (reply, answer) = oneshot::channel();
            match line.asks.try_send(Ask::Files(file.clone(), reply)) {
                Ok(()) => match timeout_at(until, answer).await {
                    Ok(Ok(Err(Failure::Busy))) => {}
                    Ok(Ok(Err(Failure::LinkLost))) => break NotAsked::NoLink,
                    Ok(Ok(result)) => return Ok(result),
                    Ok(Err(_)) => break NotAsked::Stopping,
                    Err(_) => return Ok(Err(Failure::TimedOut)),
                },
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Closed(_)) => break NotAsked::Stopping,
            }
            let again = tokio::time::Instant::now() + BUSY_FOR;
            if again >= until {
                break NotAsked::Busy;
            }
            // A link carries one file at a time, and the centre fetches load curves by itself.
            sleep_until(again).await;
        };
        Err(self.failed(terminal, NotCompared::NotAsked(terminal, why)).await)
    }

    /// The engine hears of what failed.
    async fn failed(&self, terminal: TerminalId, error: NotCompared) -> NotCompared {
        match self.tell_parameters(terminal, None, Some(why(&error))).await {
            Ok(()) => error,
            Err(unavailable) => unavailable.into(),
        }
    }

    /// Returns when the engine has taken it in.
    async fn tell_parameters(
        &self,
        terminal: TerminalId,
        read: Option<Parameters>,
        failed: Option<String>,
    ) -> Result<(), Unavailable> {
        let (told, durable) = oneshot::channel();
        let tell = move || {
            // Whoever waited may have gone.
            let _ = told.send(());
        };
        let input = Input::Parameters { at: self.clock.now(), terminal, read: read.map(Box::new), failed };
        let submission = Submission { input, durable: Some(Box::new(tell)), reply: None, received: Instant::now() };
        self.submissions.send(submission).await.map_err(|_| Unavailable::Stopping)?;
        durable.await.map_err(|_| Unavailable::Stopping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_sent_instead_of_settings_is_told_in_one_short_line_that_moves_no_cursor() {
        let terminal = "T-1".parse().unwrap();
        let sent = format!("\"{}\" = 1", "\\u001b[2J\\u202e".repeat(5_000));
        let source = Settings::usual().with(&sent).unwrap_err();
        let told = why(&NotCompared::Content { terminal, source });
        assert!(told.starts_with("T-1: what it sent is no settings: settings: line 1: unknown field"), "{told}");
        assert_eq!(told.chars().count(), WHY_CHARS_MAX);
        assert!(told.chars().all(crate::printable::is_printable), "{told}");
    }
}
