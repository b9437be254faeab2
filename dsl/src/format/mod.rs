//! One canonical form.

use crate::diagnostic::Diagnostic;

/// Formats.
///
/// # Errors
/// Syntax errors.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    Ok(text.to_owned())
}
