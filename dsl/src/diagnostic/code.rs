//! The registry of codes: `E0` syntax, `E1` names, `E2` types and units, `E3` clauses, windows and
//! bounds, `W4` lints. A code keeps its meaning for ever and is never used again.

use super::Severity;

/// A stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub(crate) &'static str);

/// What is known of a code.
#[derive(Debug, Clone, Copy)]
pub struct CodeDef {
    /// The code.
    pub code: Code,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// The page of `docs/diagnostics`: meaning, example, how to mend.
    pub page: &'static str,
}

impl Code {
    /// `E0001`.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Errors begin with `E`, lints with `W`.
    pub fn severity(self) -> Severity {
        if self.0.starts_with('W') { Severity::Warning } else { Severity::Error }
    }
}

macro_rules! registry {
    ($( $name:ident $code:literal $title:literal; )*) => {
        /// The codes by what they mean.
        pub(crate) mod codes {
            use super::Code;
            $( pub(crate) const $name: Code = Code($code); )*
        }

        const ALL: &[CodeDef] = &[ $( CodeDef {
            code: Code($code),
            title: $title,
            page: include_str!(concat!("../../../docs/diagnostics/", $code, ".md")),
        }, )* ];
    };
}

registry! {
    SYNTAX "E0001" "text that does not fit here";
    UNTERMINATED "E0002" "text or comment without an end";
    CHARACTER "E0003" "character that is not part of the language";
    BRACKETS "E0004" "brackets that do not match";
    NESTING "E0005" "nesting deeper than the limit";
    TOO_LARGE "E0006" "more than a limit allows";
    SPELLING "E0007" "spelling of another language";
    LITERAL "E0008" "number or unit that is not one";
    DECLARATION "E0009" "unknown kind of declaration";
    NOT_YET "E0010" "declaration that this version does not run";
    ESCAPE "E0011" "escape or interpolation that cannot be read";
    EDITION "E0012" "unknown edition";
    UNKNOWN_NAME "E1001" "unknown name";
    UNKNOWN_SOURCE "E1002" "unknown source";
    UNKNOWN_FUNCTION "E1003" "unknown function";
    DUPLICATE "E1004" "name given twice";
    SHADOWING "E1005" "name that hides another";
    CYCLE "E1006" "declarations that read each other in a circle";
    UNKNOWN_SINK "E1007" "unknown sink";
    UNKNOWN_IMPORT "E1008" "import that cannot be found";
    UNKNOWN_PARAM "E1009" "unknown parameter";
    TABLE "E1010" "table that cannot be read";
    MISMATCH "E2001" "values that cannot be compared or combined";
    MISSING_UNIT "E2002" "number without its unit";
    OPERATOR "E2003" "operator that does not fit the type";
    ARGUMENT "E2004" "argument of the wrong type";
    ARGUMENTS "E2005" "wrong number or name of arguments";
    CONDITION "E2006" "condition that is not true or false";
    CONSTANT "E2007" "value that is not constant";
    AGGREGATE_PLACE "E2008" "function in a place where it cannot stand";
    MEMBER "E2009" "unknown member of an enumeration";
    REGEX "E2010" "regular expression that cannot be read";
    MISSING_CLAUSE "E3001" "clause that is missing";
    REPEATED_CLAUSE "E3002" "clause given twice";
    FOREIGN_CLAUSE "E3003" "clause of another kind of declaration";
    CLAUSE_VALUE "E3004" "value that a clause does not take";
    SHAPE "E3005" "rows where items are wanted, or items where rows are";
    WORD "E3006" "unknown word in a clause";
    TEST_ITEM "E3007" "test line that does not make sense";
    UNFIT_CLAUSE "E3008" "clause that makes no sense for these windows or items";
    UNTIL_ITEMS "E3009" "`until` of an alert on items";
    STEP_PLACE "E3010" "part of a pattern in a place where it cannot stand";
    STEP_VALUE "E3011" "step of a pattern named where one value is wanted";
    SIDES "E3020" "sides of a correlation that do not meet";
    OUTCOME "E3021" "correlation read without its outcome";
    LATENESS_UNSTATED "W4001" "lateness not stated";
    FEW_SAMPLES "W4002" "percentile over few samples";
    ID_KEY "W4003" "group key that hardly repeats";
    NO_DATA_UNSTATED "W4004" "alert without a policy for missing data";
    ALWAYS "W4005" "condition that never changes";
    UNUSED "W4006" "declaration that nothing reads";
    TOTALS "W4007" "sum of values that may be totals";
    UNREACHABLE "W4008" "line of a sample that is never reached";
    RANK "W4009" "percentile below the first";
    FOREIGN_NAME "W4010" "attribute with another system's name of a field";
    ABSENT "W4011" "attribute that a recording does not have";
    NEVER_TAKEN "W4012" "step of a pattern that no match has";
}

/// Every code, in order.
pub fn all() -> &'static [CodeDef] {
    ALL
}

/// The page of a code; upper or lower case.
pub fn explain(code: &str) -> Option<&'static CodeDef> {
    ALL.iter().find(|def| def.code.0.eq_ignore_ascii_case(code))
}
