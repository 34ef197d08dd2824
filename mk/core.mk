# The harness tested by itself, and the first look at the drop.
OUTSIDE += harness drop
