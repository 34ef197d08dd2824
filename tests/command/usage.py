"""Help, commands that are none, and output that cannot be written."""

import os
import re
import subprocess

from cases import ROOT, case, done, expect, refused, same, usage
from command.shared import COMMANDS, TOOL, tool, widest


@case
def help_of_everything():
    for command in COMMANDS:
        text = done(tool(command, "--help"))
        same(done(tool("help", command)), text)
        same(done(tool(command, "-h")), text)
        expect(f"ec-security {command}" in text and "Exit status:" in text and "Examples:" in text, text)
        expect(widest(text) <= 80, f"{command}: lines too long")
    text = done(tool("--help"))
    same(done(tool("help")), text)
    for command in COMMANDS:
        expect(f"\n  {command} " in text, command)
    with open(os.path.join(ROOT, "Cargo.toml")) as cargo:
        version = re.search(r'^version = "(.*)"', cargo.read(), re.M).group(1)
    done(tool("--version"), f"ec-security {version}\n")
    done(tool("-V"), f"ec-security {version}\n")


@case
def commands_that_are_none():
    refused(tool(), *usage("", "a command is missing: check, show, diff, watch, exec, explain or convert"))
    refused(tool("chekc"), *usage("", 'unknown command "chekc" (nearest: check)'))
    refused(tool("ex"), *usage("", 'unknown command "ex" (nearest: exec)'))
    refused(tool("frobnicate"), *usage("", 'unknown command "frobnicate"'))
    refused(tool("help", "nope"), *usage("", 'unknown command "nope"'))
    refused(tool("--nope"), *usage("", "invalid option '--nope'"))


@case
def output_that_cannot_be_written():
    for command in (["show"], ["explain", "all=p"], ["--help"]):
        with open("/dev/full", "w") as full:
            child = subprocess.run([TOOL, *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        same(child.returncode, 1)
        expect("standard output: " in child.stderr, child.stderr)
    reader, writer = os.pipe()
    os.close(reader)
    child = subprocess.run([TOOL, "explain", "all=p"], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    same((child.returncode, child.stderr), (1, ""), "who reads no further needs no message")
