# Policy, chroot, check, ambient and status, seen from outside.
OUTSIDE += policy chroot check ambient status
build/outside/status: LDLIBS += -lcap
LIMIT_policy := 300
