#!/usr/bin/env python3
"""A Python server whose workers never rest; tests/runtimes says what it answers to."""

import concurrent.futures
import contextlib
import hashlib
import os
import socket
import sys
import threading
import zlib

import ec_security

POOL = concurrent.futures.ThreadPoolExecutor(4)
done = [0] * 4
jobs = [[] for _ in done]
listeners = []


def worker(number):
    """Half of them compute without the interpreter's lock, half wait in system calls."""
    block = os.urandom(1 << 16)
    while True:
        if number % 2:
            hashlib.sha256(block).digest()
            zlib.crc32(block)
        else:
            reading, writing = os.pipe()
            os.write(writing, block[:4096])
            os.read(reading, 4096)
            os.close(reading)
            os.close(writing)
        done[number] += 1
        while jobs[number]:
            job, future = jobs[number].pop()
            try:
                future.set_result(job())
            except BaseException as error:
                future.set_exception(error)


def in_worker(number, job):
    future = concurrent.futures.Future()
    jobs[number].append((job, future))
    return future


def bind(port):
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    listener.listen()
    listeners.append(listener)
    return "ok"


def race():
    def fails(name, barrier):
        wrong = 0
        for _ in range(100):
            barrier.wait()
            try:
                ec_security.apply(name)
            except ec_security.Error as error:
                wrong += name not in str(error)
            else:
                wrong += 1
        return wrong

    barrier = threading.Barrier(2)
    waiting = [in_worker(number, lambda n=number: fails(f"no-such-{n}", barrier)) for number in (0, 1)]
    return f"race\t200\t{sum(future.result() for future in waiting)}"


def answer(command, *words):
    words = [None if word == "-" else word for word in words]
    if command == "work":
        return "\t".join(map(str, ["work", *done]))
    if command == "apply":
        ec_security.apply(*words)
        return "ok"
    if command == "policy":
        policy = ec_security.Policy(**dict(word.split("=", 1) for word in words[1:]))
        getattr(policy, words[0])()
        return "ok"
    if command == "get":
        return ec_security.Policy(user=words[0]).get(words[1])
    if command in ("parse", "load"):
        policy = ec_security.Policy()
        getattr(policy, command)(words[0])
        policy.apply()
        return "ok"
    if command == "raised":
        with ec_security.raised(words[0]):
            print("inside", flush=True)
            sys.stdin.readline()
        return "ok"
    if command == "bind":
        try:
            return bind(int(words[1])) if words[0] == "main" else in_worker(0, lambda: bind(int(words[1]))).result()
        except OSError as error:
            return f"failed\t{error}"
    if command == "root":
        try:
            os.setuid(0)
            return "ok"
        except OSError as error:
            return f"failed\t{error}"
    if command == "text":
        caps = ec_security.caps_from_text(words[0])
        return "\t".join(map(str, ["text", *caps, ec_security.caps_to_text(caps)]))
    if command == "status":
        return "status\t" + ec_security.status().replace("\n", " | ")
    if command == "version":
        return "version\t" + ec_security.version()
    if command == "names":
        return "\t".join(["names", *(f"{status.name}={status.value}" for status in ec_security.Status)])
    if command == "nul":
        with contextlib.suppress(ValueError):
            ec_security.apply("root\0nobody")
            return "taken"
        return "refused"
    if command == "race":
        return race()
    return "what?"


def main():
    for number in range(len(done)):
        POOL.submit(worker, number)
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            said = answer(*line.rstrip("\n").split("\t"))
        except ec_security.Error as error:
            name = getattr(error.status, "name", error.status)
            said = f"error\t{name}\t{error.kind}\t{error}"
        print(said, flush=True)
    # The workers never end.
    os._exit(0)


main()
