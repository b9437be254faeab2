//! Functions over the past of a row's own group.

use tailwater_dsl::catalog::{FunctionClass, FunctionDef, ParamDef, ResultRule};
use tailwater_dsl::types::Type;

/// Every function over a row's own past.
pub(super) fn all() -> Vec<FunctionDef> {
    let numbers = vec![Type::Number, Type::Duration, Type::Size, Type::Ratio, Type::Rate];
    let x = ParamDef { name: "x".to_owned(), types: numbers, ..ParamDef::default() };
    let constant = |name: &str, ty: Type| ParamDef {
        name: name.to_owned(),
        types: vec![ty],
        named_only: true,
        literal_only: true,
        ..ParamDef::default()
    };
    let def = |name: &str, param: ParamDef, result: ResultRule, doc: &str, example: &str| {
        let params = vec![x.clone(), param];
        FunctionDef {
            name: name.to_owned(),
            class: FunctionClass::RowWindow,
            params,
            variadic: false,
            alternatives: false,
            needs: Vec::new(),
            result,
            optional: true,
            doc: doc.to_owned(),
            example: example.to_owned(),
        }
    };
    let weight = constant("alpha", Type::Float);
    let rows = constant("rows", Type::Int);
    vec![
        def("ewma", weight, ResultRule::MeanOf(0), EWMA_DOC, "ewma(n, alpha: 0.3)"),
        def(
            "zscore",
            rows.clone(),
            ResultRule::Fixed(Type::Float),
            ZSCORE_DOC,
            "zscore(n, rows: 30)",
        ),
        def("mad", rows, ResultRule::Fixed(Type::Float), MAD_DOC, "mad(n, rows: 30)"),
    ]
}

const EWMA_DOC: &str = "Exponentially weighted moving average of the group's rows, this one \
    included: `alpha` (above 0, at most 1) is the weight of the newest. A null leaves it as it \
    was. 8 bytes a group.";

const ZSCORE_DOC: &str = "How many standard deviations the value lies from the mean of the group's \
    last `rows` (2 to 1 024) rows before this one; null while there are fewer than two of them, or \
    where they are all equal. 8 bytes a row.";

const MAD_DOC: &str = "How many median absolute deviations, scaled by 1.4826 to compare with \
    standard deviations, the value lies from the median of the group's last `rows` (2 to 1 024) \
    rows before this one; null as for `zscore`. One outlier moves it less than `zscore`. 8 bytes a \
    row.";
