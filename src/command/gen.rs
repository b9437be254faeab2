//! `tailwater gen`: seeded telemetry.

use std::io;

use tailwater_engine::model::render::time;

use crate::args::{Gen, GenFormat, General};
use crate::exit::{Exit, Usage};
use crate::generate::{Format, Options, run as generate};
use crate::output::{Output, WriteFailed};
use crate::render::instant::{parse_duration, parse_time};
use crate::terminal::tell;

/// Generates, and tells what was generated.
pub(crate) fn run(args: &Gen, general: General) -> anyhow::Result<Exit> {
    let options = options(args)?;
    let mut output = Output::open(args.output.as_deref())?;
    let summary = match generate(&options, &mut output) {
        Ok(summary) => summary,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return Err(Usage(error.to_string()).into());
        }
        Err(error) => return Err(WriteFailed::new(args.output.as_deref(), error).into()),
    };
    output.close()?;
    if let Some(path) = &args.labels {
        let mut labels = Output::open(Some(path))?;
        let written = summary.write_labels(&mut labels);
        written.map_err(|cause| WriteFailed::new(Some(path), cause))?;
        labels.close()?;
    }
    if !general.is_quiet {
        tell(&format!(
            "{} spans in {} traces, {} of them failed, {} written twice, {} incidents, from {}\n",
            summary.spans,
            summary.traces,
            summary.errors,
            summary.duplicates,
            summary.incidents.len(),
            time(options.start_ns),
        ));
    }
    Ok(Exit::Good)
}

fn options(args: &Gen) -> Result<Options, Usage> {
    let mut options = Options {
        seed: args.seed,
        spans: args.spans,
        traces_per_second: args.rate,
        services: args.services,
        operations: args.operations,
        error_rate: args.error_rate,
        sigma: args.sigma,
        disorder: args.disorder,
        duplicates: args.duplicates,
        incidents: args.incidents,
        format: match args.format {
            GenFormat::OtlpJson => Format::OtlpJson,
            GenFormat::Ndjson => Format::Ndjson,
            GenFormat::OtlpDelimited => Format::OtlpDelimited,
        },
        ..Options::default()
    };
    let length = |option: &str, text: &str| {
        let expected = || format!("expected a duration such as `40ms` after `{option}`");
        parse_duration(text).ok_or_else(|| Usage(format!("{}, found `{text}`", expected())))
    };
    options.median_ns = length("--median", &args.median)?;
    options.disorder_ns = length("--disorder-max", &args.disorder_max)?;
    if let Some(start) = &args.start {
        options.start_ns = parse_time(start).ok_or_else(|| {
            Usage(format!("expected a time such as `2026-03-01T12:00:00Z`, found `{start}`"))
        })?;
    }
    Ok(options)
}
