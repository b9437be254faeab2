//! Syntax errors in people's words.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::forms;
use super::grammar::Rule;
use super::habits::{self, Place};
use super::lexer::{Token, TokenKind};
use super::parse::CLAUSES;
use crate::ast::Declaration;
use crate::diagnostic::suggest::nearest;
use crate::diagnostic::{Diagnostic, codes};
use crate::text_range::{FileId, TextRange};

/// Things that are named in one message at most.
const EXPECTED_MAX: usize = 4;

/// Byte offset of the error in what was parsed.
pub(super) fn position(error: &Error<Rule>) -> usize {
    match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    }
}

/// A place where grammar and tree builder disagree: never seen, and no reason to stop.
pub(super) fn bug(range: TextRange) -> Diagnostic {
    let message = "this cannot be read, though it fits the grammar";
    Diagnostic::new(codes::SYNTAX, range, message)
        .help("please report it with this text; write it in another way until then")
}

/// The one diagnostic of a declaration that this version does not run.
pub(super) fn not_yet(declaration: &Declaration) -> Diagnostic {
    let keyword = declaration.keyword.text.as_str();
    let what = match keyword {
        "traces" => "`traces` groups spans into traces",
        _ => "`validate` compares items with a registry",
    };
    Diagnostic::new(
        codes::NOT_YET,
        declaration.keyword.range,
        format!("`{keyword}` is not in this edition yet"),
    )
    .label("this version does not run it")
    .note(format!("{what}; the word is reserved for it, and the block was skipped"))
    .help("remove the block, or run it with a version that knows it")
}

/// What was expected and what was found.
pub(super) fn describe(
    error: &Error<Rule>,
    text: &str,
    tokens: &[Token],
    file: FileId,
) -> Diagnostic {
    let at = position(error);
    let expected = expected(error);
    let found = tokens.iter().find(|token| token.end > at);
    let Some(found) = found else {
        let end = tokens.last().map_or(text.len(), |token| token.end);
        let message = format!("{} expected, but the declaration ends here", listed(&expected));
        let start = tokens.last().map_or(end, |token| token.start);
        return Diagnostic::new(codes::SYNTAX, TextRange::new(file, start, end), message)
            .label("something is missing behind this");
    };
    if let Some(diagnostic) = special(text, tokens, found, &expected, file) {
        return diagnostic;
    }
    let word = found.text(text);
    let shown: String = word.chars().take(40).collect();
    let message = format!("{} expected, found `{shown}`", listed(&expected));
    let range = found.range(file);
    let diagnostic = Diagnostic::new(codes::SYNTAX, range, message).label("not expected here");
    let words: Vec<&str> = keywords(error);
    if let Some(near) = nearest(word, words.iter().copied()) {
        return diagnostic.did_you_mean(range, near);
    }
    let at = tokens.iter().position(|token| token.start == found.start);
    match at.and_then(|at| forms::clause(&Place { text, tokens, at, file })) {
        Some(form) => diagnostic.help(form),
        None => diagnostic,
    }
}

/// Mistakes that have a better message than what the grammar expected.
fn special(
    text: &str,
    tokens: &[Token],
    found: &Token,
    expected: &[String],
    file: FileId,
) -> Option<Diagnostic> {
    let at = tokens.iter().position(|token| token.start == found.start)?;
    let place = Place { text, tokens, at, file };
    if let Some(diagnostic) =
        habits::answer(&place).or_else(|| forms::declaration(&place, expected))
    {
        return Some(diagnostic);
    }
    missing_else(&place, expected)
        .or_else(|| missing_colon(&place, expected))
        .or_else(|| equals_for_colon(&place, expected))
        .or_else(|| clause_for_value(&place))
}

/// The token so many before the one that does not fit.
fn back<'a>(place: &Place<'a>, by: usize) -> Option<&'a Token> {
    place.token(place.at.checked_sub(by))
}

fn missing_else(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    if expected != ["`else`"] {
        return None;
    }
    let range = place.found().range(place.file);
    Some(
        Diagnostic::new(codes::SYNTAX, range, "an `if` has no `else`")
            .label("`else` expected before this")
            .help("a value is needed in both cases: `if … then … else null`")
            .guess(back(place, 1)?.range(place.file).at_end(), " else null"),
    )
}

/// A name and a value side by side where pairs are wanted.
fn missing_colon(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    let (found, name) = (place.found(), back(place, 1)?);
    let begins_pair =
        matches!(place.word(back(place, 2)), "{" | ",") && name.kind == TokenKind::Word;
    let takes_pairs = expected.iter().any(|word| word == "`,`" || word == "`name: value`");
    let is_value = matches!(found.kind, TokenKind::Word | TokenKind::Number);
    if !(begins_pair && takes_pairs && is_value) {
        return None;
    }
    let message = format!("`:` expected between `{}` and its value", place.word(back(place, 1)));
    Some(
        Diagnostic::new(codes::SYNTAX, found.range(place.file), message)
            .label("the value")
            .help("a name and its value are joined by `:`")
            .guess(name.range(place.file).at_end(), ":"),
    )
}

fn equals_for_colon(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    let next = place.after()?;
    if expected != ["a key"] || next.text(place.text) != "=" {
        return None;
    }
    let range = next.range(place.file);
    Some(
        Diagnostic::new(codes::SYNTAX, range, "`:` expected, found `=`")
            .help("a name and its value are joined by `:`")
            .guess(range, ":"),
    )
}

/// A clause behind an operator, which a value is missing behind.
fn clause_for_value(place: &Place<'_>) -> Option<Diagnostic> {
    let operator = back(place, 2)?;
    let (word, clause) = (place.word(back(place, 2)), place.word(back(place, 1)));
    let is_operator = operator.kind == TokenKind::Punctuation
        || matches!(word, "and" | "or" | "not" | "in" | "where" | "when" | "having");
    if !(is_operator && CLAUSES.contains(&clause)) {
        return None;
    }
    let message = format!("a value expected behind `{word}`, found the clause `{clause}`");
    Some(
        Diagnostic::new(codes::SYNTAX, operator.range(place.file), message)
            .label("a value is missing behind this"),
    )
}

fn positives(error: &Error<Rule>) -> &[Rule] {
    match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => &[],
    }
}

fn expected(error: &Error<Rule>) -> Vec<String> {
    let mut words = Vec::new();
    for rule in positives(error) {
        let word = word_for(*rule);
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.sort_by_key(|word| word == "the end of the declaration");
    // An operator could follow almost anything: it is worth a word only where nothing else is.
    if words.len() > 1 {
        words.retain(|word| word != OPERATOR);
    }
    words
}

fn listed(words: &[String]) -> String {
    match words {
        [] => "something else".to_owned(),
        [only] => only.clone(),
        _ if words.len() > EXPECTED_MAX => {
            format!("{} or another clause", words[..EXPECTED_MAX].join(", "))
        }
        [front @ .., last] => format!("{} or {last}", front.join(", ")),
    }
}

const OPERATOR: &str = "an operator";

fn word_for(rule: Rule) -> String {
    let name = format!("{rule:?}");
    if let Some(word) = name.strip_prefix("kw_") {
        return format!("`{word}`");
    }
    if name == "op_not" || name == "op_negate" {
        return "a value".to_owned();
    }
    if name.starts_with("op_") || name == "index" {
        return OPERATOR.to_owned();
    }
    if let Some(word) = name.strip_suffix("_clause") {
        return format!("`{}`", if word == "no_data" { "on no data" } else { word });
    }
    let word = match rule {
        Rule::EOI => "the end of the declaration",
        Rule::expr | Rule::choice | Rule::call | Rule::list | Rule::path | Rule::callee => {
            "a value"
        }
        Rule::lone_expr | Rule::rate | Rule::boolean | Rule::null | Rule::argument => "a value",
        Rule::number | Rule::signed => "a number",
        Rule::string => "a text in quotes",
        Rule::name => "a name",
        Rule::word | Rule::state => "a word",
        Rule::key | Rule::entry => "a key",
        Rule::binding => "`name: value`",
        Rule::bindings | Rule::map => "`{`",
        Rule::no_comma => "`,`",
        Rule::source => "the name of a source",
        Rule::clause => "a clause",
        Rule::per_unit => "`per`",
        Rule::given_line => "a line such as `0s span shop \"GET /\" server ok 12ms`",
        Rule::given_kind => "`span`, `log`, `metric` or `event`",
        Rule::given_block => "`given`",
        Rule::expect_block => "`expect`",
        Rule::expect_line | Rule::expect_kind => {
            "`aggregate`, `rows`, `alert`, `pattern`, `correlate` or `none`"
        }
        Rule::times => "`x100`",
        Rule::every => "`every`",
        Rule::arrives => "`arrives`",
        Rule::moment | Rule::moment_word => "`at`, `by`, `before` or `after`",
        Rule::count => "`count`",
        Rule::order => "`asc` or `desc`",
        Rule::pattern_body => "the steps, in `{ … }`",
        Rule::pattern_clause | Rule::correlate_clause | Rule::retrace_clause => "a clause",
        Rule::root_clause => "`root`",
        Rule::share_clause => "`keep`",
        Rule::share => "a share, `5% when …` or `5% otherwise`",
        Rule::flush_clause => "`flush`",
        Rule::correlate_body | Rule::side => "two sides, `{ a: source b: source }`",
        Rule::on_clause => "`on`",
        Rule::pick_clause => "`pick`",
        Rule::sequence | Rule::element | Rule::steps | Rule::step => "a step: `name: source`",
        Rule::absence => "`not`",
        Rule::any_order => "`any order`",
        Rule::branches => "`(`",
        Rule::link => "`then` or `next`",
        Rule::guard => "`without` or `until`",
        Rule::quantity => "`{3,}` or `?`",
        Rule::step_by => "`by`",
        Rule::step_gap => "`gap`",
        Rule::redact_line | Rule::redact_word => "`keys` or `values`",
        Rule::redact_item => "a class such as `email`, or a key in quotes",
        _ => return format!("{rule:?}").replace('_', " "),
    };
    word.to_owned()
}

/// The words of the keywords that would have fitted.
fn keywords(error: &Error<Rule>) -> Vec<&'static str> {
    let mut words = Vec::new();
    for rule in positives(error) {
        let clauses = matches!(rule, Rule::clause | Rule::EOI);
        if clauses {
            words.extend(clause_words());
        }
        let name = format!("{rule:?}");
        let word = name.strip_prefix("kw_").or(name.strip_suffix("_clause"));
        let known = ["within", "limit", "groups", "overflow", "side", "amend", "every", "from"];
        words.extend(word.and_then(|word| known.iter().copied().find(|known| *known == word)));
        let clause = word.filter(|_| name.ends_with("_clause"));
        words.extend(clause.and_then(clause_word));
    }
    words
}

/// Words that open a clause, without those that open one only together with others.
fn clause_words() -> impl Iterator<Item = &'static str> {
    CLAUSES.into_iter().filter(|word| !["on", "with"].contains(word))
}

fn clause_word(word: &str) -> Option<&'static str> {
    clause_words().find(|known| *known == word)
}
