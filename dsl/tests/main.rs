//! Tests of the language as its users see it: text in, rules, diagnostics and formatted text out.

mod catalog;
mod diagnostics;
mod example;
mod formatter;
mod hostile;
mod meaning;
mod samples;

use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Analysis, NoImport, Options, SourceFile, compile};

/// A file of rules named `rules.tw`.
fn file(text: &str) -> SourceFile {
    SourceFile { id: FileId(0), name: "rules.tw".to_owned(), text: text.to_owned() }
}

/// Compiles one file against the test catalogue.
fn analyse(text: &str) -> Analysis {
    compile(
        &[file(text)],
        &catalog::catalog(),
        &Options { importer: &import, ..Options::default() },
    )
}

/// Packs of the tests.
fn import(path: &str) -> Result<String, NoImport> {
    let text = match path {
        "std/slo" => {
            "edition 1\nparam objective = 99%\nparam from = spans\n\
             stream requests = from where kind == server lateness 10s\n\
             aggregate burn from requests by service.name over tumbling(1m)\n\
             select { n: count(), bad: ratio(status == error) }\n\
             having bad > 1 - objective\n"
        }
        "owners.csv" => {
            "service.name,team,tier,timeout,share\nshop,web,1,750ms,5%\nbank,\"pay, ments\",2,2s,\n"
        }
        "times.csv" => "start,team\n1,web\n",
        "blank.csv" => "service.name,te am\nshop,web\n",
        "pipe.csv" => {
            return Err(NoImport::Refused("`pipe.csv` is no regular file".to_owned()));
        }
        "broken.csv" => "name,a,a\nx,1\nx,1,2\nx,3,4\n,5,6\ny,\"7,8\n",
        "std/self" => "import \"std/self\" as again",
        _ => return Err(NoImport::Absent),
    };
    Ok(text.to_owned())
}
