//! `replay --graph`: the service graph of what is replayed, beside its rules.

use std::path::Path;

use crate::args::General;
use crate::exit::Usage;
use crate::output::Output;
use crate::render::summary::grouped;
use crate::service_graph::{Graph, ServiceGraph, dot, mermaid, svg};
use crate::terminal::tell;
use crate::trace::{Gather, Trace, Wanted};

/// A graph that is to be drawn when everything is read.
pub(super) struct Drawing {
    /// Holds the spans.
    pub(super) gather: Gather,
    draw: fn(&Graph) -> String,
    file: Output,
}

impl Drawing {
    /// Opens the file before anything is read: a path that cannot be written is told at once.
    pub(super) fn begin(path: &Path) -> anyhow::Result<Self> {
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        let draw = match end.to_ascii_lowercase().as_str() {
            "svg" => svg,
            "dot" | "gv" => dot,
            "mmd" | "mermaid" => mermaid,
            _ => {
                let text = format!(
                    "`--graph` draws SVG, DOT or Mermaid: expected a name that ends in `.svg`, \
                     `.dot`, `.gv`, `.mmd` or `.mermaid`, found `{}`",
                    path.display()
                );
                return Err(Usage(text).into());
            }
        };
        let file = Output::open(Some(path))?;
        Ok(Self { gather: Gather::new(Wanted::default()), draw, file })
    }

    /// Draws.
    pub(super) fn finish(mut self, general: General) -> anyhow::Result<()> {
        let left_out = self.gather.left_out();
        let mut sums = ServiceGraph::default();
        for trace in self.gather.into_traces() {
            sums.add(&Trace::new(trace));
        }
        let graph = sums.finish();
        self.file.text(&(self.draw)(&graph))?;
        self.file.close()?;
        if !general.is_quiet && left_out > 0 {
            let left_out = grouped(left_out);
            tell(&format!("{left_out} spans had no room and are not in the service graph\n"));
        }
        Ok(())
    }
}
