//! Files with the bearer tokens of listeners, looked at again while the run goes on.
//!
//! Invariant: a file that cannot be read, or holds no token, leaves the tokens before in use.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tailwater_engine::ingest::listen::Tokens;

use super::observe::Looks;
use crate::args::LogLevel;
use crate::exit::Usage;
use crate::log::{Record, log};
use crate::near_path::cannot_read;

/// How often files are looked at, as often as those with certificates.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The tokens of a listener: some from a file, others from the configuration itself.
pub(super) struct TokenFile {
    path: PathBuf,
    fixed: Vec<String>,
    tokens: Tokens,
    last: Vec<String>,
    trouble: String,
}

impl TokenFile {
    /// Reads a file; its tokens are taken beside those that are fixed.
    pub(super) fn open(path: &Path, fixed: Vec<String>) -> anyhow::Result<Self> {
        let last = read(path)?;
        let tokens = Tokens::new(last.iter().chain(&fixed).map(String::as_str));
        Ok(Self { path: path.to_owned(), fixed, tokens, last, trouble: String::new() })
    }

    /// The tokens, which change with the file.
    pub(super) fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    /// Looks at the file once; what keeps it from being used is told once.
    fn look(&mut self) {
        match read(&self.path) {
            Ok(found) => {
                self.trouble.clear();
                if found != self.last {
                    self.tokens.replace(found.iter().chain(&self.fixed).map(String::as_str));
                    self.last = found;
                }
            }
            Err(error) => {
                let text = error.to_string();
                if text != self.trouble {
                    let message = format!("{text}; the tokens before stay in use");
                    log(&Record {
                        level: LogLevel::Warn,
                        message: &message,
                        fields: &[],
                        left_out: 0,
                    });
                    self.trouble = text;
                }
            }
        }
    }
}

/// Looks at files again and again, and when it is told to, without end.
pub(super) async fn follow(mut files: Vec<TokenFile>, mut looks: Looks) {
    while !files.is_empty() {
        looks.next(LOOK_EVERY).await;
        let looked = tokio::task::spawn_blocking(move || {
            files.iter_mut().for_each(TokenFile::look);
            files
        });
        // A look that panicked ends the looking: what is in use stays.
        files = looked.await.unwrap_or_default();
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|cause| cannot_read(path, &cause))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let tokens: Vec<String> = lines.map(str::to_owned).collect();
    if tokens.is_empty() {
        let path = path.display();
        return Err(Usage(format!("there is no token in `{path}`: one a line")).into());
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_is_taken_and_a_bad_one_is_not() {
        let path = std::env::temp_dir().join(format!("tailwater-tokens-{}", std::process::id()));
        std::fs::write(&path, "one\n\n two \n").unwrap();
        let mut file = TokenFile::open(&path, vec!["fixed".to_owned()]).unwrap();
        let now = |file: &TokenFile| file.last.join(",");
        assert_eq!(now(&file), "one,two");
        std::fs::write(&path, "three\n").unwrap();
        file.look();
        assert_eq!(now(&file), "three");
        let empty = TokenFile::open(&path, Vec::new()).map(|file| file.tokens());
        assert_eq!(format!("{:?}", empty.unwrap()), "Tokens(masked)");
        std::fs::write(&path, "\n").unwrap();
        file.look();
        assert_eq!((now(&file).as_str(), file.trouble.is_empty()), ("three", false));
        std::fs::remove_file(&path).unwrap();
        file.look();
        assert_eq!(now(&file), "three");
    }
}
