//! What the process takes of the machine, where the system tells (`/proc`). Reads no disk.

/// How much memory it has, in bytes.
pub(super) fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<usize>().ok()?.checked_mul(1024)
}

/// Its processor time so far, in seconds.
pub(super) fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may hold anything; twelve fields after it comes the time.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    // A hundred ticks are a second, on every Linux of today.
    Some(ticks as f64 / 100.0)
}

/// How many files it may open, sockets included, after the limit was raised as far as the system lets it.
pub(super) fn raise_open_files() -> Option<u64> {
    rlimit::increase_nofile_limit(u64::MAX).ok()
}

/// How many files it may open, sockets included.
#[cfg(unix)]
pub(super) fn max_open_files() -> Option<u64> {
    rlimit::getrlimit(rlimit::Resource::NOFILE).ok().map(|(limit, _)| limit)
}

#[cfg(not(unix))]
pub(super) fn max_open_files() -> Option<u64> {
    None
}

/// How many files it has open, sockets included.
pub(super) fn open_files() -> Option<usize> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    // One is the folder itself.
    Some(entries.count().saturating_sub(1))
}
