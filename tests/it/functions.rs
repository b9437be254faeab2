//! The reference page of functions is made from the catalogue, and every example compiles.

use std::fs;

use tailwater_dsl::catalog::{FunctionClass, FunctionDef, ParamDef, ResultRule};
use tailwater_dsl::text_range::FileId;
use tailwater_dsl::{Analysis, Options, SourceFile};
use tailwater_engine::model::Value;
use tailwater_engine::plan::Plan;
use tailwater_engine::plan::eval::eval_row;
use tailwater_engine::plan::function::{Function, all, families};
use tailwater_rules::catalog;

const PAGE: &str = "docs/functions.md";

const HEAD: &str = "\
# Functions

Every function of the language. Where a parameter is followed by `?` it may be left out, `…` repeats
the last one, and one in italics is a constant. A null argument gives null where
nothing else is said, and so does an argument of a wrong kind or a result beyond its bound (text of
64 KiB, lists and maps of 4 096 entries).

This page is made from the catalogue by `UPDATE=1 cargo test --test it functions`; a test fails when
it is out of date, others compile every example and compare both sides of every `==`.
";

fn param(param: &ParamDef) -> String {
    let types: Vec<String> = param.types.iter().map(ToString::to_string).collect();
    let types = if types.is_empty() { "any".to_owned() } else { types.join(" \\| ") };
    let mark = if param.optional { "?" } else { "" };
    let name = if param.literal_only { format!("*{}*", param.name) } else { param.name.clone() };
    format!("{name}{mark}: {types}")
}

fn signature(function: &FunctionDef) -> String {
    let mut params: Vec<String> = function.params.iter().map(param).collect();
    if function.variadic {
        params.push("…".to_owned());
    }
    let name_of = |at: &usize| function.params[*at].name.clone();
    let result = match &function.result {
        ResultRule::Fixed(ty) => ty.to_string(),
        ResultRule::SameAs(at) => format!("as {}", name_of(at)),
        ResultRule::ElementOf(at) => format!("an element of {}", name_of(at)),
        ResultRule::ListOf(at) => format!("list of what {} is", name_of(at)),
        ResultRule::MeanOf(at) => format!("as {}, float for int", name_of(at)),
        ResultRule::PerSecondOf(at) => format!("{} per second", name_of(at)),
        ResultRule::Join => "what holds all arguments".to_owned(),
    };
    let null = if function.optional { " or null" } else { "" };
    format!("**`{}`** ({}) → {result}{null}", function.name, params.join(", "))
}

fn entry(function: &FunctionDef) -> String {
    let shown = Function::by_name(&function.name).map(|scalar| scalar.def().example.1);
    let example = match shown {
        Some(value) => format!("`{} == {value}`", function.example),
        None => format!("`{}`", function.example),
    };
    format!("- {}. {} {example}\n", signature(function), function.doc)
}

fn section(title: &str, functions: &[&FunctionDef]) -> String {
    let entries: String = functions.iter().map(|function| entry(function)).collect();
    format!("\n## {title}\n\n{entries}")
}

#[test]
fn the_page_is_made_from_the_catalogue() {
    let catalog = catalog();
    let of_class = |class: FunctionClass| -> Vec<&FunctionDef> {
        catalog.functions.iter().filter(|function| function.class == class).collect()
    };
    let mut page = HEAD.to_owned();
    page += &section(
        "Aggregates: one value from the items of a window",
        &of_class(FunctionClass::Aggregate),
    );
    let rows = of_class(FunctionClass::RowWindow);
    page += &section("Against a row's own past", &rows);
    for family in families() {
        let names: Vec<&str> = family.functions.iter().map(|function| function.name).collect();
        let own = of_class(FunctionClass::Scalar).into_iter();
        let own: Vec<&FunctionDef> =
            own.filter(|function| names.contains(&function.name.as_str())).collect();
        page += &section(family.title, &own);
    }
    let path = crate::tidy::root().join(PAGE);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == page, "{PAGE}: `UPDATE=1 cargo test --test it functions` writes it again");
    for function in &catalog.functions {
        assert!(
            page.contains(&format!("**`{}`**", function.name)),
            "`{}` is left out",
            function.name
        );
    }
}

/// An example in the place where its kind of function stands.
fn rules(function: &FunctionDef) -> String {
    let example = &function.example;
    match function.class {
        FunctionClass::Scalar => format!(
            "stream s = spans set {{ value: {example} }} lateness 1s
             aggregate a from s over tumbling(1m) select {{ last: last(value) }}"
        ),
        FunctionClass::Aggregate => {
            let source = if example.contains("(value") { "metrics" } else { "spans" };
            format!(
                "stream s = {source} lateness 1s
                 aggregate a from s over tumbling(1m) select {{ result: {example} }} having count() > 20"
            )
        }
        FunctionClass::RowWindow => format!(
            "stream s = spans lateness 1s
             aggregate a from s over tumbling(1m) select {{ n: count(), result: {example} }}"
        ),
    }
}

fn compile(name: &str, text: &str) -> Analysis {
    let file = SourceFile { id: FileId(0), name: name.to_owned(), text: text.to_owned() };
    tailwater_dsl::compile(&[file], &catalog(), &Options::default())
}

/// The plan of rules that are right.
fn plan(name: &str, text: &str) -> Plan {
    let analysis = compile(name, text);
    let shown = tailwater_dsl::diagnostic::human(&analysis.diagnostics, &analysis.files, false);
    let program = analysis.program.unwrap_or_else(|| panic!("{text}\n{shown}"));
    tailwater_rules::lower(&program).unwrap_or_else(|missing| panic!("{text}\n{missing:?}"))
}

#[test]
fn every_example_compiles_in_its_place() {
    for function in &catalog().functions {
        plan(&function.name, &rules(function));
    }
}

#[test]
fn every_example_of_a_scalar_function_is_true() {
    for function in all() {
        let def = function.def();
        let (call, value) = def.example;
        let text = format!(
            "stream s = spans where {call} == {value} lateness 1s
             aggregate a from s over tumbling(1m) select {{ n: count() }}"
        );
        let plan = plan(def.name, &text);
        let [filter] = &plan.signals[0].filters[..] else { panic!("{text}") };
        assert_eq!(eval_row(filter, &[]), Value::Bool(true), "`{call} == {value}`");
    }
}

#[test]
fn a_regular_expression_that_cannot_run_is_reported_where_it_stands() {
    for (condition, reason, place) in [
        ("name matches r\"(\"", "unclosed group", "("),
        ("name matches r\"(\\w{99}){99}\"", "needs more than", "r\"(\\w{99}){99}\""),
        ("extract(name, r\"(?=a)\") == \"a\"", "look-around", "(?="),
        ("count_matches(name, \"[z-a]\") > 1", "invalid character class range", "z-a"),
    ] {
        let text = format!("stream s = spans where {condition} lateness 1s");
        let analysis = compile("s.tw", &text);
        let found =
            analysis.diagnostics.iter().find(|diagnostic| diagnostic.code.as_str() == "E2010");
        let found = found.unwrap_or_else(|| panic!("{text}: {:?}", analysis.diagnostics));
        assert!(found.message.contains(reason), "{text}: {}", found.message);
        let range = found.labels[0].range;
        assert_eq!(&text[range.start as usize..range.end as usize], place);
    }
}

#[test]
fn elements_and_lists_are_read_as_the_functions_read_them() {
    let holds = |condition: &str| {
        let text = format!(
            "stream s = spans where {condition} lateness 1s
             aggregate a from s over tumbling(1m) select {{ n: count() }}"
        );
        eval_row(&plan("s.tw", &text).signals[0].filters[0], &[])
    };
    for (condition, value) in [
        ("split(\"a,b\", \",\")[1] == \"b\"", Value::Bool(true)),
        ("split(\"a,b\", \",\")[2] == \"b\"", Value::Null),
        ("parse_json(\"{\\\"k\\\": [1, 2]}\")[\"k\"][0] == 1", Value::Bool(true)),
        ("parse_pairs(\"a=1\")[\"b\"] == null", Value::Bool(true)),
        ("split(\"a,b\", \",\") contains \"b\"", Value::Bool(true)),
        ("split(\"a,b\", \",\") contains \"c\"", Value::Bool(false)),
        ("lower(\"GET\") in [\"get\", \"put\"]", Value::Bool(true)),
        ("int(\"x\") in [1, 2]", Value::Null),
        ("not (int(\"x\") in [1, 2])", Value::Null),
        ("1 / len(\"\") == null", Value::Bool(true)),
        ("lower(string(int(\"x\"))) == null", Value::Bool(true)),
        ("(int(\"x\") ?? 3) == 3", Value::Bool(true)),
        ("first_filled(lower(string(int(\"x\"))), \"\", \"b\") == \"b\"", Value::Bool(true)),
        ("split(\"añb\", \"\") == [\"a\", \"ñ\", \"b\"]", Value::Bool(true)),
        ("in_cidr(\"::ffff:10.1.2.3\", \"10.0.0.0/8\")", Value::Bool(true)),
        ("in_cidr(\"fd00::1\", \"10.0.0.0/8\")", Value::Bool(false)),
        ("in_cidr(\"10.1.2.3\", \"10.0.0.0/33\")", Value::Null),
        ("url_scheme(\"10.0.0.1:80/x\") == null", Value::Bool(true)),
        ("url_host(\"http://[::1]:80/x\") == \"::1\"", Value::Bool(true)),
        ("url_port(\"http://[::1]/x\") == null", Value::Bool(true)),
        (r#"parse_pairs(r"m='a b' q=1")["q"] == "1""#, Value::Bool(true)),
        (r#"parse_pairs("m=\"a \\\"b\\\" c\" q=1")["m"] == "a \"b\" c""#, Value::Bool(true)),
        ("round_to(250ms, 100ms) == 300ms", Value::Bool(true)),
        ("floor_to(-1, 100) == -100", Value::Bool(true)),
        ("floor_to(5, 0) == null", Value::Bool(true)),
        ("is_luhn(\"4111 1111 1111 1112\")", Value::Bool(false)),
        ("is_luhn(\"order 42\")", Value::Bool(false)),
        ("camel_case(\"HTTPStatus\") == \"httpstatus\"", Value::Bool(true)),
        ("bool(0.5)", Value::Bool(true)),
    ] {
        assert_eq!(holds(condition), value, "{condition}");
    }
}
