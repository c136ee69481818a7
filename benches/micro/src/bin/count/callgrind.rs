//! Reads what callgrind writes (uncompressed names and positions).

/// What a run cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Executed by the program itself.
    pub(crate) instructions: u64,
    /// Calls of the C library's allocator.
    pub(crate) allocations: u64,
}

/// The counts of the object file `program`, and the allocations of the whole.
pub(crate) fn counts(text: &str, program: &str) -> Counts {
    let mut counts = Counts::default();
    let (mut is_program, mut callee) = (false, "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(object) = line.strip_prefix("ob=") {
            is_program = object == program;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = name;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            if matches!(callee, "malloc" | "calloc" | "realloc" | "posix_memalign" | "aligned_alloc") {
                let times = calls.split(' ').next().and_then(|times| times.parse().ok());
                counts.allocations += times.unwrap_or(0);
            }
            // What the call cost was counted where it was spent.
            lines.next();
        } else if is_program && line.starts_with(|first: char| first.is_ascii_digit()) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok());
            counts.instructions += cost.unwrap_or(0);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_counted_and_its_allocations() {
        let text = "\
ob=/bin/it
fl=a.rs
fn=a::run
12 5
13 7
cob=/lib/libc.so
cfn=malloc
calls=3 0
13 900
15 1
ob=/lib/libc.so
fn=malloc
0 900
cfn=_int_malloc
calls=2 0
0 50
ob=/bin/it
fn=b
1 2
totals: 965
";
        assert_eq!(counts(text, "/bin/it"), Counts { instructions: 15, allocations: 3 });
    }
}
