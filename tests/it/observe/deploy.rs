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

/// The words of a list of options in the compose file.
fn command_of_compose() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("deploy/compose.yaml")).unwrap();
    let (_, rest) = text.split_once("    command:\n").unwrap();
    let words = rest.lines().map_while(|line| line.strip_prefix("      - "));
    words.map(ToOwned::to_owned).collect()
}

/// The words of a `CMD […]` of the container file, after one that it follows.
fn words_of_container(after: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("deploy/Containerfile")).unwrap();
    let (_, rest) = text.split_once(after).unwrap();
    let list = rest.split_once("CMD [").unwrap().1.split_once(']').unwrap().0;
    list.split('"').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// Ports of all addresses in a text that others may reach.
fn open_ports(text: &str) -> Vec<&str> {
    let is_digit = |c: char| !c.is_ascii_digit();
    text.split("0.0.0.0:").skip(1).filter_map(|rest| rest.split(is_digit).next()).collect()
}

#[test]
fn what_the_compose_file_starts_starts_and_is_healthy() {
    use std::io::{BufRead as _, BufReader};
    let folder = crate::observe::path("compose");
    std::fs::create_dir_all(&folder).unwrap();
    let here = |word: &String| {
        let mut word =
            word.replace("=/rules", &format!("={}", root().join("deploy/rules").display()));
        for port in open_ports(&word.clone()) {
            word = word.replace(&format!("0.0.0.0:{port}"), "127.0.0.1:0");
        }
        word.replace("/state/", &format!("{}/", folder.display()))
            .replace("http://alertmanager:9093", "http://127.0.0.1:9")
    };
    let mut words: Vec<String> = command_of_compose().iter().map(here).collect();
    assert!(words.len() > 8 && words[0] == "run", "{words:?}");
    words.push("--grace=1".to_owned());
    let mut child = Command::new(env!("CARGO_BIN_EXE_tailwater"))
        .args(&words)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let (mut line, mut all) = (String::new(), String::new());
    while !line.contains("running ") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it did not start: {all}");
        all.push_str(&line);
    }
    assert!(line.starts_with('{'), "the log is JSON: {line}");
    let admin = line.split("admin on ").nth(1).unwrap();
    let admin = admin.split([';', ',']).next().unwrap();
    let check = words_of_container("HEALTHCHECK");
    assert_eq!(check[0], "/tailwater");
    let check = check[1..].iter().map(|word| word.replace("127.0.0.1:9465", admin));
    let mut health = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    assert!(health.args(check).status().unwrap().success(), "its health check fails");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_the_container_files_open_and_mount_is_there() {
    let read = |name: &str| std::fs::read_to_string(root().join("deploy").join(name)).unwrap();
    let container = read("Containerfile");
    let exposed = container.lines().find_map(|line| line.strip_prefix("EXPOSE ")).unwrap();
    let exposed: Vec<&str> = exposed.split(' ').collect();
    let started = words_of_container("ENTRYPOINT").join(" ");
    assert_eq!(open_ports(&started), exposed, "what the image opens by itself");
    let compose = read("compose.yaml");
    assert_eq!(open_ports(&compose), exposed, "what the compose file opens");
    for target in read("prometheus.yaml").split("tailwater:").skip(1) {
        assert!(exposed.contains(&target.split('"').next().unwrap()), "{target}");
    }
    let mounts = compose.lines().filter_map(|line| line.trim().strip_prefix("- ./"));
    let mounts: Vec<&str> = mounts.filter_map(|mount| mount.split(':').next()).collect();
    assert_eq!(mounts.len(), 2, "{mounts:?}");
    for mount in mounts {
        assert!(root().join("deploy").join(mount).exists(), "{mount}");
    }
    for line in ["USER 65532:65532", "FROM scratch", "STOPSIGNAL SIGTERM"] {
        assert!(container.lines().any(|found| found == line), "{line}");
    }
    // The build takes the compiler that the workspace asks for, and the lock file as it is.
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let asked = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let asked = asked.split('"').nth(1).unwrap();
    assert!(container.contains(&format!("rust:{asked}-alpine")), "expected rust {asked}");
    assert!(container.contains("cargo build --release --locked --package tailwater"));
}
