# Policy, chroot, check, ambient and status, seen from outside.
OUTSIDE += policy
LIMIT_policy := 300
