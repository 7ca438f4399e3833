//! The process of an analysis as the run's process sees it: starts it, sends requests, watches and
//! ends it.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use grokrun_api::serde::Serialize;
use grokrun_api::{Ask, Failure, Finding, Sink};

use super::wire::{self, Reply, Request};
use crate::described::Described;
use crate::isolation::{COMMAND, Isolation, Limits};
use crate::loaded::{emit, listening};

/// How often a silent process is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// The most that counts of the time between two checks.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// How long a process may take to end after it has closed its connection.
const LAST: Duration = Duration::from_secs(1);

/// A process with analyses. Dropping this ends the process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    line: UnixStream,
    limits: Limits,
    /// how long the call in progress has been watched, and when the process was last checked
    spent: Duration,
    checked: Instant,
    /// the process has ended; some of its messages may still be unread
    gone: bool,
    /// how the process ended
    fate: Option<String>,
    /// the process was ended
    over: bool,
}

impl Process {
    /// Starts a process that loads this library.
    ///
    /// # Errors
    /// If the system cannot start one.
    pub(super) fn start(isolation: &Isolation, library: &Path) -> Result<Process, Failure> {
        let mut command = Command::new(&isolation.program);
        command
            .arg0("grokrun")
            .arg(COMMAND)
            .arg("--parent")
            .arg(std::process::id().to_string())
            .arg("--level")
            .arg(listening().to_string())
            .arg(library);
        Process::spawn(&mut command, isolation.limits).map_err(|error| {
            Failure::new(format!(
                "a process for it cannot be started: {error}; without --isolate none is needed"
            ))
        })
    }

    /// Starts the process of a command, which answers on its standard input.
    ///
    /// # Errors
    /// If the system cannot start it.
    pub(crate) fn spawn(command: &mut Command, limits: Limits) -> io::Result<Process> {
        let (line, its) = UnixStream::pair()?;
        line.set_read_timeout(Some(CHECK_INTERVAL))?;
        line.set_write_timeout(Some(CHECK_INTERVAL))?;
        // The output of a plugin must not mix with this program's results.
        let errors = io::stderr().as_fd().try_clone_to_owned()?;
        let child = command
            .stdin(Stdio::from(OwnedFd::from(its)))
            .stdout(Stdio::from(errors))
            // This process answers the signals of the terminal.
            .process_group(0)
            .spawn()?;
        Ok(Process {
            child,
            line,
            limits,
            spent: Duration::ZERO,
            checked: Instant::now(),
            gone: false,
            fate: None,
            over: false,
        })
    }

    /// Hands over a text before the first call.
    ///
    /// # Errors
    /// How the process ended, which is then gone.
    pub(crate) fn hand_over(&mut self, text: &[u8]) -> Result<(), Failure> {
        self.watched(|process| {
            process.write_all(&(text.len() as u64).to_le_bytes())?;
            process.write_all(text)
        })
    }

    /// Returns whether the process was ended: it takes no call any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Makes a call; `numbers` follow the request.
    ///
    /// # Errors
    /// Why the call failed, or how the process ended, which is then gone.
    pub(crate) fn call(
        &mut self,
        request: &impl Serialize,
        numbers: &[&[u8]],
        sink: &mut dyn Sink,
    ) -> Result<Vec<Described>, Failure> {
        self.watched(|process| process.exchange(request, numbers, sink))?
    }

    /// Talks to the process under its limits, and ends it if that fails.
    fn watched<T>(
        &mut self,
        talk: impl FnOnce(&mut Process) -> io::Result<T>,
    ) -> Result<T, Failure> {
        (self.spent, self.checked) = (Duration::ZERO, Instant::now());
        talk(self).map_err(|error| {
            self.end();
            let fate = self.fate.take();
            Failure::new(
                fate.unwrap_or_else(|| format!("its process says what makes no sense: {error}")),
            )
        })
    }

    fn exchange(
        &mut self,
        request: &impl Serialize,
        numbers: &[&[u8]],
        sink: &mut dyn Sink,
    ) -> io::Result<Result<Vec<Described>, Failure>> {
        wire::send(self, request)?;
        for numbers in numbers {
            self.write_all(numbers)?;
        }
        loop {
            let finding = match wire::receive(self)? {
                Reply::Done(done) => return Ok(done.map_err(Failure::from)),
                Reply::Scalar { series, bits } => Finding::Scalar {
                    series,
                    value: f64::from_bits(bits),
                },
                Reply::Tensor { name, shape, count } => Finding::Tensor {
                    name,
                    shape,
                    data: wire::receive_numbers(self, count, Vec::new())?,
                },
                Reply::Table {
                    name,
                    columns,
                    rows,
                } => Finding::Table {
                    name,
                    columns,
                    rows,
                },
                Reply::Note(text) => Finding::Note(text),
                Reply::Formula(formula) => Finding::Formula(formula),
                Reply::Figure { name, figure } => Finding::Figure { name, figure },
                Reply::Log(level, package, target, message, fields) => {
                    emit(level, &package, &target, &message, &fields);
                    continue;
                }
                Reply::Keep { name, count } => {
                    let numbers = wire::receive_numbers(self, count, Vec::new())?;
                    let refused = sink.keep(&name, &numbers).err();
                    wire::send(self, &Request::Kept(refused.map(Into::into)))?;
                    continue;
                }
                Reply::Recall(name) => {
                    match sink.kept(&name) {
                        Ok(numbers) => {
                            wire::send(self, &Request::Recalled(Ok(numbers.len())))?;
                            self.write_all(bytemuck::cast_slice(&numbers))?;
                        }
                        Err(why) => wire::send(self, &Request::Recalled(Err(why.into())))?,
                    }
                    continue;
                }
                Reply::TrainLoss {
                    count,
                    gradient,
                    samples,
                } => {
                    let weights = wire::receive_numbers(self, count, Vec::new())?;
                    let found = sink.train_loss(Ask {
                        weights: &weights,
                        gradient,
                        samples,
                    });
                    // The analysis has only waited meanwhile.
                    self.checked = Instant::now();
                    wire::send_loss(self, found)?;
                    continue;
                }
            };
            sink.push(finding);
        }
    }

    /// Checks a process that neither sends nor reads.
    ///
    /// # Errors
    /// If it takes too long, uses too much memory, or has ended.
    fn check(&mut self) -> io::Result<()> {
        // While this process is stopped the clock goes on, but that time does not count.
        self.spent += self.checked.elapsed().min(LONGEST_GAP);
        self.checked = Instant::now();
        let Limits { seconds, bytes } = self.limits;
        if self.spent > Duration::from_secs(seconds) {
            return Err(self.doomed(format!(
                "one call took longer than {seconds} s, and its process was ended; --isolate-seconds allows more"
            )));
        }
        if memory(self.child.id()).is_some_and(|taken| taken > bytes) {
            return Err(self.doomed(format!(
                "its process took more than {} MB of memory and was ended; --isolate-memory allows more",
                bytes / 1_000_000
            )));
        }
        if self.gone {
            return Err(self.hung_up());
        }
        // Messages that were sent before the end are still read.
        self.gone = self.child.try_wait()?.is_some();
        Ok(())
    }

    fn doomed(&mut self, fate: String) -> io::Error {
        self.fate = Some(fate);
        self.end();
        io::ErrorKind::TimedOut.into()
    }

    /// Records how a process ended that has closed its connection.
    fn hung_up(&mut self) -> io::Error {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(None) if started.elapsed() < LAST => std::thread::sleep(CHECK_INTERVAL),
                Ok(status) => break status,
                Err(_) => break None,
            }
        };
        self.fate = Some(match status {
            Some(status) => fate(status),
            None => "its process has hung up and goes on; it was ended".to_owned(),
        });
        io::ErrorKind::UnexpectedEof.into()
    }

    /// Ends the process.
    fn end(&mut self) {
        self.over = true;
        // Killing a process that has ended already fails; it has to be waited for all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Repeats an operation until it succeeds, or the process exceeds a limit or has ended.
    fn patiently(
        &mut self,
        attempt: impl Fn(&mut UnixStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            if self.checked.elapsed() > CHECK_INTERVAL {
                self.check()?;
            }
            match attempt(&mut self.line) {
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.check()?,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(self.hung_up()),
                },
                Ok(0) => return Err(self.hung_up()),
                done => return done,
            }
        }
    }
}

impl Read for Process {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        // The closure is `Fn`, so the buffer that it reads into is passed to it.
        let into = std::cell::RefCell::new(into);
        self.patiently(|line| line.read(&mut into.borrow_mut()))
    }
}

impl Write for Process {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.patiently(|line| line.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Says how a process has ended, in the same words each time.
fn fate(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        let code = status.code().unwrap_or_default();
        return format!("its process has called exit, with status {code}");
    };
    let name = match signal {
        libc::SIGABRT => {
            "SIGABRT: an abort, an overflow of the stack, or memory that is not to be had"
        }
        libc::SIGSEGV => "SIGSEGV: memory that is not its own",
        libc::SIGBUS => "SIGBUS: memory that is not there",
        libc::SIGILL => "SIGILL: an instruction that there is not",
        libc::SIGFPE => "SIGFPE: a division by zero",
        libc::SIGKILL => "SIGKILL: from outside, where the system runs out of memory for instance",
        _ => return format!("its process was ended by signal {signal}"),
    };
    format!("its process was ended by signal {signal} ({name})")
}

/// Returns how many bytes of memory a process uses, if the system says.
#[cfg(target_os = "linux")]
fn memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kilobytes = |key: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(1024 * (kilobytes("VmRSS:")? + kilobytes("VmSwap:").unwrap_or(0)))
}

#[cfg(not(target_os = "linux"))]
fn memory(_: u32) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;

    impl Sink for Deaf {
        fn push(&mut self, _: Finding) {}
        fn keep(&mut self, _: &str, _: &[f32]) -> Result<(), Failure> {
            Ok(())
        }
        fn kept(&mut self, _: &str) -> Result<Vec<f32>, Failure> {
            Ok(Vec::new())
        }
    }

    /// Returns the failure of a call to a program that is no grokrun.
    fn asked(script: &str, limits: [u64; 2]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let [seconds, bytes] = limits;
        let limits = Limits { seconds, bytes };
        let isolation = Isolation { program, limits };
        // A process that another test has just forked may still hold the file open for writing.
        let mut process = loop {
            match Process::start(&isolation, Path::new("lib.so")) {
                Err(why) if why.to_string().contains("busy") => std::thread::yield_now(),
                started => break started.unwrap_or_else(|why| panic!("{why}")),
            }
        };
        // More than the socket buffers: a process that does not read it is waited for while
        // writing.
        let large = vec![0u8; 1 << 21];
        let done = process.call(&Request::Finish, &[&large], &mut Deaf);
        done.unwrap_err().to_string()
    }

    const WIDE: [u64; 2] = [600, u64::MAX];

    #[test]
    fn whatever_becomes_of_a_process_is_said() {
        for (script, limits, said) in [
            ("cat > /dev/null & exit 0", WIDE, "exit, with status 0"),
            ("exit 7", WIDE, "exit, with status 7"),
            ("kill -SEGV $$", WIDE, "signal 11 (SIGSEGV"),
            ("kill -TERM $$", WIDE, "signal 15"),
            ("sleep 60", [0, u64::MAX], "longer than 0 s"),
            ("exec 0<&-; sleep 60", WIDE, "hung up"),
        ] {
            let why = asked(script, limits);
            assert!(why.contains(said), "{script}: {why}");
        }
        if cfg!(target_os = "linux") {
            let why = asked("sleep 60", [600, 1000]);
            assert!(why.contains("of memory"), "{why}");
        }
    }

    #[test]
    fn nonsense_is_no_answer() {
        let why = asked(
            "printf '\\3\\0\\0\\0\\0\\0\\0\\0xyz' >&0; cat > /dev/null",
            WIDE,
        );
        assert!(why.contains("makes no sense"), "{why}");
    }

    #[test]
    fn a_program_that_is_not_there_is_said() {
        let isolation = Isolation {
            program: "/nowhere/at/all".into(),
            limits: Limits {
                seconds: 1,
                bytes: 1,
            },
        };
        let why = Process::start(&isolation, Path::new("x")).err().unwrap();
        assert!(why.to_string().contains("cannot be started"), "{why}");
    }
}
