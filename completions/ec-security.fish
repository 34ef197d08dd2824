# fish completion for ec-security(8)

function __ec_security_caps
    ec-security explain --color=never all=p 2>/dev/null | string replace -rf '^(cap_\S+)\s+[-epi]+\s+(.*)$' '$1\t$2'
end

function __ec_security_options
    set -l word (commandline -ct)
    switch $word
        case 'user=*:*'
            set -l before (string replace -r '[^:]*$' '' -- $word)
            printf "$before%s\n" (__fish_complete_groups)
        case 'user=*'
            printf 'user=%s\n' (__fish_complete_users)
        case 'group=*'
            printf 'group=%s\n' (__fish_complete_groups)
        case 'capabilities='
            printf 'capabilities=%s\n' keep all (__ec_security_caps)
        case 'capabilities=*' 'optional_capabilities=*' 'ambient=*'
            set -l before (string replace -r '[^=,]*$' '' -- $word)
            printf "$before%s\n" (__ec_security_caps)
        case 'chroot=*'
            printf 'chroot=%s\n' (__fish_complete_directories (string replace 'chroot=' '' -- $word))
        case 'no_new_privs=*'
            printf 'no_new_privs=%s\n' on off
        case 'dumpable=*'
            printf 'dumpable=%s\n' on keep
        case 'parent_death_signal=*'
            printf 'parent_death_signal=%s\n' keep clear
        case 'bounding=*'
            printf 'bounding=%s\n' trim keep
        case 'supplemental_groups=*'
            set -l before (string replace -r '[^=,]*$' '' -- $word)
            printf "$before%s\n" (__fish_complete_groups)
        case 'securebits=*'
            set -l before (string replace -r '[^=,]*$' '' -- $word)
            printf "$before%s\n" noroot noroot_locked no_setuid_fixup no_setuid_fixup_locked keep_caps_locked \
                no_cap_ambient_raise no_cap_ambient_raise_locked exec_restrict_file exec_restrict_file_locked \
                exec_deny_interactive exec_deny_interactive_locked
        case '*'
            printf '%s\n' 'user=	name or id to become' 'group=	name or id' \
                'capabilities=	what is retained' 'optional_capabilities=	retained where held' \
                'supplemental_groups=	the whole list' 'chroot=	root directory' 'no_new_privs=	on or off' \
                'bounding=	trim or keep' 'ambient=	what executed programs hold' \
                'securebits=	names of capabilities(7)' 'deadline=	seconds' \
                'dumpable=	on or keep' 'parent_death_signal=	keep or clear'
    end
end

function __ec_security_processes
    __fish_complete_pids
    cat /proc/*/comm 2>/dev/null | sort -u
end

set -l in '__fish_seen_subcommand_from'

complete -c ec-security -f
complete -c ec-security -s h -l help -d 'Help'
complete -c ec-security -n __fish_use_subcommand -s V -l version -d 'Version'
complete -c ec-security -n __fish_use_subcommand -a check -d 'Would a configuration be applied as it is?'
complete -c ec-security -n __fish_use_subcommand -a show -d 'What every thread of a process holds'
complete -c ec-security -n __fish_use_subcommand -a diff -d 'What one process holds that another does not'
complete -c ec-security -n __fish_use_subcommand -a watch -d 'What changes in a process'
complete -c ec-security -n __fish_use_subcommand -a exec -d 'Become that, then execute a program'
complete -c ec-security -n __fish_use_subcommand -a explain -d 'What capabilities permit'
complete -c ec-security -n __fish_use_subcommand -a convert -d 'A systemd unit as a Security stanza'
complete -c ec-security -n __fish_use_subcommand -a help -d 'Help of a command'

complete -c ec-security -n "$in check convert" -F
complete -c ec-security -n "$in check exec" -s o -l option -x -a '(__ec_security_options)' -d 'Set an option'
complete -c ec-security -n "$in check" -s n -l no-rehearsal -d 'Read and look up only'
complete -c ec-security -n "$in check exec" -s q -l quiet -d 'Say less'

complete -c ec-security -n "$in show diff watch" -a '(__ec_security_processes)'
complete -c ec-security -n "$in show" -s a -l all -d 'Every process that holds something'
complete -c ec-security -n "$in show" -s c -l children -d 'Processes that hold more than their parent'
complete -c ec-security -n "$in show" -s v -l verdict -d 'Can it become root again?'
complete -c ec-security -n "$in show" -s u -l user -x -a '(__fish_complete_users)' -d 'With this user id'
complete -c ec-security -n "$in show" -s C -l capability -x -a '(__ec_security_caps)' -d 'That hold one of these'
complete -c ec-security -n "$in show" -s d -l odd -d 'With threads that differ'
complete -c ec-security -n "$in show" -s j -l json -d 'For programs'
complete -c ec-security -n "$in show" -s l -l lines -d 'One line each'
complete -c ec-security -n "$in watch" -s i -l interval -x -d 'Seconds between looks'
complete -c ec-security -n "$in show diff watch check explain" -l color -x -a 'auto always never' -d Colours

complete -c ec-security -n "$in check exec" -s f -l file -r -F -d 'Take the Security stanza of a file'
complete -c ec-security -n "$in exec" -s e -l environment -d 'Set HOME, SHELL, USER, LOGNAME'
complete -c ec-security -n "$in exec" -x -a '(__fish_complete_subcommand --fcs-skip=2)'

complete -c ec-security -n "$in explain" -x -a '(__ec_security_caps)'
complete -c ec-security -n "$in help" -x -a 'check show diff watch exec explain convert'
