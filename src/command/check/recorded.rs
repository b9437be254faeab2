//! Which attributes occur in recordings, of those that rules read.
//!
//! It knows no rules: it is given keys.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater_engine::ingest::{DecodeReport, Decoder};
use tailwater_engine::model::{
    AttributePlace, Cell, Column, ColumnSpec, Demand, FrameBody, Interner, Signal, Symbols,
};

use crate::args::{Content, General, Inputs, Order};
use crate::command::replay::{Feed, ReadSettings, Step, log_opening};
use crate::terminal::tell;

/// The keys that some item of the recordings has, in its own attributes, its scope's or its
/// resource's. Reads no further than until all have occurred.
///
/// # Errors
/// When a recording cannot be opened or read.
pub(super) fn occurring(
    keys: &BTreeSet<&str>,
    files: &[PathBuf],
    content: &Content,
    general: General,
) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut damaged = 0;
    for file in files {
        let mut search = Search::of(keys.iter().copied().filter(|key| !found.contains(*key)));
        if search.keys.is_empty() {
            break;
        }
        damaged += search.read(&settings(file, content, general)?)?;
        found.extend(search.found.into_iter().map(|at| search.keys[at].to_string()));
    }
    if damaged > 0 && !general.is_quiet {
        tell(&format!("{damaged} damaged items of the recording were passed over\n"));
    }
    Ok(found)
}

/// A recording is read as a replay reads it.
fn settings(file: &Path, content: &Content, general: General) -> anyhow::Result<ReadSettings> {
    let inputs = Inputs {
        files: vec![file.to_owned()],
        workers: 1,
        content: content.clone(),
        order: Order::File,
        merge: false,
        open: false,
        limits: Vec::new(),
    };
    let mut settings = ReadSettings::resolve(&inputs, general)?;
    settings.is_log = log_opening(&inputs.files)?.is_some();
    Ok(settings)
}

/// A search for keys in one recording.
struct Search {
    keys: Vec<Arc<str>>,
    demand: Arc<Demand>,
    /// Places of the keys that were found.
    found: BTreeSet<usize>,
}

impl Search {
    fn of<'a>(keys: impl Iterator<Item = &'a str>) -> Self {
        let keys: Vec<Arc<str>> = keys.map(Arc::from).collect();
        let mut demand = Demand::default();
        for signal in Signal::ALL {
            for key in &keys {
                let (place, key) = (AttributePlace::Any, Arc::clone(key));
                demand.column(signal, ColumnSpec::Attribute { place, key });
            }
        }
        Self { keys, demand: Arc::new(demand), found: BTreeSet::new() }
    }

    /// Reads frames until every key was found; gives the number of damaged items.
    fn read(&mut self, settings: &ReadSettings) -> anyhow::Result<u64> {
        let mut feed = Feed::open(settings)?;
        let mut decoder = Decoder::new(Arc::clone(&self.demand), Arc::from(feed.sources()));
        let (mut report, mut symbols) = (DecodeReport::default(), Interner::shared());
        for number in 0.. {
            let frame = match feed.next()? {
                Step::Frame(FrameBody::Data(frame)) => frame,
                Step::Frame(_) | Step::Cut | Step::Table(_) => continue,
                Step::Done => break,
            };
            symbols = with_room(symbols);
            let mut batches = Vec::new();
            decoder.decode(number, &frame, &symbols, &mut batches, &mut report);
            for batch in batches {
                self.look(&batch.columns);
                decoder.recycle(batch);
            }
            if self.found.len() == self.keys.len() {
                break;
            }
        }
        Ok(report.ledger.damaged + feed.ledger().damaged)
    }

    fn look(&mut self, columns: &[Column]) {
        for (at, column) in columns.iter().enumerate() {
            let Column::Cells(cells) = column else { continue };
            if !self.found.contains(&at) && cells.iter().any(|cell| *cell != Cell::Null) {
                self.found.insert(at);
            }
        }
    }
}

/// Texts of values, anew where there is no room for more.
fn with_room(symbols: Symbols) -> Symbols {
    if symbols.borrow().is_full() { Interner::shared() } else { symbols }
}
