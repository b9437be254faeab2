//! The process as the kernel sees it: CPU time, memory, files. Linux; absent elsewhere.

use std::fs;

/// Ticks of a second in `/proc`: fixed for user space on every architecture that this runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// What `/proc` says of this process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Process {
    /// Seconds of CPU, user and system.
    pub(super) cpu_seconds: f64,
    /// When it started, seconds since the Unix epoch.
    pub(super) start_seconds: f64,
    /// Resident memory.
    pub(super) resident_bytes: u64,
    /// Virtual memory.
    pub(super) virtual_bytes: u64,
    /// Threads.
    pub(super) threads: u64,
    /// Open files and sockets.
    pub(super) open_fds: Option<u64>,
    /// How many may be open.
    pub(super) max_fds: Option<u64>,
}

impl Process {
    /// Reads `/proc`; nothing where there is none.
    pub(super) fn read() -> Option<Self> {
        let read = |path: &str| fs::read_to_string(path).ok();
        let mut process =
            parse(&read("/proc/self/stat")?, &read("/proc/self/status")?, &read("/proc/stat")?)?;
        let open = fs::read_dir("/proc/self/fd").ok();
        // The listing itself has one open.
        process.open_fds = open.map(|entries| (entries.count() as u64).saturating_sub(1));
        process.max_fds = read("/proc/self/limits").as_deref().and_then(max_fds);
        Some(process)
    }
}

fn parse(stat: &str, status: &str, system: &str) -> Option<Process> {
    // The name in the second field may hold anything, also `)`.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at - 3)?.parse::<f64>().ok();
    let kibibytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    Some(Process {
        cpu_seconds: (number(14)? + number(15)?) / TICKS_A_SECOND,
        start_seconds: boot + number(22)? / TICKS_A_SECOND,
        resident_bytes: kibibytes("VmRSS:")? * 1_024,
        virtual_bytes: kibibytes("VmSize:")? * 1_024,
        threads: kibibytes("Threads:")?,
        open_fds: None,
        max_fds: None,
    })
}

fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 9 0 1000 0 0";
        let status = "Name:\tx\nVmSize:\t  2048 kB\nVmRSS:\t   1024 kB\nThreads:\t9\n";
        let process = parse(stat, status, "cpu 1\nbtime 1700000000\n").unwrap();
        assert_eq!((process.cpu_seconds, process.start_seconds), (2.0, 1_700_000_010.0));
        assert_eq!((process.resident_bytes, process.virtual_bytes), (1 << 20, 2 << 20));
        assert_eq!(process.threads, 9);
        assert_eq!(max_fds("Max open files            1024      4096      files"), Some(1024));
        assert_eq!(parse("", "", ""), None);
    }
}
