#!/usr/bin/perl
# A Perl server whose interpreter threads never rest; tests/runtimes says what it answers to.
use strict;
use warnings;
use threads;
use threads::shared;
use Digest::SHA;
use IO::Socket::INET;
use POSIX ();
use Thread::Queue;
use FindBin;
use lib $FindBin::Bin;
use EC::Security;

$| = 1;
use constant WORKERS => 3;
my @done : shared = (0) x WORKERS;
my @jobs    = map { Thread::Queue->new } 1 .. WORKERS;
my @answers = map { Thread::Queue->new } 1 .. WORKERS;
my @listeners;

# A policy made before the threads: they must not release it as well.
my $early = EC::Security::Policy->new;

sub listen_on {
    my ($port) = @_;
    my $listener = IO::Socket::INET->new( LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5 )
        or return "failed\t$@";
    push @listeners, $listener;
    return 'ok';
}

sub wrong_messages {
    my ($name) = @_;
    my $wrong = 0;
    for ( 1 .. 100 ) {
        $wrong++ if eval { EC::Security::apply($name); 1 } || index( $@->message, $name ) < 0;
    }
    return $wrong;
}

# One of them computes, the others wait in system calls as well; a job may come in between.
sub worker {
    my ($number) = @_;
    my $block = 'x' x 16384;
    pipe my $reading, my $writing or die "pipe: $!";
    while (1) {
        Digest::SHA::sha256($block);
        if ($number) {
            syswrite $writing, $block, 4096;
            sysread $reading, my $got, 4096;
            select undef, undef, undef, 0.0001;
        }
        $done[$number]++;
        my $job = $jobs[$number]->dequeue_nb or next;
        my ( $what, $argument ) = split /\t/, $job;
        $answers[$number]->enqueue( $what eq 'bind' ? listen_on($argument) : wrong_messages($argument) );
    }
}

sub policy_from {
    my ( $how, $argument ) = @_;
    my $policy = EC::Security::Policy->new;
    $policy->$how($argument);
    $policy->apply;
    return 'ok';
}

my %commands = (
    work  => sub { join "\t", 'work', @done },
    apply => sub { EC::Security::apply(@_); 'ok' },
    policy => sub {
        my ( $verb, @options ) = @_;
        EC::Security::Policy->new( map { split /=/, $_, 2 } @options )->$verb;
        'ok';
    },
    get    => sub { EC::Security::Policy->new( user => $_[0] )->get( $_[1] ) },
    parse  => sub { policy_from( parse => @_ ) },
    load   => sub { policy_from( load  => @_ ) },
    raised => sub {
        EC::Security::raised( $_[0], sub { print "inside\n"; <STDIN> } );
        'ok';
    },
    bind => sub {
        my ( $where, $port ) = @_;
        return listen_on($port) if $where eq 'main';
        $jobs[0]->enqueue("bind\t$port");
        return $answers[0]->dequeue;
    },
    root => sub { POSIX::setuid(0) ? 'ok' : "failed\t$!" },
    text => sub {
        my @sets = EC::Security::caps_from_text(@_);
        join "\t", 'text', @sets, EC::Security::caps_to_text(@sets);
    },
    status => sub { "status\t" . EC::Security::status() =~ s/\n/ | /gr },
    version => sub { "version\t" . EC::Security::version() },
    names   => sub { join "\t", 'names', map {"$_=$EC::Security::STATUS{$_}"} keys %EC::Security::STATUS },
    nul     => sub {
        return 'taken' if eval { EC::Security::apply("root\0nobody"); 1 };
        return $@ =~ /NUL byte/ ? 'refused' : "$@";
    },
    race => sub {
        $jobs[$_]->enqueue("race\tno-such-$_") for 0, 1;
        my $wrong = 0;
        $wrong += $answers[$_]->dequeue for 0, 1;
        "race\t200\t$wrong";
    },
);

threads->create( \&worker, $_ )->detach for 0 .. WORKERS - 1;
print "ready\n";
while ( my $line = <STDIN> ) {
    chomp $line;
    my ( $command, @words ) = split /\t/, $line, -1;
    my $said = eval { $commands{$command}->( map { $_ eq '-' ? undef : $_ } @words ) };
    if ( !defined $said ) {
        die $@ if !ref $@;
        $said = join "\t", 'error', $@->name, $@->kind, $@->message;
    }
    print "$said\n";
}
$early->check;
POSIX::_exit(0);    # the workers never end
