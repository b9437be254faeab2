//! What is taken out of telemetry before anything else sees it, and the secret behind its hashes.

use tailwater_engine::model::SourceSpec;
use tailwater_engine::plan::Redaction;
use tailwater_engine::redact::Redactor;

use crate::config::{Config, variable_if_set};
use crate::exit::Usage;

/// What the names of variables that hold secrets begin with.
const VARIABLE_PREFIX: &str = "TAILWATER_SECRET_";

/// A redactor for some sources. Its secret comes from the configuration of a run, or from the
/// environment.
pub(crate) fn redactor(
    redaction: &Redaction,
    config: Option<&Config>,
    sources: &[SourceSpec],
) -> anyhow::Result<Redactor> {
    let mut secret = None;
    if let Some(name) = redaction.secret.as_deref() {
        let of_config = config.and_then(|config| config.secrets.items.get(name));
        let of_config = of_config.map(|secret| secret.value.reveal().to_owned());
        let variable = format!("{VARIABLE_PREFIX}{}", name.to_uppercase());
        secret = of_config.or_else(|| variable_if_set(&variable)).filter(|text| !text.is_empty());
        if secret.is_none() {
            let text = format!(
                "`redact` hashes under the secret `{name}`, which is not given: put it into \
                 `secrets.{name}` of the configuration, or set `{variable}`"
            );
            return Err(Usage(text).into());
        }
    }
    Ok(Redactor::new(redaction, secret.as_deref().map(str::as_bytes), sources)?)
}
