//! All threads parked at once.
