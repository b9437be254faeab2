//! Reads the calls in functions' examples: literals, lists and calls, no operators.

use tailwater_engine::model::Value;
use tailwater_engine::plan::eval::eval_row;
use tailwater_engine::plan::expr::Expr;
use tailwater_engine::plan::function::Function;

/// The value of a call.
pub(crate) fn evaluate(text: &str) -> Value {
    let mut reader = Reader { rest: text };
    let expr = reader.expr();
    assert!(reader.rest.trim().is_empty(), "`{}` is left of `{text}`", reader.rest);
    eval_row(&expr, &[])
}

/// A value as examples write it: text in quotes.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Str(text) => format!("{text:?}"),
        value => value.to_string(),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn expr(&mut self) -> Expr {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next() {
            Some('"') => Expr::Const(Value::str(&self.text())),
            Some('[') => Expr::List(self.list('[', ']')),
            Some(c) if c.is_ascii_digit() || c == '-' => Expr::Const(self.number()),
            _ => {
                let end = self.rest.find('(').expect("a call");
                let (name, rest) = self.rest.split_at(end);
                self.rest = rest;
                let function = Function::by_name(name).unwrap_or_else(|| panic!("`{name}`"));
                Expr::call(function, self.list('(', ')')).expect("a right call")
            }
        }
    }

    fn list(&mut self, open: char, close: char) -> Vec<Expr> {
        self.rest = self.rest.strip_prefix(open).expect("an opening bracket");
        let mut items = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', ',']);
            if let Some(rest) = self.rest.strip_prefix(close) {
                self.rest = rest;
                return items;
            }
            items.push(self.expr());
        }
    }

    fn text(&mut self) -> String {
        let (mut out, mut chars) = (String::new(), self.rest.char_indices().skip(1));
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return out;
                }
                '\\' => out.push(chars.next().expect("an escaped character").1),
                c => out.push(c),
            }
        }
        panic!("a text without an end: {}", self.rest);
    }

    fn number(&mut self) -> Value {
        let end = self.rest.find([',', ')', ']']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if let Ok(int) = text.parse() {
            return Value::Int(int);
        }
        if let Ok(float) = text.parse() {
            return Value::Float(float);
        }
        let duration = Function::by_name("duration").expect("it exists");
        duration.call(None, &[Value::str(text)])
    }
}
