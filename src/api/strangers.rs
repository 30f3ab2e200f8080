//! Connections that have not shown a valid token yet: few, and the oldest makes room for the newest, so that nobody who is
//! not let in keeps out those who are.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use tokio::task::AbortHandle;

/// Strangers at the same time.
pub(super) const STRANGERS_MAX: usize = 64;
/// Of these, from one address; behind a proxy all have one.
const FROM_ONE_MAX: usize = 16;

/// Which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(u64);

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    /// The oldest first.
    connections: VecDeque<(Number, IpAddr, AbortHandle)>,
}

/// All strangers.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<Waiting>);

impl Strangers {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a connection that was just accepted.
    pub(super) fn number(&self) -> Number {
        let mut waiting = self.waiting();
        waiting.last += 1;
        Number(waiting.last)
    }

    /// It is served by the task of `abort`. Where there is no room, the oldest stranger goes.
    pub(super) fn arrive(&self, number: Number, from: IpAddr, abort: AbortHandle) {
        let mut waiting = self.waiting();
        waiting.connections.retain(|(_, _, task)| !task.is_finished());
        let from_one = waiting.connections.iter().filter(|(_, of, _)| *of == from).count();
        let oldest = if from_one >= FROM_ONE_MAX {
            waiting.connections.iter().position(|(_, of, _)| *of == from)
        } else if waiting.connections.len() >= STRANGERS_MAX {
            Some(0)
        } else {
            None
        };
        if let Some((.., task)) = oldest.and_then(|at| waiting.connections.remove(at)) {
            task.abort();
        }
        waiting.connections.push_back((number, from, abort));
    }

    /// It showed a valid token.
    pub(super) fn admit(&self, number: Number) {
        self.waiting().connections.retain(|(of, ..)| *of != number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle() -> tokio::task::JoinHandle<()> {
        tokio::spawn(std::future::pending())
    }

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    #[tokio::test]
    async fn the_oldest_of_one_address_goes_and_whoever_is_admitted_stays() {
        let strangers = Strangers::default();
        let tasks: Vec<_> = (0..=FROM_ONE_MAX + 1).map(|_| idle()).collect();
        for (at, task) in tasks.iter().enumerate() {
            let number = strangers.number();
            strangers.arrive(number, address(1), task.abort_handle());
            if at == 0 {
                strangers.admit(number);
            }
        }
        let mut tasks = tasks.into_iter();
        let (admitted, oldest, next) = (tasks.next().unwrap(), tasks.next().unwrap(), tasks.next().unwrap());
        assert!(oldest.await.unwrap_err().is_cancelled());
        assert!(!admitted.is_finished() && !next.is_finished());
    }

    #[tokio::test]
    async fn of_many_addresses_the_oldest_of_all_goes() {
        let strangers = Strangers::default();
        let tasks: Vec<_> = (0..=STRANGERS_MAX).map(|_| idle()).collect();
        for (n, task) in (0..).zip(&tasks) {
            strangers.arrive(strangers.number(), address(n), task.abort_handle());
        }
        let mut tasks = tasks.into_iter();
        assert!(tasks.next().unwrap().await.unwrap_err().is_cancelled());
        assert!(tasks.all(|task| !task.is_finished()));
    }
}
