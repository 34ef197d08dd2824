//! A bound in real time that bears a process being stopped.

use core::time::Duration;

use crate::sys;

/// A bound in real time. Who has one looks at the clock between all that it does; where more than a quarter of the limit has passed
/// unexpectedly, that counts as a quarter, each time: the process was stopped (SIGSTOP, a debugger, a frozen cgroup) or got no
/// processor, and no thread could answer.
pub(super) struct Deadline {
    limit: Duration,
    /// What counts at most of a time in which the process was stopped.
    at_most: Duration,
    spent: Duration,
    last: Duration,
}

impl Deadline {
    pub(super) fn new(limit: Duration) -> Deadline {
        Deadline { limit, at_most: limit / 4, spent: Duration::ZERO, last: sys::now() }
    }

    /// One for which such a time counts as so much at most, so that who has a shorter limit comes first, however often the process is
    /// stopped.
    pub(super) fn with_stops_of(at_most: Duration, limit: Duration) -> Deadline {
        Deadline { at_most, ..Deadline::new(limit) }
    }

    fn advance(&mut self, expected: Duration) {
        let now = sys::now();
        self.spent += now.saturating_sub(self.last).min(expected + self.at_most);
        self.last = now;
    }

    pub(super) fn is_over(&mut self) -> bool {
        self.advance(Duration::ZERO);
        self.spent >= self.limit
    }

    /// Makes a wait of at most `slice`.
    pub(super) fn wait(&mut self, slice: Duration, wait: impl FnOnce(Duration)) {
        self.advance(Duration::ZERO);
        wait(slice);
        self.advance(slice);
    }
}
