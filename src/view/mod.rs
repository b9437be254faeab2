//! Traces for people and programs: waterfalls, lists, JSON lines.
//!
//! Takes whole traces and gives text. Must not know where spans came from, or the terminal beyond
//! its width and whether it has colour.

mod bar;
mod json;
mod list;
mod rows;
mod text;
mod waterfall;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::terminal::Style;

pub(crate) use json::json_line;
pub(crate) use list::list;
pub(crate) use text::short_duration;
pub(crate) use waterfall::waterfall;

/// Columns where there is no terminal to ask.
pub(crate) const WIDTH_DEFAULT: usize = 110;

/// The same for lists.
pub(crate) const LIST_WIDTH_DEFAULT: usize = 160;

/// Columns below which nothing gets narrower.
pub(crate) const WIDTH_MIN: usize = 60;

/// How traces look.
#[derive(Debug, Clone)]
pub(crate) struct ViewStyle {
    /// Whether colour is used.
    pub(crate) is_colored: bool,
    /// Columns to fit into.
    pub(crate) width: usize,
    /// Whether everything is shown: every span, no fold.
    pub(crate) shows_all: bool,
    /// Attributes that are shown, by their place.
    pub(crate) shown: Vec<Arc<str>>,
}

/// The hue of each service, in the order in which services occur.
#[derive(Debug, Default)]
pub(crate) struct Hues {
    by_service: BTreeMap<Arc<str>, u8>,
}

impl Hues {
    /// The style of a service; spans without one have none.
    pub(crate) fn of(&mut self, service: Option<&Arc<str>>) -> Option<Style> {
        let next = self.by_service.len() as u8 % Style::HUES;
        let service = service?;
        let hue = match self.by_service.get(service) {
            Some(hue) => *hue,
            None => *self.by_service.entry(Arc::clone(service)).or_insert(next),
        };
        Some(Style::Hue(hue))
    }
}
