//! Functions over lists. Places count from 0, and from the end where negative.

use super::ResultKind::{ElementOf, Fixed, SameAs};
use super::{FunctionDef, Kind, Param, bounded_list, define};
use crate::model::Value::{self, Bool, Int, List, Null, Str};

const LIST: Param = Param::new("list", &[Kind::List]);
const VALUE: Param = Param::new("value", &[Kind::Any]);
const PLACE: Param = Param::new("place", &[Kind::Int]);

pub(super) static FUNCTIONS: &[FunctionDef] = &[
    define(
        "at",
        &[LIST, PLACE],
        ElementOf(0),
        "The element at a place.",
        (r#"at(["a", "b"], -1)"#, r#""b""#),
        |args| match args {
            [List(items), Int(place)] => {
                let from_end = if *place < 0 { items.len() as i64 } else { 0 };
                let place = usize::try_from(place.saturating_add(from_end)).ok();
                place.and_then(|place| items.get(place)).cloned().unwrap_or_default()
            }
            _ => Null,
        },
    )
    .nullable(),
    define(
        "includes",
        &[LIST, VALUE],
        Fixed(Kind::Bool),
        "Whether an element of the list equals a value.",
        ("includes([200, 204], 204)", "true"),
        |args| match args {
            [List(items), value] => Bool(items.iter().any(|item| {
                crate::plan::eval::compare(item, value).is_some_and(std::cmp::Ordering::is_eq)
            })),
            _ => Null,
        },
    ),
    define(
        "sort",
        &[LIST],
        SameAs(0),
        "The elements in ascending order, by kind first.",
        ("sort([3, 1, 2])", "[1, 2, 3]"),
        |args| {
            items(args, |mut items| {
                items.sort();
                items
            })
        },
    ),
    define(
        "unique",
        &[LIST],
        SameAs(0),
        "The distinct elements in ascending order, by kind first.",
        ("unique([3, 1, 3])", "[1, 3]"),
        |args| {
            items(args, |mut items| {
                items.sort();
                items.dedup();
                items
            })
        },
    ),
    define(
        "reverse",
        &[LIST],
        SameAs(0),
        "The elements from the last to the first.",
        ("reverse([1, 2])", "[2, 1]"),
        |args| {
            items(args, |mut items| {
                items.reverse();
                items
            })
        },
    ),
    define(
        "slice",
        &[LIST, PLACE, Param::new("length", &[Kind::Int]).optional()],
        SameAs(0),
        "The elements from a place, counted from 0, to the end or so many of them.",
        ("slice([1, 2, 3, 4], 1, 2)", "[2, 3]"),
        |args| match args {
            [List(items), Int(from), rest @ ..] => {
                let length = if let [Int(length)] = rest { *length } else { i64::MAX };
                let skip = usize::try_from(*from).unwrap_or(0);
                let take = usize::try_from(length).unwrap_or(0);
                bounded_list(items.iter().skip(skip).take(take).cloned())
            }
            _ => Null,
        },
    ),
    define(
        "append",
        &[LIST, Param::new("more", &[Kind::Any])],
        SameAs(0),
        "The list with a value, or with the elements of a second list, at its end.",
        ("append([1], [2, 3])", "[1, 2, 3]"),
        |args| match args {
            [List(a), List(b)] => bounded_list(a.iter().chain(b.iter()).cloned()),
            [List(a), value] => bounded_list(a.iter().chain([value]).cloned()),
            _ => Null,
        },
    ),
    define(
        "flatten",
        &[LIST],
        Fixed(Kind::List),
        "The elements of the lists in the list; other elements stay.",
        ("flatten([[1, 2], [3]])", "[1, 2, 3]"),
        |args| match args {
            [List(items)] => bounded_list(
                items
                    .iter()
                    .flat_map(|item| match item {
                        List(inner) => inner.iter(),
                        other => std::slice::from_ref(other).iter(),
                    })
                    .cloned(),
            ),
            _ => Null,
        },
    ),
    define(
        "filled",
        &[LIST],
        SameAs(0),
        "The elements that are neither null nor an empty text.",
        (r#"filled(["a", "", "b"])"#, r#"["a", "b"]"#),
        |args| {
            items(args, |mut items| {
                items.retain(|item| {
                    !matches!(item, Null) && !matches!(item, Str(s) if s.is_empty())
                });
                items
            })
        },
    ),
];

fn items(args: &[Value], f: fn(Vec<Value>) -> Vec<Value>) -> Value {
    if let [List(items)] = args { bounded_list(f(items.to_vec())) } else { Null }
}
