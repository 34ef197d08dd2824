#!/usr/bin/env python3
"""The command ec-security from outside: every subcommand, its errors and exit statuses; what `exec` comes to against
setpriv(1) and capsh(1), as /proc and prctl show it in the program executed; JSON against /proc; completions. The cases are in
tests/command, a file a subject.

tests/tool.py [PART OF A NAME]
"""

import importlib

from cases import main

# In the order in which they run.
for part in ("check", "show", "show_many", "watch", "convert", "explain", "usage", "exec", "exec_peers", "completions"):
    importlib.import_module("command." + part)

if __name__ == "__main__":
    main()
