#!/usr/bin/env python3
"""The one call in a Python program with threads: drop.py USER GROUP CAPS, where "-" stands for None."""

import sys
import threading

import ec_security


def main():
    user, group, caps = (None if word == "-" else word for word in sys.argv[1:])
    for _ in range(3):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        ec_security.apply(user, group, caps)
        print("dropped", flush=True)
        refused = False
    except ec_security.Error as error:
        print(f"refused: {error.kind}: {error}", flush=True)
        refused = True
    sys.stdin.readline()
    return refused


sys.exit(main())
