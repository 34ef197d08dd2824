//! `ec-security check`: tests whether a configuration can be applied, and shows what the process would hold.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;

use ec_security::apply;
use ec_security::policy::Policy;
use ec_security::status;
use ec_security::sys;

use crate::color::{Color, Palette};
use crate::failure::{Failure, REFUSED, complain, say};
use crate::layout::Page;
use crate::source::Options;
use crate::terminal::clean;
use crate::{help, table};

pub(crate) fn run(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let wrong = |error: lexopt::Error| Failure::usage("check", error);
    let mut files: Vec<OsString> = Vec::new();
    let mut options = Options::default();
    let mut quiet = false;
    let mut rehearse = true;
    let mut color = OsString::from("auto");
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::CHECK),
            Short('o') | Long("option") => options.take("check", &args.value().map_err(wrong)?)?,
            Short('q') | Long("quiet") => quiet = true,
            Short('n') | Long("no-rehearsal") => rehearse = false,
            Short('f') | Long("file") => files.push(args.value().map_err(wrong)?),
            Long("color") => color = args.value().map_err(wrong)?,
            Value(file) => files.push(file),
            other => return Err(wrong(other.unexpected())),
        }
    }
    let palette = Palette::from_option("check", &color)?;
    let files: Vec<Option<&OsStr>> = match &files[..] {
        [] if options.is_empty() => {
            return Err(Failure::usage("check", "nothing to check: give a FILE, or options with -o"));
        }
        [] => vec![None],
        files => files.iter().map(|file| Some(file.as_os_str())).collect(),
    };
    let mut wrong = false;
    for (at, file) in files.into_iter().enumerate() {
        match check(file, &options, rehearse) {
            Err(failures) => {
                wrong = true;
                complain(failures);
            }
            Ok(_) if quiet => {}
            Ok(outcome) => {
                let mut page = Page::new(palette);
                let what = file.map_or("options".into(), |file| clean(file.as_bytes()));
                outcome.show(&mut page, &what);
                let separator = if at > 0 && rehearse { "\n" } else { "" };
                say(&format!("{separator}{}", page.into_text()))?;
            }
        }
    }
    if wrong { Err(Failure::silent(REFUSED)) } else { Ok(()) }
}

enum Outcome {
    /// Read, and not tried.
    Read,
    /// Tried in a child, which has become this.
    Became { process: status::Process, root: Option<OsString> },
    /// Would be applied; why it cannot be told what the process would be.
    Unseen(String),
}

fn check(file: Option<&OsStr>, options: &Options, rehearse: bool) -> Result<Outcome, Vec<Failure>> {
    let all = |errors: Vec<ec_security::error::Error>| errors.into_iter().map(Failure::from).collect::<Vec<_>>();
    let mut policy = options.policy(file).map_err(all)?;
    if !rehearse {
        return Ok(Outcome::Read);
    }
    apply::check(&mut policy).map_err(|error| vec![error.into()])?;
    match become_in_child(&mut policy) {
        Ok(outcome) => outcome.map_err(|refused| vec![Failure::new(REFUSED, refused)]),
        Err(error) => Ok(Outcome::Unseen(error.to_string())),
    }
}

/// Applies the policy in a child, so that what it comes to can be looked at from outside: by the kernel's own account,
/// whatever the options mean together. What is refused there is, where the dry run has found nothing, what it could not see.
#[allow(unsafe_code)]
fn become_in_child(policy: &mut Policy) -> io::Result<Result<Outcome, String>> {
    let (mut from_child, mut to_parent) = io::pipe()?;
    let (mut from_parent, to_child) = io::pipe()?;
    // SAFETY: this program has one thread, so that the child may call anything.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    if pid == 0 {
        drop((from_child, to_child));
        let report = match apply::apply(policy) {
            Ok(()) => sys::securebits().map_or("unknown".into(), |bits| bits.to_string()),
            Err(error) => format!("refused: {error}"),
        };
        let _ = to_parent.write_all(report.as_bytes());
        drop(to_parent);
        // Until the parent has looked: its end closes the pipe, whatever becomes of it.
        let _ = from_parent.read(&mut [0]);
        // SAFETY: _exit(2) takes any status. What the parent has yet to write is left to it.
        unsafe { libc::_exit(0) };
    }
    drop((to_parent, from_parent));
    let mut report = String::new();
    let read = from_child.read_to_string(&mut report);
    let outcome = match (report.strip_prefix("refused: "), report.as_str()) {
        (Some(error), _) => Err(error.to_owned()),
        (None, "") => Ok(Outcome::Unseen("the child process that was to apply it has ended".into())),
        (None, bits) => Ok(match status::read(pid) {
            Ok(mut process) => {
                process.caller = bits.parse().ok().map(|bits| (pid, bits));
                let root = fs::read_link(format!("/proc/{pid}/root")).ok().map(OsString::from);
                Outcome::Became { process, root }
            }
            Err(error) => Outcome::Unseen(error.to_string()),
        }),
    };
    drop(to_child);
    // SAFETY: the child is ours, and nobody else waits for it; no status is asked for.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    read.map(|_| outcome)
}

impl Outcome {
    fn show(&self, page: &mut Page, what: &str) {
        match self {
            Outcome::Read => {
                page.line(Color::Good, &format!("{what}: ok: it was only read, and no system call was tested"));
            }
            Outcome::Became { process, root } => {
                page.line(Color::Good, &format!("{what}: ok, would be applied as it is"));
                if let Some(root) = root.as_ref().filter(|root| root.as_bytes() != b"/") {
                    page.row("chroot", false, Color::Plain, &clean(root.as_bytes()));
                }
                table::threads(page, process);
            }
            Outcome::Unseen(why) => {
                page.line(Color::Good, &format!("{what}: ok, would be applied as it is"));
                page.text(Color::Warn, 2, &format!("  what the process would be cannot be shown: {why}"));
            }
        }
    }
}
