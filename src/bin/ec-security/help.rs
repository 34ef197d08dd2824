//! The texts of --help.

pub(crate) const MAIN: &str = "\
Become a less powerful user, in every thread or not at all; and look at who has.

Usage: ec-security COMMAND [ARGUMENT...]

Commands:
  check FILE              would the Security stanza of FILE be applied as it is?
  show [PID]              what every thread of a process holds
  exec OPTION... -- CMD   become what a file or options say, then execute CMD
  explain TEXT            what a capability text permits, capability by capability
  help COMMAND            the same as COMMAND --help

Options:
  -h, --help              this text
  -V, --version           the version

Examples:
  ec-security show $(pidof -s nginx)
  ec-security explain cap_net_bind_service+ep
  ec-security check /etc/ecelerity.conf
  ec-security exec -o user=www-data -o capabilities=cap_net_bind_service+ep \\
                   -o ambient=cap_net_bind_service -- ./server --port 80

Exit status: 0 done; 1 refused, or not as asked; 2 the command line makes no
sense. exec has its own: see 'ec-security exec --help'.

Manual: ec-security(8), ec_security.conf(5).
";

pub(crate) const CHECK: &str = "\
Finds out whether a configuration would be applied as it is, and changes nothing.

Usage: ec-security check [OPTION...] FILE
       ec-security check -o OPTION=VALUE...

The Security stanza of FILE, with all it includes, is read; users, groups and the
chroot folder are looked up; then a throw-away child makes every system call the
server would make. What the kernel, a container or a seccomp filter would refuse
is refused there. Run it as the server is started: as root, most often.

Options:
  -o, --option OPTION=VALUE  set an option after reading the file; may be repeated
  -n, --no-rehearsal         read and look up only: needs no privilege
  -q, --quiet                say nothing when all is well
  -h, --help                 this text

Examples:
  ec-security check /etc/ecelerity.conf
  ec-security check -n ./ecelerity.conf           in a build, without root
  ec-security check -q server.conf && systemctl restart server
  ec-security check -o user=ecuser -o capabilities=cap_net_bind_service+ep

Errors say where: FILE:LINE:COLUMN, the word, and what was expected.

Exit status: 0 it would be applied; 1 it would be refused; 2 usage.
";

pub(crate) const SHOW: &str = "\
Shows what every thread of a process holds: ids, groups, five capability sets,
no_new_privs. A thread that was left behind by a server that dropped its
privileges in one thread only has a block of its own, differences marked with '!'.

Usage: ec-security show [OPTION...] [PID]

Without PID it shows itself: what your shell hands down to a program.

Options:
  -j, --json            one object, with every thread, for programs
  -l, --lines           one line for all threads alike and one for each that
                        differs: the text of ec_security_status(3), for grep
      --color=WHEN      auto (default), always or never; NO_COLOR is honoured
  -h, --help            this text

Examples:
  ec-security show 4711
  ec-security show --json 4711 | jq '.threads[] | select(.alike | not)'
  ec-security show --lines 4711 | wc -l        1 when all threads are the same

Sets are names with commas between them, 'none', 'all', or 'all-cap_x': all but x.
Securebits are shown for ec-security itself only; the kernel shows them to nobody
but the thread that has them.

Exit status: 0 shown; 1 no such process, or it may not be read; 2 usage.
";

pub(crate) const EXEC: &str = "\
Becomes what a configuration file or options say, all of it or nothing, and then
executes a command.

Usage: ec-security exec [-f FILE] [-o OPTION=VALUE]... [--] COMMAND [ARGUMENT...]

Options:
  -f, --file FILE            take the Security stanza of FILE
  -o, --option OPTION=VALUE  set an option, after the file; may be repeated
  -q, --quiet                no warning about capabilities that execution takes
  -h, --help                 this text

The options, as in ec_security.conf(5):
  user=NAME|ID               with its groups, unless told otherwise
  group=NAME|ID
  supplemental_groups=LIST   the whole list; empty for none
  capabilities=TEXT|keep     as in cap_from_text(3); none unless given
  optional_capabilities=TEXT only where held
  ambient=NAMES              what COMMAND will hold
  chroot=FOLDER
  no_new_privs=on|off        on unless given
  bounding=trim|keep         trim unless given
  securebits=NAMES
  deadline=SECONDS

A program that is not run by user 0 gets the ambient set and no other: what it is
to hold must be in 'ambient' as well as in 'capabilities'.

Examples:
  ec-security exec -o user=ecuser -- id
  ec-security exec -o user=www-data -o capabilities=cap_net_bind_service+ep \\
                   -o ambient=cap_net_bind_service -- ./server --port 80
  ec-security exec -f /etc/ecelerity.conf -o no_new_privs=off -- ./server
  ec-security exec -o capabilities=keep -- ls      only set no_new_privs

Exit status: that of COMMAND; or 125 nothing was changed and nothing executed
(refused, or usage), 126 COMMAND cannot be executed, 127 COMMAND not found.
";

pub(crate) const EXPLAIN: &str = "\
Explains a capability text, capability by capability: which sets it is in, and
what it permits.

Usage: ec-security explain [--color=WHEN] TEXT...

Several words are taken as one text. The sets are
  e  effective     what the kernel checks
  p  permitted     what may be made effective
  i  inheritable   what programs executed may take, if their files say so too

Options:
      --color=WHEN      auto (default), always or never; NO_COLOR is honoured
  -h, --help            this text

Examples:
  ec-security explain cap_net_bind_service+ep
  ec-security explain cap_net_admin,cap_net_raw+p cap_sys_time=ep
  ec-security explain 'all=ep cap_sys_admin-ep'

Exit status: 0 explained; 1 the text is wrong; 2 usage.
";

/// The help of a command.
pub(crate) fn of(command: &[u8]) -> Option<&'static str> {
    Some(match command {
        b"check" => CHECK,
        b"show" => SHOW,
        b"exec" => EXEC,
        b"explain" => EXPLAIN,
        b"help" => MAIN,
        _ => return None,
    })
}
