//! Habits of other languages: what people write who come from SQL, `PromQL` or a configuration
//! file, answered with how it is written here.
//!
//! Each habit is looked for where the grammar stopped. It knows tokens and no tree.

use super::foreign;
use super::lexer::{Token, TokenKind};
use super::literal::unit_for;
use super::parse::CLAUSES;
use crate::ast::WINDOWS;
use crate::diagnostic::{Diagnostic, codes};
use crate::text_range::{FileId, TextRange};

/// Words of expressions that SQL writes in capitals.
const OPERATORS: [&str; 9] =
    ["and", "or", "not", "in", "if", "then", "else", "matches", "contains"];

/// Words that cannot be names: `reserved` of the grammar.
pub(super) const RESERVED: [&str; 15] = [
    "where",
    "and",
    "or",
    "not",
    "in",
    "if",
    "then",
    "else",
    "true",
    "false",
    "null",
    "matches",
    "contains",
    "starts_with",
    "ends_with",
];

/// Where the grammar stopped, between the tokens of one declaration.
pub(super) struct Place<'a> {
    pub text: &'a str,
    pub tokens: &'a [Token],
    /// The token that does not fit.
    pub at: usize,
    pub file: FileId,
}

impl<'a> Place<'a> {
    pub(super) fn token(&self, index: Option<usize>) -> Option<&'a Token> {
        self.tokens.get(index?)
    }

    pub(super) fn found(&self) -> &'a Token {
        &self.tokens[self.at]
    }

    pub(super) fn before(&self) -> Option<&'a Token> {
        self.token(self.at.checked_sub(1))
    }

    pub(super) fn after(&self) -> Option<&'a Token> {
        self.tokens.get(self.at + 1)
    }

    pub(super) fn word(&self, token: Option<&Token>) -> &'a str {
        token.map_or("", |token| token.text(self.text))
    }

    pub(super) fn range(&self, from: &Token, to: &Token) -> TextRange {
        from.range(self.file).cover(to.range(self.file))
    }
}

/// The first habit that explains the place and whose edits fit there.
pub(super) fn answer(place: &Place<'_>, fits: &dyn Fn(&Diagnostic) -> bool) -> Option<Diagnostic> {
    const ASKED: [fn(&Place<'_>) -> Option<Diagnostic>; 22] = [
        foreign::pipe,
        foreign::colon_behind_clause,
        foreign::bare_pairs,
        foreign::outer_join,
        foreign::interval,
        foreign::last_minutes,
        foreign::no_data,
        foreign::named_sample,
        unit_apart,
        capitals,
        grouping,
        window,
        named_argument,
        star,
        named_behind,
        list,
        comparison,
        assigned,
        set_assigned,
        path_in_quotes,
        typed,
        reserved_name,
    ];
    ASKED.iter().filter_map(|asked| asked(place)).find(fits)
}

pub(super) fn spelling(range: TextRange, message: String) -> Diagnostic {
    Diagnostic::new(codes::SPELLING, range, message)
}

/// `5 minutes`
fn unit_apart(place: &Place<'_>) -> Option<Diagnostic> {
    let number = place.before().filter(|token| token.kind == TokenKind::Number)?;
    let digits = number.text(place.text);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'));
    let unit = match place.word(Some(place.found())) {
        "percent" | "pct" => "%",
        word => unit_for(word)?,
    };
    let range = place.range(number, place.found());
    let written = format!("{digits}{unit}");
    let before = place.word(place.token(place.at.checked_sub(2)));
    if is_plain && matches!(before, "rate" | "target") {
        let written = format!("{digits} per {unit}");
        return Some(
            spelling(range, format!("a rate is a number `per` its unit: `{written}`"))
                .help(format!("write `{written}`"))
                .guess(range, written),
        );
    }
    is_plain.then(|| {
        spelling(range, format!("a number and its unit are one word: `{written}`"))
            .help(format!("write `{written}`"))
            .fix(range, written)
    })
}

/// `AND`, `WHERE`
fn capitals(place: &Place<'_>) -> Option<Diagnostic> {
    let candidates = [Some(place.found()), place.before()];
    let token = candidates.into_iter().flatten().find(|token| {
        let word = token.text(place.text);
        let small = word.to_ascii_lowercase();
        word != small
            && word == word.to_ascii_uppercase()
            && (OPERATORS.contains(&small.as_str()) || CLAUSES.contains(&small.as_str()))
    })?;
    let (word, small) = (token.text(place.text), token.text(place.text).to_ascii_lowercase());
    let range = token.range(place.file);
    let message = format!("`{word}` is written `{small}` here");
    Some(spelling(range, message).help(format!("write `{small}`")).fix(range, small))
}

/// `group by`, `partition by`, `order by`
fn grouping(place: &Place<'_>) -> Option<Diagnostic> {
    let (found, by) = (place.found(), place.after()?);
    let word = found.text(place.text).to_ascii_lowercase();
    if !by.text(place.text).eq_ignore_ascii_case("by") {
        return None;
    }
    let range = place.range(found, by);
    if matches!(word.as_str(), "order" | "sort") {
        let message = format!("`{word} by` is not part of the language");
        return Some(
            spelling(range, message)
                .help("the first rows of an order are `rows worst = http top 5 by p99`"),
        );
    }
    let known = matches!(word.as_str(), "group" | "partition" | "keyed" | "key");
    known.then(|| {
        spelling(range, format!("`{word} by` is written `by` here"))
            .help("write `by`")
            .fix(range, "by")
    })
}

/// `tumbling 10s`
fn window(place: &Place<'_>) -> Option<Diagnostic> {
    let name = place.before().filter(|token| WINDOWS.contains(&token.text(place.text)))?;
    let size = place.found();
    let is_over = place.word(place.token(place.at.checked_sub(2))) == "over";
    if !is_over || size.kind != TokenKind::Number {
        return None;
    }
    let unit = unit_for(place.word(place.after()));
    let last = unit.and(place.after()).unwrap_or(size);
    let range = place.range(name, last);
    let (word, size) = (name.text(place.text), size.text(place.text));
    let size = format!("{size}{}", unit.unwrap_or_default());
    if matches!(word, "sliding" | "cumulate") {
        let message = format!("the size of a window stands in brackets: `{word}({size}, …)`");
        let help = format!("write `{word}({size}, every: …)`: how often a window ends");
        return Some(spelling(range, message).help(help));
    }
    let written = format!("{word}({size})");
    let message = format!("the size of a window stands in brackets: `{written}`");
    Some(spelling(range, message).help(format!("write `{written}`")).fix(range, written))
}

/// `count(*)`
fn star(place: &Place<'_>) -> Option<Diagnostic> {
    let star = place.found();
    let call = place.token(place.at.checked_sub(2))?;
    let is_call = place.word(place.before()) == "(" && place.word(place.after()) == ")";
    let is_star = star.text(place.text) == "*" && call.kind == TokenKind::Word;
    let range = star.range(place.file);
    (is_star && is_call).then(|| {
        let name = call.text(place.text);
        spelling(range, format!("`{name}(*)` is written `{name}()` here"))
            .help("write nothing between the brackets")
            .fix(range, "")
    })
}

/// `count() as n`, for all items of the list at once.
fn named_behind(place: &Place<'_>) -> Option<Diagnostic> {
    let (word, name) = (place.found(), place.after()?);
    if !is_as(place, place.at) {
        return None;
    }
    let message = format!("a name stands before its value: `{}: …`", name.text(place.text));
    let mut diagnostic =
        spelling(place.range(word, name), message).help("write the name and `:` before the value");
    let mut start = enclosing(place)? + 1;
    let mut depth = 0_usize;
    for (index, token) in place.tokens.iter().enumerate().skip(start) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close if depth == 0 => break,
            TokenKind::Close => depth -= 1,
            _ if depth == 0 && token.text(place.text) == "," => start = index + 1,
            _ if depth == 0 && is_as(place, index) && index > start => {
                let name = &place.tokens[index + 1];
                let behind = TextRange::new(place.file, place.tokens[index - 1].end, name.end);
                let before = place.tokens[start].range(place.file).at_start();
                diagnostic =
                    diagnostic.fix(before, format!("{}: ", name.text(place.text))).fix(behind, "");
            }
            _ => {}
        }
    }
    Some(diagnostic)
}

/// Whether `as` and a name stand here.
fn is_as(place: &Place<'_>, at: usize) -> bool {
    let is_word = |token: &Token| token.kind == TokenKind::Word;
    place.word(place.tokens.get(at)).eq_ignore_ascii_case("as")
        && place.tokens.get(at + 1).is_some_and(is_word)
}

/// The opening bracket around the place.
fn enclosing(place: &Place<'_>) -> Option<usize> {
    let mut depth = 0_usize;
    (0..place.at).rev().find(|&index| {
        match place.tokens[index].kind {
            TokenKind::Close => depth += 1,
            TokenKind::Open if depth == 0 => return true,
            TokenKind::Open => depth -= 1,
            _ => {}
        }
        false
    })
}

/// `in ("a", "b")`
fn list(place: &Place<'_>) -> Option<Diagnostic> {
    if place.word(Some(place.found())) != "," {
        return None;
    }
    let open = enclosing(place).filter(|&index| place.word(place.tokens.get(index)) == "(")?;
    let is_in = open.checked_sub(1).is_some_and(|at| place.word(place.tokens.get(at)) == "in");
    let mut depth = 0_usize;
    let close = place.tokens[place.at..].iter().find(|token| {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close if depth == 0 => return true,
            TokenKind::Close => depth -= 1,
            _ => {}
        }
        false
    })?;
    let (open, close) = (place.tokens[open].range(place.file), close.range(place.file));
    is_in.then(|| {
        spelling(open.cover(close), "a list stands in square brackets".to_owned())
            .help("write `[` and `]`")
            .fix(open, "[")
            .fix(close, "]")
    })
}

/// `like`, `between`, `is null`
fn comparison(place: &Place<'_>) -> Option<Diagnostic> {
    let found = place.found();
    let word = found.text(place.text).to_ascii_lowercase();
    let help = match word.as_str() {
        "like" | "ilike" | "glob" | "regexp" | "rlike" => {
            "texts are compared by `matches \"^GET \"` (a regular expression), `starts_with`, \
             `ends_with` and `contains`"
        }
        "between" => "a range is `x >= 1s and x <= 2s`",
        "is" => "presence is `x != null` and `x == null`",
        "exists" => "presence is `x != null`",
        "has" => "a part of a text is found by `contains`",
        "case" => "a choice is `if c then a else b`",
        "distinct" => "different values are counted by `distinct(x)`",
        _ => return None,
    };
    let message = format!("`{word}` is not part of the language");
    Some(spelling(found.range(place.file), message).help(help))
}

/// `aggregate http = requests`
fn assigned(place: &Place<'_>) -> Option<Diagnostic> {
    let keyword = place.word(place.tokens.first());
    let range = place.found().range(place.file);
    let is_sign = place.at == 2 && place.word(Some(place.found())) == "=";
    (is_sign && matches!(keyword, "aggregate" | "alert" | "traces" | "retrace")).then(|| {
        spelling(range, format!("the source of `{keyword}` stands behind `from`"))
            .help("write `from`")
            .guess(range, "from")
    })
}

/// `set route = name`
fn set_assigned(place: &Place<'_>) -> Option<Diagnostic> {
    let is_name = place.found().kind == TokenKind::Word;
    let is_set = place.word(place.before()) == "set" && place.word(place.after()) == "=";
    (is_set && is_name).then(|| {
        let name = place.word(Some(place.found()));
        let range = place.range(place.found(), place.after().unwrap_or(place.found()));
        spelling(range, format!("`set` holds its values in braces: `set {{ {name}: … }}`"))
            .help("write `{`, the name and `:` before the value, and `}` behind the last one")
    })
}

/// `import std/red as red`
fn path_in_quotes(place: &Place<'_>) -> Option<Diagnostic> {
    if place.at != 1 || place.word(place.tokens.first()) != "import" {
        return None;
    }
    let is_path = |token: &&Token| {
        token.kind == TokenKind::Word || matches!(token.text(place.text), "/" | "." | "-")
    };
    let rest = &place.tokens[1..];
    let end = rest.iter().position(|token| !is_path(&token) || token.text(place.text) == "as");
    let last = &rest[end.unwrap_or(rest.len()).checked_sub(1)?];
    let range = place.range(place.found(), last);
    let path = place.text.get(range.bytes()).filter(|path| !path.contains(char::is_whitespace))?;
    Some(
        spelling(range, "what is imported stands in quotes".to_owned())
            .help(format!("write `\"{path}\"`"))
            .fix(range, format!("\"{path}\"")),
    )
}

/// `fn is_slow(x: duration)`, `param slow: duration = 1s`, for all types at once.
fn typed(place: &Place<'_>) -> Option<Diagnostic> {
    let tokens = place.tokens;
    // A type stands between the name and what comes behind the name.
    let (inside, behind): (_, &[&str]) = match place.word(tokens.first()) {
        "fn" => (4..tokens.iter().position(|token| token.kind == TokenKind::Close)?, &[",", ")"]),
        "param" | "const" => (2..3, &["="]),
        _ => return None,
    };
    let is_word = |at: usize| tokens.get(at).is_some_and(|token| token.kind == TokenKind::Word);
    let types: Vec<_> = inside
        .filter(|&at| place.word(tokens.get(at)) == ":" && is_word(at - 1) && is_word(at + 1))
        .filter(|&at| behind.contains(&place.word(tokens.get(at + 2))))
        .map(|at| TextRange::new(place.file, tokens[at].start, tokens[at + 1].end))
        .collect();
    let message = "types are not written: they follow from values and uses".to_owned();
    let diagnostic = spelling(*types.first()?, message).help("leave the type out");
    Some(types.into_iter().fold(diagnostic, |diagnostic, at| diagnostic.fix(at, "")))
}

/// `sliding(5m, every 30s)`
fn named_argument(place: &Place<'_>) -> Option<Diagnostic> {
    const NAMES: [&str; 6] = ["every", "size", "gap", "max", "offset", "n"];
    let name = place.before().filter(|token| NAMES.contains(&token.text(place.text)))?;
    let value = place.found();
    let call = enclosing(place)?.checked_sub(1)?;
    let is_window = WINDOWS.contains(&place.word(place.tokens.get(call)));
    (is_window && value.kind == TokenKind::Number).then(|| {
        let written = format!("{}: {}", name.text(place.text), value.text(place.text));
        spelling(place.range(name, value), format!("an argument's name ends in `:`: `{written}`"))
            .help(format!("write `{written}`"))
            .fix(name.range(place.file).at_end(), ":")
    })
}

/// `select { then: last(x) }`, `param in = 5`
fn reserved_name(place: &Place<'_>) -> Option<Diagnostic> {
    let word = place.word(Some(place.found()));
    let is_name = place.word(place.after()) == ":"
        || place.at == 1 && matches!(place.word(place.tokens.first()), "param" | "const" | "fn");
    (is_name && RESERVED.contains(&word)).then(|| {
        let range = place.found().range(place.file);
        spelling(range, format!("`{word}` is a word of the language and no name"))
            .help(format!("choose another name, such as `{word}_value`"))
    })
}

#[cfg(test)]
mod tests {
    use super::RESERVED;
    use crate::syntax::parse_file;
    use crate::text_range::FileId;

    #[test]
    fn the_reserved_words_are_those_of_the_grammar() {
        let grammar = include_str!("grammar.pest");
        let rule = grammar.split("reserved = _{").nth(1).and_then(|rest| rest.split('}').next());
        let rule = rule.expect("the grammar says which words are reserved");
        let words: Vec<&str> = rule.split('"').skip(1).step_by(2).collect();
        assert_eq!(words, RESERVED);
        for word in words {
            let text = format!("const {word} = 1");
            assert!(!parse_file(&text, FileId(0)).1.is_empty(), "`{word}` is a name");
        }
    }
}
