//! Options from the settings of a configuration file.

use alloc::vec::Vec;

use super::options::{DEFAULTS, Memberships, Options, canonical_name, unknown_option};
use crate::alloc_util::{try_box, try_extend, try_push};
use crate::config::{Place, Setting, Value};
use crate::error::{Error, Status};
use crate::identity;
use crate::text::Excerpt;

fn placed(place: &Place, error: Error) -> Error {
    // The lack of memory is no fault of what stands there.
    if error == Error::OutOfMemory {
        return error;
    }
    match try_box(error) {
        Ok(error) => Error::At { place: place.clone(), error },
        Err(_) => Error::OutOfMemory,
    }
}

impl Options {
    /// Sets all settings of a configuration file, in order. Memberships are looked up last, when it is known whether they are needed.
    pub(super) fn set_all(&mut self, settings: &[Setting]) -> Result<(), Error> {
        for setting in settings {
            self.set_from(setting)?;
        }
        self.look_up_memberships_of(settings)
    }

    /// The same, but goes on after an error: sets what can be set, and returns everything that is wrong. An error of its own only if
    /// memory or descriptors have run out.
    pub(super) fn set_what_can_be(&mut self, settings: &[Setting]) -> Result<Vec<Error>, Error> {
        let mut errors = Vec::new();
        let mut note = |result: Result<(), Error>| match result {
            Ok(()) => Ok(false),
            Err(error) if error.status() == Status::Resource => Err(error),
            Err(error) => try_push(&mut errors, error).map(|()| true).map_err(Error::from),
        };
        for setting in settings {
            let whole = self.set_from(setting);
            let mut noted = false;
            if let (Err(_), Value::List(items)) = (&whole, &setting.value) {
                for (item, place) in items {
                    let mut untouched = DEFAULTS;
                    noted |= note(untouched.set_one(setting, item, place))?;
                }
            }
            // What is wrong with the list as a whole.
            if !noted {
                note(whole)?;
            }
        }
        note(self.look_up_memberships_of(settings))?;
        Ok(errors)
    }

    fn look_up_memberships_of(&mut self, settings: &[Setting]) -> Result<(), Error> {
        let is_user = |setting: &&Setting| setting.key.eq_ignore_ascii_case(b"user");
        self.look_up_memberships().map_err(|error| match settings.iter().rev().find(is_user) {
            Some(user) => placed(&user.value_place, error),
            None => error,
        })
    }

    /// Sets the option of a setting to one value that stands at `place`.
    fn set_one(&mut self, setting: &Setting, value: &[u8], place: &Place) -> Result<(), Error> {
        self.set(&setting.key, Some(value), Memberships::Later).map_err(|error| match error {
            Error::UnknownOption { .. } => placed(&setting.key_place, error),
            error => placed(place, error),
        })
    }

    /// Sets one setting of a configuration file.
    fn set_from(&mut self, setting: &Setting) -> Result<(), Error> {
        let items = match &setting.value {
            Value::One(value) => return self.set_one(setting, value, &setting.value_place),
            Value::List(items) => items,
        };
        let is = |name: &str| name.as_bytes().eq_ignore_ascii_case(&setting.key);
        if is("supplemental_groups") && !matches!(items.as_slice(), [(item, _)] if item.eq_ignore_ascii_case(b"keep")) {
            // Each item is one name, which may hold spaces.
            let mut groups = Vec::new();
            for (item, place) in items {
                let group = identity::group("supplemental_groups", item).map_err(|error| placed(place, error))?;
                try_push(&mut groups, group)?;
            }
            return self.set_groups(groups).map_err(|error| placed(&setting.value_place, error));
        }
        match items.as_slice() {
            [(item, place)] => self.set_one(setting, item, place),
            _ if is("capabilities")
                || is("optional_capabilities")
                || is("ambient")
                || is("securebits")
                || is("privileges") =>
            {
                // First each item by itself, so that an error has its place; then all items as one text.
                let mut joined = Vec::new();
                for (item, place) in items {
                    let mut alone = DEFAULTS;
                    alone.set_one(setting, item, place)?;
                    try_extend(&mut joined, item)?;
                    try_push(&mut joined, b' ')?;
                }
                self.set_one(setting, &joined, &setting.value_place)
            }
            _ => {
                let Some(name) = canonical_name(&setting.key) else {
                    return Err(placed(&setting.key_place, unknown_option(&setting.key)));
                };
                let error = Error::OptionValue {
                    option: name,
                    word: Excerpt::new(b"("),
                    expected: "one value: it takes no list",
                };
                Err(placed(&setting.value_place, error))
            }
        }
    }
}
