//! Programs that rules run: whether they exist, for `mfilter check`.

use std::path::Path;

use rustix::fs::{Access, access};

/// Where programs without a `/` in their name are searched. It is the same for
/// every message, so that what a rule runs does not depend on the MTA.
pub const PROGRAM_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// Why a program cannot be run; `None` if it can.
pub(super) fn missing(program: &str, home: &Path) -> Option<&'static str> {
    let judge = |path: &Path| {
        if !path.is_file() {
            Some("is not there")
        } else if access(path, Access::EXEC_OK).is_err() {
            Some("is not executable")
        } else {
            None
        }
    };
    if let Some(below) = program.strip_prefix("~/") {
        return judge(&home.join(below));
    }
    if program.contains('/') {
        return judge(&home.join(program));
    }
    let found =
        PROGRAM_PATH.split(':').any(|place| judge(&Path::new(place).join(program)).is_none());
    (!found).then_some("is in none of the directories that are searched")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs() {
        let home = Path::new("/");
        for (program, why) in [
            ("sh", None),
            ("/bin/sh", None),
            ("~/bin/sh", None),
            ("no-such-program", Some("is in none of the directories that are searched")),
            ("/no/such/program", Some("is not there")),
            ("/etc", Some("is not there")),
            ("/etc/passwd", Some("is not executable")),
        ] {
            assert_eq!(missing(program, home), why, "{program}");
        }
    }
}
