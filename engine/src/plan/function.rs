//! Scalar functions as data: signature, doc and an example that runs as a test.
//!
//! A null argument gives null. No function panics, reads a clock or makes random numbers.

use serde::{Deserialize, Serialize};

use crate::model::Value;

/// What a parameter takes or a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// A floating-point number.
    Float,
    /// Any number, with or without a unit.
    Number,
    /// A truth value.
    Bool,
    /// Any value.
    Any,
    /// A result of the kind of the first argument.
    SameAsFirst,
}

/// The description of a function.
pub struct FunctionDef {
    /// Its name in rules.
    pub name: &'static str,
    /// (name, kind) of every parameter.
    pub parameters: &'static [(&'static str, Kind)],
    /// Kind of the result.
    pub result: Kind,
    /// One sentence.
    pub doc: &'static str,
    /// A call and its result, as rules write them.
    pub example: (&'static str, &'static str),
}

macro_rules! functions {
    ($( $variant:ident $name:literal ($($p:literal: $k:ident),*) -> $result:ident,
        $doc:literal, $call:literal => $shown:literal; )*) => {
        /// A scalar function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Function {
            $( #[doc = $doc] $variant, )*
        }

        impl Function {
            /// Every function, in a fixed order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// Its description.
            pub fn def(self) -> FunctionDef {
                match self { $( Self::$variant => FunctionDef {
                    name: $name,
                    parameters: &[ $( ($p, Kind::$k) ),* ],
                    result: Kind::$result,
                    doc: $doc,
                    example: ($call, $shown),
                }, )* }
            }
        }
    };
}

functions! {
    Lower "lower" ("text": Text) -> Text, "The text in lower case.",
        r#"lower("GET")"# => r#""get""#;
    Upper "upper" ("text": Text) -> Text, "The text in upper case.",
        r#"upper("get")"# => r#""GET""#;
    Trim "trim" ("text": Text) -> Text, "The text without white space at its ends.",
        r#"trim(" a ")"# => r#""a""#;
    Len "len" ("value": Any) -> Int,
        "Characters of a text, bytes of bytes, items of a list, entries of a map.",
        r#"len("abc")"# => "3";
    Contains "contains" ("text": Text, "part": Text) -> Bool, "Whether the text contains a part.",
        r#"contains("checkout", "out")"# => "true";
    StartsWith "starts_with" ("text": Text, "prefix": Text) -> Bool,
        "Whether the text starts with a prefix.",
        r#"starts_with("/api/v1", "/api")"# => "true";
    EndsWith "ends_with" ("text": Text, "suffix": Text) -> Bool,
        "Whether the text ends with a suffix.",
        r#"ends_with("a.png", ".png")"# => "true";
    Replace "replace" ("text": Text, "from": Text, "to": Text) -> Text,
        "The text with every occurrence of a part replaced.",
        r#"replace("a-b-c", "-", "/")"# => r#""a/b/c""#;
    Before "before" ("text": Text, "separator": Text) -> Text,
        "The text before the first separator; all of it where there is none.",
        r#"before("host:8080", ":")"# => r#""host""#;
    After "after" ("text": Text, "separator": Text) -> Text,
        "The text after the first separator; empty where there is none.",
        r#"after("host:8080", ":")"# => r#""8080""#;
    Abs "abs" ("number": Number) -> SameAsFirst, "The number without its sign.",
        "abs(-5)" => "5";
    Floor "floor" ("number": Number) -> Int, "The largest whole number not above.",
        "floor(2.7)" => "2";
    Ceil "ceil" ("number": Number) -> Int, "The smallest whole number not below.",
        "ceil(2.1)" => "3";
    Round "round" ("number": Number) -> Int, "The nearest whole number, halves away from zero.",
        "round(2.5)" => "3";
    Mod "mod" ("number": Int, "divisor": Int) -> Int,
        "The remainder, never negative; null for a divisor of zero.",
        "mod(-1, 10)" => "9";
    ToInt "int" ("value": Any) -> Int,
        "A whole number from a number (cut) or a text; null where it is none.",
        r#"int("42")"# => "42";
    ToFloat "float" ("value": Any) -> Float,
        "A float from a number or a text; null where it is none.",
        r#"float("2.5")"# => "2.5";
    ToText "string" ("value": Any) -> Text, "The value as text.",
        "string(200)" => r#""200""#;
}

/// Characters that a text made by a function has at most; longer results are null.
const TEXT_MAX: usize = 64 * 1024;

impl Function {
    /// The function of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.def().name == name)
    }

    /// Calls the function. Arguments of a wrong kind give null.
    pub fn call(self, args: &[Value]) -> Value {
        match (self, args) {
            (_, args) if args.iter().any(Value::is_null) => Value::Null,
            (Self::ToText, [value]) => Value::str(&value.to_string()),
            (Self::ToInt, [value]) => to_int(value),
            (Self::ToFloat, [value]) => to_float(value),
            (Self::Len, [value]) => len(value),
            (Self::Mod, [Value::Int(a), Value::Int(b)]) => {
                a.checked_rem_euclid(*b).map_or(Value::Null, Value::Int)
            }
            (_, [Value::Str(text)]) => self.text(text),
            (_, [Value::Str(a), Value::Str(b)]) => self.two_texts(a, b),
            (Self::Replace, [Value::Str(text), Value::Str(from), Value::Str(to)]) => {
                let longest = text.len().saturating_mul(to.len().max(1));
                if from.is_empty() || longest > TEXT_MAX * 64 {
                    return Value::Null;
                }
                bounded(&text.replace(&**from, to))
            }
            (_, [number]) => self.number(number),
            _ => Value::Null,
        }
    }

    fn text(self, text: &str) -> Value {
        match self {
            Self::Lower => bounded(&text.to_lowercase()),
            Self::Upper => bounded(&text.to_uppercase()),
            Self::Trim => Value::str(text.trim()),
            _ => Value::Null,
        }
    }

    fn two_texts(self, a: &str, b: &str) -> Value {
        match self {
            Self::Contains => Value::Bool(a.contains(b)),
            Self::StartsWith => Value::Bool(a.starts_with(b)),
            Self::EndsWith => Value::Bool(a.ends_with(b)),
            Self::Before => Value::str(a.split_once(b).map_or(a, |(before, _)| before)),
            Self::After => Value::str(a.split_once(b).map_or("", |(_, after)| after)),
            _ => Value::Null,
        }
    }

    fn number(self, number: &Value) -> Value {
        let Some(float) = number.as_f64() else { return Value::Null };
        let rounded = match self {
            Self::Abs => return abs(number),
            Self::Floor => float.floor(),
            Self::Ceil => float.ceil(),
            Self::Round => float.round(),
            _ => return Value::Null,
        };
        match number {
            Value::Int(v) => Value::Int(*v),
            _ => to_int(&Value::Float(rounded)),
        }
    }
}

fn bounded(text: &str) -> Value {
    if text.len() > TEXT_MAX { Value::Null } else { Value::str(text) }
}

fn abs(number: &Value) -> Value {
    match number {
        Value::Int(v) => v.checked_abs().map_or(Value::Null, Value::Int),
        Value::Duration(v) => v.checked_abs().map_or(Value::Null, Value::Duration),
        Value::Size(v) => v.checked_abs().map_or(Value::Null, Value::Size),
        Value::Float(v) => Value::Float(v.abs()),
        Value::Ratio(v) => Value::Ratio(v.abs()),
        _ => Value::Null,
    }
}

fn len(value: &Value) -> Value {
    let count = match value {
        Value::Str(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(entries) => entries.len(),
        _ => return Value::Null,
    };
    Value::Int(count as i64)
}

fn to_int(value: &Value) -> Value {
    match value {
        Value::Int(v) => Value::Int(*v),
        Value::Bool(v) => Value::Int(i64::from(*v)),
        Value::Float(v) | Value::Ratio(v) if v.abs() < 9.2e18 => Value::Int(*v as i64),
        Value::Str(text) => text.trim().parse().map_or(Value::Null, Value::Int),
        _ => Value::Null,
    }
}

fn to_float(value: &Value) -> Value {
    match value {
        Value::Int(v) => Value::Float(*v as f64),
        Value::Float(v) | Value::Ratio(v) => Value::Float(*v),
        Value::Str(text) => text.trim().parse().map_or(Value::Null, Value::Float),
        _ => Value::Null,
    }
}
