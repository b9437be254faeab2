//! Names with `*` (any run of characters, dots too) and `?` (any one byte).

/// A compiled glob.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    pattern: Vec<u8>,
    ignores_case: bool,
}

impl Glob {
    /// A glob that tells cases apart.
    pub(super) fn new(pattern: &str) -> Self {
        Self { pattern: pattern.as_bytes().to_vec(), ignores_case: false }
    }

    /// A glob to which ASCII letters of both cases are alike.
    pub(super) fn of_any_case(pattern: &str) -> Self {
        Self { ignores_case: true, ..Self::new(pattern) }
    }

    /// The longest part without a wildcard or dot: it stands in every name that fits.
    pub(super) fn literal(&self) -> &[u8] {
        let parts = self.pattern.split(|byte| matches!(byte, b'*' | b'?' | b'.'));
        parts.max_by_key(|part| part.len()).unwrap_or_default()
    }

    /// Whether a name fits. Takes time in proportion to the product of both lengths at most.
    pub(super) fn fits(&self, name: &[u8]) -> bool {
        let (mut at, mut star, mut resume) = (0, None, 0);
        let mut place = 0;
        while place < name.len() {
            match self.pattern.get(at) {
                Some(b'*') => {
                    star = Some(at);
                    resume = place;
                    at += 1;
                }
                Some(&wanted) if wanted == b'?' || self.is_equal(wanted, name[place]) => {
                    at += 1;
                    place += 1;
                }
                _ => match star {
                    Some(star) => {
                        at = star + 1;
                        resume += 1;
                        place = resume;
                    }
                    None => return false,
                },
            }
        }
        self.pattern[at..].iter().all(|byte| *byte == b'*')
    }

    fn is_equal(&self, wanted: u8, found: u8) -> bool {
        wanted == found || (self.ignores_case && wanted.eq_ignore_ascii_case(&found))
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn globs_fit_whole_names() {
        let fits = |pattern: &str, name: &str| Glob::of_any_case(pattern).fits(name.as_bytes());
        assert!(fits("*.password", "db.Password"));
        assert!(fits("*.password", "a.b.password"));
        assert!(!fits("*.password", "password"));
        assert!(!fits("password", "passwords"));
        assert!(fits("*", "") && fits("*", "x"));
        assert!(fits("a*b*c", "a-b-b-c") && !fits("a*b*c", "a-b-b-d"));
        assert!(fits("k?y", "key") && !fits("k?y", "ky"));
        assert!(!Glob::new("key").fits(b"KEY"));
        assert_eq!(Glob::of_any_case("*.http.request.*").literal(), b"request");
    }
}
