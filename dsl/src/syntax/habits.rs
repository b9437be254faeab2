//! Habits of other languages: what people write who come from SQL, `PromQL` or a configuration
//! file, answered with how it is written here.
//!
//! Each habit is looked for where the grammar stopped. It knows tokens and no tree.

use super::lexer::{Token, TokenKind};
use super::literal::unit_for;
use super::parse::CLAUSES;
use crate::ast::WINDOWS;
use crate::diagnostic::{Diagnostic, codes};
use crate::text_range::{FileId, TextRange};

/// Words of expressions that SQL writes in capitals.
const OPERATORS: [&str; 9] =
    ["and", "or", "not", "in", "if", "then", "else", "matches", "contains"];

/// How declarations are written whose second or third word is not what it must be.
const FORMS: [(&str, &str); 14] = [
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
    ("redact", "redact { values mask [email] }"),
    ("route", "route requests to archive"),
    ("test", "test \"errors fire\" { given { … } expect { … } }"),
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
    fn token(&self, index: Option<usize>) -> Option<&'a Token> {
        self.tokens.get(index?)
    }

    fn found(&self) -> &'a Token {
        &self.tokens[self.at]
    }

    fn before(&self) -> Option<&'a Token> {
        self.token(self.at.checked_sub(1))
    }

    fn after(&self) -> Option<&'a Token> {
        self.tokens.get(self.at + 1)
    }

    fn word(&self, token: Option<&Token>) -> &'a str {
        token.map_or("", |token| token.text(self.text))
    }

    fn range(&self, from: &Token, to: &Token) -> TextRange {
        from.range(self.file).cover(to.range(self.file))
    }
}

/// The first habit that explains the place.
pub(super) fn answer(place: &Place<'_>) -> Option<Diagnostic> {
    const ASKED: [fn(&Place<'_>) -> Option<Diagnostic>; 9] =
        [unit_apart, capitals, grouping, window, star, named_behind, list, comparison, assigned];
    ASKED.iter().find_map(|asked| asked(place))
}

fn spelling(range: TextRange, message: String) -> Diagnostic {
    Diagnostic::new(codes::SPELLING, range, message)
}

/// `5 minutes`
fn unit_apart(place: &Place<'_>) -> Option<Diagnostic> {
    let number = place.before().filter(|token| token.kind == TokenKind::Number)?;
    let digits = number.text(place.text);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'));
    let unit = unit_for(place.word(Some(place.found())))?;
    let range = place.range(number, place.found());
    let written = format!("{digits}{unit}");
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
    if size.kind != TokenKind::Number {
        return None;
    }
    let range = place.range(name, size);
    let written = format!("{}({})", name.text(place.text), size.text(place.text));
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
    (is_sign && matches!(keyword, "aggregate" | "alert" | "traces")).then(|| {
        spelling(range, format!("the source of `{keyword}` stands behind `from`"))
            .help("write `from`")
            .guess(range, "from")
    })
}

/// The grammar stopped at a declaration's own keyword, or a word that it wanted: what is wrong
/// stands behind it.
pub(super) fn form(place: &Place<'_>, expected: &[String]) -> Option<Diagnostic> {
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
