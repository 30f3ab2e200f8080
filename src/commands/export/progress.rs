//! How an export is getting on, on stderr.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::export::Progress;

/// How often a line is written anew, and one below the other.
const IN_PLACE_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Told {
    quiet: bool,
    started: Instant,
    shown: Instant,
    /// One line that is written anew, instead of one below the other.
    in_place: bool,
    /// Whether such a line stands there.
    open: bool,
}

impl Told {
    pub(super) fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Self { quiet, started: now, shown: now, in_place: stderr().is_terminal(), open: false }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        let every = if self.in_place { IN_PLACE_EVERY } else { LINE_EVERY };
        if self.quiet || self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let line = line(progress, self.started.elapsed());
        let (start, end) = if self.in_place { ("\r", "\x1b[K") } else { ("", "\n") };
        // Whoever closed stderr does not want it; the export goes on.
        let _ = write!(stderr().lock(), "{start}{line}{end}");
        self.open = self.in_place;
    }

    /// Leaves the line.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            let _ = writeln!(stderr().lock());
        }
    }

    /// Says what became of it.
    pub(super) fn finish(&self, rows: u64, out: &Path) {
        if !self.quiet {
            let (rate, took) = (per_second(rows, self.started.elapsed()), self.started.elapsed().as_secs_f64());
            let _ = writeln!(stderr().lock(), "{}: {rows} rows in {took:.1} s, {rate} rows/s", out.display());
        }
    }
}

fn line(progress: Progress, passed: Duration) -> String {
    let percent = progress.part * 100.0;
    format!("{percent:>5.1} %  {} rows  {} rows/s", progress.rows, per_second(progress.rows, passed))
}

fn per_second(rows: u64, passed: Duration) -> u64 {
    let ms = passed.as_millis().max(1);
    u64::try_from(u128::from(rows) * 1_000 / ms).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_part_that_is_done_the_rows_and_their_rate() {
        let progress = Progress { rows: 150_000, part: 0.5 };
        assert_eq!(line(progress, Duration::from_secs(3)), " 50.0 %  150000 rows  50000 rows/s");
        assert_eq!(line(Progress { rows: 0, part: 0.0 }, Duration::ZERO), "  0.0 %  0 rows  0 rows/s");
    }
}
