//! What each class takes out, and what it leaves.

use tailwater_engine::plan::{RedactAction, ValueClass};

use crate::support::{all, classes, redactor};

fn masked(text: &str) -> String {
    let redactor = redactor(&all(RedactAction::Mask));
    let out = redactor.text(text.as_bytes()).expect("a mask leaves something");
    String::from_utf8(out.into_owned()).expect("text stays text")
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(masked(text), expected, "of `{text}`");
    assert_eq!(masked(expected), expected, "a second time");
}

#[track_caller]
fn stays(text: &str) {
    check(text, text);
}

#[test]
fn mail_addresses() {
    check("bob@example.com", "[email]");
    check("mail bob.o'neil+x@mail.example.co.uk.", "mail [email].");
    check("to=<ann@b.io>, cc", "to=<[email]>, cc");
    check("/u?m=bob%40example.com&x=1", "/u?m=[email]&x=1");
    check("ü.müller@bücher.example", "[email]");
    check("bob@my_host.example.com", "[email]");
    for end in
        ["\u{a0}v1.2.3", "，1.5", "…5.0", "：v1.2", "😀v1.2.3", "“x.1”", "، 1.5", "\u{3000}a.bc"]
    {
        check(&format!("mail joe@example.com{end}"), &format!("mail [email]{end}"));
    }
    check("a\u{a0}b\u{a0}joe@münchen.de\u{a0}c\u{a0}d", "a\u{a0}b\u{a0}[email]\u{a0}c\u{a0}d");
    check("«joe@example.com»", "«[email]»");
    check("सम्पर्क@डाटामेल.भारत", "[email]");
    stays("user@localhost");
    stays("@mention and a @ b");
    stays("git@v2");
}

#[test]
fn card_numbers() {
    check("4111111111111111", "[card]");
    check("GET /?q=my%204111111111111111 HTTP/1.1", "GET /?q=my%20[card] HTTP/1.1");
    check("q=Ann%20Lee%204111111111111111&x=1", "q=Ann%20Lee%20[card]&x=1");
    check("pan=4111 1111 1111 1111.", "pan=[card].");
    check("4111-1111-1111-1111 2027", "[card] 2027");
    check("3782 822463 10005", "[card]");
    check("PAN5555555555554444", "PAN[card]");
    check("4111%201111%201111%201111", "[card]");
    check("c=4111+1111+1111+1111&x", "c=[card]&x");
    check("4111\u{a0}1111\u{a0}1111\u{a0}1111", "[card]");
    check("%B4111111111111111^DOE", "%B[card]^DOE");
    stays("4111111111111112"); // another check digit
    stays("1700000000123456789"); // a time in nanoseconds
    stays("0.4111111111111111");
    stays("a4111111111111111f"); // an id
    stays("00000000000000000000000000000000");
}

#[test]
fn social_security_numbers() {
    check("ssn 123-45-6789!", "ssn [ssn]!");
    check("123 45 6789", "[ssn]");
    stays("000-12-3456");
    stays("666-12-3456");
    stays("912-12-3456");
    stays("123-45-67890");
    stays("1123-45-6789");
}

#[test]
fn ibans() {
    check("DE89370400440532013000", "[iban]");
    check("pay GB82 WEST 1234 5698 7654 32 now", "pay [iban] now");
    stays("DE89370400440532013001");
    stays("XX89370400440532013000");
}

#[test]
fn addresses() {
    check("from 203.0.113.77:8080", "from 203.0.113.0:8080");
    check("2001:db8:1:2::7", "2001:db8:1::");
    check("[fe80::1%eth0]:80 ip:fe80::2", "[fe80::%eth0]:80 ip:fe80::");
    stays("10.0.0.0");
    stays("v1.2.3.4");
    stays("version=1.2.3.4 app_version: 1.2.3.4 \"appVersion\":\"1.2.3.4\" version 1.2.3.4");
    stays("AppleWebKit/537.36 Chrome/126.0.157.159 Safari/537.36 Edg/126.0.25.92");
    // Nothing tells these apart.
    check("nginx/1.2.3.4 tcp/10.1.2.3", "nginx/1.2.3.0 tcp/10.1.2.0");
    check("app-1.2.3.4.jar host-10.1.2.3.log", "app-1.2.3.0.jar host-10.1.2.0.log");
    check("http://10.1.2.3 ip=10.1.2.3", "http://10.1.2.0 ip=10.1.2.0");
    check("conversion 10.1.2.3, Chrome 10.1.2.3", "conversion 10.1.2.0, Chrome 10.1.2.0");
    stays("1.2.3");
    stays("300.1.1.1");
    stays("12:34:56");
    stays("std::vec::Vec and dead::beef");
    stays("2026-11-21T17:00:00.000Z");
    check("mac:aa:bb:cc:dd:ee:ff, 00-1B-44-11-3A-B7", "mac:[mac], [mac]");
    check("001b.4411.3ab7", "[mac]");
    stays("550e8400-e29b-41d4-a716-446655440000");
    check("source:fe80::1 remote:2001:db8:7::1,", "source:fe80:: remote:2001:db8:7::,");
    check("src:2001:db8::5:443 dst", "src:2001:db8:: dst");
    check("0:0:0:0:0:0:0:1:443", ":::443");
    check("2001:db8::1.443", "2001:db8::.443");
    check("id:00:1b:44:11:3a:b7 hw:00:1b:44:11:3a:b7:", "id:[mac] hw:[mac]:");
    check("MAC=aa:bb:cc:dd:ee:ff:11:22:33:44:55:66:08:00 ", "MAC=[mac] ");
    stays("10:20:30:40:50:60:70");
    stays("24-11-02-03-04-05");
    stays("abc::Def and my_abc::d1");
}

#[test]
fn an_escape_is_no_neighbour() {
    for (text, mark) in [
        ("203.0.113.77", "203.0.113.0"),
        ("123-45-6789", "[ssn]"),
        ("4111111111111111", "[card]"),
        ("+14155552671", "[phone]"),
        ("212-555-0123", "[phone]"),
        ("DE89370400440532013000", "[iban]"),
        ("2001:db8:1:2::7", "2001:db8:1::"),
        ("00:1b:44:11:3a:b7", "[mac]"),
        ("ghp_0123456789012345678901234567890123456", "[token]"),
        ("Bearer 0123456789abcdef", "Bearer [bearer]"),
        ("Basic d2pwY3JrOk84SWlTeg==", "Basic [basic]"),
    ] {
        for head in [
            r"\n",
            r"\t",
            r"\u000a",
            r"\x0a",
            r"\x20",
            "%20",
            "%0A",
            "%09",
            "%22",
            "%27",
            "%25",
            "%3D",
            "%2520",
            "%253D",
            "\u{1b}[31m",
            r"\u001b[0;1m",
        ] {
            check(&format!("a{head}{text} b"), &format!("a{head}{mark} b"));
        }
    }
}

#[test]
fn letters_of_several_bytes_stay_whole() {
    let secret = format!("8Q~{}", "k".repeat(34));
    check(&format!("日本→ {secret} x"), "日本→ [token] x");
    check(&format!("日本{secret}"), "日本[token]");
    check(&format!("abc{secret}"), "[token]");
    for count in 60..70 {
        let text = format!("{}bob@example.com 谢谢", "请x".repeat(count));
        assert!(masked(&text).ends_with("[email] 谢谢"));
    }
    check("发送到地址bob@example.com谢谢", "发送到地址[email]谢谢");
    check("→bob@example.com", "→[email]");
    check("用户@例子.广告", "[email]");
    check("nguyễn@b.vn", "[email]");
}

#[test]
fn what_a_frame_of_text_has_behind_escapes_is_found() {
    use tailwater_engine::model::PayloadFormat;
    let redactor = redactor(&all(RedactAction::Mask));
    for head in ["%20", "%22", "%09", "%25", "%2520", r"\\x20", r"\n"] {
        let row = format!("{{\"message\":\"q=my{head}4111111111111111 HTTP/1.1\"}}\n");
        assert!(redactor.may_concern(PayloadFormat::Ndjson, row.as_bytes()), "{head}");
    }
}

/// Bytes of one text that would take minutes where each start is searched to the end.
const LONG_BYTES: usize = 256 * 1024;

#[test]
fn a_long_text_is_searched_once() {
    let redactor = redactor(&all(RedactAction::Mask));
    for part in [
        "eyJ",
        "ghp_",
        "token=",
        "token='",
        "token%3D",
        "set ",
        "select ",
        "create ",
        "-----BEGIN PRIVATE KEY",
        "bearer ",
        "bearer x ",
        "bearer%20",
        "basic%2520",
        "basic+",
        "basic%20dXNlcjpwYXNz%2B",
        "token=basic ",
        "é@",
        "a@é",
        "%25",
        "%2520",
        "1.2:",
        "1::2.",
        "://",
        "%3A%2F%2F",
        "a@",
        "%40",
        "a4111111111111111",
        "select 1 from [",
        "select 1 from $a$",
        "select '' from \"",
        "AccountKey=",
        "SG.",
        "+1-2",
        "call(",
    ] {
        let text = part.repeat(LONG_BYTES / part.len());
        let started = std::time::Instant::now();
        let _ = redactor.text(text.as_bytes());
        let took = started.elapsed();
        assert!(took < std::time::Duration::from_secs(20), "`{part}` took {took:?}");
    }
}

#[test]
fn the_kept_bits_of_an_address_are_the_rules() {
    let mut redaction = classes(RedactAction::Mask, &[ValueClass::Ipv4, ValueClass::Ipv6]);
    redaction.classes[0].kept_bits = 8;
    redaction.classes[1].kept_bits = 0;
    let redactor = redactor(&redaction);
    assert_eq!(redactor.text(b"203.0.113.77").as_deref(), Some(&b"203.0.0.0"[..]));
    assert_eq!(redactor.text(b"2001:db8::1").as_deref(), Some(&b"::"[..]));
}

#[test]
fn telephone_numbers() {
    check("call +49 (30) 1234-5678", "call [phone]");
    check("+14155552671", "[phone]");
    // What a number hid is seen beside its mark.
    check("+14155552671::1", "[phone]::");
    check("(212) 555-0123 or 212-555-0123 or 1-212-555-0123", "[phone] or [phone] or [phone]");
    check("+14155552671 2024-05-01T10:00:00Z", "[phone] 2024-05-01T10:00:00Z");
    check("+14155552671 12345 ms", "[phone] 12345 ms");
    check("+81-3-9593-7824 2024-01-01T00:00:00Z", "[phone] 2024-01-01T00:00:00Z");
    check("+1 415 555 2671 200 OK", "[phone] 200 OK");
    check("+4930123456 12.5.2024", "[phone] 12.5.2024");
    check("+49 30 1234567 4111111111111111", "[phone] [card]");
    check("tel=%2B14155552671&x=1", "tel=[phone]&x=1");
    check("%2B1%20415%20555%202671", "[phone]");
    stays("+0200");
    stays("+1234567");
    stays("1e+12345678");
    stays("120-555-0123");
    stays("2026-11-21");
}

#[test]
fn credentials() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r";
    check(&format!("token {jwt} end"), "token [jwt] end");
    check("Bearer abc", "Bearer [bearer]");
    check("sent Authorization: Bearer 0123456789abcdef;", "sent Authorization: Bearer [bearer];");
    check("Basic dXNlcjpwYXNz", "Basic [basic]");
    check("auth: basic dXNlcjpwYXNz.", "auth: basic [basic].");
    check("Bearer 12|aBcdefghijklmnopqrst", "Bearer [bearer]");
    check("Bearer%20abcdefgh12345678", "Bearer%20[bearer]");
    check(r#"Bearer \"abcdefgh12345678\""#, r#"Bearer \"[bearer]\""#);
    check("Bearer 'abcdefgh12345678'", "Bearer '[bearer]'");
    check("auth: basic dXNlcjpwYXNzMQ, x", "auth: basic [basic], x");
    for end in ["%22hello", "%20x", "%2C", "%0A", "%7D", "%22", "%2520x", "%26a=b"] {
        check(&format!("x Basic d2pwY3JrOk84SWlTeg=={end}"), &format!("x Basic [basic]{end}"));
        check(&format!("x Basic d2pwY3JrOk84SWlTeg%3D%3d{end}"), &format!("x Basic [basic]{end}"));
    }
    check("Basic d2pwY3JrOk84SWlTeg==hello", "Basic [basic]hello");
    check("x Basic d0xoTmNkOkFVU29UNmxJbFhX%2Fzq", "x Basic [basic]%2Fzq");
    check("Basic YTo%2BPz8%2fPz8%2F x", "Basic [basic] x");
    check(&format!("Basic {}%22", "YTpi".repeat(500)), "Basic [basic]%22");
    check(
        "h=%7B%22Authorization%22%3A%22Basic%20dXNlcjpwYXNz%22%7D",
        "h=%7B%22Authorization%22%3A%22Basic%20[basic]%22%7D",
    );
    check("Authorization%3A+Basic+dXNlcjpwYXNz&x=1", "Authorization%3A+Basic+[basic]&x=1");
    check("Basic+dXNlcjpwYXNz+and+more", "Basic+[basic]+and+more");
    check("h=Bearer+abcdefgh12345678+x", "h=Bearer+[bearer]+x");
    check("Bearer%20%22abcdefgh12345678", "Bearer%20%22[bearer]");
    stays("basic+training+course");
    let value = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    for head in [
        "aws_secret_access_key = ",
        "aws_secret_access_key=\"",
        "\"SecretAccessKey\": \"",
        "\\\"SecretAccessKey\\\" : \\\"",
        "secretAccessKey: '",
        "\"AccountKey\":\"",
    ] {
        check(&format!("{head}{value}\" x"), &format!("{head}[token]\" x"));
    }
    stays("basic training and basic authentication");
    stays("the secret_access_key is not set");
    stays("the bearer of news");
    stays("a basic example of it");
    let token = |prefix: &str, rest: usize| format!("{prefix}{}", "A1".repeat(rest / 2));
    check(&format!("key {}", token("AKIA", 16)), "key [token]");
    check(&token("ghp_", 36), "[token]");
    check(&token("glpat-", 20), "[token]");
    check(&token("xoxb-", 24), "[token]");
    check(&token("sk_live_", 24), "[token]");
    check(&format!("AccountKey={};", token("", 44)), "AccountKey=[token];");
    check(&token("AIza", 36), "[token]");
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
    check(&format!("a {key} b"), "a [private_key] b");
    check("-----BEGIN PRIVATE KEY-----\nMIIE", "[private_key]");
    stays("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----");
}

#[test]
fn urls() {
    check("postgres://bob:pw@db.internal/x", "postgres://[url_user]@db.internal/x");
    check("https://h/x?a=1&access_token=abc&b=2", "https://h/x?a=1&access_token=[url_query]&b=2");
    check("token=abc", "token=[url_query]");
    check("/cb?code=xyz#f", "/cb?code=[url_query]#f");
    check("X-Amz-Signature=ab12&x", "X-Amz-Signature=[url_query]&x");
    check("password='hunter 2', x", "password='[url_query]', x");
    check(r#"token=\"a b\" x"#, r#"token=\"[url_query]\" x"#);
    check("SECRET_KEY=hunter2", "SECRET_KEY=[url_query]");
    check("r=%2F%3Fcode%3Dabc%26x%3D1", "r=%2F%3Fcode%3D[url_query]%26x%3D1");
    check("r=https%3A%2F%2Fu%3Apw%40host%2F", "r=https%3A%2F%2F[url_user]%40host%2F");
    check("code=xyz&state=a", "code=[url_query]&state=[url_query]");
    check("authorization=Basic dXNlcjpwYXNz x", "authorization=[url_query] x");
    stays("code=404 not found");
    stays("state=running worker=5");
    stays("partition_key=abc");
    stays("exit code=200");
    stays("https://example.com/a/b?c=d");
}

#[test]
fn statements() {
    check("SELECT * FROM t WHERE a = 'x''y' AND b = 42", "SELECT * FROM t WHERE a = ? AND b = ?");
    check("insert into t1 values (1, 'a', $1)", "insert into t1 values (?, ?, $1)");
    check("UPDATE \"T\" SET a=-1.5e3 WHERE x IN (1,2)", "UPDATE \"T\" SET a=-? WHERE x IN (?,?)");
    check("ran: DELETE FROM t WHERE k=$$a$$", "ran: DELETE FROM t WHERE k=?");
    check("select 'open", "select ?");
    let columns = "t.a_long_name, ".repeat(400);
    check(
        &format!("SELECT {columns} a FROM t WHERE a = 'x'"),
        &format!("SELECT {columns} a FROM t WHERE a = ?"),
    );
    // A backslash may take the quote with it, or not.
    let ends = masked(r"INSERT INTO t VALUES ('C:\', 'hunter2', 'x')");
    assert!(!ends.contains("hunter2"), "{ends}");
    let ends = masked(r"INSERT INTO t VALUES ('it\'s hunter2', 'x')");
    assert!(!ends.contains("hunter2"), "{ends}");
    check(
        "SELECT a FROM t /* don't */ WHERE pw = 'hunter2'",
        "SELECT a FROM t /* don't */ WHERE pw = ?",
    );
    check(
        "SELECT a FROM t -- don't\n WHERE pw = 'hunter2'",
        "SELECT a FROM t -- don't\n WHERE pw = ?",
    );
    check("SELECT a FROM t /* k='hunter2' */", "SELECT a FROM t /* k=? */");
    check("ALTER USER bob IDENTIFIED BY 'hunter2'", "ALTER USER bob IDENTIFIED BY ?");
    check("create role a with password 'hunter2'", "create role a with password ?");
    check("SELECT f('hunter2')", "SELECT f(?)");
    check("SELECT q'[it's hunter2]', $a1$hunter2$a1$ FROM t", "SELECT ?, ? FROM t");
    check("SELECT a FROM t WHERE b = \"hunter2\".", "SELECT a FROM t WHERE b = ?.");
    stays("call 5 (five)");
    stays("delete 5 files from /tmp");
    stays("create 3 files");
    stays("select a plan with 3 seats");
    stays("please update version 2");
}

#[test]
fn a_class_that_is_not_asked_for_stays() {
    let redactor = redactor(&classes(RedactAction::Mask, &[ValueClass::Email]));
    let text = b"4111111111111111 a@b.io 203.0.113.77";
    let out = redactor.text(text).expect("a mask leaves something");
    assert_eq!(&*out, b"4111111111111111 [email] 203.0.113.77");
}

#[test]
fn a_field_takes_the_credential_behind_a_scheme() {
    let redactor = redactor(&classes(RedactAction::Mask, &[ValueClass::UrlQuery]));
    for (text, expected) in [
        ("authorization=Basic dXNlcjpwYXNz x", "authorization=[url_query] x"),
        ("?token=Bearer abc&x=1", "?token=[url_query]&x=1"),
        ("authorization=bearer 'a b' x", "authorization=[url_query]' x"),
        ("authorization%3DBasic dXNlcjpwYXNz x", "authorization%3D[url_query] x"),
        ("token=Bearer ", "token=[url_query] "),
        ("token=abc def", "token=[url_query] def"),
    ] {
        let out = redactor.text(text.as_bytes()).expect("a mask leaves something");
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert_eq!(redactor.text(&out).as_deref(), Some(&*out));
    }
}

#[test]
fn hashes_are_keyed_stable_and_never_hashed_again() {
    let hashing = redactor(&classes(RedactAction::Hash, &[ValueClass::Email]));
    let once = hashing.text(b"from a@b.io").expect("a hash leaves something").into_owned();
    // HMAC-SHA-256 of `a@b.io` under `pepper`, by another implementation.
    let expected = "from [email:6d0ea55ec9cfb11b8ff04df020808bd6]";
    assert_eq!(String::from_utf8_lossy(&once), expected);
    assert_eq!(hashing.text(&once).as_deref(), Some(&once[..]));
}

#[test]
fn values_that_are_dropped_leave_nothing() {
    let dropping = redactor(&all(RedactAction::Drop));
    assert_eq!(dropping.text(b"from a@b.io"), None);
    assert_eq!(dropping.text(b"from nobody").as_deref(), Some(&b"from nobody"[..]));
}

#[test]
fn hashing_without_a_secret_is_an_error() {
    use tailwater_engine::ErrorKind;
    use tailwater_engine::redact::Redactor;
    let redaction = classes(RedactAction::Hash, &[ValueClass::Email]);
    let error = Redactor::new(&redaction, None, &[]).expect_err("no secret");
    assert_eq!(error.kind(), ErrorKind::Setting);
    assert!(error.to_string().contains("`redact`"), "{error}");
}
