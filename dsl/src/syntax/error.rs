//! Syntax errors in people's words.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::forms;
use super::grammar::Rule;
use super::habits::{self, Place};
use super::lexer::{Token, TokenKind};
use super::parse::CLAUSES;
use super::steps;
use crate::ast::{Declaration, clauses_of};
use crate::diagnostic::suggest::nearest_that;
use crate::diagnostic::{Applicability, Diagnostic, Edit, codes};
use crate::text_range::{FileId, TextRange};

/// Things that are named in one message at most.
const EXPECTED_MAX: usize = 4;

/// Whether edits let the grammar get further than it did: others are not offered.
pub(super) type Works<'a> = dyn Fn(&[Edit]) -> bool + 'a;

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
    works: &Works<'_>,
) -> Diagnostic {
    let at = position(error);
    let expected = expected(error);
    let found = tokens.iter().find(|token| token.end > at);
    let Some(found) = found else {
        let end = tokens.last().map_or(text.len(), |token| token.end);
        let message = format!("{} expected, but the declaration ends here", listed(&expected));
        let start = tokens.last().map_or(end, |token| token.start);
        let diagnostic = Diagnostic::new(codes::SYNTAX, TextRange::new(file, start, end), message)
            .label("something is missing behind this");
        let place = tokens.len().checked_sub(1).map(|at| Place { text, tokens, at, file });
        return match place.and_then(|place| forms::whole(&place)) {
            Some(form) => diagnostic.help(form),
            None => diagnostic,
        };
    };
    let place = tokens.iter().position(|token| token.start == found.start);
    let place = place.map(|at| Place { text, tokens, at, file });
    let special = place.as_ref().and_then(|place| special(place, &expected, works));
    if let Some(diagnostic) = special {
        return diagnostic;
    }
    let word = found.text(text);
    let shown: String = word.chars().take(40).collect();
    let message = format!("{} expected, found `{shown}`", listed(&expected));
    let range = found.range(file);
    let diagnostic = Diagnostic::new(codes::SYNTAX, range, message).label("not expected here");
    let near = place.as_ref().and_then(|place| near_keyword(error, place, works));
    if let Some(near) = near {
        return diagnostic.did_you_mean(range, near);
    }
    match place.and_then(|place| forms::held(&place).or_else(|| forms::whole(&place))) {
        Some(form) => diagnostic.help(form),
        None => diagnostic,
    }
}

/// The keyword that a word was probably meant as: one that may stand there and has not been given.
fn near_keyword(error: &Error<Rule>, place: &Place<'_>, works: &Works<'_>) -> Option<&'static str> {
    let word = place.word(Some(place.found()));
    let words = keywords(error, place);
    let range = place.found().range(place.file);
    // `to on …` would take a clause for a name.
    let is_clause = CLAUSES.contains(&place.word(place.after()));
    let fits = |near: &str| {
        let (replacement, applicability) = (near.to_owned(), Applicability::Maybe);
        let takes_name = matches!(near, "to" | "from" | "side");
        !(takes_name && is_clause) && works(&[Edit { range, replacement, applicability }])
    };
    // Without a source nothing is read: that is looked for first.
    let source = words.iter().copied().filter(|word| *word == "from");
    nearest_that(word, source, fits).or_else(|| nearest_that(word, words.iter().copied(), fits))
}

/// Mistakes that have a better message than what the grammar expected.
fn special(place: &Place<'_>, expected: &[String], works: &Works<'_>) -> Option<Diagnostic> {
    let fits = |diagnostic: &Diagnostic| diagnostic.edits.is_empty() || works(&diagnostic.edits);
    habits::answer(place, &fits)
        .or_else(|| steps::answer(place, expected).filter(fits))
        .or_else(|| forms::declaration(place, expected).filter(fits))
        .or_else(|| missing_else(place, expected).filter(fits))
        .or_else(|| missing_colon(place, expected).filter(fits))
        .or_else(|| equals_for_colon(place, expected).filter(fits))
        .or_else(|| quoted_name(place, expected).filter(fits))
        .or_else(|| clause_for_value(place))
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

/// `to "archive"`
fn quoted_name(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
    let wants = expected.iter().any(|word| word == "a name" || word == "the name of a source");
    let text = place.word(Some(place.found()));
    let name = text.strip_prefix('"')?.strip_suffix('"')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    let range = place.found().range(place.file);
    (wants && is_name).then(|| {
        habits::spelling(range, format!("names stand without quotes: `{name}`"))
            .help(format!("write `{name}`"))
            .guess(range, name)
    })
}

/// A clause behind an operator, which a value is missing behind.
fn clause_for_value(place: &Place<'_>) -> Option<Diagnostic> {
    let operator = back(place, 2)?;
    let (word, clause) = (place.word(back(place, 2)), place.word(back(place, 1)));
    let is_source = matches!(word, "from" | "route" | "sample");
    let is_operator = operator.kind == TokenKind::Punctuation
        || matches!(word, "and" | "or" | "not" | "in" | "where" | "when" | "having")
        || is_source;
    if !(is_operator && CLAUSES.contains(&clause)) {
        return None;
    }
    let wanted = if is_source { "the name of a source" } else { "a value" };
    let message = format!("{wanted} expected behind `{word}`, found the clause `{clause}`");
    Some(
        Diagnostic::new(codes::SYNTAX, operator.range(place.file), message)
            .label(format!("{wanted} is missing behind this")),
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
        return match word {
            "pattern" | "correlate" | "retrace" | "sample" => "a clause".to_owned(),
            "no_data" => "`on no data`".to_owned(),
            "share" => "`keep`".to_owned(),
            _ => format!("`{word}`"),
        };
    }
    let word = match rule {
        Rule::EOI => "the end of the declaration",
        Rule::expr | Rule::choice | Rule::call | Rule::list | Rule::path => "a value",
        Rule::callee | Rule::lone_expr | Rule::rate | Rule::boolean => "a value",
        Rule::null | Rule::argument => "a value",
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
        Rule::share => "a share, `5% when …` or `5% otherwise`",
        Rule::correlate_body | Rule::side => "two sides, `{ a: source b: source }`",
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
        Rule::redact_open => "`[`",
        Rule::colon => "`:`",
        Rule::sample_body => "the lines, in `{ … }`",
        Rule::sample_line => "a line such as `keep 10% when …`",
        Rule::redact_item => "a class such as `email`, or a key in quotes",
        _ => return format!("{rule:?}").replace('_', " "),
    };
    word.to_owned()
}

/// The words of the keywords that would have fitted, but clauses that have been given.
fn keywords(error: &Error<Rule>, place: &Place<'_>) -> Vec<&'static str> {
    const KNOWN: [&str; 12] = [
        "within",
        "limit",
        "groups",
        "overflow",
        "side",
        "amend",
        "every",
        "from",
        "keep",
        "drop",
        "otherwise",
        "then",
    ];
    let clauses = clauses_of(place.word(place.tokens.first()));
    let own = clauses.iter().map(|clause| clause.split(' ').next().unwrap_or(clause));
    let own: Vec<&str> = own.filter(|word| !is_given(place, word)).collect();
    let mut words = Vec::new();
    for rule in positives(error) {
        let name = format!("{rule:?}");
        let word = name.strip_prefix("kw_").or(name.strip_suffix("_clause"));
        let any = matches!(rule, Rule::clause | Rule::EOI);
        words.extend(own.iter().copied().filter(|own| any || word == Some(*own)));
        words.extend(word.and_then(|word| KNOWN.into_iter().find(|known| *known == word)));
        words.extend(["keep", "drop"].into_iter().filter(|_| *rule == Rule::sample_line));
        words.extend(["keys", "values"].into_iter().filter(|_| *rule == Rule::redact_line));
    }
    words
}

/// Whether a clause of that word stands somewhere in the declaration, outside of all brackets.
fn is_given(place: &Place<'_>, word: &str) -> bool {
    let mut depth = 0_usize;
    place.tokens.iter().skip(2).any(|token| {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.text(place.text) == word
    })
}
