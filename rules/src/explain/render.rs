//! Explanations as text, DOT and Mermaid.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{
    Assembling, Explanation, Indexed, Matching, Pairing, Relation, Retracing, Sampling, SharedTable,
};

/// For people.
pub fn text(explanation: &Explanation) -> String {
    let mut out = String::new();
    explanation.tables.iter().for_each(|of| table(of, &mut out));
    explanation.relations.iter().for_each(|of| relation(of, &mut out));
    explanation.patterns.iter().for_each(|of| matching(of, &mut out));
    explanation.indexed.iter().for_each(|of| indexed(of, &mut out));
    explanation.correlations.iter().for_each(|pair| pairing(pair, &mut out));
    explanation.retraces.iter().for_each(|of| retracing(of, &mut out));
    explanation.traces.iter().for_each(|of| assembling(of, &mut out));
    explanation.samplings.iter().for_each(|of| sampling(of, &mut out));
    let lists = [
        ("conditions", &explanation.conditions),
        ("taken out before anything is recorded", &explanation.redacted),
        ("sent", &explanation.sent),
    ];
    for (head, lines) in lists.into_iter().filter(|list| !list.1.is_empty()) {
        let _ = writeln!(out, "{head}");
        lines.iter().for_each(|one| line(&mut out, "", one));
        out.push('\n');
    }
    out
}

fn relation(relation: &Relation, out: &mut String) {
    let _ = writeln!(out, "rows of {}", relation.reads.join(" and "));
    line(out, "rule", &relation.rule);
    relation.does.iter().for_each(|does| line(out, "", does));
    if !relation.by.is_empty() {
        line(out, "by", &relation.by.join(", "));
    }
    line(out, "level", &relation.level.to_string());
    line(out, "state", &relation.bound);
    relation.alerts.iter().for_each(|alert| line(out, "", &format!("alert {alert}")));
    out.push('\n');
}

fn matching(pattern: &Matching, out: &mut String) {
    let _ = writeln!(out, "events of {} in an order", pattern.reads.join(" and "));
    line(out, "rule", &pattern.rule);
    let by = if pattern.by.is_empty() { "all".to_owned() } else { pattern.by.join(", ") };
    line(out, "by", &by);
    pattern.steps.iter().for_each(|step| line(out, "", step));
    line(out, "finds", &pattern.algorithm);
    line(out, "state", &pattern.bound);
    pattern.alerts.iter().for_each(|alert| line(out, "", &format!("alert {alert}")));
    out.push('\n');
}

fn indexed(indexed: &Indexed, out: &mut String) {
    let _ = writeln!(out, "{} filters of {}, asked together", indexed.filters, indexed.signal);
    if !indexed.lookups.is_empty() {
        line(out, "lookups", &indexed.lookups.join(", "));
    }
    if !indexed.bounds.is_empty() {
        line(out, "in order", &indexed.bounds.join(", "));
    }
    if indexed.single > 0 {
        let plural = if indexed.single == 1 { "" } else { "s" };
        line(out, "singly", &format!("{} condition{plural}", indexed.single));
    }
    out.push('\n');
}

fn table(table: &SharedTable, out: &mut String) {
    let _ = writeln!(out, "{}", table.input);
    let by =
        if table.by.is_empty() { "all items together".to_owned() } else { table.by.join(", ") };
    line(out, "by", &by);
    if !table.keeps.is_empty() {
        line(out, "keeps", &table.keeps.join("; "));
    }
    line(out, "lateness", &table.lateness);
    if let Some(dedupe) = &table.dedupe {
        line(out, "dedupe", dedupe);
    }
    if let Some(place) = &table.place {
        line(out, "runs", place);
    }
    line(out, "state", &table.bound);
    for reader in &table.readers {
        line(out, "rule", &format!("{} over {}", reader.rule, reader.window));
        for alert in &reader.alerts {
            line(out, "", &format!("alert {alert}"));
        }
    }
    if table.readers.len() > 1 {
        let count = table.readers.len();
        line(out, "shared", &format!("{count} rules, one update an item"));
    }
    out.push('\n');
}

fn assembling(of: &Assembling, out: &mut String) {
    let _ = writeln!(out, "traces from {}", of.input);
    line(out, "rule", &of.rule);
    line(out, "closes", &of.closes.join("; or "));
    for (at, read) in of.reads.iter().enumerate() {
        line(out, if at == 0 { "reads" } else { "" }, read);
    }
    line(out, "state", &of.bound);
    out.push('\n');
}

fn sampling(of: &Sampling, out: &mut String) {
    let _ = writeln!(out, "some of {}", of.input);
    line(out, "rule", &of.rule);
    of.lines.iter().for_each(|one| line(out, "", one));
    line(out, "decides", &of.decides.join("; "));
    line(out, "state", &of.bound);
    out.push('\n');
}

fn pairing(pair: &Pairing, out: &mut String) {
    let _ = writeln!(out, "pairs of {}", pair.reads.join(" and "));
    line(out, "rule", &pair.rule);
    pair.sides.iter().for_each(|side| line(out, "", side));
    line(out, "on", &pair.on.join(", "));
    line(out, "finds", &pair.takes);
    line(out, "state", &pair.bound);
    pair.alerts.iter().for_each(|alert| line(out, "", &format!("alert {alert}")));
    out.push('\n');
}

fn retracing(of: &Retracing, out: &mut String) {
    let _ = writeln!(out, "new traces from {}", of.reads);
    line(out, "rule", &of.rule);
    of.filter.iter().for_each(|filter| line(out, "", &format!("where {filter}")));
    line(out, "by", &of.by.join(", "));
    line(out, "ends", &of.ends);
    of.keep.iter().for_each(|keep| line(out, "keep", keep));
    line(out, "state", &of.bound);
    out.push('\n');
}

fn line(out: &mut String, word: &str, rest: &str) {
    let _ = writeln!(out, "  {word:<9} {rest}");
}

/// A graph for Graphviz: sources, tables, rules, alerts.
pub fn dot(explanation: &Explanation) -> String {
    let mut out = String::from("digraph rules {\n  rankdir=LR;\n  node [shape=box];\n");
    for edge in edges(explanation) {
        let _ = writeln!(out, "  {} -> {};", quoted(&edge.0), quoted(&edge.1));
    }
    out.push_str("}\n");
    out
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A graph for Mermaid.
pub fn mermaid(explanation: &Explanation) -> String {
    let mut out = String::from("flowchart LR\n");
    let mut names: Vec<String> = Vec::new();
    let mut id = |name: &str| match names.iter().position(|known| known == name) {
        Some(index) => (index, false),
        None => {
            names.push(name.to_owned());
            (names.len() - 1, true)
        }
    };
    for (from, to) in edges(explanation) {
        let node = |(index, is_new): (usize, bool), name: &str| {
            let label = name.replace('"', "#quot;").replace('\n', "<br/>");
            if is_new { format!("n{index}[\"{label}\"]") } else { format!("n{index}") }
        };
        let from = node(id(&from), &from);
        let to = node(id(&to), &to);
        let _ = writeln!(out, "  {from} --> {to}");
    }
    out
}

fn edges(explanation: &Explanation) -> Vec<(String, String)> {
    let mut edges = Vec::new();
    // A rule is one node, whether it is read or reads.
    let mut names = BTreeMap::new();
    for reader in explanation.tables.iter().flat_map(|table| &table.readers) {
        names.insert(reader.rule.clone(), format!("{}\n{}", reader.rule, reader.window));
    }
    let node = |name: &String| names.get(name).cloned().unwrap_or_else(|| name.clone());
    for relation in &explanation.relations {
        edges.extend(relation.reads.iter().map(|read| (node(read), relation.rule.clone())));
        let alerts = relation.alerts.iter();
        edges.extend(alerts.map(|alert| (relation.rule.clone(), format!("alert {alert}"))));
    }
    for pattern in &explanation.patterns {
        edges.extend(pattern.reads.iter().map(|read| (node(read), pattern.rule.clone())));
        let alerts = pattern.alerts.iter();
        edges.extend(alerts.map(|alert| (pattern.rule.clone(), format!("alert {alert}"))));
    }
    for pair in &explanation.correlations {
        edges.extend(pair.reads.iter().map(|read| (node(read), pair.rule.clone())));
        edges.extend(pair.outcomes.iter().map(|outcome| (pair.rule.clone(), node(outcome))));
        let alerts = pair.alerts.iter();
        edges.extend(alerts.map(|alert| (pair.rule.clone(), format!("alert {alert}"))));
    }
    let traces = explanation.traces.iter();
    edges.extend(traces.map(|of| ("spans".to_owned(), of.rule.clone())));
    for sampling in &explanation.samplings {
        edges.extend(sampling.reads.iter().map(|read| (node(read), sampling.rule.clone())));
    }
    let retraces = explanation.retraces.iter();
    edges.extend(retraces.map(|of| (node(&of.reads), of.rule.clone())));
    for (index, table) in explanation.tables.iter().enumerate() {
        let name = table_name(index, table);
        edges.push((node(&table.signal), name.clone()));
        for reader in &table.readers {
            let rule = format!("{}\n{}", reader.rule, reader.window);
            edges.push((name.clone(), rule.clone()));
            for alert in &reader.alerts {
                edges.push((rule.clone(), format!("alert {alert}")));
            }
        }
    }
    edges
}

fn table_name(index: usize, table: &SharedTable) -> String {
    let by = if table.by.is_empty() { "all".to_owned() } else { table.by.join(", ") };
    format!("table {}\nby {by}", index + 1)
}
