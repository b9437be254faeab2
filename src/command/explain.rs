//! `tailwater explain`: the page of a diagnostic, or what the plan of rules does.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tailwater_dsl::diagnostic::{all, explain, human, suggest};
use tailwater_rules::explain::{Explanation, dot, explain as explain_plan, mermaid, text};

use crate::args::{Explain, General, PlanFormat};
use crate::exit::{Exit, Usage};
use crate::output::print;
use crate::rule_files::{self, compile};
use crate::terminal::tell;

/// Prints the page of a code, the list of all codes, a plan, or how two plans differ.
pub(crate) fn run(args: &Explain, general: General) -> anyhow::Result<Exit> {
    let target = args.targets.first();
    let code = target.filter(|target| args.targets.len() == 1 && is_code(target));
    if let Some(code) = code {
        return page(code);
    }
    if args.targets.is_empty() && args.expressions.is_empty() {
        let lines = all().iter().map(|def| format!("{}  {}\n", def.code.as_str(), def.title));
        print(&lines.collect::<String>())?;
        return Ok(Exit::Good);
    }
    if args.diff {
        return diff(args, general);
    }
    let Some(plan) = plan(&args.targets, args, general)? else { return Ok(Exit::Findings) };
    print(&match args.format {
        PlanFormat::Text => text(&plan),
        PlanFormat::Dot => dot(&plan),
        PlanFormat::Mermaid => mermaid(&plan),
    })?;
    Ok(Exit::Good)
}

/// Whether a word is a diagnostic's code and not a path: a letter and digits, no such file.
fn is_code(word: &str) -> bool {
    let digits = word.strip_prefix(['E', 'W', 'e', 'w']).unwrap_or("");
    !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit())
        && !std::path::Path::new(word).exists()
}

fn page(code: &str) -> anyhow::Result<Exit> {
    let Some(def) = explain(code) else {
        let codes = all().iter().map(|def| def.code.as_str());
        let hint = match suggest::nearest(&code.to_uppercase(), codes) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => "; `tailwater explain` lists all of them".to_owned(),
        };
        return Err(Usage(format!("there is no diagnostic `{code}`{hint}")).into());
    };
    print(&format!("{}\n", def.page.trim_end()))?;
    Ok(Exit::Good)
}

/// The plan of rules; `None`, and the diagnostics told, if they do not compile.
fn plan(
    targets: &[String],
    args: &Explain,
    general: General,
) -> anyhow::Result<Option<Explanation>> {
    let paths: Vec<PathBuf> = targets.iter().map(PathBuf::from).collect();
    let mut files = rule_files::read_to_run(&paths)?;
    files.extend(rule_files::expressions(&args.expressions));
    let compiled = compile(&files, rule_files::params(&args.params)?);
    if compiled.plan.is_none() {
        let colors = general.colors.on_stderr;
        tell(&human(&compiled.diagnostics, &compiled.files, colors));
    }
    Ok(compiled.plan.map(|plan| explain_plan(&plan)))
}

/// The lines of two plans that differ: `-` only in the old one, `+` only in the new one.
fn diff(args: &Explain, general: General) -> anyhow::Result<Exit> {
    let [old, new] = &args.targets[..] else {
        let found = args.targets.len();
        return Err(Usage(format!("expected `--diff OLD NEW`, found {found} paths")).into());
    };
    let old = plan(std::slice::from_ref(old), args, general)?;
    let new = plan(std::slice::from_ref(new), args, general)?;
    let (Some(old), Some(new)) = (old, new) else { return Ok(Exit::Findings) };
    let changes = changed_lines(&text(&old), &text(&new));
    print(match changes.as_str() {
        "" if old.identity == new.identity => "the plans are equal\n",
        "" => "same state, same conditions; values or texts of rows or alerts differ\n",
        changes => changes,
    })?;
    Ok(Exit::Good)
}

/// Lines of one text times lines of the other up to which their order is compared, too.
const DIFF_CELLS_MAX: usize = 1 << 24;

/// The lines of one text that are nowhere in the other.
fn only_in(lines: &[&str], other: &[&str], sign: char) -> String {
    let other: BTreeSet<&str> = other.iter().copied().collect();
    let own = lines.iter().filter(|line| !other.contains(*line));
    own.fold(String::new(), |mut out, line| {
        out.extend([sign.to_string().as_str(), " ", line, "\n"]);
        out
    })
}

/// Lines by their longest common subsequence, tables' head lines kept for context.
fn changed_lines(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    if old.len().saturating_mul(new.len()) > DIFF_CELLS_MAX {
        return only_in(&old, &new, '-') + &only_in(&new, &old, '+');
    }
    let mut lengths = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            lengths[i][j] = if a == b {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let (mut out, mut head) = (String::new(), None);
    let mut say = |sign: char, line: &str, head: &mut Option<&str>| {
        if let Some(head) = head.take() {
            out.extend(["  ", head, "\n"]);
        }
        out.extend([format!("{sign} {line}").trim_end(), "\n"]);
    };
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            if !old[i].starts_with(' ') && !old[i].is_empty() {
                head = Some(old[i]);
            }
            (i, j) = (i + 1, j + 1);
        } else if j >= new.len() || (i < old.len() && lengths[i + 1][j] >= lengths[i][j + 1]) {
            say('-', old[i], &mut head);
            i += 1;
        } else {
            say('+', new[j], &mut head);
            j += 1;
        }
    }
    out
}
