//! `tailwater replay`: rules over recorded telemetry.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tailwater_engine::ingest::{FileReader, Input, ReaderOptions};
use tailwater_engine::model::FrameBody;
use tailwater_engine::plan::Plan;
use tailwater_engine::runtime::{Engine, EpochOutput};
use tailwater_rules::{LoadOptions, Loaded, load};

use crate::args::{Format, Replay};
use crate::exit::{Exit, WriteFailed};
use crate::render::rows::RowWriter;
use crate::render::summary::Summary;

/// Bytes of results gathered before they are written.
const OUTPUT_BYTES: usize = 64 * 1024;

/// Replays.
pub fn run(args: &Replay) -> anyhow::Result<Exit> {
    let Some(plan) = rules(args)? else { return Ok(Exit::Findings) };
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    // Without a handler Ctrl-C just ends the program: nothing is lost that was not said before.
    let _ = ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed));
    let mut replay = Running::start(args, plan)?;
    replay.feed(&interrupted)?;
    let is_interrupted = interrupted.load(Ordering::Relaxed);
    let summary = replay.finish(is_interrupted)?;
    if is_interrupted {
        return Ok(Exit::Interrupted);
    }
    Ok(if summary.has_damage() { Exit::Findings } else { Exit::Good })
}

/// Compiles the rules and tells what is wrong with them; `None` if they cannot run.
#[expect(clippy::print_stderr, reason = "diagnostics are told on standard error")]
fn rules(args: &Replay) -> anyhow::Result<Option<Arc<Plan>>> {
    let options = LoadOptions {
        paths: args.rules.clone(),
        expressions: args.expressions.clone(),
        parameters: parameters(&args.parameters)?,
    };
    anyhow::ensure!(
        !options.paths.is_empty() || !options.expressions.is_empty(),
        "expected rules: give `--rules PATH` or `-e 'aggregate …'`"
    );
    let loaded: Loaded = load(&options)?;
    let is_quiet = args.quiet && loaded.plan.is_some();
    if !is_quiet && !loaded.diagnostics.is_empty() {
        let is_colored = io::stderr().is_terminal() && !is_no_color();
        eprint!("{}", loaded.render(is_colored));
    }
    Ok(loaded.plan)
}

/// Whether colour is unwanted, by the `NO_COLOR` convention.
#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
pub fn is_no_color() -> bool {
    std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty())
        || std::env::var("TERM").is_ok_and(|term| term == "dumb")
}

fn parameters(given: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let split = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => anyhow::bail!("expected `--set NAME=VALUE`, found `{text}`"),
    };
    given.iter().map(split).collect()
}

/// A replay under way.
struct Running<'a> {
    args: &'a Replay,
    reader: FileReader,
    engine: Engine,
    rows: RowWriter,
    out: BufWriter<io::StdoutLock<'static>>,
    progress: ProgressBar,
    summary: Summary,
}

impl<'a> Running<'a> {
    fn start(args: &'a Replay, plan: Arc<Plan>) -> anyhow::Result<Self> {
        let inputs: Result<Vec<Input>, _> = args.files.iter().map(|file| input(file)).collect();
        let reader = FileReader::open(inputs?, &ReaderOptions::default())?;
        let engine = Engine::builder(Arc::clone(&plan))
            .sources(reader.sources())
            .workers(args.workers)
            .build()?;
        Ok(Self {
            args,
            reader,
            engine,
            rows: RowWriter::new(Arc::clone(&plan), args.format),
            out: BufWriter::with_capacity(OUTPUT_BYTES, io::stdout().lock()),
            progress: progress(args),
            summary: Summary::new(plan),
        })
    }

    /// Reads everything, until the end or Ctrl-C.
    fn feed(&mut self, interrupted: &AtomicBool) -> anyhow::Result<()> {
        while !interrupted.load(Ordering::Relaxed) {
            let frame = self.reader.next_frame()?;
            for source in self.reader.take_ended() {
                self.engine.push_body(FrameBody::SourceEnd(source))?;
            }
            let Some(frame) = frame else { break };
            self.engine.push(frame)?;
            self.progress.set_position(self.reader.bytes_read());
            while let Some(output) = self.engine.poll() {
                self.take(&output)?;
            }
        }
        Ok(())
    }

    fn finish(mut self, is_interrupted: bool) -> anyhow::Result<Summary> {
        if !self.args.open && !is_interrupted {
            self.engine.push_body(FrameBody::End)?;
        }
        let (outputs, _snapshots) = self.engine.finish()?;
        for output in &outputs {
            self.summary.take(output);
            self.rows.write(&output.rows, &mut self.out).map_err(WriteFailed)?;
        }
        self.rows.finish(&mut self.out).map_err(WriteFailed)?;
        self.out.flush().map_err(WriteFailed)?;
        self.progress.finish_and_clear();
        self.summary.set_aside(&self.reader);
        if !self.args.quiet {
            self.summary.print(is_interrupted);
        }
        Ok(self.summary)
    }

    fn take(&mut self, output: &EpochOutput) -> anyhow::Result<()> {
        self.summary.take(output);
        self.rows.write(&output.rows, &mut self.out).map_err(WriteFailed)?;
        Ok(())
    }
}

fn input(path: &Path) -> Result<Input, tailwater_engine::Error> {
    if path == Path::new("-") { Ok(Input::stdin()) } else { Input::file(path) }
}

/// A bar of bytes read, on a terminal only.
fn progress(args: &Replay) -> ProgressBar {
    if args.quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let total: u64 =
        args.files.iter().map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum();
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
