//! `redact`: classes and keys by the engine's names.

use std::sync::Arc;

use tailwater_dsl::hir::{Redact, RedactAction as HirAction};
use tailwater_engine::plan::{ClassRule, KeyRule, RedactAction, Redaction, ValueClass};

/// What is taken out.
pub(super) fn lower(redact: &Redact) -> Redaction {
    let arcs = |globs: &[String]| globs.iter().map(|glob| Arc::from(glob.as_str())).collect();
    let keys = redact
        .keys
        .iter()
        .map(|(glob, action)| KeyRule { glob: Arc::from(glob.as_str()), action: lowered(*action) });
    // Every name comes from the catalogue, which has the engine's classes.
    let classes = redact.classes.iter().filter_map(|class| {
        let known = ValueClass::by_name(&class.name)?;
        let kept_bits = class.keep_bits.or(known.kept_bits()).unwrap_or(0);
        Some(ClassRule { class: known, action: lowered(class.action), kept_bits })
    });
    Redaction {
        deny: arcs(&redact.deny),
        allow: arcs(&redact.allow),
        keys: keys.collect(),
        classes: classes.collect(),
        secret: redact.secret.as_deref().map(Arc::from),
    }
}

fn lowered(action: HirAction) -> RedactAction {
    match action {
        HirAction::Mask => RedactAction::Mask,
        HirAction::Drop => RedactAction::Drop,
        HirAction::Hash => RedactAction::Hash,
    }
}
