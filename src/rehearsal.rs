//! The plan run by a throw-away child.
