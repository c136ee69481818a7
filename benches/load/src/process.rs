//! What `/proc` says about the server: CPU time to the nanosecond, its division into user and system, resident memory.

use std::io;
use std::ops::Sub;
use std::{fs, process};

/// CPU time used so far, in microseconds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) total: f64,
    /// Of the total; divided as the kernel's ticks saw it.
    pub(crate) user: f64,
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, earlier: Cpu) -> Cpu {
        Cpu { total: self.total - earlier.total, user: self.user - earlier.user }
    }
}

/// The sum over processes.
pub(crate) fn cpu(pids: &[u32]) -> io::Result<Cpu> {
    let mut sum = Cpu::default();
    for pid in pids {
        let (user, system) = ticks(*pid)?;
        let total = runtime(*pid)?;
        sum.total += total;
        sum.user += if user + system > 0.0 { total * user / (user + system) } else { 0.0 };
    }
    Ok(sum)
}

/// This process itself.
pub(crate) fn own_cpu() -> io::Result<Cpu> {
    cpu(&[process::id()])
}

/// Resident memory in KiB, exact: the quick counters of `status` lag behind.
pub(crate) fn resident_kib(pids: &[u32]) -> io::Result<f64> {
    let mut sum = 0.0;
    for pid in pids {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
        sum += kib.ok_or_else(|| io::Error::other("smaps_rollup has no Rss"))?;
    }
    Ok(sum)
}

/// All threads' time on a CPU, in microseconds.
fn runtime(pid: u32) -> io::Result<f64> {
    let mut nanos = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // a thread may end between the listing and the reading
        let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanos += line.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0);
    }
    Ok(nanos / 1e3)
}

/// User and system time of the process, in the kernel's clock ticks.
fn ticks(pid: u32) -> io::Result<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // the program's name, in parentheses, may hold anything
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut fields = fields.split(' ').skip(11);
    let mut next = || fields.next().and_then(|ticks| ticks.parse::<f64>().ok());
    next().zip(next()).ok_or_else(|| io::Error::other("/proc/<pid>/stat is not understood"))
}
