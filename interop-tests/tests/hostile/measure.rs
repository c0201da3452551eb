//! Figures of a process from `/proc`, see proc(5).

use std::fs;
use std::time::{Duration, Instant};

/// One tick of the times in `/proc/PID/stat`. The kernel reports them in units of 1/100 s on all
/// common architectures, whatever its own tick is.
const TICK: Duration = Duration::from_millis(10);

/// Pauses between looks at a figure.
const PAUSE: Duration = Duration::from_millis(5);

/// Returns the resident memory of a process in MB.
pub(crate) fn resident(process: u32) -> f64 {
    memory(process, "VmRSS:")
}

/// Returns the most resident memory that a process has had, in MB.
pub(crate) fn peak_resident(process: u32) -> f64 {
    memory(process, "VmHWM:")
}

/// Returns the address space of a process in MB.
pub(crate) fn address_space(process: u32) -> f64 {
    memory(process, "VmSize:")
}

fn memory(process: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a process");
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes * 1024.0 / 1e6
}

/// Returns the part of a processor that a process uses over a stretch of time, in percent.
pub(crate) fn processor_use(process: u32, stretch: Duration) -> f64 {
    let (begin, before) = (Instant::now(), processor_time(process));
    std::thread::sleep(stretch);
    let used = processor_time(process) - before;
    used.as_secs_f64() / begin.elapsed().as_secs_f64() * 100.0
}

/// Returns the time of a processor that a process has used.
pub(crate) fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    // The second field, in parentheses, may have blanks; user and system time are the 14th and 15th.
    let fields = stat.rsplit_once(')').expect("the name of the program").1;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = times.map(|ticks| ticks.parse::<u32>().expect("a number")).sum();
    TICK * ticks
}

/// Returns the number of descriptors that a process has open.
pub(crate) fn open_fds(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").count()
}

/// Waits until a condition holds, but not longer than `time`. Returns whether it holds.
pub(crate) fn holds_within(time: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !condition() {
        if begin.elapsed() > time {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}
