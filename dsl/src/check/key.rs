//! Values that events or items have in common: ids meet texts of their hex digits.

use crate::hir::{Expr, ExprKind};
use crate::types::Type;

/// The type of a key of which one value is of each of two types; `None` where they never equal.
pub(super) fn key_type(a: &Type, b: &Type) -> Option<Type> {
    let is_text = |ty: &Type| matches!(ty, Type::String | Type::Any);
    match (a, b) {
        (Type::Bytes, other) | (other, Type::Bytes) if is_text(other) => Some(Type::Bytes),
        _ => a.join(b),
    }
}

/// Makes of a value one that compares with those of a key: beside ids a text of hex digits is the
/// id that it says, in whatever case; what is none stays what it is, and equals no id.
pub(super) fn as_key(value: &mut Expr, key: &Type) {
    if *key != Type::Bytes || !matches!(value.ty, Type::String | Type::Any) {
        return;
    }
    let (range, optional) = (value.range, value.optional);
    let args = vec![Some(value.clone())];
    let kind = ExprKind::Function { name: "from_hex".to_owned(), args };
    let id = Expr { ty: Type::Bytes, optional: true, range, kind };
    let kind = ExprKind::Coalesce(vec![id, value.clone()]);
    *value = Expr { ty: Type::Bytes, optional, range, kind };
}
