//! Whole clauses and declarations of other systems: pipes, YAML, joins of SQL, intervals.
//!
//! As [`habits`](super::habits), each is looked for where the grammar stopped.

use super::habits::{Place, spelling};
use super::lexer::TokenKind;
use super::literal::unit_for;
use super::parse::CLAUSES;
use crate::diagnostic::Diagnostic;
use crate::text_range::TextRange;

const AGGREGATE: &str = "a question is an aggregate: `aggregate errors from spans where status == \
                         error by service.name over tumbling(1m) select { n: count() }`";
const VALUE: &str = "a value gets a name by `const slow = 500ms`, or by `param slow = 500ms` where \
                     it is set from outside";
const FUNCTION: &str = "a function is written `fn is_slow(x) = x > 500ms`";
const ALERT: &str = "an alert reads an aggregate: `alert Errors from http when share > 5% for 2m`";
const SAMPLE: &str = "sampling is written `sample shop { keep when has({status == error}) keep 10% \
                      otherwise }`; `docs/sampling.md` has the policies of other samplers";

/// What other systems begin with, in small letters, and what is written here.
const OPENERS: [(&str, &str); 28] = [
    ("select", AGGREGATE),
    ("create", AGGREGATE),
    ("search", AGGREGATE),
    ("index", AGGREGATE),
    ("sourcetype", AGGREGATE),
    ("spans", AGGREGATE),
    ("logs", AGGREGATE),
    ("metrics", AGGREGATE),
    ("sum", AGGREGATE),
    ("rate", AGGREGATE),
    ("count", AGGREGATE),
    ("let", VALUE),
    ("var", VALUE),
    ("val", VALUE),
    ("define", VALUE),
    ("def", FUNCTION),
    ("func", FUNCTION),
    ("function", FUNCTION),
    ("groups", ALERT),
    ("record", ALERT),
    ("rule", ALERT),
    ("rules", ALERT),
    ("expr", ALERT),
    ("rulesversion", SAMPLE),
    ("samplers", SAMPLE),
    ("sampler", SAMPLE),
    ("policies", SAMPLE),
    ("processors", SAMPLE),
];

/// What to write instead of a declaration of another system.
pub(super) fn opener(word: &str) -> Option<&'static str> {
    OPENERS.iter().find(|known| known.0.eq_ignore_ascii_case(word)).map(|known| known.1)
}

/// `| stats count by host`
pub(super) fn pipe(place: &Place<'_>) -> Option<Diagnostic> {
    let range = place.found().range(place.file);
    (place.word(Some(place.found())) == "|").then(|| {
        spelling(range, "`|` is not part of the language".to_owned()).help(
            "clauses stand behind one another: `aggregate n from logs where … by host.name over \
             tumbling(1m) select { n: count() }`; what comes next reads the rows: `rows`, `alert`",
        )
    })
}

/// `expr: …`, `for: 5m`, `labels: { … }`
pub(super) fn colon_behind_clause(place: &Place<'_>) -> Option<Diagnostic> {
    let (found, before) = (place.found(), place.before());
    if place.word(Some(found)) == "expr" {
        let has_colon = place.word(place.after()) == ":";
        let last = place.after().filter(|_| has_colon).unwrap_or(found);
        let range = place.range(found, last);
        return Some(
            spelling(range, "the condition of an alert stands behind `when`".to_owned())
                .help("write `when`, over columns of what the alert reads `from`")
                .guess(range, "when"),
        );
    }
    let word = place.word(before);
    let is_clause = CLAUSES.contains(&word) || word == "data";
    (place.word(Some(found)) == ":" && is_clause).then(|| {
        let range = found.range(place.file);
        spelling(range, format!("no `:` stands behind the word of a clause: `{word} …`"))
            .help("leave it out; what clauses hold by name stands in braces")
            .guess(range, "")
    })
}

/// `labels severity=critical`: pairs without their braces, up to the end of the line.
pub(super) fn bare_pairs(place: &Place<'_>) -> Option<Diagnostic> {
    let (clause, name, sign) = (place.before()?, place.found(), place.after()?);
    let word = clause.text(place.text);
    let is_pair = name.kind == TokenKind::Word && matches!(sign.text(place.text), "=" | ":");
    if !(is_pair && matches!(word, "labels" | "annotations")) {
        return None;
    }
    let line = &place.text[name.start..];
    let line = &line[..line.find('\n').unwrap_or(line.len())];
    let line = line.split("//").next().unwrap_or_default().trim_end();
    let range = TextRange::new(place.file, name.start, name.start + line.len());
    let pairs: Option<Vec<String>> = line.split(',').map(pair).collect();
    let help = format!("write `{word} {{ team: \"web\" }}`");
    let diagnostic = spelling(range, format!("the pairs of `{word}` stand in braces")).help(help);
    Some(match pairs {
        Some(pairs) => diagnostic.guess(range, format!("{{ {} }}", pairs.join(", "))),
        None => diagnostic,
    })
}

/// `team=web` as a pair; a word is meant as a text. None where it is more than that.
fn pair(written: &str) -> Option<String> {
    let (name, value) = written.split_once(['=', ':'])?;
    let (name, value) = (name.trim(), value.trim());
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    };
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let is_text = quoted.is_some_and(|text| !text.contains(['"', '\\']));
    match (is_word(name), is_text, is_word(value)) {
        (true, true, _) => Some(format!("{name}: {value}")),
        (true, false, true) => Some(format!("{name}: \"{value}\"")),
        _ => None,
    }
}

/// `left join b`
pub(super) fn outer_join(place: &Place<'_>) -> Option<Diagnostic> {
    const KINDS: [&str; 6] = ["left", "right", "full", "inner", "outer", "cross"];
    let word = place.word(Some(place.found())).to_ascii_lowercase();
    let next = place.word(place.after()).to_ascii_lowercase();
    let is_join = KINDS.contains(&word.as_str()) && matches!(next.as_str(), "join" | "outer");
    is_join.then(|| {
        let range = place.found().range(place.file);
        spelling(range, format!("`{word} join` is not part of the language")).help(
            "`join b as b on service.name` keeps rows that have a partner; what has none is \
             found by `correlate`, as `left_only` and `right_only`",
        )
    })
}

/// `INTERVAL '1' MINUTE`
pub(super) fn interval(place: &Place<'_>) -> Option<Diagnostic> {
    let (before, number, unit) = (place.before()?, place.found(), place.after()?);
    if !before.text(place.text).eq_ignore_ascii_case("interval") {
        return None;
    }
    let digits = number.text(place.text).trim_matches(['\'', '"']);
    let name = unit.text(place.text).to_ascii_lowercase();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let unit_text = unit_for(&name)?;
    let range = place.range(before, unit);
    is_number.then(|| {
        let written = format!("{digits}{unit_text}");
        spelling(range, format!("a duration is a number and its unit: `{written}`"))
            .help(format!("write `{written}`"))
            .guess(range, written)
    })
}

/// `over last 5m`, `over the last 5m`
pub(super) fn last_minutes(place: &Place<'_>) -> Option<Diagnostic> {
    let (last, size) = (place.before()?, place.found());
    let is_over = place.word(place.token(place.at.checked_sub(2))) == "over";
    if !is_over || last.text(place.text) != "last" || size.kind != TokenKind::Number {
        return None;
    }
    let size = size.text(place.text);
    let range = place.range(last, place.found());
    Some(
        spelling(range, format!("the last {size}, again and again, are a window"))
            .help(format!("write `sliding({size}, every: …)`, or `tumbling({size})`"))
            .guess(range, format!("tumbling({size})")),
    )
}

/// `no data resolve`, `no on data resolve`
pub(super) fn no_data(place: &Place<'_>) -> Option<Diagnostic> {
    let (no, next) = (place.found(), place.after()?);
    let data = match next.text(place.text) {
        "on" => place.token(Some(place.at + 2))?,
        _ => next,
    };
    let is_said = no.text(place.text) == "no"
        && data.text(place.text) == "data"
        && place.word(place.before()) != "on";
    is_said.then(|| {
        let range = place.range(no, data);
        let shown = place.text.get(range.bytes()).unwrap_or("no data");
        spelling(range, format!("`{shown}` is written `on no data` here"))
            .help("write `on no data`")
            .fix(range, "on no data")
    })
}

/// `sample shop from spans {`
pub(super) fn named_sample(place: &Place<'_>) -> Option<Diagnostic> {
    let at = place.tokens[..=place.at].iter().rposition(|one| one.text(place.text) == "from")?;
    let (name, source) = (place.token(at.checked_sub(1))?, place.token(Some(at + 1))?);
    if place.word(place.token(at.checked_sub(2))) != "sample" {
        return None;
    }
    let range = place.range(name, source);
    let message = "a sampling has no name of its own: it is called like what it samples";
    let source = source.text(place.text);
    Some(
        spelling(range, message.to_owned())
            .help(format!("write `sample {source} {{ … }}`"))
            .guess(range, source),
    )
}
