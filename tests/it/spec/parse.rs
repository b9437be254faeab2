//! The format of a spec file: blocks under a heading, indented by four spaces.

/// Which rows a spec compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Shown {
    /// `expect`: all, in their order.
    #[default]
    All,
    /// `expect final`: those that are final, by rule: what a cut of the log leaves alone.
    Final,
    /// `expect standing`: what is left of all once rows are withdrawn and replaced, by rule.
    Standing,
}

impl Shown {
    const ALL: [(&str, Self); 3] =
        [("expect", Self::All), ("expect final", Self::Final), ("expect standing", Self::Standing)];

    fn of(heading: &str) -> Option<Self> {
        Self::ALL.iter().find(|known| known.0 == heading).map(|known| known.1)
    }

    fn heading(self) -> &'static str {
        Self::ALL.iter().find(|known| known.1 == self).map_or("expect", |known| known.0)
    }
}

/// A spec file.
#[derive(Debug, Default)]
pub(super) struct Spec {
    /// The sentence at the head, with its `#`.
    head: Vec<String>,
    pub(super) rules: String,
    pub(super) input: Vec<String>,
    /// `input open`: the end of the log closes nothing.
    pub(super) is_open: bool,
    pub(super) shown: Shown,
    pub(super) expect: Vec<String>,
    pub(super) counts: Vec<String>,
}

const INDENT: &str = "    ";

impl Spec {
    /// Reads a spec.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut spec = Self::default();
        let mut block = "";
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if let Some(content) = line.strip_prefix(INDENT) {
                spec.add(block, content).map_err(|error| format!("line {number}: {error}"))?;
            } else if line.starts_with('#') && block.is_empty() {
                spec.head.push(line.to_owned());
            } else if line.is_empty() {
                spec.blank(block);
            } else {
                block = line;
                spec.is_open |= line == "input open";
                spec.shown = Shown::of(line).unwrap_or(spec.shown);
                let headings = ["rules", "input", "input open", "counts"];
                if !headings.contains(&line) && Shown::of(line).is_none() {
                    return Err(format!("line {number}: expected a heading, found `{line}`"));
                }
            }
        }
        match (spec.head.is_empty(), spec.rules.is_empty(), spec.input.is_empty()) {
            (true, _, _) => Err("expected `# what is shown` on the first line".to_owned()),
            (_, true, _) => Err("expected a block `rules`".to_owned()),
            (_, _, true) => Err("expected a block `input`".to_owned()),
            _ => Ok(spec),
        }
    }

    fn add(&mut self, block: &str, content: &str) -> Result<(), String> {
        let lines = match block {
            "rules" => {
                self.rules.push_str(content);
                self.rules.push('\n');
                return Ok(());
            }
            "input" | "input open" => &mut self.input,
            "counts" => &mut self.counts,
            _ if Shown::of(block).is_some() => &mut self.expect,
            _ => return Err(format!("expected a heading before `{content}`")),
        };
        lines.push(content.to_owned());
        Ok(())
    }

    fn blank(&mut self, block: &str) {
        if block == "rules" {
            self.rules.push('\n');
        }
    }

    /// The file with other expectations.
    pub(super) fn render(&self, rows: &[String], counts: &[String]) -> String {
        let rules: Vec<String> = self.rules.trim_end().lines().map(str::to_owned).collect();
        let input = if self.is_open { "input open" } else { "input" };
        let expect = self.shown.heading();
        let mut out = self.head.join("\n") + "\n";
        for (heading, lines) in
            [("rules", &rules[..]), (input, &self.input), (expect, rows), ("counts", counts)]
        {
            out.push_str(heading);
            out.push('\n');
            for line in lines {
                if !line.is_empty() {
                    out.push_str(INDENT);
                    out.push_str(line);
                }
                out.push('\n');
            }
        }
        out
    }
}

#[test]
fn a_spec_has_blocks() {
    let text =
        "# Shown.\nrules\n    a\n\n    b\ninput open\n    1s x\nexpect\n    r\ncounts\n    c\n";
    let spec = Spec::parse(text).unwrap();
    assert_eq!(spec.rules, "a\n\nb\n");
    assert!(spec.is_open);
    assert_eq!((spec.input.len(), spec.expect.len(), spec.counts.len()), (1, 1, 1));
    assert_eq!(spec.render(&spec.expect, &spec.counts), text);
}

#[test]
fn a_broken_spec_says_where() {
    let error = |text| Spec::parse(text).unwrap_err();
    assert!(error("rules\n    a\ninput\n    b").contains("first line"));
    assert!(error("# s\nrule\n    a").contains("line 2: expected a heading, found `rule`"));
    assert!(error("# s\n    a").contains("line 2"));
    assert!(error("# s\nrules\n    a").contains("`input`"));
}
