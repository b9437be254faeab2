//! Tables in rules: what their files say is no part of what a plan is.

use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{NoImport, Options, SourceFile};
use tailwater_engine::plan::Plan;
use tailwater_rules::{catalog, lower};

/// A plan of rules that read a table.
fn plan(rules: &str, owners: &str) -> Plan {
    let text = format!("table owners = csv(\"owners.csv\") key service.name\n{rules}");
    let file = SourceFile { id: FileId(0), name: "test.tw".to_owned(), text };
    let importer = |name: &str| {
        if name == "owners.csv" { Ok(owners.to_owned()) } else { Err(NoImport::Absent) }
    };
    let options = Options { importer: &importer, ..Options::default() };
    let analysis = tailwater_dsl::compile(&[file], &catalog(), &options);
    let text = tailwater_dsl::diagnostic::human(&analysis.diagnostics, &analysis.files, false);
    lower(&analysis.program.expect(&text)).expect("it runs")
}

/// Everything that can look something up.
const READERS: [&str; 11] = [
    "aggregate a from spans by owners.team over tumbling(1s) select { n: count() }",
    "aggregate a from spans over tumbling(1s) select { n: max(owners.rank) where owners.paged }",
    "aggregate a from spans by service.name over tumbling(1s) select { n: count() }
     alert A from a when n > (owners.rank ?? 1) on no data resolve
     annotations { summary: \"{owners.team}\" }",
    "pattern p by service.name within 1m { a: spans where owners.paged then b: spans where \
     owners.rank > 1 } select { team: owners.team }",
    "correlate c { a: spans where owners.paged b: logs where owners.team == \"web\" } \
     on a.trace.id == b.trace.id within [-1s, 1s] pick first select { t: a.name }",
    "route spans where owners.paged to stdout",
    "sample spans { keep when owners.team == \"web\" drop otherwise } to stdout",
    "sample spans { keep target 5 per s by owners.team otherwise } to stdout",
    "stream late_ones = spans lateness 1s late side behind
     aggregate a from late_ones over tumbling(1s) select { n: count() }
     sample late_ones { keep 50% when owners.paged drop otherwise } to stdout",
    "traces t from spans close when quiet 1s
     sample t { keep when has({owners.paged})
       keep 10% when count({owners.rank > 2}) > 1
       drop otherwise } to stdout",
    "stream s = spans where owners.paged set { team: owners.team } lateness 1s
     traces t from s close when quiet 1s
     aggregate a from t by team: root.team over tumbling(1m) select { n: count() }",
];

#[test]
fn plans_that_differ_in_what_tables_say_are_one_and_in_types_are_others() {
    let head = "service.name,team,paged,rank\n";
    let first = format!("{head}shop,web,true,5\n");
    let other = format!("{head}shop,core,false,6\nbank,web,true,1\n");
    let typed = format!("{head}shop,1,2,high\n");
    for rules in READERS {
        let plan_of = |owners: &str| plan(rules, owners).identity();
        assert_eq!(plan_of(&first), plan_of(&other), "{rules}");
    }
    for rules in [READERS[0], READERS[7]] {
        assert_ne!(plan(rules, &first).identity(), plan(rules, &typed).identity(), "{rules}");
    }
}
