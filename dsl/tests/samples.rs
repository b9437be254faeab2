//! What lines of a sample mean.

use tailwater_dsl::hir::{
    DeclarationKind, ExprKind, RuleFact, Sample, SampleGoal, SampleMeasure, SampleVerb,
};

use crate::analyse;

fn sample(text: &str) -> Sample {
    let analysis = analyse(text);
    let program = analysis.program.unwrap_or_else(|| panic!("{:?}", analysis.diagnostics));
    let found = program.declarations.into_iter().find_map(|declaration| match declaration.kind {
        DeclarationKind::Sample(sample) => Some(*sample),
        _ => None,
    });
    found.expect("a sample is declared")
}

#[test]
fn amounts_are_what_is_kept() {
    let sample = sample(
        "param base = 1%\n\
         sample logs {\n  keep when severity == fatal\n  drop when severity == trace\n\
         keep 50% when severity == warn\n  keep rate 20 per m when severity == info\n\
         big: keep rate 1MiB per s by source when severity == debug\n\
         shadow keep target 10% by source otherwise\n\
         shadow keep target 500 per s by source, service.name otherwise\n\
         keep base otherwise\n} mark \"why\" shadow to archive, otlp\n",
    );
    let verbs: Vec<&SampleVerb> = sample.lines.iter().map(|line| &line.verb).collect();
    assert_eq!(verbs[..3], [&SampleVerb::Keep(1.0), &SampleVerb::Drop, &SampleVerb::Keep(0.5)]);
    let SampleVerb::Rate { per_second, measure, by } = verbs[3] else { panic!("{:?}", verbs[3]) };
    assert!((per_second - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!((*measure, by.len()), (SampleMeasure::Items, 0));
    let SampleVerb::Rate { per_second, measure, by } = verbs[4] else { panic!("{:?}", verbs[4]) };
    assert!((per_second - 1_048_576.0).abs() < 1e-6);
    assert_eq!((*measure, by.len()), (SampleMeasure::Bytes, 1));
    assert!(matches!(verbs[5], SampleVerb::Target { goal: SampleGoal::Share(_), .. }));
    let SampleVerb::Target { measure, by, .. } = verbs[6] else { panic!("{:?}", verbs[6]) };
    assert_eq!((*measure, by.len()), (SampleMeasure::Items, 2));
    assert_eq!(verbs[7], &SampleVerb::Keep(0.01));
    assert_eq!((sample.mark.as_deref(), sample.is_shadow), (Some("why"), true));
    assert_eq!(sample.to, ["archive", "otlp"]);
    let names: Vec<&str> = sample.lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names[3..6], ["line 4", "big", "line 6"]);
    assert!(sample.lines[5].is_shadow && !sample.lines[7].is_shadow);
}

#[test]
fn conditions_may_ask_about_rules_declared_behind_them() {
    let sample = sample(
        "sample logs {\n  keep when named or matched(twice) and firing(Many)\n  drop otherwise\n} \
         to archive\n\
         pattern twice by service.name within 1m { a: logs then b: logs }\n\
         aggregate n from logs by service.name over tumbling(1m) select { n: count() }\n\
         alert Many from n when n > 100 on no data resolve\n",
    );
    let Some(ExprKind::Binary(_, named, both)) = sample.lines[0].when.as_ref().map(|e| &e.kind)
    else {
        panic!("{:?}", sample.lines[0]);
    };
    assert_eq!(named.kind, ExprKind::Rule(Box::new(RuleFact::Named)));
    let ExprKind::Binary(_, matched, firing) = &both.kind else { panic!("{both:?}") };
    assert!(
        matches!(&matched.kind, ExprKind::Rule(fact) if matches!(**fact, RuleFact::Matched(_)))
    );
    assert!(matches!(&firing.kind, ExprKind::Rule(fact) if matches!(**fact, RuleFact::Firing(_))));
}
