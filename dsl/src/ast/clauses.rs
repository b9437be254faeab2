//! Which clauses each kind of declaration takes.

/// Clauses by the keyword of the declaration that takes them.
pub(crate) const CLAUSES_OF: [(&str, &[&str]); 10] = [
    ("stream", &["from", "where", "set", "at", "dedupe", "lateness", "idle", "late"]),
    ("aggregate", &["from", "where", "by", "over", "select", "having", "limit", "results", "to"]),
    ("rows", &["from", "where", "join", "top", "select", "to"]),
    (
        "alert",
        &[
            "from",
            "where",
            "by",
            "when",
            "until",
            "for",
            "hold",
            "on no data",
            "severity",
            "labels",
            "annotations",
            "with other",
            "to",
        ],
    ),
    ("route", &["from", "where", "to"]),
    ("pattern", &["by", "within", "match", "select", "on timeout", "to"]),
    ("traces", &["from", "close", "limit"]),
    ("correlate", &["on", "within", "pick", "select", "to"]),
    ("sample", &["logs follow", "links together", "shadow", "mark", "to"]),
    ("retrace", &["from", "where", "by", "root", "keep", "flush", "to"]),
];

/// The clauses of a kind of declaration, by their whole words; none where it takes none.
pub(crate) fn clauses_of(keyword: &str) -> &'static [&'static str] {
    CLAUSES_OF.iter().find(|known| known.0 == keyword).map_or(&[], |known| known.1)
}
