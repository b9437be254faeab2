//! The files of `deploy/` name what exists.

use std::process::Command;

use crate::tidy::root;

/// The long options that a command knows.
fn options(command: &str) -> Vec<String> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_tailwater")).args([command, "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let words = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("--")).map(ToOwned::to_owned).collect()
}

/// The long options that a text gives to `tailwater run`.
fn named(text: &str) -> Vec<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words =
        code.flat_map(|line| line.split(|c: char| c.is_whitespace() || "\"',[]=".contains(c)));
    words.filter(|word| word.starts_with("--") && word.len() > 2).collect()
}

/// Options of other programs in these files.
const OF_OTHERS: [&str; 11] = [
    "--no-cache",
    "--release",
    "--locked",
    "--package",
    "--from",
    "--chown",
    "--interval",
    "--start-period",
    "--retries",
    "--config.file",
    "--storage.tsdb.path",
];

#[test]
fn options_in_deploy_exist() {
    let (run, health) = (options("run"), options("health"));
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("deploy")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for option in named(&text).into_iter().filter(|option| !OF_OTHERS.contains(option)) {
            let is_known = run.iter().chain(&health).any(|known| known == option);
            assert!(is_known, "{}: `{option}` is no option", path.display());
            count += 1;
        }
    }
    assert!(count >= 4, "only {count} options were found");
    assert!(!run.iter().any(|known| known == "--no-such-option"));
}

#[test]
fn systemd_accepts_the_unit() {
    let unit = root().join("deploy/tailwater.service");
    let text = std::fs::read_to_string(&unit).unwrap();
    for line in ["Type=notify", "WatchdogSec=", "DynamicUser=yes", "Restart=on-failure"] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line}");
    }
    // The program stands where packages install it; here any program will do.
    let folder = crate::observe::path("unit");
    std::fs::create_dir_all(&folder).unwrap();
    let here = folder.join("tailwater.service");
    std::fs::write(&here, text.replace("/usr/bin/tailwater", "/bin/true")).unwrap();
    let verified =
        Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(&here).output();
    let Ok(verified) = verified else { return }; // a machine without systemd
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let about_us: Vec<&str> = said.lines().filter(|l| l.contains("tailwater.service")).collect();
    assert!(about_us.is_empty(), "{said}");
}
