//! What a schedule of terminals wakes up for: their links, the end of what is under way, and the clock.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use headroom_rules::model::{Span, TerminalId, Timestamp};
use headroom_rules::view::View;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::Clock;

/// Looks at the clock are so far apart in real time, however fast the supply's time goes.
const LOOK_EVERY_REAL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Waits for one thing after the other.
pub(super) struct Waking {
    pub(super) view: watch::Receiver<Arc<View>>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) clock: Clock,
    /// Between two looks at the clock, of the supply's time.
    pub(super) look_every: Span,
}

/// What there is to be seen to.
pub(super) enum Woken<T> {
    /// The end of it all.
    Stop,
    /// The view is another one: links may have come up or gone down.
    Links,
    /// Something that was under way came to its end.
    Ended(T),
    /// It is later.
    Time,
}

impl Waking {
    pub(super) async fn next<F: Future>(&mut self, under_way: &mut FuturesUnordered<F>) -> Woken<F::Output> {
        let (least, most) = LOOK_EVERY_REAL;
        tokio::select! {
            // A sender that is gone means the end too.
            _ = self.stop.wait_for(|stop| *stop) => Woken::Stop,
            changed = self.view.changed() => if changed.is_ok() { Woken::Links } else { Woken::Stop },
            Some(ended) = under_way.next() => Woken::Ended(ended),
            () = sleep(self.clock.real(self.look_every).clamp(least, most)) => Woken::Time,
        }
    }

    /// Tells each terminal's link as it stands.
    pub(super) fn links(&mut self, mut on_link: impl FnMut(TerminalId, bool, Timestamp)) {
        let now = self.clock.now();
        for terminal in &self.view.borrow_and_update().terminals {
            on_link(terminal.id, terminal.link_up, now);
        }
    }
}
