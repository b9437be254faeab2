//! The formatter: canonical, idempotent, comments kept, meaning unchanged.

use tailwater_dsl::format;

use crate::analyse;
const EXAMPLE: &str = include_str!("example.tw");

/// A rendering of what a text means, without places: the same before and after formatting.
pub(crate) fn meaning(text: &str) -> String {
    let analysis = analyse(text);
    let program = format!("{:?}", analysis.program);
    let mut result = String::new();
    let mut rest = program.as_str();
    while let Some(at) = rest.find("TextRange {") {
        result.push_str(&rest[..at]);
        rest = rest[at..].split_once('}').map_or("", |pair| pair.1);
    }
    result + rest
}

fn check(text: &str, expected: &str) {
    let formatted = format(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(formatted, expected, "\n{formatted}");
    assert_eq!(format(&formatted).as_ref(), Ok(&formatted), "not idempotent");
}

#[test]
fn the_example_keeps_its_meaning() {
    let formatted = format(EXAMPLE).unwrap();
    assert_eq!(format(&formatted).as_ref(), Ok(&formatted), "{formatted}");
    assert!(analyse(EXAMPLE).program.is_some());
    assert_eq!(meaning(EXAMPLE), meaning(&formatted), "{formatted}");
    for line in EXAMPLE.lines().filter_map(|line| line.split_once("// ")) {
        assert!(formatted.contains(line.1), "the comment `{}` is gone", line.1);
    }
}

#[test]
fn clauses_stand_on_lines_of_their_own() {
    check(
        "stream   a=spans where kind==server lateness 10s late drop",
        "stream a = spans\n  where    kind == server\n  lateness 10s  late drop\n",
    );
    check("rows w=http top 5 by p99 desc", "rows w = http top 5 by p99 desc\n");
}

#[test]
fn lines_of_a_redaction_stand_on_their_own() {
    check(
        "redact { keys deny[\"*.password\"] values mask [ email,ipv4( keep : 16 ), ]\n\
         values hash [\"id\"] key secret( \"k\" ) // why\n}",
        "redact {\n  keys deny [\"*.password\"]\n  values mask [email, ipv4(keep: 16)]\n  \
         values hash [\"id\"] key secret(\"k\") // why\n}\n",
    );
}

#[test]
fn operators_and_brackets_are_spaced_alike() {
    check("const a=-5", "const a = -5\n");
    check("const a = 3-2 * ( 1+4 )", "const a = 3 - 2 * (1 + 4)\n");
    check("fn f( a,b )=a [ 0 ]+b", "fn f(a, b) = a[0] + b\n");
    check("const a=[ 1,2, ]", "const a = [1, 2]\n");
    check("fn f(x)=not(x)and contains(x,\"a\")", "fn f(x) = not (x) and contains(x, \"a\")\n");
}

#[test]
fn comments_stay_where_they_are() {
    check(
        "// a\n\n\n\n// b\nconst x=1 // c\n// d\nconst y=2\n// e",
        "// a\n\n// b\nconst x = 1 // c\n// d\nconst y = 2\n// e\n",
    );
    check(
        "aggregate a from spans over tumbling(1m) select { n: count(), // how many\n m: count() }",
        "aggregate a from spans\n  over   tumbling(1m)\n  select {\n    n: count(), // how many\n    \
         m: count()\n  }\n",
    );
    check("/// doc\nconst x = 1 /* why */", "/// doc\nconst x = 1 /* why */\n");
}

#[test]
fn long_lines_break_at_and_then_at_commas() {
    let condition = ["kind == server"; 8].join(" and ");
    let formatted = format(&format!("stream a = spans where {condition}")).unwrap();
    assert!(formatted.lines().all(|line| line.len() <= 100), "{formatted}");
    assert!(formatted.contains("\n        and kind == server\n"), "{formatted}");
}

#[test]
fn what_this_version_does_not_run_is_kept_as_it_stands() {
    let text = "validate   x {\n count,   tag\n}\n";
    assert_eq!(format(text).as_deref(), Ok(text));
}

#[test]
fn texts_that_cannot_be_read_are_not_touched() {
    assert!(format("stream = spans").is_err());
    assert!(format("const a = (1").is_err());
}

#[test]
fn lines_of_a_sample_stand_on_lines_of_their_own() {
    check(
        "sample logs{keep when severity>=error slow:shadow keep 50% when body==\"x\"\n\
         keep target 20 per s by service.name,source otherwise}mark \"k\" to a,b",
        "sample logs {\n  keep when severity >= error\n  \
         slow: shadow keep 50% when body == \"x\"\n  \
         keep target 20 per s by service.name, source otherwise\n} mark \"k\" to a, b\n",
    );
}

#[test]
fn on_no_data_stays_together() {
    let text = "alert A from http\n  when     n > 1\n  on no data resolve\n  severity critical\n";
    assert_eq!(format(text).unwrap(), text);
}

#[test]
fn what_stands_below_a_comment_stands_as_far_in_as_without_it() {
    check(
        "stream s = spans set { // open\n a: 1 // one\n // between\n , b: 2 /* two */ }",
        "stream s = spans\n  set {\n    // open\n    a: 1, // one\n    // between\n    \
         b: 2 /* two */\n  }\n",
    );
    check(
        "test \"t\" { // test\n given { // given\n 0s span shop \"x\" ok 1ms // item\n } \
         // between\n expect { alert A firing by 1m } }",
        "test \"t\" {\n  // test\n  given {\n    // given\n    0s span shop \"x\" ok 1ms // item\n  } // between\n  \
         expect {\n    alert A firing by 1m\n  }\n}\n",
    );
    check(
        "pattern p by name within 1m { // body\n // first\n a: spans // a\n then b: spans }",
        "pattern p by name within 1m {\n  // body\n  // first\n  a:      spans // a\n  \
         then b: spans\n}\n",
    );
}

#[test]
fn a_comment_below_a_line_stands_as_far_in_as_the_line() {
    let text = "test \"t\" {\n  given {\n    0s span shop \"x\" ok 1ms // behind\n    // below\n  }\n  \
                // between\n  expect {\n    alert A firing by 1m\n    // last\n  }\n  // end\n}\n";
    assert_eq!(format(text).unwrap(), text);
    let text = "aggregate a from spans\n  by     name\n  over   tumbling(1m)\n  select {\n    \
                n: count(),\n    m: max(duration)\n    // last\n  }\n";
    assert_eq!(format(text).unwrap(), text);
}
