//! A file that grows: what is added to it is read line by line, and a trace is shown when nothing
//! of it has come for a while.
//!
//! Only the clock of this machine says when that is, so what is shown when may differ from run to
//! run; what is read does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tailwater_engine::ingest::reader::{FileReader, Input, ReaderOptions};
use tailwater_engine::model::PayloadFormat;

use super::show::Show;
use crate::args::View;
use crate::command::replay::{Interrupt, ReadSettings};
use crate::exit::{Exit, Usage};
use crate::near_path::cannot_read;
use crate::output::Output;
use crate::terminal::tell;
use crate::trace::{Gather, SPANS_MAX, TraceId, Wanted};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// For how long nothing of a trace has come when it is shown.
const QUIET: Duration = Duration::from_secs(1);

/// Bytes of a file that are read at once.
const READ_BYTES: u64 = 16 * 1024 * 1024;

/// The file, and how far it was read.
struct Tail {
    path: PathBuf,
    options: ReaderOptions,
    read: u64,
    /// Of CSV: the header, which every part needs.
    header: Vec<u8>,
    /// Begun lines: they are read when they end.
    begun: Vec<u8>,
}

/// Follows until Ctrl-C, or until as many traces were shown as were asked for.
pub(super) fn run(
    args: &View,
    settings: &ReadSettings,
    wanted: Wanted,
    mut show: Show,
) -> anyhow::Result<Exit> {
    let [path] = args.files.as_slice() else {
        let text = "`--follow` reads one file".to_owned();
        return Err(Usage(text).into());
    };
    ensure!(path != Path::new("-"), Usage("standard input cannot be followed".to_owned()));
    let mut tail = Tail::new(path, &settings.options);
    let mut gather = Gather::new(wanted);
    let mut output = Output::open(None)?;
    let interrupt = Interrupt::new();
    let mut moved: BTreeMap<TraceId, (usize, Instant)> = BTreeMap::new();
    let mut shown: BTreeSet<TraceId> = BTreeSet::new();
    // How many are still to be shown; 0 is all.
    let mut left = args.limit.unwrap_or(0);
    while !interrupt.is_set() {
        let has_more = tail.step(&mut gather)?;
        let now = now();
        let quiet = quiet(&gather, &mut moved, now);
        let of = |id: &TraceId| quiet.contains(id);
        let traces: Vec<_> =
            gather.traces().iter().filter(|trace| of(&trace.id)).cloned().collect();
        let (chosen, _) = super::choose(traces, args, left, None);
        let count = chosen.len();
        show.write(chosen, &mut output)?;
        output.pass_on()?;
        if left > 0 && count >= left {
            output.close()?;
            return Ok(Exit::Good);
        }
        left = left.saturating_sub(count);
        shown.extend(quiet);
        if gather.held() > SPANS_MAX / 2 {
            gather.forget(|id| shown.contains(id));
            moved.retain(|id, _| !shown.contains(id));
            shown.clear();
        }
        if !has_more {
            std::thread::park_timeout(LOOK);
        }
    }
    output.close()?;
    Ok(Exit::Interrupted)
}

#[expect(clippy::disallowed_methods, reason = "a file grows in this machine's time")]
fn now() -> Instant {
    Instant::now()
}

/// The traces that have grown since they were shown, and not for a while.
fn quiet(
    gather: &Gather,
    moved: &mut BTreeMap<TraceId, (usize, Instant)>,
    now: Instant,
) -> BTreeSet<TraceId> {
    /// The number of spans that a shown trace is noted with, beside its own.
    const SHOWN: usize = 1 << 62;
    let mut quiet = BTreeSet::new();
    for trace in gather.traces() {
        let (spans, since) = moved.entry(trace.id).or_insert((0, now));
        if *spans & !SHOWN != trace.spans.len() {
            (*spans, *since) = (trace.spans.len(), now);
        }
        if *spans & SHOWN == 0 && now.duration_since(*since) >= QUIET {
            *spans |= SHOWN;
            quiet.insert(trace.id);
        }
    }
    quiet
}

impl Tail {
    fn new(path: &Path, options: &ReaderOptions) -> Self {
        Self {
            path: path.to_owned(),
            options: options.clone(),
            read: 0,
            header: Vec::new(),
            begun: Vec::new(),
        }
    }

    /// Reads what was added; whether there may be more.
    fn step(&mut self, gather: &mut Gather) -> anyhow::Result<bool> {
        let cannot = |cause: std::io::Error| cannot_read(&self.path, &cause);
        let mut file = File::open(&self.path).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?.len();
        if length < self.read {
            tell("the file got shorter: it is read from its start\n");
            (self.read, self.begun) = (0, Vec::new());
        }
        file.seek(SeekFrom::Start(self.read)).map_err(cannot)?;
        let mut added = std::mem::take(&mut self.begun);
        let count = file.take(READ_BYTES).read_to_end(&mut added).map_err(cannot)?;
        self.read += count as u64;
        let lines = added.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.begun = added.split_off(lines);
        if !added.is_empty() {
            self.take(added, gather)?;
        }
        Ok(count as u64 == READ_BYTES)
    }

    /// Takes whole lines.
    fn take(&mut self, lines: Vec<u8>, gather: &mut Gather) -> anyhow::Result<()> {
        let bytes = match self.options.format {
            Some(PayloadFormat::Csv) if !self.header.is_empty() => {
                [self.header.as_slice(), &lines].concat()
            }
            _ => lines,
        };
        let first_line = bytes.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let first_line = bytes[..first_line].to_vec();
        let name = self.path.to_string_lossy().into_owned();
        let input = Input::new(&name, Cursor::new(bytes));
        let mut reader = FileReader::open(vec![input], &self.options)?;
        gather.set_sources(reader.sources());
        while let Some(frame) = reader.next_frame()? {
            self.check(frame.format)?;
            if self.header.is_empty() {
                self.header.clone_from(&first_line);
            }
            self.options.format = Some(frame.format);
            gather.take(&frame);
        }
        Ok(())
    }

    fn check(&self, format: PayloadFormat) -> Result<(), Usage> {
        let is_lines = matches!(
            format,
            PayloadFormat::OtlpJson
                | PayloadFormat::Ndjson
                | PayloadFormat::Csv
                | PayloadFormat::Lines
        );
        if is_lines {
            return Ok(());
        }
        let path = self.path.display();
        let text = "cannot be followed: expected OTLP/JSON, NDJSON, CSV or lines";
        Err(Usage(format!("`{path}` {text}")))
    }
}
