//! Counts the instructions and allocations of each hot path under valgrind and compares them with a table.
//!
//! `benches/count` runs it. A path is run twice, once with twice as many operations: the difference is what the operations
//! cost, without the preparation. Only instructions of this program are counted, not those of the C library, whose version and
//! choice of routines differ from machine to machine; the calls of its allocator are counted by themselves.

mod callgrind;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use actix_socketio_micro::PATHS;

use self::callgrind::Counts;
use self::table::{Row, Table};

/// How much more than the table says is a regression, as a part. What the compiler inlines here changes with code elsewhere: a path
/// that nobody touched has moved by 14 %.
const TOLERANCE: f64 = 0.15;
/// How much is told apart, as a part.
const NOTICED: f64 = 0.03;

const USAGE: &str = "usage: benches/count [--bless] [path...]";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [run, name, n] = &arguments[..]
        && run == "--run"
    {
        return run_path(name, n);
    }
    let is_blessing = arguments.first().is_some_and(|first| first == "--bless");
    if is_blessing {
        arguments.remove(0);
    }
    if let Some(unknown) = arguments.iter().find(|name| PATHS.iter().all(|path| path.name != **name)) {
        eprintln!("no path {unknown}\n{USAGE}");
        return ExitCode::from(2);
    }
    match count(is_blessing, &arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What valgrind is given to run.
fn run_path(name: &str, n: &str) -> ExitCode {
    let path = PATHS.iter().find(|path| path.name == name);
    let (Some(path), Ok(n)) = (path, n.parse()) else { return ExitCode::from(2) };
    (path.run)(n);
    ExitCode::SUCCESS
}

/// How many paths fail the comparison.
fn count(is_blessing: bool, names: &[String]) -> Result<usize, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../counts.toml");
    let compiler = compiler()?;
    let old = Table::read(&file)?;
    let is_same_compiler = old.compiler == compiler;
    if !is_same_compiler && !is_blessing {
        println!(
            "the table is of {:?}, this is {compiler:?}: nothing is compared; `benches/count --bless` writes it anew",
            old.compiler
        );
    }
    println!(
        "{:16} {:>12} {:>8} {:>8} {:>11} {:>8}",
        "path", "instructions", "before", "", "allocations", "before"
    );
    let mut new = Table { compiler, rows: Vec::new() };
    let mut failed = 0;
    for path in PATHS {
        let known = old.row(path.name);
        if !names.is_empty() && !names.iter().any(|name| name == path.name) {
            new.rows.extend(known.cloned());
            continue;
        }
        let row = measure(path)?;
        let verdict = match known {
            None => "new",
            Some(_) if !is_same_compiler => "?",
            Some(known) => verdict(&row, known),
        };
        failed += usize::from(matches!(verdict, "MORE" | "new"));
        let (before, allocations) = known.map_or((0.0, 0.0), |known| (known.instructions, known.allocations));
        println!(
            "{:16} {:12.0} {before:8.0} {verdict:>8} {:11.2} {allocations:8.2}",
            path.name, row.instructions, row.allocations
        );
        new.rows.push(row);
    }
    if is_blessing {
        new.write(&file)?;
        return Ok(0);
    }
    let compared = if names.is_empty() { PATHS.len() } else { names.len() };
    println!("{} passed, {failed} failed", compared - failed);
    Ok(failed)
}

fn verdict(row: &Row, known: &Row) -> &'static str {
    // A tenth of an allocation is a queue that grew once more.
    if row.instructions > known.instructions * (1.0 + TOLERANCE) || row.allocations > known.allocations + 0.1
    {
        "MORE"
    } else if row.instructions > known.instructions * (1.0 + NOTICED) {
        "more"
    } else if row.instructions < known.instructions * (1.0 - NOTICED)
        || row.allocations < known.allocations - 0.1
    {
        "less"
    } else {
        "same"
    }
}

fn measure(path: &actix_socketio_micro::Path) -> Result<Row, String> {
    let once = run_counted(path.name, path.count)?;
    let twice = run_counted(path.name, path.count * 2)?;
    let per = |once: u64, twice: u64| twice.saturating_sub(once) as f64 / path.count as f64;
    Ok(Row {
        name: path.name.to_owned(),
        instructions: per(once.instructions, twice.instructions),
        allocations: per(once.allocations, twice.allocations),
    })
}

fn run_counted(name: &str, n: u64) -> Result<Counts, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let out = std::env::temp_dir().join(format!("callgrind.{}.{name}.{n}", std::process::id()));
    let result = run_valgrind(&program, &out, name, n);
    // It may never have been written.
    let _ = std::fs::remove_file(&out);
    result
}

fn run_valgrind(program: &Path, out: &PathBuf, name: &str, n: u64) -> Result<Counts, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["--run", name, &n.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = std::fs::read_to_string(out).map_err(|error| format!("{}: {error}", out.display()))?;
    Ok(callgrind::counts(&text, &program.display().to_string()))
}

/// Which compiler, and what it compiles for: all that `rustc -V` says, and the target.
fn compiler() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next().unwrap_or_default();
    let target = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    Ok(format!("{version}, {target}"))
}
