//! The rules language of tailwater: from text to typed rules, with diagnostics on the way.
//!
//! No input or output, no clock, no telemetry type: what fields and functions exist reaches it as
//! a [`catalog::Catalog`], other files through the importer in [`Options`].
#![forbid(unsafe_code)]

mod ast;
pub mod catalog;
mod check;
pub mod diagnostic;
mod format;
pub mod hir;
pub mod limits;
mod syntax;
pub mod text_range;
pub mod types;

pub use check::AttributeRead;
pub use format::format;

use catalog::Catalog;
use diagnostic::Diagnostic;
use text_range::FileId;

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its id, by which text ranges name it; ids of one compilation differ.
    pub id: FileId,
    /// Its name as people know it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Why there is no text of a pack or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoImport {
    /// There is none of that name.
    Absent,
    /// There is one, and it is not read: what is wrong with it, for people.
    Refused(String),
}

/// What a compilation is given beside files and catalogue.
#[derive(Clone)]
pub struct Options<'a> {
    /// Values for parameters, as text: `("base_rate", "5%")`, `("pay.objective", "99.9%")`. The
    /// last one of a name counts.
    pub params: Vec<(String, String)>,
    /// Text of a pack or file by the path in its `import` or `table`.
    pub importer: &'a (dyn Fn(&str) -> Result<String, NoImport> + Sync),
    /// Names of the packs that the importer knows, for hints.
    pub packs: &'a [&'a str],
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("params", &self.params).finish_non_exhaustive()
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { params: Vec::new(), importer: &|_| Err(NoImport::Absent), packs: &[] }
    }
}

/// What a compilation found.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The typed rules; there whenever no diagnostic is an error.
    pub program: Option<hir::Program>,
    /// Everything that is wrong, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// The given files and, behind them, the imported ones: what the renderers need.
    pub files: Vec<SourceFile>,
    /// What tables are read from, by the names that they say, each once.
    pub table_files: Vec<String>,
    /// The attributes that the given files read, in the order of the text.
    pub reads: Vec<AttributeRead>,
}

/// A warning for each attribute that rules read though it does not occur in telemetry at hand, nor
/// any that stands beside it in `a ?? b`. `occurs` says so of a key.
pub fn absent_attributes(
    reads: &[AttributeRead],
    occurs: &dyn Fn(&str) -> bool,
) -> Vec<Diagnostic> {
    check::absent(reads, occurs)
}

/// Compiles files of rules: reads, resolves, types, checks and lints them.
///
/// One run reports every problem of every file; no text makes it fail or panic. It runs on a thread
/// of its own whose stack holds the deepest expression that the limits allow, so what the caller's
/// stack can hold makes no difference.
///
/// # Panics
///
/// When the operating system gives no thread.
pub fn compile(files: &[SourceFile], catalog: &Catalog, options: &Options<'_>) -> Analysis {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("rules".to_owned())
            .stack_size(limits::COMPILER_STACK_BYTES)
            .spawn_scoped(scope, || check::compile(files, catalog, options))
            .expect("a thread for the compiler")
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
