//! Where the options of a policy come from.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use ec_security::error::Error;
use ec_security::policy::Policy;
use ec_security::text::Excerpt;

use crate::failure::Failure;

/// Options of the command line. They are set after a file is read, and therefore override it.
#[derive(Default)]
pub(crate) struct Options(Vec<(OsString, OsString)>);

impl Options {
    /// Takes the argument of an `-o`.
    pub(crate) fn take(&mut self, command: &'static str, word: &OsStr) -> Result<(), Failure> {
        let bytes = word.as_bytes();
        let Some(at) = bytes.iter().position(|b| *b == b'=').filter(|at| *at > 0) else {
            let word = Excerpt::new(bytes);
            return Err(Failure::usage(command, format!("-o {word}: expected option=value, such as user=ecuser")));
        };
        let [option, value] = [&bytes[..at], &bytes[at + 1..]].map(<[u8]>::trim_ascii);
        // As chown(1) and container engines have it. No user's name holds a colon: passwd(5).
        if option.eq_ignore_ascii_case(b"user")
            && let Some(colon) = value.iter().position(|b| *b == b':')
        {
            let (user, group) = (&value[..colon], &value[colon + 1..]);
            if user.is_empty() || group.is_empty() {
                let word = Excerpt::new(bytes);
                let text = format!("-o {word}: expected user=USER, group=GROUP or user=USER:GROUP");
                return Err(Failure::usage(command, text));
            }
            self.push(b"user", user);
            self.push(b"group", group);
            return Ok(());
        }
        self.push(option, value);
        Ok(())
    }

    fn push(&mut self, option: &[u8], value: &[u8]) {
        self.0.push((OsStr::from_bytes(option).into(), OsStr::from_bytes(value).into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The policy of a file, if there is one, and of these options; or everything that is wrong with them.
    pub(crate) fn policy(&self, file: Option<&OsStr>) -> Result<Policy, Vec<Error>> {
        let mut policy = Policy::new().map_err(|error| vec![error])?;
        let mut errors = Vec::new();
        if let Some(file) = file {
            errors = policy.load_with_all_errors(file.as_bytes()).map_err(|error| vec![error])?;
        }
        for (option, value) in &self.0 {
            errors.extend(policy.set(option.as_bytes(), Some(value.as_bytes())).err());
        }
        if errors.is_empty() { Ok(policy) } else { Err(errors) }
    }
}
