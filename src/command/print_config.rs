//! `tailwater print-config`: the configuration in effect, and where each value comes from.

use crate::args::{ConfigFormat, General, PrintConfig};
use crate::config::{self, Wrong};
use crate::exit::Exit;
use crate::output::print;
use crate::terminal::tell;

/// Prints it, or the schema of configuration files.
pub(crate) fn run(args: &PrintConfig, general: General) -> anyhow::Result<Exit> {
    if args.schema {
        print(&format!("{:#}\n", config::schema()))?;
        return Ok(Exit::Good);
    }
    let mut loaded = match config::load(&args.run) {
        Ok(loaded) => loaded,
        Err(error) => {
            let Wrong(mistakes) = error.downcast()?;
            tell(&mistakes.human(general.colors.on_stderr));
            return Ok(Exit::Rules);
        }
    };
    print(&match args.format {
        ConfigFormat::Yaml => loaded.yaml(),
        ConfigFormat::Json => format!("{:#}\n", loaded.json()),
    })?;
    Ok(Exit::Good)
}
