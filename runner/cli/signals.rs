//! Catches the signals that ask a command to save and end, and decides what a second one does.
//!
//! Ctrl-C (SIGINT), SIGTERM, SIGHUP, and SIGUSR1 and SIGUSR2, by which clusters warn, all ask the
//! session to save. A signal whose disposition was inherited as ignored stays ignored, as `nohup`,
//! and shells for programs in the background, intend.

use std::io::IsTerminal;
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use grokrun_host::Ending as ProcessEnding;
use grokrun_session::Interrupt;

use crate::INTERRUPTED;
use crate::output::{Failure, say};

/// From this long after the first signal on, any other one ends the process at once. An earlier one
/// is the same request again: batch systems signal a shell and its program, terminals hang up
/// twice.
const SAME_REQUEST: Duration = Duration::from_secs(3);
/// Two Ctrl-C closer together than a hand can press are one, which a wrapper has passed on too.
const SAME_PRESS: Duration = Duration::from_millis(50);

/// The effect of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// the session saves and ends
    Save,
    /// nothing: the session has been asked already
    Nothing,
    /// the process ends at once
    End,
}

/// Catches the signals for the rest of the process; returns the request that they make.
///
/// # Errors
/// If the system does not allow that.
pub(crate) fn listen() -> Result<Arc<Interrupt>, Failure> {
    let interrupt = Arc::new(Interrupt::default());
    let asked = Arc::clone(&interrupt);
    let mut first: Option<Earlier> = None;
    system::each_signal(move |ctrl_c| {
        let pressed = ctrl_c && at_a_terminal();
        match answer(first, Instant::now(), pressed) {
            Answer::Save => {
                let at = Instant::now();
                first = Some(Earlier { at, pressed });
                asked.ask();
            }
            Answer::Nothing => {}
            Answer::End => end(&asked),
        }
    })
    .map_err(|error| Failure::running(format!("signals cannot be caught: {error}")))?;
    Ok(interrupt)
}

/// The first signal.
#[derive(Clone, Copy, Debug)]
struct Earlier {
    at: Instant,
    /// whether it was a Ctrl-C at a terminal
    pressed: bool,
}

/// Returns the answer to a signal; `pressed` says that it is a Ctrl-C at a terminal.
fn answer(first: Option<Earlier>, now: Instant, pressed: bool) -> Answer {
    let Some(first) = first else {
        return Answer::Save;
    };
    let since = now.saturating_duration_since(first.at);
    let again = pressed && first.pressed && since >= SAME_PRESS;
    if again || since >= SAME_REQUEST {
        Answer::End
    } else {
        Answer::Nothing
    }
}

/// Says whether somebody sits at a terminal of this process.
fn at_a_terminal() -> bool {
    std::io::stdin().is_terminal() || std::io::stderr().is_terminal()
}

/// Ends the process, and says what is lost.
fn end(interrupt: &Interrupt) {
    if interrupt.has_unsaved() {
        say("stopped at once; what was trained since the last saved state is lost");
        ProcessEnding::is_meant();
        process::exit(1);
    }
    say("stopped at once; all that was trained is saved, and the same command continues");
    ProcessEnding::is_meant();
    process::exit(i32::from(INTERRUPTED));
}

#[cfg(unix)]
mod system {
    #![expect(
        unsafe_code,
        reason = "neither std nor a library of the tree tells how a signal is disposed of"
    )]

    use std::io;
    use std::mem::MaybeUninit;
    use std::ptr;
    use std::thread;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    use signal_hook::iterator::Signals;

    /// The signals that ask a command to end.
    const ALL: [i32; 5] = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2];

    /// Calls `take` for each signal that comes, on a thread of its own, with whether it is a
    /// Ctrl-C's.
    pub(super) fn each_signal(mut take: impl FnMut(bool) + Send + 'static) -> io::Result<()> {
        let wanted = ALL.into_iter().filter(|signal| !is_ignored(*signal));
        let mut signals = Signals::new(wanted)?;
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    take(signal == SIGINT);
                }
            })?;
        Ok(())
    }

    /// Says whether the process ignores a signal, as it inherited it.
    fn is_ignored(signal: i32) -> bool {
        let mut known = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: without a new action the call changes nothing; it fills in the struct it is given
        // unless it fails, and the struct of zeros that is left then is a valid one.
        let known = unsafe {
            libc::sigaction(signal, ptr::null(), known.as_mut_ptr());
            known.assume_init()
        };
        known.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    /// Calls `take` for each Ctrl-C, Ctrl-Break, closed console or logoff.
    pub(super) fn each_signal(mut take: impl FnMut(bool) + Send + 'static) -> io::Result<()> {
        ctrlc::set_handler(move || take(true)).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the answer to a signal this long after another one; each a Ctrl-C at a terminal or
    /// not.
    fn after(milliseconds: u64, first: bool, second: bool) -> Answer {
        let at = Instant::now();
        let earlier = Earlier { at, pressed: first };
        let now = at + Duration::from_millis(milliseconds);
        answer(Some(earlier), now, second)
    }

    #[test]
    fn the_first_signal_saves_whatever_it_is() {
        let now = Instant::now();
        assert_eq!(answer(None, now, false), Answer::Save);
        assert_eq!(answer(None, now, true), Answer::Save);
    }

    #[test]
    fn a_second_one_ends_only_if_somebody_means_it() {
        assert_eq!(after(10, false, false), Answer::Nothing);
        assert_eq!(after(500, false, false), Answer::Nothing);
        assert_eq!(after(4000, false, false), Answer::End);
        assert_eq!(after(500, true, true), Answer::End);
        assert_eq!(after(10, true, true), Answer::Nothing, "one press, twice");
        assert_eq!(
            after(500, true, false),
            Answer::Nothing,
            "a hang-up after it"
        );
        assert_eq!(after(500, false, true), Answer::Nothing, "the first press");
    }
}
