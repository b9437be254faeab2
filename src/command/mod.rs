//! One file a command.

pub(crate) mod backtest;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod explain;
pub(crate) mod fmt;
pub(crate) mod r#gen;
pub(crate) mod health;
pub(crate) mod print_config;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod screen;
pub(crate) mod secret;
pub(crate) mod test;
pub(crate) mod view;
