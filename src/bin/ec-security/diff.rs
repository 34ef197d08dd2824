//! `ec-security diff`: what one process holds that another does not.

use std::ffi::OsString;

use ec_security::status::{Credentials, Process, Set, on_or_off};

use crate::color::{Color, Palette};
use crate::failure::{Failure, YES, say};
use crate::help;
use crate::ids::{group_name, group_names, user_name, with_names};
use crate::layout::{INDENT, Page};
use crate::processes::{Target, odd};
use crate::table::name_of;

pub(crate) fn run(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let wrong = |error: lexopt::Error| Failure::usage("diff", error);
    let mut targets = Vec::new();
    let mut color = OsString::from("auto");
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::DIFF),
            Long("color") => color = args.value().map_err(wrong)?,
            Value(word) if targets.len() < 2 => targets.push(Target::parse("diff", &word)?),
            other => return Err(wrong(other.unexpected())),
        }
    }
    let palette = Palette::from_option("diff", &color)?;
    let [one, other] = &targets[..] else {
        return Err(Failure::usage("diff", "two processes to compare are expected"));
    };
    let (one, other) = (one.one()?, other.one()?);
    let mut page = Page::new(palette);
    page.heading(&format!("{} {}  and  {} {}", one.pid, name_of(&one), other.pid, name_of(&other)));
    let differ = compare(&mut page, &one, &other);
    if !differ {
        page.text(Color::Good, 2, "hold the same");
    }
    say(&page.into_text())?;
    if differ { Err(Failure::silent(YES)) } else { Ok(()) }
}

fn compare(page: &mut Page, one: &Process, other: &Process) -> bool {
    let mut differ = false;
    let (Some(a), Some(b)) = (one.reference(), other.reference()) else {
        page.text(Color::Bad, 2, "one of them has no thread that runs");
        return true;
    };
    let (a, b) = (&a.credentials, &b.credentials);
    let mut row = |name: &str, values: [String; 2]| {
        if values[0] != values[1] {
            differ = true;
            for (at, (process, value)) in [one, other].into_iter().zip(values).enumerate() {
                let name = if at == 0 { name } else { "" };
                let value = format!("{:<width$}{value}", process.pid, width = INDENT / 2);
                page.row(name, false, Color::Plain, &value);
            }
        }
    };
    let text = |of: fn(&Credentials) -> String| [of(a), of(b)];
    row("user", text(|it| with_names(&it.uids, user_name)));
    row("group", text(|it| with_names(&it.gids, group_name)));
    row("groups", text(|it| group_names(&it.groups)));
    for ((name, mine), (_, theirs)) in a.sets().into_iter().zip(b.sets()) {
        row(name, only(mine, theirs));
    }
    row("no_new_privs", text(|it| on_or_off(it.no_new_privs).into()));
    row("odd threads", [one, other].map(|process| odd(process).count().to_string()));
    differ
}

/// Two sets, or of long ones what each has that the other has not.
fn only(mine: u64, theirs: u64) -> [String; 2] {
    if mine == theirs {
        return [String::new(), String::new()];
    }
    if mine & theirs == 0 {
        return [Set(mine).to_string(), Set(theirs).to_string()];
    }
    [mine & !theirs, theirs & !mine].map(|more| match more {
        0 => "no more".into(),
        more => format!("also {}", Set(more)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_by_what_differs() {
        assert_eq!(only(3, 3), ["", ""]);
        assert_eq!(only(0, 1), ["none", "cap_chown"]);
        assert_eq!(only(3, 1), ["also cap_dac_override", "no more"]);
        assert_eq!(only(3, 5), ["also cap_dac_override", "also cap_dac_read_search"]);
    }
}
