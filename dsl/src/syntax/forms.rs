//! How declarations, clauses and windows are written: what a syntax error shows where it knows
//! no better.
//!
//! It knows tokens and no tree. The tests below read each form.

use super::habits::{Place, spelling};
use super::lexer::TokenKind;
use super::parse::CLAUSES;
use super::steps;
use crate::diagnostic::{Diagnostic, codes};

/// How declarations are written whose second or third word is not what it must be.
const FORMS: [(&str, &str); 18] = [
    ("edition", "edition 1"),
    ("import", "import \"std/red\" as red"),
    ("param", "param slow = 500ms"),
    ("const", "const slow = 500ms"),
    ("fn", "fn is_slow(x) = x > 500ms"),
    ("stream", "stream requests = spans where …"),
    ("rows", "rows worst = http top 5 by p99"),
    ("aggregate", "aggregate http from requests …"),
    ("alert", "alert Errors from http when …"),
    ("pattern", "pattern retried by trace.id within 10s { a: spans then b: spans }"),
    ("table", "table owners = csv(\"owners.csv\") key service.name"),
    ("traces", "traces shop from spans close when quiet 5s"),
    ("correlate", "correlate pairs { l: logs r: spans } on trace.id within [0s, 5s] pick first"),
    ("retrace", "retrace jobs from spans by job.key root { name: \"job\" } to archive"),
    ("sample", "sample spans { keep 10% otherwise } to archive"),
    ("redact", "redact { values mask [email] }"),
    ("route", "route requests to archive"),
    ("test", "test \"errors fire\" { given { … } expect { … } }"),
];

/// How clauses are written that are more than a keyword and a value.
const CLAUSE_FORMS: [(&str, &str); 22] = [
    ("set", "set { route: http.route ?? name }"),
    ("at", "at start"),
    ("dedupe", "dedupe by trace.id, span.id within 10m limit 1_000_000"),
    ("late", "late side late_requests"),
    ("by", "by service.name, route: http.route"),
    ("over", "over tumbling(1m)"),
    ("select", "select { n: count(), p99(duration) }"),
    ("limit", "limit groups 1000"),
    ("results", "results every 10s"),
    ("to", "to archive, pager"),
    ("join", "join http before 1h as was on service.name"),
    ("top", "top 5 by p99"),
    ("on", "on no data resolve"),
    ("severity", "severity critical"),
    ("labels", "labels { team: \"web\" }"),
    ("annotations", "annotations { summary: \"{service.name} fails\" }"),
    ("with", "with other"),
    ("close", "close when quiet 10s or age 5m"),
    ("match", "match all limit 10"),
    ("pick", "pick first"),
    ("root", "root { name: \"job\" }"),
    ("flush", "flush after 10s or 1000 spans"),
];

/// The grammar stopped at a declaration's own keyword, or a word that it wanted: what is wrong
/// stands behind it.
pub(super) fn declaration(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    let found = place.word(Some(place.found()));
    let next = place.after();
    if place.at > 0 && expected.contains(&format!("`{found}`")) {
        let next = next?;
        let message = format!("`{{` expected behind `{found}`, found `{}`", next.text(place.text));
        let diagnostic = Diagnostic::new(codes::SYNTAX, next.range(place.file), message);
        let keyword = place.word(place.tokens.first());
        let form = FORMS.iter().find(|form| form.0 == keyword);
        let diagnostic = diagnostic.label("not expected here");
        return Some(match form {
            Some(form) => diagnostic.help(format!("a `{keyword}` is written `{}`", form.1)),
            None => diagnostic,
        });
    }
    let form = FORMS.iter().find(|form| place.at == 0 && form.0 == found)?;
    let third = place.tokens.get(2);
    if matches!(found, "stream" | "rows") && place.word(third) == "from" {
        let range = third?.range(place.file);
        let message = format!("the source of `{found}` stands behind `=`");
        return Some(spelling(range, message).help("write `=`").fix(range, "="));
    }
    // Only the last of the words before the brackets or clauses can be wrong: the others are
    // what the keyword was taken for.
    let wrong = third.or(next).unwrap_or(place.found());
    let message = format!("a `{found}` is not written so");
    Some(
        Diagnostic::new(codes::SYNTAX, wrong.range(place.file), message)
            .label("not expected here")
            .help(format!("it is written `{}`", form.1)),
    )
}

/// How what stands between a declaration's braces is written.
const BODY_FORMS: [(&str, &str); 4] = [
    ("pattern", "steps are written `{ a: spans where kind == server then b: logs }`"),
    ("correlate", "sides are written `{ a: spans where kind == server b: logs }`"),
    ("sample", "a line is written `keep 10% when duration > 1s`"),
    ("redact", "a line is written `values mask [email, card]` or `keys deny [\"*.card\"]`"),
];

/// How the clause or the braces are written that hold the place.
pub(super) fn held(place: &Place<'_>) -> Option<String> {
    if steps::body(place).is_none() {
        return clause(place);
    }
    let keyword = place.word(place.tokens.first());
    BODY_FORMS.iter().find(|form| form.0 == keyword).map(|form| form.1.to_owned())
}

/// How a declaration is written as a whole, where its parts are few and stand in one order.
pub(super) fn whole(place: &Place<'_>) -> Option<String> {
    const WHOLE: [&str; 6] = ["correlate", "retrace", "sample", "redact", "route", "table"];
    let keyword = place.word(place.tokens.first());
    let form = FORMS.iter().find(|form| form.0 == keyword && WHOLE.contains(&keyword))?;
    Some(format!("a `{keyword}` is written `{}`", form.1))
}

/// How the clause is written that holds the place; nothing where it is a keyword and any value.
fn clause(place: &Place<'_>) -> Option<String> {
    let mut depth = 0_usize;
    for index in (1..place.at).rev() {
        let token = place.tokens.get(index)?;
        match token.kind {
            TokenKind::Close => depth += 1,
            TokenKind::Open => depth = depth.saturating_sub(1),
            TokenKind::Word if depth == 0 => {
                let word = token.text(place.text);
                // `top: 5` is a key, `top(5, name)` a call.
                let is_other = matches!(place.word(place.tokens.get(index + 1)), ":" | "(");
                if let Some(form) = CLAUSE_FORMS.iter().find(|form| form.0 == word && !is_other) {
                    return Some(format!("a clause `{word}` is written `{}`", form.1));
                }
                if CLAUSES.contains(&word) && !is_other {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{CLAUSE_FORMS, FORMS};
    use crate::syntax::parse_file;
    use crate::text_range::FileId;

    fn parses(text: &str) -> bool {
        parse_file(text, FileId(0)).1.is_empty()
    }

    #[test]
    fn each_form_is_read() {
        let hosts = [
            "aggregate a",
            "pattern p { a: spans }",
            "correlate c { a: spans b: spans }",
            "traces t",
            "retrace r",
        ];
        for (word, form) in CLAUSE_FORMS {
            let fits = hosts.iter().any(|host| parses(&format!("{host} {form}")));
            assert!(fits && form.starts_with(word), "{form}");
        }
        for (_, form) in FORMS.iter().filter(|form| !form.1.contains('…')) {
            assert!(parses(form), "{form}");
        }
    }
}
