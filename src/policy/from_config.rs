//! Options from the settings of a configuration file.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::options::{DEFAULTS, Options, known};
use crate::alloc_util::try_push;
use crate::config::{Place, Setting, Value};
use crate::error::Error;
use crate::identity;
use crate::text::Excerpt;

impl Options {
    /// One setting of a configuration file.
    pub(super) fn set_from(&mut self, setting: &Setting) -> Result<(), Error> {
        let at = |place: &Place| {
            let place = Box::new(place.clone());
            move |error| match error {
                Error::UnknownOption { .. } => {
                    Error::At { place: Box::new(setting.key_place.clone()), error: Box::new(error) }
                }
                error => Error::At { place, error: Box::new(error) },
            }
        };
        let items = match &setting.value {
            Value::One(value) => return self.set(&setting.key, Some(value)).map_err(at(&setting.value_place)),
            Value::List(items) => items,
        };
        let is = |name: &str| name.as_bytes().eq_ignore_ascii_case(&setting.key);
        if is("supplemental_groups") {
            // Each item is a name: some have blanks.
            let mut groups = Vec::new();
            for (item, place) in items {
                let group = identity::group("supplemental_groups", item).map_err(at(place))?;
                try_push(&mut groups, group).map_err(|error| at(place)(error.into()))?;
            }
            let groups =
                identity::checked_group_list("supplemental_groups", groups).map_err(at(&setting.value_place))?;
            self.supplemental_groups = Some(groups);
            return Ok(());
        }
        match items.as_slice() {
            [(item, place)] => self.set(&setting.key, Some(item)).map_err(at(place)),
            _ if is("capabilities")
                || is("optional_capabilities")
                || is("ambient")
                || is("securebits")
                || is("privileges") =>
            {
                // Each by itself first, for the place of what is wrong; then all of them, as one text.
                let mut joined = Vec::new();
                for (item, place) in items {
                    let mut alone = DEFAULTS;
                    alone.set(&setting.key, Some(item)).map_err(at(place))?;
                    joined.try_reserve(item.len() + 1).map_err(|_| at(place)(Error::OutOfMemory))?;
                    joined.extend_from_slice(item);
                    joined.push(b' ');
                }
                self.set(&setting.key, Some(&joined)).map_err(at(&setting.value_place))
            }
            _ => {
                let Some(name) = known(&setting.key) else {
                    return self.set(&setting.key, None).map_err(at(&setting.key_place));
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
