#!/usr/bin/perl
# The one call in a Perl program with threads: drop.pl USER GROUP CAPS, where "-" stands for undef.
use strict;
use warnings;
use threads;
use FindBin;
use lib $FindBin::Bin;
use EC::Security;

$| = 1;
my @arguments = map { $_ eq '-' ? undef : $_ } @ARGV;
# The signal that brings a thread along ends its sleep, as any signal does.
threads->create( sub { sleep 1 while 1 } )->detach for 1 .. 3;
print "ready\n";
<STDIN>;
my $refused = !eval { EC::Security::apply(@arguments); 1 };
if ( !$refused ) {
    print "dropped\n";
}
elsif ( ref $@ && $@->isa('EC::Security::Error') ) {
    print 'refused: ', $@->kind, ': ', $@->message, "\n";
}
else {
    die $@;
}
<STDIN>;
exit $refused;
