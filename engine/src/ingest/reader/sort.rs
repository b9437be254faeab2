//! All items in the order of their times: a sort that spills to temporary files.
//!
//! Invariant: order is (time, source, place in the source), so that it depends on nothing else;
//! frames pass the reader's change (redaction) before anything of them is kept, so that no
//! temporary file holds what no output may;
//! memory is bounded by [`SORT_BYTES_MAX`] for items and one small buffer for each run, of which
//! there are at most [`SORT_RUNS_MAX`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use bytes::Bytes;

use super::FrameChange;
use super::probe::Probe;
use super::split;
use super::stream::Stream;
use crate::error::{Error, ErrorKind};
use crate::limits::{
    FRAME_BYTES_MAX, FRAME_EVENTS_MAX, SET_ASIDE_KEPT_MAX, SORT_BYTES_MAX, SORT_RUNS_MAX,
};
use crate::model::{Compression, DataFrame, Ledger, PayloadFormat, SourceId, SourceSpec};

/// Items of formats whose items are lines can be sorted.
///
/// # Errors
/// [`ErrorKind::Format`] for other formats.
pub(super) fn check_format(format: PayloadFormat, name: &str) -> Result<(), Error> {
    match format {
        PayloadFormat::OtlpJson
        | PayloadFormat::Lines
        | PayloadFormat::Ndjson
        | PayloadFormat::Csv => Ok(()),
        other => {
            let text = format!(
                "cannot order `{name}` by time: expected OTLP/JSON, JSON lines or CSV, found \
                 {other:?}; read it in the given order"
            );
            Err(Error::new(ErrorKind::Format, text))
        }
    }
}

/// Where an item belongs: its time, source and number within the source.
type Key = (i64, u32, u64);

/// What a source's items need around them in a frame.
struct Around {
    format: PayloadFormat,
    header: Bytes,
}

/// Sorted items, to be read as frames.
pub(super) struct Sorted {
    runs: Vec<Run>,
    /// The least item of each run.
    heads: BinaryHeap<Reverse<(Key, usize)>>,
    around: Vec<Option<Around>>,
}

/// A sorted sequence of items, in memory or in a file.
enum Run {
    Memory(VecDeque<(Key, Vec<u8>)>),
    File { read: BufReader<File>, next: Option<(Key, Vec<u8>)> },
}

impl Sorted {
    /// Reads all streams to their ends and sorts their items. Damaged items are set aside with
    /// their true places here; the rest has new ones.
    pub(super) fn read(
        streams: &mut [Stream],
        sources: &[SourceSpec],
        ledger: &mut Ledger,
        change: &FrameChange,
    ) -> Result<Self, Error> {
        let sorter = Sorter::new(SORT_BYTES_MAX, SORT_RUNS_MAX);
        Self::read_into(sorter, streams, (sources, change), ledger)
    }

    fn read_into(
        mut sorter: Sorter,
        streams: &mut [Stream],
        (sources, change): (&[SourceSpec], &FrameChange),
        ledger: &mut Ledger,
    ) -> Result<Self, Error> {
        let mut probe = Probe::new(sources);
        let mut around: Vec<Option<Around>> = sources.iter().map(|_| None).collect();
        for stream in streams {
            let (mut number, mut latest) = (0, i64::MIN);
            while let Some(frame) = stream.next_frame(ledger)? {
                let frame = change(frame);
                let source = frame.source;
                let known = around[source.0 as usize]
                    .get_or_insert_with(|| Around { format: frame.format, header: header(&frame) });
                let mut result = Ok(());
                split::items(&frame, |item, place| {
                    let alone = DataFrame {
                        payload: with_header(&known.header, &item),
                        place: place.saturating_sub(u64::from(!known.header.is_empty())),
                        ..frame.clone()
                    };
                    let (time, items, damage) = probe.least_time(&alone);
                    set_aside(&damage, ledger);
                    // What holds no item and no damage (a goodbye) stays behind what it follows.
                    let time = if items == 0 { latest } else { time };
                    latest = latest.max(time);
                    let is_kept = items > 0 || damage.damaged == 0;
                    if is_kept && result.is_ok() {
                        result = sorter.push((time, source.0, number), item.to_vec());
                    }
                    number += 1;
                });
                result.map_err(cannot_spill)?;
            }
        }
        let runs = sorter.finish();
        let mut sorted = Self { runs, heads: BinaryHeap::new(), around };
        for index in 0..sorted.runs.len() {
            sorted.push_head(index);
        }
        Ok(sorted)
    }

    fn push_head(&mut self, index: usize) {
        if let Some(key) = self.runs[index].key() {
            self.heads.push(Reverse((key, index)));
        }
    }

    /// The next items of one source, as many as make a frame.
    pub(super) fn next_frame(&mut self) -> Result<Option<DataFrame>, Error> {
        let Some(&Reverse(((_, source, _), _))) = self.heads.peek() else {
            return Ok(None);
        };
        let Some(around) = &self.around[source as usize] else {
            return Ok(None);
        };
        let format = around.format;
        let mut payload = around.header.to_vec();
        let mut count = 0;
        while let Some(&Reverse(((_, next, _), run))) = self.heads.peek() {
            let is_full = count >= FRAME_EVENTS_MAX || payload.len() >= FRAME_BYTES_MAX;
            if next != source || is_full {
                break;
            }
            self.heads.pop();
            if let Some(item) = self.runs[run].pop().map_err(cannot_spill)? {
                payload.extend_from_slice(&item);
                if payload.last() != Some(&b'\n') {
                    payload.push(b'\n');
                }
            }
            count += 1;
            self.push_head(run);
        }
        Ok(Some(DataFrame {
            source: SourceId(source),
            arrival_ns: None,
            format,
            compression: Compression::None,
            payload: payload.into(),
            place: 1,
        }))
    }
}

fn header(frame: &DataFrame) -> Bytes {
    match frame.format {
        PayloadFormat::Csv => frame.payload.slice(..split::header_length(&frame.payload)),
        _ => Bytes::new(),
    }
}

fn with_header(header: &Bytes, item: &Bytes) -> Bytes {
    if header.is_empty() { item.clone() } else { [&header[..], item].concat().into() }
}

fn set_aside(damage: &Ledger, ledger: &mut Ledger) {
    ledger.damaged += damage.damaged;
    let room = SET_ASIDE_KEPT_MAX.saturating_sub(ledger.set_aside.len());
    ledger.set_aside.extend(damage.set_aside.iter().take(room).cloned());
}

fn cannot_spill(cause: io::Error) -> Error {
    Error::new(ErrorKind::Write, "cannot sort by time in a temporary file").caused_by(cause)
}

/// Collects items, and writes them to a file whenever they are too many.
struct Sorter {
    items: Vec<(Key, Vec<u8>)>,
    bytes: usize,
    runs: Vec<Run>,
    bytes_max: usize,
    runs_max: usize,
}

impl Sorter {
    fn new(bytes_max: usize, runs_max: usize) -> Self {
        Self { items: Vec::new(), bytes: 0, runs: Vec::new(), bytes_max, runs_max }
    }

    fn push(&mut self, key: Key, item: Vec<u8>) -> io::Result<()> {
        self.bytes += item.len() + size_of::<(Key, Vec<u8>)>();
        self.items.push((key, item));
        if self.bytes < self.bytes_max {
            return Ok(());
        }
        self.items.sort_unstable_by_key(|(key, _)| *key);
        let items = std::mem::take(&mut self.items);
        self.bytes = 0;
        if self.runs.len() + 1 >= self.runs_max {
            self.merge_runs()?;
        }
        self.runs.push(write_run(items.into_iter().map(Ok))?);
        Ok(())
    }

    /// Makes one run of all, so that their number stays bounded.
    fn merge_runs(&mut self) -> io::Result<()> {
        let runs = std::mem::take(&mut self.runs);
        let mut merged = Sorted { runs, heads: BinaryHeap::new(), around: Vec::new() };
        (0..merged.runs.len()).for_each(|index| merged.push_head(index));
        let items = std::iter::from_fn(|| {
            let Reverse((key, run)) = merged.heads.pop()?;
            let item = merged.runs[run].pop().transpose()?;
            merged.push_head(run);
            Some(item.map(|item| (key, item)))
        });
        self.runs.push(write_run(items)?);
        Ok(())
    }

    fn finish(mut self) -> Vec<Run> {
        self.items.sort_unstable_by_key(|(key, _)| *key);
        self.runs.push(Run::Memory(self.items.into()));
        self.runs
    }
}

fn write_run(items: impl Iterator<Item = io::Result<(Key, Vec<u8>)>>) -> io::Result<Run> {
    let mut write = BufWriter::new(tempfile::tempfile()?);
    for item in items {
        let ((time, source, number), bytes) = item?;
        write.write_all(&time.to_le_bytes())?;
        write.write_all(&source.to_le_bytes())?;
        write.write_all(&number.to_le_bytes())?;
        write.write_all(&(bytes.len() as u32).to_le_bytes())?;
        write.write_all(&bytes)?;
    }
    let mut file = write.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    let mut read = BufReader::new(file);
    let next = read_item(&mut read)?;
    Ok(Run::File { read, next })
}

fn read_item(read: &mut impl Read) -> io::Result<Option<(Key, Vec<u8>)>> {
    let mut head = [0; 24];
    if read.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    read.read_exact(&mut head[1..])?;
    let word = |at: usize| {
        u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes of the head"))
    };
    let half = |at: usize| {
        u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes of the head"))
    };
    let mut bytes = vec![0; half(20) as usize];
    read.read_exact(&mut bytes)?;
    Ok(Some(((word(0) as i64, half(8), word(12)), bytes)))
}

impl Run {
    fn key(&self) -> Option<Key> {
        match self {
            Self::Memory(items) => items.front().map(|(key, _)| *key),
            Self::File { next, .. } => next.as_ref().map(|(key, _)| *key),
        }
    }

    fn pop(&mut self) -> io::Result<Option<Vec<u8>>> {
        let item = match self {
            Self::Memory(items) => items.pop_front(),
            Self::File { read, next } => {
                let following = if next.is_some() { read_item(read)? } else { None };
                std::mem::replace(next, following)
            }
        };
        Ok(item.map(|(_, bytes)| bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::reader::{Input, ReaderOptions};

    /// All that temporary files hold.
    fn spilled(runs: &mut [Run]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for run in runs {
            if let Run::File { read, .. } = run {
                let file = read.get_mut();
                file.rewind().expect("a file");
                file.read_to_end(&mut bytes).expect("readable");
            }
        }
        bytes
    }

    fn holds(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    }

    #[test]
    fn temporary_files_hold_no_more_than_redaction_leaves() {
        let line = |n: u64| {
            format!(
                "{{\"time\":{},\"service\":\"s\",\"pin\":\"canary-{n}\",\"kept\":\"yes-{n}\"}}\n",
                1_000 - n
            )
        };
        let text: String = (0..200).map(line).collect();
        let spill = |change: FrameChange| {
            let input = Input::new("input", io::Cursor::new(text.clone().into_bytes()));
            let mut ledger = Ledger::default();
            let options = ReaderOptions::default();
            let stream = Stream::open(input, SourceId(0), &options, &mut ledger).unwrap();
            let mapping = stream.mapping(&options);
            let name = std::sync::Arc::from("input");
            let sources = [SourceSpec { name, has_arrival: false, mapping }];
            let (sorter, read) = (Sorter::new(2_000, 4), (&sources[..], &change));
            let mut sorted = Sorted::read_into(sorter, &mut [stream], read, &mut ledger).unwrap();
            spilled(&mut sorted.runs)
        };
        let plain = spill(Box::new(|frame| frame));
        assert!(holds(&plain, "canary-0") && holds(&plain, "yes-0"), "nothing was spilled");
        let redacted = spill(Box::new(|frame| {
            let text = String::from_utf8_lossy(&frame.payload).replace("canary", "masked");
            DataFrame { payload: text.into_bytes().into(), ..frame }
        }));
        assert!(holds(&redacted, "yes-0"), "nothing was spilled");
        assert!(!holds(&redacted, "canary"), "a temporary file holds what was to be taken out");
    }

    #[test]
    fn items_leave_in_order_whatever_the_memory() {
        let items: Vec<(Key, Vec<u8>)> = (0..1_000_u64)
            .map(|i| {
                let mixed = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                let key = ((mixed % 50) as i64 - 25, (mixed % 3) as u32, i);
                (key, i.to_string().into_bytes())
            })
            .collect();
        let mut expected = items.clone();
        expected.sort();
        for (bytes_max, runs_max) in [(usize::MAX, 64), (2_000, 64), (500, 3), (1, 4)] {
            let mut sorter = Sorter::new(bytes_max, runs_max);
            for (key, item) in items.clone() {
                sorter.push(key, item).expect("temporary files can be written");
                assert!(sorter.runs.len() < runs_max);
            }
            let runs = sorter.finish();
            let mut sorted = Sorted { runs, heads: BinaryHeap::new(), around: Vec::new() };
            (0..sorted.runs.len()).for_each(|index| sorted.push_head(index));
            let mut seen = Vec::new();
            while let Some(Reverse((key, run))) = sorted.heads.pop() {
                let item = sorted.runs[run].pop().expect("readable").expect("a head has an item");
                seen.push((key, item));
                sorted.push_head(run);
            }
            assert_eq!(seen, expected, "{bytes_max} bytes, {runs_max} runs");
        }
    }
}
