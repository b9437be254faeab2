//! The search finds what looking at every place finds.

use proptest::prelude::*;

use super::*;

/// Hits by looking at every byte for every class, and at every needle at every place.
fn everywhere(finder: &Finder, text: &[u8], look: Look) -> Hits {
    let (mut hits, mut past) = (Hits::new(), Past::default());
    // The address of a network card stands in the way of IPv6 only where it is looked for.
    let wants = (finder.classes.has(ValueClass::Ipv6), finder.classes.has(ValueClass::Mac));
    for (place, byte) in text.iter().enumerate() {
        let hit = match byte {
            b'0'..=b'9' if place >= past.digits => {
                let end = number::run_end(text, place);
                past.digits = end;
                finder.at_digits(text, place, end, look)
            }
            b':' => network::at_colon(text, place, wants, look),
            b'-' | b'.' => network::at_joint(text, place, look),
            b'@' => web::email(text, place, place + 1, look).map(hit(ValueClass::Email)),
            b'=' => web::field_before(text, (place, place + 1), look, &mut past.field)
                .map(hit(ValueClass::UrlQuery)),
            _ => None,
        };
        if let Some(hit) = hit.filter(|hit| finder.classes.has(hit.class)) {
            past.digits = past.digits.max(hit.end);
            hits.push(hit);
        }
        for (class, needle, opens) in needles_of() {
            let end = place + needle.len();
            let is_here = text.get(place..end).is_some_and(|t| t.eq_ignore_ascii_case(needle));
            if is_here && finder.classes.has(class) {
                Finder::take(opens, text, (place, end), look, &mut past, &mut |hit| {
                    hits.push(hit);
                    false
                });
            }
        }
    }
    hits
}

/// Each hit once, in order.
fn in_order(mut hits: Hits) -> Vec<Hit> {
    hits.sort_unstable_by_key(|hit| (hit.start, usize::MAX - hit.end, hit.class));
    hits.dedup();
    hits.to_vec()
}

/// Pieces of what the classes are made of.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5105-1051-0510-5100",
        "3782 822463 10005",
        "123-45-6789",
        "DE89370400440532013000",
        "GB82 WEST 1234 5698 7654 32",
        "203.0.113.7",
        "10.0.0.1",
        "::1",
        "fe80::1",
        "2001:db8::17",
        "1:2:3:4:5:6:7:8",
        "::ffff:1.2.3.4",
        "aa:bb:cc:dd:ee:ff",
        "00-1B-44-11-3A-B7",
        "001b.4411.3ab7",
        "+14155552671",
        "+49 30 1234567",
        "(212) 555-0123",
        "(212)555-0123",
        "212.555.0123",
        "1-212-555-0123",
        "a@b.io",
        "a%40b.io",
        "x://a:b@c",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.x",
        "Bearer abc1",
        "basic dXNlcjpwYXNz",
        "-----BEGIN PRIVATE KEY-----",
        "&token=",
        "?KEY=a",
        "session_id=b",
        "select 1 from",
        "SET a=",
        "update",
        "values (",
        "AKIAABCDEFGHIJKLMNOP",
        "sk-0123456789abcdef0123456789abcdef",
        "8Q~0123456789abcdef0123456789abcdef",
        "ghp_",
        "secret_access_key: ",
        "ABCDEFGHIJKLMNOPQRST",
    ];
    prop_oneof![
        4 => prop::sample::select(words.map(str::to_owned).to_vec()),
        3 => "[0-9]{1,20}",
        3 => "[-+.:@=()a-fA-F0-9 ]{1,6}",
        1 => "[ -~]{1,4}",
        1 => "%(20|22|25|2520|3D|0A)|[+]|\\\\(n|x20|u0020)",
        1 => prop::sample::select(&["é", "\u{a0}", "，", "版", "…", "😀", "्"][..])
            .prop_map(str::to_owned),
    ]
}

/// What stands beside a value in a frame of bytes: tags, lengths and numbers, which may be digits.
fn beside() -> impl Strategy<Value = String> {
    prop_oneof![2 => "[!-~]{0,2}", 1 => "[0-9]{0,10}"]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..7).prop_map(|pieces| pieces.concat())
}

/// All classes, or one or two of them.
fn classes() -> impl Strategy<Value = ClassSet> {
    let of = |classes: &[ValueClass]| {
        classes.iter().fold(ClassSet::default(), |set, class| set.with(*class))
    };
    prop_oneof![
        Just(of(&ValueClass::ALL)),
        prop::sample::subsequence(ValueClass::ALL.to_vec(), 1..3).prop_map(move |some| of(&some)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn hits_are_those_of_looking_everywhere(text in text(), classes in classes()) {
        let finder = Finder::new(classes);
        let mut hits = Hits::new();
        finder.search(text.as_bytes(), Look::Value, &mut |hit| {
            hits.push(hit);
            false
        });
        let expected = everywhere(&finder, text.as_bytes(), Look::Value);
        prop_assert_eq!(in_order(hits), in_order(expected));
    }

    #[test]
    fn frames_hold_what_looking_everywhere_finds(
        mut text in prop::collection::vec(any::<u8>(), 0..3),
        values in prop::collection::vec((text(), prop::collection::vec(0x20..0x60u8, 0..3)), 1..3),
        classes in classes(),
    ) {
        let finder = Finder::new(classes);
        for (value, tags) in values {
            text.extend(value.as_bytes());
            text.extend(tags);
        }
        for look in [Look::Text, Look::Bytes] {
            let expected = !everywhere(&finder, &text, look).is_empty();
            let has_quotes = text.contains(&b'"');
            let found = finder.may_hold(&text, look);
            prop_assert!(found == expected || (found && has_quotes), "{:?}", look);
        }
    }

    #[test]
    fn what_a_frame_holds_is_found_in_it(
        text in text(),
        around in (beside(), beside()),
        classes in classes(),
    ) {
        let finder = Finder::new(classes);
        let mut hits = Hits::new();
        finder.hits(text.as_bytes(), &mut hits);
        if !hits.is_empty() {
            let frame = format!("{}{text}{}", around.0, around.1);
            prop_assert!(finder.may_hold(frame.as_bytes(), Look::Bytes));
            let frame = format!("x\"{text}\",\"");
            prop_assert!(finder.may_hold(frame.as_bytes(), Look::Text));
        }
    }
}
