//! The packs that ship: rule files inside the binary, imported as `std/NAME`.
//!
//! Their names never mean a file: what `std/red` says is decided by the version that runs, not by
//! the folder that it runs in.

/// Every pack's name begins with it.
pub const PACK_PREFIX: &str = "std/";

/// A pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pack {
    /// What `import` names, such as `std/red`.
    pub name: &'static str,
    /// Its rules.
    pub text: &'static str,
}

/// All packs, by name.
pub const PACKS: [Pack; 11] = [
    Pack { name: "std/jobs_entities", text: include_str!("../packs/std/jobs_entities.tw") },
    Pack { name: "std/latency_shift", text: include_str!("../packs/std/latency_shift.tw") },
    Pack { name: "std/plain", text: include_str!("../packs/std/plain.tw") },
    Pack { name: "std/red", text: include_str!("../packs/std/red.tw") },
    Pack { name: "std/security", text: include_str!("../packs/std/security.tw") },
    Pack { name: "std/self", text: include_str!("../packs/std/self.tw") },
    Pack { name: "std/service_graph", text: include_str!("../packs/std/service_graph.tw") },
    Pack { name: "std/slo", text: include_str!("../packs/std/slo.tw") },
    Pack { name: "std/sources", text: include_str!("../packs/std/sources.tw") },
    Pack { name: "std/tail_sampling", text: include_str!("../packs/std/tail_sampling.tw") },
    Pack { name: "std/work_queue", text: include_str!("../packs/std/work_queue.tw") },
];

/// The pack of that name.
pub fn pack(name: &str) -> Option<&'static Pack> {
    PACKS.iter().find(|pack| pack.name == name)
}

impl Pack {
    /// What it is for: the `///` lines at its head, without the slashes.
    pub fn doc(&self) -> String {
        let lines = self.text.lines().map_while(|line| line.strip_prefix("///"));
        let lines: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        lines.join("\n")
    }

    /// The name that it is imported under where a command gives it: `red` of `std/red`.
    pub fn short_name(&self) -> &'static str {
        self.name.strip_prefix(PACK_PREFIX).unwrap_or(self.name)
    }
}
