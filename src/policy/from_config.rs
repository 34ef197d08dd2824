//! Options from the settings of a configuration file.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::options::{DEFAULTS, Memberships, Options, known};
use crate::alloc_util::try_push;
use crate::config::{Place, Setting, Value};
use crate::error::Error;
use crate::identity;
use crate::text::Excerpt;

fn placed(place: &Place, error: Error) -> Error {
    Error::At { place: Box::new(place.clone()), error: Box::new(error) }
}

impl Options {
    /// Sets all settings of a configuration file, in order. Memberships are looked up last, when it is known whether they are needed.
    pub(super) fn set_all(&mut self, settings: &[Setting]) -> Result<(), Error> {
        for setting in settings {
            self.set_from(setting)?;
        }
        self.look_up_memberships_of(settings)
    }

    /// The same, but goes on after an error: sets what can be set, and returns everything that is wrong.
    pub(super) fn set_what_can_be(&mut self, settings: &[Setting]) -> Vec<Error> {
        let mut errors = Vec::new();
        for setting in settings {
            let Err(error) = self.set_from(setting) else { continue };
            let before = errors.len();
            if let Value::List(items) = &setting.value {
                for (item, place) in items {
                    let value = Value::One(item.clone());
                    let mut untouched = DEFAULTS;
                    let alone = Setting { value, value_place: place.clone(), ..setting.clone() };
                    errors.extend(untouched.set_from(&alone).err());
                }
            }
            // What is wrong with the list as a whole.
            if errors.len() == before {
                errors.push(error);
            }
        }
        errors.extend(self.look_up_memberships_of(settings).err());
        errors
    }

    fn look_up_memberships_of(&mut self, settings: &[Setting]) -> Result<(), Error> {
        let is_user = |setting: &&Setting| setting.key.eq_ignore_ascii_case(b"user");
        self.look_up_memberships().map_err(|error| match settings.iter().rev().find(is_user) {
            Some(user) => placed(&user.value_place, error),
            None => error,
        })
    }

    /// Sets one setting of a configuration file.
    fn set_from(&mut self, setting: &Setting) -> Result<(), Error> {
        let at = |place: &Place| {
            let place = place.clone();
            move |error| match error {
                Error::UnknownOption { .. } => placed(&setting.key_place, error),
                error => placed(&place, error),
            }
        };
        let items = match &setting.value {
            Value::One(value) => {
                return self.set(&setting.key, Some(value), Memberships::Later).map_err(at(&setting.value_place));
            }
            Value::List(items) => items,
        };
        let is = |name: &str| name.as_bytes().eq_ignore_ascii_case(&setting.key);
        if is("supplemental_groups") && !matches!(items.as_slice(), [(item, _)] if item.eq_ignore_ascii_case(b"keep")) {
            // Each item is one name, which may have blanks.
            let mut groups = Vec::new();
            for (item, place) in items {
                let group = identity::group("supplemental_groups", item).map_err(at(place))?;
                try_push(&mut groups, group).map_err(|error| at(place)(error.into()))?;
            }
            return self.set_groups(groups).map_err(at(&setting.value_place));
        }
        match items.as_slice() {
            [(item, place)] => self.set(&setting.key, Some(item), Memberships::Later).map_err(at(place)),
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
                    alone.set(&setting.key, Some(item), Memberships::Later).map_err(at(place))?;
                    joined.try_reserve(item.len() + 1).map_err(|_| at(place)(Error::OutOfMemory))?;
                    joined.extend_from_slice(item);
                    joined.push(b' ');
                }
                self.set(&setting.key, Some(&joined), Memberships::Later).map_err(at(&setting.value_place))
            }
            _ => {
                let Some(name) = known(&setting.key) else {
                    return self.set(&setting.key, None, Memberships::Later).map_err(at(&setting.key_place));
                };
                let error = Error::OptionValue {
                    option: name,
                    word: Excerpt::new(b"("),
                    expected: "one value: it takes no list",
                };
                Err(at(&setting.value_place)(error))
            }
        }
    }
}
