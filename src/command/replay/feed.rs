//! What a replay is fed with: telemetry files cut into frames, or the input log of a live run.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use tailwater_engine::Error;
use tailwater_engine::ingest::reader::{FileReader, Input};
use tailwater_engine::journal::{LogReader, LogRecord, Opening, RuleText, is_log};
use tailwater_engine::model::{FrameBody, Ledger, SetAside, SourceId, SourceSpec};
use tailwater_engine::runtime::EpochCut;

use super::settings::ReadSettings;
use crate::command::screen::Screen;
use crate::exit::Usage;
use crate::near_path::cannot_read;

/// Bytes by which an input log is recognised.
const START_BYTES: usize = 12;

/// Where frames come from.
pub(crate) enum Feed {
    /// Files of telemetry.
    Files {
        /// Cuts them into frames.
        reader: Box<FileReader>,
        /// Read and not yet given.
        waiting: VecDeque<FrameBody>,
    },
    /// The input log of a live run, with its own cut into epochs.
    Log {
        /// Reads it.
        reader: Box<LogReader<BufReader<File>>>,
        /// What could not be read of it.
        ledger: Box<Ledger>,
    },
}

/// One step of a feed.
pub(crate) enum Step {
    /// Something to push.
    Frame(FrameBody),
    /// An epoch ends.
    Cut,
    /// A table's file says something else from here on.
    Table(RuleText),
    /// There is no more.
    Done,
}

/// The opening of the input log that is replayed, if it is one.
pub(crate) fn log_opening(files: &[std::path::PathBuf]) -> anyhow::Result<Option<Opening>> {
    let mut logs = Vec::new();
    for path in files.iter().filter(|path| *path != Path::new("-")) {
        if is_log_file(path) {
            logs.push(path);
        }
    }
    match (logs.as_slice(), files.len()) {
        ([], _) => Ok(None),
        ([path], 1) => Ok(Some(open_log(path)?.opening().clone())),
        ([path, ..], _) => {
            let path = path.display();
            let text = format!("`{path}` is the input log of a run: it is replayed alone");
            Err(Usage(text).into())
        }
    }
}

fn is_log_file(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| {
        let is_plain = file.metadata()?.is_file(); // a pipe would lose what is looked at
        let bytes = if is_plain { START_BYTES as u64 } else { 0 };
        file.take(bytes).read_to_end(&mut start)
    });
    read.is_ok() && is_log(&start)
}

fn open_log(path: &Path) -> anyhow::Result<LogReader<BufReader<File>>> {
    let file = File::open(path).map_err(|cause| cannot_read(path, &cause))?;
    Ok(LogReader::open(BufReader::new(file), &path.display().to_string())?)
}

impl Feed {
    /// Opens what a replay reads.
    pub(crate) fn open(settings: &ReadSettings) -> anyhow::Result<Self> {
        if let [path] = settings.files.as_slice()
            && settings.is_log
        {
            let reader = Box::new(open_log(path)?);
            return Ok(Self::Log { reader, ledger: Box::default() });
        }
        for path in settings.files.iter().filter(|path| *path != Path::new("-")) {
            std::fs::metadata(path).map_err(|cause| cannot_read(path, &cause))?;
        }
        let inputs: Result<Vec<Input>, _> = settings.files.iter().map(|file| input(file)).collect();
        let reader = Box::new(FileReader::open(inputs?, &settings.options)?);
        Ok(Self::Files { reader, waiting: VecDeque::new() })
    }

    /// The sources of the frames.
    pub(crate) fn sources(&self) -> Vec<SourceSpec> {
        match self {
            Self::Files { reader, .. } => reader.sources(),
            Self::Log { reader, .. } => reader.opening().sources.clone(),
        }
    }

    /// Screens frames before they are sorted, as sorting puts them into temporary files; `false`
    /// where they are given as they are read.
    pub(crate) fn screens_itself(&mut self, screen: &Arc<Screen>) -> bool {
        let screen = Arc::clone(screen);
        match self {
            Self::Files { reader, .. } => {
                reader.change_before_sorting(Box::new(move |frame| screen.frame(frame)))
            }
            Self::Log { .. } => false,
        }
    }

    /// How frames are cut into epochs.
    pub(crate) fn cut(&self) -> EpochCut {
        match self {
            Self::Files { .. } => EpochCut::default(),
            Self::Log { .. } => EpochCut::AS_TOLD,
        }
    }

    /// What comes next.
    pub(crate) fn next(&mut self) -> Result<Step, Error> {
        match self {
            Self::Files { reader, waiting } => {
                if waiting.is_empty() {
                    let frame = reader.next_frame()?;
                    waiting.extend(reader.take_ended().into_iter().map(FrameBody::SourceEnd));
                    waiting.extend(frame.map(FrameBody::Data));
                }
                Ok(waiting.pop_front().map_or(Step::Done, Step::Frame))
            }
            Self::Log { reader, ledger } => match reader.next_record()? {
                Some(LogRecord::Frame(body)) => Ok(Step::Frame(body)),
                Some(LogRecord::Cut) => Ok(Step::Cut),
                Some(LogRecord::Table(file)) => Ok(Step::Table(file)),
                None => {
                    if let Some(tail) = reader.tail() {
                        ledger.damaged += 1;
                        ledger.set_aside.push(SetAside {
                            source: SourceId(u32::MAX),
                            place: tail.at,
                            reason: Arc::from(tail.reason),
                        });
                    }
                    Ok(Step::Done)
                }
            },
        }
    }

    /// Bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        match self {
            Self::Files { reader, .. } => reader.bytes_read(),
            Self::Log { reader, .. } => reader.bytes_read(),
        }
    }

    /// What it could not use itself.
    pub(crate) fn ledger(&self) -> &Ledger {
        match self {
            Self::Files { reader, .. } => reader.ledger(),
            Self::Log { ledger, .. } => ledger,
        }
    }
}

fn input(path: &Path) -> Result<Input, Error> {
    if path == Path::new("-") { Ok(Input::stdin()) } else { Input::file(path) }
}
