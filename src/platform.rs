//! The one place where Unix and Windows differ: signals, process groups, how a
//! program ended. What Windows does here is compiled, and has never been run.

#[cfg(unix)]
pub use unix::{ended_by, in_own_group, listen, terminate};
#[cfg(windows)]
pub use windows::{ended_by, in_own_group, listen, terminate};

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::ExitStatus;

    use duct::unix::HandleExt;
    use duct::{Expression, Handle};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    use crate::signals::Interrupt;

    /// Calls `tell` for every signal that is to end the run, from a thread of
    /// its own. From here on none of them ends the process by itself.
    pub fn listen(tell: impl Fn(Interrupt) + Send + 'static) -> io::Result<()> {
        let mut incoming = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let hear = move || {
            for signal in incoming.forever() {
                tell(match signal {
                    SIGINT => Interrupt::Interrupt,
                    SIGHUP => Interrupt::Hangup,
                    _ => Interrupt::Terminate,
                });
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(hear).map(drop)
    }

    /// The same program where Ctrl-C of the terminal does not reach it.
    pub fn in_own_group(expression: &Expression) -> Expression {
        expression.before_spawn(|command| {
            command.process_group(0);
            Ok(())
        })
    }

    /// Asks a program to end.
    pub fn terminate(child: &Handle) {
        // Fails only if it has ended already.
        let _ = child.send_signal(SIGTERM);
    }

    /// The signal that ended a program, if one did.
    pub fn ended_by(status: ExitStatus) -> Option<i32> {
        status.signal()
    }
}

#[cfg(windows)]
mod windows {
    use std::io;
    use std::os::windows::process::CommandExt;
    use std::process::ExitStatus;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use duct::{Expression, Handle};
    use signal_hook::consts::SIGINT;

    use crate::signals::Interrupt;

    /// Windows' own name and number.
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

    /// Calls `tell` for every Ctrl-C, from a thread of its own: the only signal
    /// there is. There, signals can be noticed but not waited for.
    pub fn listen(tell: impl Fn(Interrupt) + Send + 'static) -> io::Result<()> {
        let came = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGINT, Arc::clone(&came))?;
        let hear = move || {
            loop {
                std::thread::park_timeout(Duration::from_millis(50));
                if came.swap(false, Ordering::SeqCst) {
                    tell(Interrupt::Interrupt);
                }
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(hear).map(drop)
    }

    /// The same program where Ctrl-C of the console does not reach it.
    pub fn in_own_group(expression: &Expression) -> Expression {
        expression.before_spawn(|command| {
            command.creation_flags(CREATE_NEW_PROCESS_GROUP);
            Ok(())
        })
    }

    /// Ends a program. It cannot be asked to: Helm will leave a pending
    /// revision behind.
    pub fn terminate(child: &Handle) {
        // Fails only if it has ended already.
        let _ = child.kill();
    }

    /// Never a signal.
    pub fn ended_by(_: ExitStatus) -> Option<i32> {
        None
    }
}
