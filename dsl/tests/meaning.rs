//! What rules mean: types and units of expressions, what names stand for, null, shadowing.

use tailwater_dsl::Analysis;
use tailwater_dsl::diagnostic::human;
use tailwater_dsl::hir::{
    Aggregate, BinaryOp, DeclarationKind, Expr, ExprKind, FieldRef, Late, Literal, Place, Stream,
    UnaryOp, Window,
};

use crate::analyse;

fn report(analysis: &Analysis) -> String {
    human(&analysis.diagnostics, &analysis.files, false)
}

fn kind_of(text: &str, name: &str) -> DeclarationKind {
    let analysis = analyse(text);
    let program = analysis.program.as_ref().unwrap_or_else(|| panic!("{}", report(&analysis)));
    program.by_name(name).unwrap_or_else(|| panic!("there is no `{name}`")).kind.clone()
}

fn stream(text: &str) -> Stream {
    match kind_of(text, "s") {
        DeclarationKind::Stream(stream) => stream,
        other => panic!("`s` is {other:?}"),
    }
}

fn aggregate(text: &str) -> Aggregate {
    match kind_of(text, "a") {
        DeclarationKind::Aggregate(aggregate) => aggregate,
        other => panic!("`a` is {other:?}"),
    }
}

/// The typed form of an expression over spans.
fn typed(expression: &str) -> Expr {
    let text = format!(
        "const slow = 750ms\nparam share = 5%\nfn is_5xx(code) = code >= 500 and code < 600\n\
         stream s = spans set {{ it: {expression} }} lateness 10s\n"
    );
    stream(&text).set.remove(0).value
}

/// The typed form of the selected value `it` of an aggregate over spans by service.
fn selected(expression: &str) -> Expr {
    let text = format!(
        "aggregate a from spans by service.name over tumbling(1m)\n  \
         select {{ n: count(), worst: max(duration), it: {expression} }}\n"
    );
    aggregate(&text).items.remove(2).value
}

fn code_of(text: &str) -> Vec<&'static str> {
    analyse(text).diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect()
}

fn shown(expr: &Expr) -> String {
    format!("{}{}", expr.ty, if expr.optional { "?" } else { "" })
}

#[test]
fn units_are_types() {
    let table = [
        ("1", "int"),
        ("1.5", "float"),
        ("1e3", "float"),
        ("5%", "ratio"),
        ("1h30m", "duration"),
        ("4KiB", "size"),
        ("20 per s", "rate"),
        ("2026-01-01T00:00:00Z", "time"),
        ("\"x\"", "string"),
        ("true", "bool"),
        ("[1, 2]", "list of int"),
        ("[1, 2.5]", "list of number"),
        ("duration", "duration"),
        ("start", "time"),
        ("event_count", "int"),
        ("kind", "one of unspecified, internal, server, client, producer, consumer"),
        ("trace.id", "bytes?"),
        ("http.route", "any?"),
        // like quantities: sums keep the unit, a quotient is a ratio
        ("duration + 5s", "duration"),
        ("duration - slow", "duration"),
        ("duration / slow", "ratio"),
        ("duration / duration", "ratio?"),
        ("event_count / 2", "ratio"),
        ("event_count / event_count", "ratio?"),
        ("4KiB / 2KiB", "ratio"),
        // quantity by number or ratio
        ("duration * 2", "duration"),
        ("2 * duration", "duration"),
        ("duration / 2", "duration"),
        ("duration * share", "duration"),
        ("share * share", "ratio"),
        ("share + 1", "ratio"),
        ("1 - share", "ratio"),
        // times
        ("end - start", "duration"),
        ("start + 5s", "time"),
        ("5s + start", "time"),
        // something per time
        ("event_count / duration", "rate?"),
        ("4KiB / 2s", "rate"),
        ("20 per s * 1m", "float"),
        // numbers
        ("event_count + 1", "int"),
        ("event_count + 1.5", "float"),
        ("-duration", "duration"),
        // texts and truth
        ("\"a\" + name", "string"),
        ("name contains \"x\"", "bool"),
        ("not (kind == server)", "bool"),
        ("name in [\"a\", \"b\"]", "bool"),
        ("if duration > slow then \"slow\" else \"fast\"", "string"),
        ("if duration > slow then 1 else null", "int?"),
        // attributes are known per item only
        ("http.route == \"/pay\"", "bool?"),
        ("duration + http.elapsed", "duration?"),
        ("http.a * http.b", "any?"),
        // null
        ("http.route ?? \"none\"", "any"),
        ("http.route ?? url.path ?? \"none\"", "any"),
        ("http.route ?? url.path", "any?"),
        ("http.route == null", "bool"),
        ("http.route != null", "bool"),
        ("is_5xx(http.status)", "bool?"),
        ("is_5xx(200)", "bool"),
    ];
    let wrong: Vec<_> = table
        .iter()
        .map(|(text, expected)| (text, expected, shown(&typed(text))))
        .filter(|(_, expected, found)| *expected != found)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn aggregates_have_the_types_of_what_they_are_made_of() {
    let table = [
        ("count()", "int"),
        ("count() where status == error", "int"),
        ("avg(duration)", "duration"),
        ("avg(event_count)", "float"),
        ("sum(duration)", "duration"),
        ("max(start)", "time"),
        ("p99(duration)", "duration"),
        ("ratio(status == error)", "ratio"),
        ("rate()", "rate"),
        ("top(3, name)", "list of string"),
        ("collect(duration)", "list of duration"),
        ("n / 2", "ratio"),
        ("n / n", "ratio?"),
        ("worst / 2", "duration"),
        ("worst / n", "duration?"),
        ("n > 20 and worst > 1s", "bool"),
        ("zscore(n)", "float"),
        ("ewma(worst, half: 5m)", "duration"),
        ("service.name", "any?"),
    ];
    let wrong: Vec<_> = table
        .iter()
        .map(|(text, expected)| (text, expected, shown(&selected(text))))
        .filter(|(_, expected, found)| *expected != found)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let table = [
        ("duration > 5", "E2002"),
        ("5 < duration", "E2002"),
        ("duration + 5", "E2002"),
        ("duration > 5MB", "E2001"),
        ("duration > 5%", "E2001"),
        ("name > 5", "E2001"),
        ("name == 5s", "E2001"),
        ("start > 5s", "E2001"),
        ("start + end", "E2003"),
        ("duration * duration", "E2003"),
        ("1 / name", "E2003"),
        ("true > false", "E2003"),
        ("http.route > null", "E2003"),
        ("-name", "E2003"),
        ("duration contains \"s\"", "E2003"),
        ("not name", "E2006"),
        ("kind == server and name", "E2006"),
        ("duration ?? \"none\"", "E2001"),
        ("if true then 1 else \"x\"", "E2001"),
        ("[1, \"x\"]", "E2001"),
        ("kind == sever", "E2009"),
        ("kind == \"sever\"", "E2009"),
        ("name matches name", "E2007"),
        ("name in name", "E2007"),
        ("attr[name] == 1", "E2007"),
        ("count()", "E2008"),
        ("zscore(event_count)", "E2008"),
        ("1 < event_count < 5", "E0001"),
    ];
    for (text, code) in table {
        let rules = format!("stream s = spans set {{ it: {text} }} lateness 10s\n");
        let codes: Vec<_> = code_of(&rules).into_iter().filter(|c| c.starts_with('E')).collect();
        assert_eq!(codes, [code], "{text}");
    }
}

#[test]
fn operators_bind_as_they_are_read() {
    let table = [
        ("1 + 2 * 3 == 7 or false and false", "1 + (2 * 3) == 7 or (false and false)"),
        ("not kind == server and true", "(not (kind == server)) and true"),
        ("http.a ?? 0 > 5", "(http.a ?? 0) > 5"),
        ("http.a ?? 1 + 2", "http.a ?? (1 + 2)"),
        ("10 - 3 - 2", "(10 - 3) - 2"),
        ("8 / 4 / 2", "(8 / 4) / 2"),
        ("-1 + 2", "(-1) + 2"),
        ("name in [\"a\"] and true", "(name in [\"a\"]) and true"),
        ("name not in [\"a\"]", "not (name in [\"a\"])"),
        ("if true then 1 else 2 + 3", "if true then 1 else (2 + 3)"),
    ];
    for (text, meant) in table {
        assert_eq!(outline(&typed(text)), outline(&typed(meant)), "{text}");
    }
    assert_ne!(outline(&typed("10 - (3 - http.a)")), outline(&typed("(10 - 3) - http.a")));
}

/// An expression without its places.
fn outline(expr: &Expr) -> String {
    let all = |values: &[Expr]| values.iter().map(outline).collect::<Vec<_>>().join(", ");
    match &expr.kind {
        ExprKind::Constant { value, .. } => format!("{value:?}"),
        ExprKind::Field(field) => format!("{field:?}"),
        ExprKind::Unary(op, a) => format!("{op:?}({})", outline(a)),
        ExprKind::Binary(op, a, b) => format!("{op:?}({}, {})", outline(a), outline(b)),
        ExprKind::Coalesce(values) => format!("coalesce({})", all(values)),
        ExprKind::If(a, b, c) => format!("if({}, {}, {})", outline(a), outline(b), outline(c)),
        ExprKind::In(value, list) => format!("in({}, {})", outline(value), all(list)),
        other => panic!("no outline of {other:?}"),
    }
}

#[test]
fn names_mean_the_nearest_thing() {
    let attribute = |place, key: &str| FieldRef::Attribute { place, key: key.to_owned() };
    let builtin = |path: &str| FieldRef::Builtin(path.to_owned());
    let table = [
        ("duration", builtin("duration")),
        ("status.message", builtin("status.message")),
        ("http.route", attribute(Place::Any, "http.route")),
        ("attr[\"duration\"]", attribute(Place::Any, "duration")),
        ("item[\"k\"]", attribute(Place::Item, "k")),
        ("scope[\"k\"]", attribute(Place::Scope, "k")),
        ("resource[\"k\"]", attribute(Place::Resource, "k")),
    ];
    for (text, expected) in table {
        assert_eq!(typed(text).kind, ExprKind::Field(expected), "{text}");
    }
    let ExprKind::Constant { value, param } = typed("slow").kind else { panic!("a constant") };
    assert_eq!((value, param), (Literal::Duration(750_000_000), None));
    let ExprKind::Constant { value, param } = typed("share").kind else { panic!("a parameter") };
    assert_eq!((value, param.as_deref()), (Literal::Ratio(0.05), Some("share")));
}

#[test]
fn what_a_declaration_binds_comes_first() {
    let text = "stream s = spans set { route: http.route, short: route } lateness 10s\n\
                aggregate a from s by route over tumbling(1m)\n\
                select { n: count(), half: n / 2, r: route, worst: max(duration) }\n";
    let set = stream(text).set;
    assert_eq!(set[1].value.kind, ExprKind::Field(FieldRef::Item("route".to_owned())));
    let a = aggregate(text);
    assert_eq!(a.by[0].value.kind, ExprKind::Field(FieldRef::Column("route".to_owned())));
    let item = |name: &str| ExprKind::Field(FieldRef::Item(name.to_owned()));
    assert_eq!(a.items[2].value.kind, item("route"));
    let ExprKind::Binary(BinaryOp::Divide, left, _) = &a.items[1].value.kind else {
        panic!("{:?}", a.items[1])
    };
    assert_eq!(left.kind, item("n"));
}

#[test]
fn a_filter_stands_before_the_columns_of_set() {
    let text = "stream s = spans where route == \"/\" set { route: http.route } lateness 10s\n";
    let ExprKind::Binary(_, left, _) = stream(text).filter.expect("a filter").kind else {
        panic!("a comparison")
    };
    let attribute = FieldRef::Attribute { place: Place::Any, key: "route".to_owned() };
    assert_eq!(left.kind, ExprKind::Field(attribute), "the attribute, not the column");
}

#[test]
fn beside_an_enumeration_a_bare_word_is_its_member() {
    for text in ["kind == server", "server == kind", "kind == \"server\"", "kind in [server]"] {
        let expr = typed(text);
        let found = match &expr.kind {
            ExprKind::Binary(_, a, b) => [a, b].iter().any(|side| is_server(side)),
            ExprKind::In(_, list) => list.iter().any(is_server),
            _ => false,
        };
        assert!(found, "{text}: {expr:?}");
    }
    let ExprKind::Binary(_, _, right) = typed("name == server").kind else {
        panic!("a comparison")
    };
    assert!(matches!(right.kind, ExprKind::Field(FieldRef::Attribute { .. })), "an attribute");
}

fn is_server(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Constant { value: Literal::Enum(word), .. } if word == "server")
}

#[test]
fn null_is_tested_for_and_never_compared() {
    let kind = |text: &str| typed(text).kind;
    assert!(matches!(kind("http.a == null"), ExprKind::Unary(UnaryOp::IsNull, _)));
    assert!(matches!(kind("null == http.a"), ExprKind::Unary(UnaryOp::IsNull, _)));
    assert!(matches!(kind("http.a != null"), ExprKind::Unary(UnaryOp::IsPresent, _)));
    let ExprKind::Coalesce(values) = kind("http.a ?? http.b ?? 1") else { panic!("`??`") };
    assert_eq!(values.len(), 3, "a chain of defaults is one");
    assert_eq!(shown(&typed("http.a > 5")), "bool?", "unknown, where the attribute is not there");
    assert_eq!(shown(&typed("(http.a ?? 0) > 5")), "bool");
}

#[test]
fn shadowing_is_refused() {
    let with = |rest: &str| format!("const limit_s = 5\n{rest}");
    let over = "over tumbling(1m)";
    let table = [
        "stream s = spans set { duration: 1s } lateness 10s\n".to_owned(),
        with("stream s = spans set { limit_s: event_count } lateness 10s\n"),
        with(&format!("aggregate a from spans {over} select {{ limit_s: count() }}\n")),
        with("fn f(limit_s) = limit_s + 1\n"),
        format!("aggregate a from spans by name: http.route {over} select {{ n: count() }}\n"),
        "stream spans = logs lateness 10s\n".to_owned(),
        "const duration = 5s\n".to_owned(),
    ];
    for text in table {
        assert!(code_of(&text).contains(&"E1005"), "{text}");
    }
    let own = format!("aggregate a from spans by name {over} select {{ n: count() }}\n");
    assert!(!code_of(&own).contains(&"E1005"), "a group key may keep its field's name");
}

#[test]
fn a_constant_sees_no_field_and_a_rule_is_no_value() {
    assert_eq!(code_of("const c = duration\n"), ["W4006", "E1001"]);
    let text = "aggregate http from spans over tumbling(1m) select { n: count() }\n\
                alert A from http when http > 5 on no data keep\n";
    assert!(code_of(text).contains(&"E1001"), "rule names stand only where a rule is meant");
}

#[test]
fn declarations_stand_in_any_order() {
    let text = "alert A from http when n > many on no data keep\n\
                aggregate http from requests over tumbling(1m) select { n: count() }\n\
                stream requests = spans where is_5xx(http.status) lateness 10s\n\
                fn is_5xx(code) = code >= low and code < 600\nconst low = 500\nconst many = 5\n";
    let analysis = analyse(text);
    let program = analysis.program.as_ref().unwrap_or_else(|| panic!("{}", report(&analysis)));
    let names: Vec<_> = program.declarations.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["requests", "http", "A"], "sources before their readers");
}

#[test]
fn declarations_may_share_a_line() {
    let text = "stream s = spans lateness 1s aggregate a from s over tumbling(1m) \
                select { n: count() } rows r = a top 5 by n alert w from a when n > 5 \
                on no data keep";
    let analysis = analyse(text);
    let program = analysis.program.as_ref().unwrap_or_else(|| panic!("{}", report(&analysis)));
    assert!(["s", "a", "r", "w"].iter().all(|name| program.by_name(name).is_some()));
    // A keyword where a name is meant stays one.
    aggregate("aggregate a from spans by route, table over tumbling(1m) select { n: count() }");
}

#[test]
fn functions_are_written_out_with_the_callers_names() {
    let text = "fn is_5xx(code) = code >= 500\nfn share(x) = x / count()\n\
                stream s = spans where is_5xx(http.status) lateness 10s\n\
                aggregate a from s over tumbling(1m)\n\
                select { errors: count() where status == error, x: share(errors) }\n";
    let ExprKind::Binary(BinaryOp::GreaterEqual, left, _) = stream(text).filter.unwrap().kind
    else {
        panic!("the function's body")
    };
    assert_eq!(
        left.kind,
        ExprKind::Field(FieldRef::Attribute { place: Place::Any, key: "http.status".to_owned() })
    );
    let a = aggregate(text);
    assert_eq!(a.calls.len(), 2, "a function may be made of aggregates");
    assert_eq!(shown(&a.items[1].value), "ratio?");
}

#[test]
fn equal_aggregate_calls_are_one() {
    let a = aggregate(
        "aggregate a from spans over tumbling(1m)\n\
         select { n: count(), errors: count() where status == error,\n\
         share: (count() where status == error) / count() } having count() > 5\n",
    );
    assert_eq!(a.calls.len(), 2);
}

#[test]
fn an_unnamed_value_takes_its_functions_name() {
    let a =
        aggregate("aggregate a from spans over tumbling(1m) select { p50(duration), count() }\n");
    let names: Vec<_> = a.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["p50", "count"]);
}

#[test]
fn windows_mean_nanoseconds() {
    const S: i64 = 1_000_000_000;
    let table = [
        ("tumbling(1m)", Window::Tumbling { size_ns: 60 * S }),
        ("tumbling(size: 1m)", Window::Tumbling { size_ns: 60 * S }),
        ("sliding(5m, every: 30s)", Window::Sliding { size_ns: 300 * S, every_ns: 30 * S }),
        ("cumulate(1d, every: 1m)", Window::Cumulate { size_ns: 86_400 * S, every_ns: 60 * S }),
        ("session(gap: 30s)", Window::Session { gap_ns: 30 * S, max_ns: None }),
        (
            "session(gap: 30s, max: 30m)",
            Window::Session { gap_ns: 30 * S, max_ns: Some(1_800 * S) },
        ),
        ("count(1000)", Window::Count(1_000)),
        ("count(1_000)", Window::Count(1_000)),
    ];
    for (text, window) in table {
        let rules = format!("aggregate a from spans over {text} select {{ n: count() }}\n");
        assert_eq!(aggregate(&rules).window, window, "{text}");
    }
    let text = "aggregate a from spans over tumbling(1h, offset: 75m) select { n: count() }\n";
    assert_eq!(aggregate(text).offset_ns, 900 * S, "an offset counts from the grid");
}

#[test]
fn late_items_go_where_the_stream_says() {
    let late = |text: &str| stream(&format!("stream s = spans lateness 10s {text}\n")).late;
    assert_eq!(late(""), Late::Drop);
    assert_eq!(late("late drop"), Late::Drop);
    assert_eq!(late("late side tardy"), Late::Side("tardy".to_owned()));
    assert_eq!(late("late amend within 5m"), Late::Amend(300_000_000_000));
    let text = "stream s = spans lateness 10s late side tardy\n\
                aggregate n from tardy over tumbling(1m) select { n: count() }\n";
    assert!(analyse(text).program.is_some(), "the side is a source");
}

#[test]
fn declarations_may_stand_on_one_line() {
    let text = "edition 1 param least = 5 const slow = 1s fn is_slow(x) = x > slow
        stream s = spans where is_slow(duration) set { it: least } lateness 10s
        aggregate a from s by name over tumbling(1m) select { n: count() } to prometheus
        alert Many from a when n > 5 on no data resolve severity critical
        alert Again from Many
        pattern p by service.name within 1m { x: spans then y: logs } to alertmanager
        correlate c { x: spans y: logs } on trace.id within [-1m, 1m] pick first
        traces t from s close when quiet 5s
        sample t { keep when error_count > 0 drop otherwise } to archive mark \"line\"
        route spans to archive route s where name == \"x\" to archive, otlp
        import \"std/slo\" as slo
        route slo.requests to archive
        redact { keys deny [\"password\"] }
        rows r = a top 5 by n
        table owners = csv(\"owners.csv\") key service.name
        aggregate b from s by owners.team over tumbling(1m) select { n: count() }
        test \"t\" { given { 0s span shop \"x\" 1s } expect { none alert Many } }
";
    let codes = |text: &str| {
        let analysis = analyse(text);
        let codes = analysis.diagnostics.iter().map(|one| one.code.as_str());
        (
            codes.map(str::to_owned).collect::<Vec<_>>(),
            analysis.program.map(|p| p.declarations.len()),
        )
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (known, declared) = codes(text);
    assert!(declared.is_some(), "{}", report(&analyse(text)));
    assert_eq!(codes(&line), (known, declared), "{}", report(&analyse(&line)));
}
