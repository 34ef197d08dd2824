# bash completion for ec-security(8)

_ec_security_caps()
{
    ec-security explain --color=never all=p 2>/dev/null | sed -n 's/^\(cap_[a-z_]*\) .*/\1/p'
}

# What may follow OPTION= after -o.
_ec_security_values()
{
    local option=$1 value=$2
    case ${option,,} in
        user)
            if [[ $value == *:* ]]; then
                compgen -P "${value%%:*}:" -g -- "${value#*:}"
            else
                compgen -u -- "$value"
            fi ;;
        group) compgen -g -- "$value" ;;
        supplemental_groups)
            local before=''
            [[ $value == *,* ]] && before=${value%,*},
            compgen -P "$before" -g -- "${value##*,}" ;;
        capabilities | optional_capabilities | ambient)
            local before=''
            [[ $value == *,* ]] && before=${value%,*},
            local more=all
            [[ ${option,,} == capabilities ]] && more='all keep'
            compgen -P "$before" -W "$more $(_ec_security_caps)" -- "${value##*,}" ;;
        chroot) compgen -d -- "$value" ;;
        no_new_privs) compgen -W 'on off' -- "$value" ;;
        dumpable) compgen -W 'on keep' -- "$value" ;;
        parent_death_signal) compgen -W 'keep clear' -- "$value" ;;
        bounding) compgen -W 'trim keep' -- "$value" ;;
        securebits)
            local before=''
            [[ $value == *,* ]] && before=${value%,*},
            compgen -P "$before" -W 'noroot noroot_locked no_setuid_fixup no_setuid_fixup_locked keep_caps_locked
                no_cap_ambient_raise no_cap_ambient_raise_locked exec_restrict_file exec_restrict_file_locked
                exec_deny_interactive exec_deny_interactive_locked' -- "${value##*,}" ;;
    esac
}

# Processes: their ids and their names. Anybody names a process of theirs as they like, and compgen -W expands each word as the
# shell does: $(...) in a name would be executed.
_ec_security_processes()
{
    (cd /proc && printf '%s\n' [0-9]* && cat [0-9]*/comm 2>/dev/null) | grep -x '[[:alnum:] ./:@_+-]*' | sort -u
}

# Of these words, those that go on from $cur.
_ec_security_words()
{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

# The same of files (-f), or of commands (-c).
_ec_security_paths()
{
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

_ec_security()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev='' command='' i
    ((COMP_CWORD > 0)) && prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -*) ;;
            *) command=${COMP_WORDS[i]} && break ;;
        esac
    done

    if [[ -z $command ]]; then
        _ec_security_words 'check show diff watch exec explain convert help -h --help -V --version'
        return
    fi

    # bash takes "option=value" apart at the =, which belongs to COMP_WORDBREAKS.
    local option='' value=''
    if [[ $cur == = && ${COMP_WORDS[COMP_CWORD - 2]} == @(-o|--option) ]]; then
        option=$prev
    elif [[ $prev == = && ${COMP_WORDS[COMP_CWORD - 3]} == @(-o|--option) ]]; then
        option=${COMP_WORDS[COMP_CWORD - 2]} value=$cur
    fi
    # Nor does "user=name:group" stay in one piece; what is offered is the last one.
    local i=$COMP_CWORD
    [[ $cur != : ]] && ((i--))
    if [[ $command == @(check|exec) && ${COMP_WORDS[i]} == : && ${COMP_WORDS[i - 2]} == = &&
        ${COMP_WORDS[i - 3]} == user ]]; then
        mapfile -t COMPREPLY < <(compgen -g -- "${cur#:}")
        return
    fi
    if [[ -n $option ]]; then
        mapfile -t COMPREPLY < <(_ec_security_values "$option" "$value")
        [[ ${option,,} == chroot ]] && compopt -o filenames
        return
    fi

    if [[ $command == @(check|exec) && $prev == @(-o|--option) ]]; then
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -S = -W 'user group capabilities optional_capabilities supplemental_groups
            chroot no_new_privs bounding ambient securebits deadline dumpable parent_death_signal' -- "$cur")
        return
    fi

    case $command in
        check)
            if [[ $cur == -* ]]; then
                _ec_security_words '-o --option -f --file -n --no-rehearsal -q --quiet --color=auto
                    --color=always --color=never -h --help'
            else
                _ec_security_paths -f
            fi ;;
        show)
            if [[ $cur == -* ]]; then
                _ec_security_words '-a --all -c --children -v --verdict -u --user -C --capability
                    -d --odd -j --json -l --lines --color=auto --color=always --color=never -h --help'
            elif [[ $prev == @(-u|--user) ]]; then
                mapfile -t COMPREPLY < <(compgen -u -- "$cur")
            elif [[ $prev == @(-C|--capability) ]]; then
                local before=''
                [[ $cur == *,* ]] && before=${cur%,*},
                mapfile -t COMPREPLY < <(compgen -P "$before" -W "$(_ec_security_caps)" -- "${cur##*,}")
            else
                _ec_security_words "$(_ec_security_processes)"
            fi ;;
        diff)
            if [[ $cur == -* ]]; then
                _ec_security_words '--color=auto --color=always --color=never -h --help'
            else
                _ec_security_words "$(_ec_security_processes)"
            fi ;;
        watch)
            if [[ $cur == -* ]]; then
                _ec_security_words '-i --interval --color=auto --color=always --color=never -h --help'
            elif [[ $prev != @(-i|--interval) ]]; then
                _ec_security_words "$(_ec_security_processes)"
            fi ;;
        convert)
            if [[ $cur == -?* ]]; then
                _ec_security_words '-h --help'
            else
                _ec_security_paths -f
            fi ;;
        exec)
            # The command to be executed, and its arguments, complete as they do by themselves.
            for ((i++; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                    --)
                        ((i++))
                        break ;;
                    -f | --file) ((i++)) ;;
                    -o | --option) [[ ${COMP_WORDS[i + 2]} == = ]] && ((i += 3)) || ((i++)) ;;
                    -*) ;;
                    *) break ;;
                esac
            done
            if ((i < COMP_CWORD)) && declare -F _command_offset >/dev/null; then
                _command_offset "$i"
            elif [[ $prev == @(-f|--file) ]]; then
                _ec_security_paths -f
            elif [[ $cur == -* && $prev != -- ]]; then
                _ec_security_words '-f --file -o --option -e --environment -q --quiet -h --help --'
            else
                _ec_security_paths -c
            fi ;;
        explain)
            if [[ $cur == -* ]]; then
                _ec_security_words '--color=auto --color=always --color=never -h --help'
            else
                local before=''
                [[ $cur == *,* ]] && before=${cur%,*},
                compopt -o nospace
                mapfile -t COMPREPLY < <(compgen -P "$before" -W "all $(_ec_security_caps)" -- "${cur##*,}")
            fi ;;
        help) _ec_security_words 'check show diff watch exec explain convert' ;;
    esac
}

complete -F _ec_security ec-security
