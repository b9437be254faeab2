//! The engine against a naive oracle, under every worker count, cut and restore.

mod oracle;
mod plans;
mod random;
mod windows;
