//! Reports what a plugin does to the whole process: `exit`, which is undone, and the signals of a
//! crash, which are not.
//!
//! Messages are put together without allocating, locking or unwinding, since signal handlers write
//! them.

use std::sync::atomic::{AtomicBool, Ordering};

use super::calls;

/// Whether the process ends as intended.
static MEANT: AtomicBool = AtomicBool::new(false);
/// Whether libraries are loaded, any thread of which may call `exit`.
static LOADED: AtomicBool = AtomicBool::new(false);
/// Whether the end was reported: an abort follows an overflow of the stack, and would be reported
/// again.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Declares the end of the process as intended, when it is dropped or by
/// [`is_meant`](Ending::is_meant). Without it, a call of `exit` within an analysis, or in a process
/// with loaded plugins, is taken as the plugin's.
#[derive(Debug)]
#[must_use]
pub struct Ending(());

impl Ending {
    /// Returns a guard that is held until the process ends.
    pub fn new() -> Ending {
        Ending(())
    }

    /// Declares the end as intended; call it before `exit`.
    pub fn is_meant() {
        MEANT.store(true, Ordering::Relaxed);
        calls::forget();
    }
}

impl Default for Ending {
    fn default() -> Ending {
        Ending::new()
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        Ending::is_meant();
    }
}

/// Declares that libraries are loaded.
pub(crate) fn expect_libraries() {
    LOADED.store(true, Ordering::Relaxed);
}

/// The advice at the end of a message.
const ADVICE: &[u8] = b"; a run under way goes on from its last saved state by the same command, and --isolate contains a plugin that is a library\n";

/// The most bytes of a message.
const LONGEST: usize = 4096;

/// A message that is put together without allocating.
struct Message<'a> {
    bytes: &'a mut [u8; LONGEST],
    len: usize,
}

impl<'a> Message<'a> {
    fn new(bytes: &'a mut [u8; LONGEST]) -> Message<'a> {
        Message { bytes, len: 0 }
    }

    /// Adds as much of the text as fits.
    fn add(&mut self, text: &[u8]) {
        for (place, byte) in self.bytes[self.len..].iter_mut().zip(text) {
            *place = *byte;
            self.len += 1;
        }
    }

    /// Writes which analysis ended the process, as far as that is known, and what to do.
    fn tell(&mut self, deed: &[&[u8]]) {
        let mine = calls::is_mine();
        self.add(if mine {
            b"\nerror: a plugin has "
        } else {
            b"\nerror: a thread on which no analysis was called has "
        });
        deed.iter().for_each(|part| self.add(part));
        self.add(if mine {
            b", at"
        } else {
            b"; calls in progress:"
        });
        let mut none = true;
        calls::each(|words| {
            self.add(if none { b" " } else { b"; " });
            self.add(words);
            none = false;
        });
        if none {
            self.add(b" none");
        }
        self.add(ADVICE);
    }
}

#[cfg(unix)]
mod system {
    use std::cell::UnsafeCell;
    use std::ffi::{c_int, c_void};
    use std::os::fd::AsRawFd;
    use std::sync::{Once, OnceLock};

    use super::{LOADED, LONGEST, MEANT, Message, Ordering, TOLD};

    /// The memory of the one message. It is not on the stack: that of a signal handler may have
    /// 8 kB, of which the registers that the system saves there take half.
    struct Memory(UnsafeCell<[u8; LONGEST]>);

    // SAFETY: `once` hands it out a single time.
    unsafe impl Sync for Memory {}

    /// Returns the memory to the first who asks: the end is told once.
    fn once() -> Option<&'static mut [u8; LONGEST]> {
        static MEMORY: Memory = Memory(UnsafeCell::new([0; LONGEST]));
        let first = !TOLD.swap(true, Ordering::Relaxed);
        // SAFETY: nobody else has it, since the flag never goes back.
        first.then(|| unsafe { &mut *MEMORY.0.get() })
    }

    /// The signals of a crash, with their names.
    const CRASHES: [(c_int, &str); 5] = [
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGABRT, "SIGABRT"),
    ];

    /// The earlier handler of each signal.
    static BEFORE: [OnceLock<libc::sigaction>; CRASHES.len()] =
        [const { OnceLock::new() }; CRASHES.len()];

    /// Installs the handlers, once.
    pub(crate) fn watch() {
        static WATCHED: Once = Once::new();
        WATCHED.call_once(|| {
            // SAFETY: the function is this program's and never goes away.
            unsafe { libc::atexit(at_exit) };
            for ((signal, _), before) in CRASHES.iter().zip(&BEFORE) {
                // SAFETY: zeros are a sigaction without flags and handler; both are set.
                let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
                let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = at_crash;
                ours.sa_sigaction = handler as *const () as libc::sighandler_t;
                // The handler runs on the thread's stack for signals: its own may be used up.
                ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                // SAFETY: as above; the system fills it.
                let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
                // SAFETY: both live during the call; the handler is of the kind that the flags say,
                // and does only what a handler may.
                let set = unsafe { libc::sigaction(*signal, &raw const ours, &raw mut old) };
                if set == 0 {
                    let _ = before.set(old);
                }
            }
        });
    }

    /// Ends the process without a message and without the functions that `exit` runs.
    pub(crate) fn leave(status: c_int) -> ! {
        // SAFETY: always sound; nothing of the process is used after it.
        unsafe { libc::_exit(status) }
    }

    /// Ignores requests to end: the parent, which gets them too, answers them.
    pub(crate) fn ignore_requests_to_end() {
        for signal in [
            libc::SIGINT,
            libc::SIGTERM,
            libc::SIGHUP,
            libc::SIGUSR1,
            libc::SIGUSR2,
        ] {
            // SAFETY: ignoring needs no handler.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
    }

    /// Makes standard input empty, whatever it is.
    ///
    /// # Errors
    /// If the system has no `/dev/null`, or no free file descriptor.
    pub(crate) fn empty_input() -> std::io::Result<()> {
        let nothing = std::fs::File::open("/dev/null")?;
        // SAFETY: both are open; whoever reads standard input later reads nothing.
        match unsafe { libc::dup2(nothing.as_raw_fd(), 0) } {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    impl Message<'_> {
        fn say(&self) {
            // SAFETY: the bytes live during the call. What cannot be written is nobody's to hear.
            unsafe { libc::write(2, self.bytes.as_ptr().cast(), self.len) };
        }
    }

    extern "C" fn at_exit() {
        let theirs = super::calls::is_mine() || LOADED.load(Ordering::Relaxed);
        if MEANT.load(Ordering::Relaxed) || !theirs {
            return;
        }
        let Some(memory) = once() else { return };
        let mut message = Message::new(memory);
        message.tell(&[b"called exit"]);
        message.say();
        // Whatever status the plugin chose, 0 above all, the run is not done.
        leave(1);
    }

    extern "C" fn at_crash(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
        let place = CRASHES.iter().position(|(known, _)| *known == signal);
        let name = place.map_or("a signal", |place| CRASHES[place].1);
        // Without libraries, a crash elsewhere is not an analysis's.
        let theirs = super::calls::is_mine() || LOADED.load(Ordering::Relaxed);
        if theirs && let Some(memory) = once() {
            let mut message = Message::new(memory);
            message.tell(&[b"crashed (", name.as_bytes(), b")"]);
            message.say();
        }
        if let Some(before) = place.and_then(|place| BEFORE[place].get()) {
            // SAFETY: it is what the system gave.
            unsafe { libc::sigaction(signal, before, std::ptr::null_mut()) };
        }
        // A fault happens again on return, and whoever handled it before sees it. What was sent, as
        // abort does, has to be sent again.
        // SAFETY: the system hands a handler with SA_SIGINFO a good pointer; raising is sound.
        unsafe {
            if info.is_null() || (*info).si_code <= 0 {
                libc::raise(signal);
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    /// Installs nothing on this system; the file of calls informs the next command.
    pub(crate) fn watch() {}
}

pub(crate) use system::watch;
#[cfg(unix)]
pub(crate) use system::{empty_input, ignore_requests_to_end, leave};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_calls_and_is_cut_where_it_is_full() {
        let _call = calls::begin("observe of the only one here");
        let mut memory = [0; LONGEST];
        let mut message = Message::new(&mut memory);
        message.tell(&[b"crashed (", b"SIGSEGV)"]);
        let text = String::from_utf8_lossy(&message.bytes[..message.len]).into_owned();
        let want = "\nerror: a plugin has crashed (SIGSEGV), at observe of the only one here; ";
        assert!(text.starts_with(want), "{text}");
        let elsewhere = std::thread::spawn(|| {
            let mut memory = [0; LONGEST];
            let mut message = Message::new(&mut memory);
            message.tell(&[b"called exit"]);
            String::from_utf8_lossy(&message.bytes[..message.len]).into_owned()
        });
        let text = elsewhere.join().unwrap();
        let want = "a thread on which no analysis was called has called exit; calls in progress: ";
        assert!(text.contains(want), "{text}");
        assert!(text.contains("observe of the only one here"), "{text}");
        message.add(&[b'x'; 5000]);
        assert_eq!(message.len, 4096);
    }

    /// The variable that tells the process of the test below what to do.
    const DEED: &str = "GROKRUN_TEST_DEED";

    #[cfg(unix)]
    #[test]
    fn an_end_is_reported_and_an_exit_is_no_success() {
        use std::os::unix::process::ExitStatusExt;
        use std::process::{Command, abort, exit};

        if let Ok(deed) = std::env::var(DEED) {
            watch();
            let _call = calls::begin("observe of the only one here");
            match deed.as_str() {
                "exit" => exit(0),
                "abort" => abort(),
                "meant" => {
                    Ending::is_meant();
                    exit(0)
                }
                _ => {
                    expect_libraries();
                    let elsewhere = std::thread::spawn(|| exit(0));
                    let _ = elsewhere.join();
                }
            }
        }
        let own = "loaded::ends::tests::an_end_is_reported_and_an_exit_is_no_success";
        for (deed, code, signal, said) in [
            (
                "exit",
                Some(1),
                None,
                "a plugin has called exit, at observe of the only one",
            ),
            (
                "elsewhere",
                Some(1),
                None,
                "no analysis was called has called exit; calls in",
            ),
            (
                "abort",
                None,
                Some(libc::SIGABRT),
                "a plugin has crashed (SIGABRT), at observe",
            ),
            ("meant", Some(0), None, ""),
        ] {
            let mut again = Command::new(std::env::current_exe().unwrap());
            let ended = again.args([own, "--exact", "--nocapture"]).env(DEED, deed);
            let ended = ended.output().unwrap();
            let status = (ended.status.code(), ended.status.signal());
            let text = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!(status, (code, signal), "{deed}: {text}");
            assert!(text.contains(said), "{deed}: {text}");
            assert_eq!(text.contains("error: a"), deed != "meant", "{text}");
        }
    }
}
