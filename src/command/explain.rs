//! `tailwater explain CODE`: the page of a diagnostic.

use tailwater_dsl::diagnostic::{all, explain, suggest};

use crate::args::Explain;
use crate::exit::{Exit, Usage};
use crate::output::print;

/// Prints the page of a code, or the list of all codes.
pub(crate) fn run(args: &Explain) -> anyhow::Result<Exit> {
    let Some(code) = &args.code else {
        let lines = all().iter().map(|def| format!("{}  {}\n", def.code.as_str(), def.title));
        print(&lines.collect::<String>())?;
        return Ok(Exit::Good);
    };
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
