//! A fresh folder for one test, and the program run in it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder that is removed with everything in it when the test ends.
pub struct Workdir {
    root: PathBuf,
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Workdir {
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("isoscan-it-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Self { root }
    }

    /// A folder that holds these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let work = Self::new();
        for (name, text) in files {
            work.write(name, text);
        }
        work
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file; folders above it are made.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn folder(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    /// The JSON in a file.
    pub fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&self.bytes(name)).unwrap()
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Every file below `folder`, as paths relative to it, sorted; what isoscan remembers apart.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let mut files = Vec::new();
        collect(&root, &root, &mut files);
        files.sort();
        files
    }

    /// Every file below `folder` with its content.
    pub fn contents(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let read = |name: String| {
            let bytes = self.bytes(&format!("{folder}/{name}"));
            (name, bytes)
        };
        self.files(folder).into_iter().map(read).collect()
    }

    /// The program, to be run in this folder.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isoscan"));
        command
            .current_dir(&self.root)
            .env_remove("NO_COLOR")
            .env("RUST_BACKTRACE", "1");
        command
    }

    /// Runs the program with arguments that blanks part.
    pub fn run(&self, arguments: &str) -> Run {
        self.run_args(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_args(&self, arguments: &[&str]) -> Run {
        finish(self.command().args(arguments), b"")
    }

    /// Runs the program with `input` on its standard input.
    pub fn run_fed(&self, arguments: &str, input: impl AsRef<[u8]>) -> Run {
        let mut command = self.command();
        finish(command.args(arguments.split_whitespace()), input.as_ref())
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Run {
    /// Asserts that the program ended with `code`.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stderr: {}", self.stderr);
        self
    }

    /// What was said on standard error, line by line.
    pub fn said(&self) -> Vec<&str> {
        self.stderr.lines().collect()
    }
}

/// Runs `command` to its end. Whatever a test is about, no run may panic.
pub fn finish(command: &mut Command, input: &[u8]) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may end without having read its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let run = Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    for trace in [
        "panicked",
        "RUST_BACKTRACE",
        "stack backtrace",
        "internal error",
    ] {
        assert!(!run.stderr.contains(trace), "{}", run.stderr);
    }
    run
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with(".isoscan") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap();
            files.push(name.to_str().unwrap().to_owned());
        }
    }
}
