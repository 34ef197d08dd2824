//! The texts of --help.

pub(crate) const MAIN: &str = "\
Become a less powerful user, in every thread or not at all; and look at who has.

Usage: ec-security COMMAND [ARGUMENT...]

Commands:
  show [PROCESS...]       what every thread of a process holds; which processes
                          hold something; whether one can become root again
  diff PROCESS PROCESS    what one process holds that another does not
  watch PROCESS           what changes in a process, as it changes
  explain CAPABILITIES    what they permit: names, texts, masks, lines of /proc
  check FILE...           would the Security stanza of FILE be applied as it is,
                          and what would the process be then?
  exec OPTION... -- CMD   become what a file or options say, then execute CMD
  convert UNIT.service    the settings of a systemd unit as a Security stanza
  help COMMAND            the same as COMMAND --help

Options:
  -h, --help              this text
  -V, --version           the version

Examples:
  ec-security show --all
  ec-security show nginx
  ec-security explain cap_net_bind_service+ep
  ec-security check /etc/ecelerity.conf
  ec-security exec -o user=www-data -o ambient=cap_net_bind_service \\
                   -- ./server --port 80

Exit status: 0 done; 1 refused, or not as asked; 2 the command line makes no
sense; 3 the answer is yes (show --verdict, diff). exec has its own: see
'ec-security exec --help'.

Manual: ec-security(8), ec_security.conf(5).
";

pub(crate) const CHECK: &str = "\
Finds out whether configurations would be applied as they are, and what the
process would be then. Changes nothing.

Usage: ec-security check [OPTION...] FILE...
       ec-security check -o OPTION=VALUE...

The Security stanza of each FILE, with all it includes, is read; users, groups
and the chroot directory are looked up; then a child makes every system call of
the server. What the kernel, a container or a seccomp filter refuses is refused
there. Run it as the server is started: as root, most often.

Options:
  -o, --option OPTION=VALUE  set an option after reading a file; may be repeated
  -f, --file FILE            the same as FILE
  -n, --no-rehearsal         read and look up only: needs no privilege
  -q, --quiet                say nothing when all is well
      --color=WHEN           auto (default), always or never
  -h, --help                 this text

Examples:
  ec-security check /etc/ecelerity.conf
  ec-security check -n conf/*.conf                in a build, without root
  ec-security check -q server.conf && systemctl restart server
  ec-security check -o user=ecuser -o capabilities=cap_net_bind_service+ep

Errors say where: FILE:LINE:COLUMN, the word, and what was expected. Every
option that is wrong is named, up to where a file leaves the grammar.

Exit status: 0 all would be applied; 1 one would be refused; 2 usage.
";

pub(crate) const SHOW: &str = "\
Shows what every thread of a process holds: ids, groups, five capability sets,
no_new_privs. A thread that was left behind by a server that dropped its
privileges in one thread only has a block of its own, in which '!' marks what
differs.

Usage: ec-security show [OPTION...] [PROCESS...]

PROCESS is a process id, or the name of a program: every process of that name.
Without one it shows itself: what your shell hands down to a program.

Options:
  -a, --all             a line for every process that has a capability, a user
                        id 0 or odd threads: threads that hold something else
                        than the first. Processes of one name that hold the
                        same share a line; those of the kernel are left out
  -c, --children        only processes that hold more than the one that started
                        them; with PROCESS, only what that started
  -v, --verdict         is it root, can it become root again, and why?
  -u, --user USER       only processes with this user id among their four
  -C, --capability LIST only processes that hold one of these
  -d, --odd             only processes with odd threads
  -j, --json            one object with every thread, for programs
  -l, --lines           one line for all threads that hold the same and one for
                        each that differs, as ec_security_status(3), for grep
      --color=WHEN      auto (default), always or never; NO_COLOR is honoured
  -h, --help            this text

Examples:
  ec-security show 4711
  ec-security show --all --capability sys_admin,setuid
  ec-security show --verdict nginx
  ec-security show --children $(pidof -s beam.smp)
  ec-security show -j 4711 | jq '.processes[].threads[] | select(.alike|not)'
  ec-security show --lines 4711 | wc -l        1 when all threads are the same

Sets are names with commas between them, 'none', 'all', or 'all-cap_x': all but
x. Securebits are shown for ec-security itself only; the kernel shows them to
nobody but the thread that has them. Capabilities of a process in another user
namespace count in there only.

Exit status: 0 shown, and with --verdict none can become root again; 3 with
--verdict: one is root or can become it; 1 no such process, or it may not be
read; 2 usage.
";

pub(crate) const DIFF: &str = "\
Compares what two processes hold.

Usage: ec-security diff [--color=WHEN] PROCESS PROCESS

PROCESS is a process id, or the name of a program that runs once. Threads that
differ from the first of their process are counted ('odd threads'); 'show' names
them.

Options:
      --color=WHEN      auto (default), always or never; NO_COLOR is honoured
  -h, --help            this text

Examples:
  ec-security diff 4711 4712
  ec-security diff $$ nginx

Exit status: 0 they hold the same; 3 they differ; 1 no such process, or it may
not be read; 2 usage.
";

pub(crate) const WATCH: &str = "\
Shows what a process holds, then each change of it, until the process ends.

Usage: ec-security watch [OPTION...] PROCESS

PROCESS is a process id, or the name of a program that runs once. It is looked
at once each interval: what is changed and put back in between is not seen.

Options:
  -i, --interval SECONDS  from 0.01 to 86400; 1 unless given
      --color=WHEN        auto (default), always or never; NO_COLOR is honoured
  -h, --help              this text

Examples:
  ec-security watch 4711
  ec-security watch --interval 0.1 server

Exit status: 0 the process has ended; 1 no such process, or it may not be read;
2 usage.
";

pub(crate) const EXEC: &str = "\
Becomes what a configuration file or options say, all of it or nothing, and then
executes a command.

Usage: ec-security exec [-eq] [-f FILE] [-o OPTION=VALUE]... [--] COMMAND
                        [ARGUMENT...]

Options:
  -f, --file FILE            take the Security stanza of FILE
  -o, --option OPTION=VALUE  set an option, after the file; may be repeated
  -e, --environment          set HOME, SHELL, USER and LOGNAME for the user
  -q, --quiet                no warning about capabilities that execution takes
  -h, --help                 this text

The options, as in ec_security.conf(5):
  user=NAME|ID               with its groups, unless told otherwise
  user=NAME|ID:GROUP         the same as user=NAME|ID and group=GROUP
  group=NAME|ID
  supplemental_groups=LIST   the whole list; empty for none; 'keep': as it is
  capabilities=TEXT|keep     as in cap_from_text(3); none unless given
  optional_capabilities=TEXT only where held
  ambient=NAMES              what COMMAND will hold; retained for that
  chroot=DIRECTORY
  no_new_privs=on|off        on unless given
  bounding=trim|keep         trim unless given
  securebits=NAMES
  deadline=SECONDS
  dumpable=on|keep           keep: as the kernel leaves it
  parent_death_signal=keep|clear

A program that is not run by user 0 gets the ambient set and no other: what it
is to hold must be in 'ambient'.

Examples:
  ec-security exec -o user=ecuser -- id
  ec-security exec -e -o user=www-data:adm -o ambient=cap_net_bind_service \\
                   -- ./server --port 80
  ec-security exec -f /etc/ecelerity.conf -o no_new_privs=off -- ./server
  ec-security exec -o capabilities=keep -o bounding=keep -- ls
                                             sets no_new_privs and nothing else

Exit status: that of COMMAND; or 125 nothing was changed and nothing executed
(refused, or usage), 126 COMMAND cannot be executed, 127 COMMAND not found.
";

pub(crate) const EXPLAIN: &str = "\
Explains capabilities one by one: what each permits, and which sets it is in.

Usage: ec-security explain [--color=WHEN] CAPABILITIES...

CAPABILITIES are, several words being taken as one text,
  cap_net_raw,kill NET_ADMIN 12   names, with or without cap_, and numbers
  cap_net_raw+ep                  a text of cap_from_text(3)
  0x3000, 00000000a80425fb        a mask in hexadecimal; of one or two digits,
                                  with 0x before it
  CapEff: 00000000a80425fb        lines of /proc/PID/status
  -                               any of these from standard input
The sets are
  e  effective     what the kernel checks
  p  permitted     what may be made effective
  i  inheritable   what programs executed may take, if their files say so too
  b  bounding      what programs executed can get at most
  a  ambient       what programs executed get

Options:
      --color=WHEN      auto (default), always or never; NO_COLOR is honoured
  -h, --help            this text

Examples:
  ec-security explain cap_net_bind_service+ep
  ec-security explain net_admin,net_raw
  ec-security explain 00000000a80425fb
  ec-security explain - < /proc/1/status
  ec-security explain 'all=ep cap_sys_admin-ep'

Exit status: 0 explained; 1 the text is wrong; 2 usage.
";

pub(crate) const CONVERT: &str = "\
Writes the settings of a systemd service as a Security stanza, for a server that
drops its privileges by itself; and names what has no counterpart.

Usage: ec-security convert UNIT.service
       ec-security convert -

Read are User, Group, SupplementaryGroups, CapabilityBoundingSet,
AmbientCapabilities, NoNewPrivileges with the settings that imply it, SecureBits
and RootDirectory. '-' is standard input.

Options:
  -h, --help            this text

Examples:
  ec-security convert /lib/systemd/system/server.service
  systemctl cat server | ec-security convert - > /etc/server/security.conf

Exit status: 0 converted; 1 the unit is wrong, or no service's; 2 usage.
";

/// The help of a command.
pub(crate) fn of(command: &[u8]) -> Option<&'static str> {
    Some(match command {
        b"check" => CHECK,
        b"show" => SHOW,
        b"diff" => DIFF,
        b"watch" => WATCH,
        b"exec" => EXEC,
        b"explain" => EXPLAIN,
        b"convert" => CONVERT,
        b"help" => MAIN,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_fit() {
        for command in crate::COMMANDS {
            let text = super::of(command.as_bytes()).expect("every command has its help");
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{command}: {line}");
            }
        }
    }
}
