# Policy, chroot, check, ambient and status, seen from outside.
OUTSIDE += policy chroot check
LIMIT_policy := 300
