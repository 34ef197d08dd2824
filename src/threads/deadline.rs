//! A bound in real time that bears a process being stopped.

use core::time::Duration;

use crate::sys;

/// A bound in real time. Who has one looks at the clock between all that it does; where more than a quarter of the limit has passed
/// unexpectedly, that counts as a quarter, each time: the process was stopped (SIGSTOP, a debugger, a frozen cgroup) or got no
/// processor, and no thread could answer.
pub(super) struct Deadline {
    limit: Duration,
    spent: Duration,
    last: Duration,
}

impl Deadline {
    pub(super) fn new(limit: Duration) -> Deadline {
        Deadline { limit, spent: Duration::ZERO, last: sys::now() }
    }

    fn advance(&mut self, expected: Duration) {
        let now = sys::now();
        self.spent += now.saturating_sub(self.last).min(expected + self.limit / 4);
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
