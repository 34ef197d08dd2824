package EC::Security;

use strict;
use warnings;
use 5.020;

use Carp ();
use FFI::Platypus 2.00;

our $VERSION = '0.1.0';

# The EC_SECURITY_E... of ec_security.h. Numbers are never given away again; a newer library may have more.
our %STATUS = (
    EARGUMENT   => 1,
    ESYNTAX     => 2,
    EOPTION     => 3,
    EUSER       => 4,
    EGROUP      => 5,
    ELOOKUP     => 6,
    ECAPABILITY => 7,
    EREFUSED    => 8,
    ETHREAD     => 9,
    EPROC       => 10,
    EBUSY       => 11,
    ERESOURCE   => 12,
    EFILE       => 13,
    ENOSTANZA   => 14,
    ECHROOT     => 15,
    ENOPROCESS  => 16,
    EINTERNAL   => 17,
);

{
    my $ffi = FFI::Platypus->new( api => 2, lib => $ENV{EC_SECURITY_LIB} // 'libec_security.so.0' );
    my ( $text, $policy, $int ) = qw( string opaque int );
    my %functions = (
        apply          => [ $int, $text, $text, $text ],
        policy_new     => [$policy],
        policy_free    => [ 'void', $policy ],
        policy_set     => [ $int, $policy, $text, $text ],
        policy_load    => [ $int, $policy, $text ],
        policy_parse   => [ $int, $policy, $text ],
        policy_check   => [ $int, $policy ],
        policy_apply   => [ $int, $policy ],
        policy_get     => [ $int, $policy, $text, 'opaque', 'size_t' ],
        policy_error   => [ $text, $policy ],
        caps_from_text => [ $int, $text, 'uint64[3]' ],
        caps_to_text   => [ $int, 'uint64[3]', 'opaque', 'size_t' ],
        status         => [ $int, $int, 'opaque', 'size_t' ],
        raise          => [ $int, $text ],
        lower          => [ $int, $text ],
        strerror       => [ $text, $int ],
        last_error     => [$text],
        version        => [$text],
    );
    for my $name ( keys %functions ) {
        my ( $result, @arguments ) = @{ $functions{$name} };
        $ffi->attach( [ "ec_security_$name" => "_c_$name" ] => \@arguments => $result );
    }
}

sub _check {
    my ( $status, $policy ) = @_;
    EC::Security::Error->throw( abs $status, $policy ) if $status != 0;
    return;
}

# undef stays NULL. A NUL inside would cut the text short, which may mean something else.
sub _text {
    my ($value) = @_;
    return undef if !defined $value;    ## no critic (ProhibitExplicitReturnUndef): in a list it must not vanish
    Carp::croak('a NUL byte inside') if index( $value, "\0" ) >= 0;
    utf8::encode($value) if utf8::is_utf8($value);
    return "$value";
}

# What a function like snprintf writes: it is asked again with a larger buffer until all of it fits.
sub _written {
    my ( $fill, $policy ) = @_;
    my $size = 256;
    while (1) {
        my $buffer = "\0" x $size;
        my $needed = $fill->( unpack( 'J', pack 'P', $buffer ), $size );
        EC::Security::Error->throw( -$needed, $policy ) if $needed < 0;
        return substr $buffer, 0, $needed if $needed < $size;
        $size = $needed + 1;
    }
}

sub apply {
    my ( $user, $group, $capabilities ) = @_;
    return _check( _c_apply( _text($user), _text($group), _text($capabilities) ) );
}

sub caps_from_text {
    my ($capabilities) = @_;
    my @sets = ( 0, 0, 0 );
    _check( _c_caps_from_text( _text($capabilities), \@sets ) );
    return @sets;
}

sub caps_to_text {
    my @sets = @_;
    Carp::croak('three sets were expected') if @sets != 3;
    return _written( sub { _c_caps_to_text( \@sets, @_ ) } );
}

sub status {
    my ($pid) = @_;
    return _written( sub { _c_status( $pid // 0, @_ ) } );
}

sub raise {
    my ($capabilities) = @_;
    return _check( _c_raise( _text($capabilities) ) );
}

sub lower {
    my ($capabilities) = @_;
    return _check( _c_lower( _text($capabilities) ) );
}

sub raised {
    my ( $capabilities, $body ) = @_;
    raise($capabilities);
    # Lowered however the body is left.
    my $guard = bless [$capabilities], 'EC::Security::_Raised';
    return $body->();
}

sub version { return _c_version() }

package EC::Security::_Raised;    ## no critic (ProhibitMultiplePackages)

sub CLONE_SKIP { return 1 }

sub DESTROY {
    my ($self) = @_;
    local $@;    ## no critic (RequireInitializationForLocalVars): an exception on its way must not be lost
    EC::Security::lower( $self->[0] );
    return;
}

package EC::Security::Policy;    ## no critic (ProhibitMultiplePackages)

# A thread made later gets copies of all objects, and both would release the policy: there it is undef instead.
sub CLONE_SKIP { return 1 }

sub new {
    my ( $class, %options ) = @_;
    my $policy = EC::Security::_c_policy_new()
        // EC::Security::Error->throw( $EC::Security::STATUS{ERESOURCE} );
    my $self = bless \$policy, $class;
    $self->set( $_ => $options{$_} ) for sort keys %options;
    return $self;
}

sub DESTROY {
    my ($self) = @_;
    EC::Security::_c_policy_free($$self) if defined $$self;
    undef $$self;
    return;
}

sub get {
    my ( $self, $option ) = @_;
    my $name = EC::Security::_text($option);
    return EC::Security::_written( sub { EC::Security::_c_policy_get( $$self, $name, @_ ) }, $$self );
}

sub set {
    my ( $self, $option, $value ) = @_;
    EC::Security::_check(
        EC::Security::_c_policy_set( $$self, EC::Security::_text($option), EC::Security::_text($value) ), $$self );
    return $self;
}

sub load {
    my ( $self, $path ) = @_;
    EC::Security::_check( EC::Security::_c_policy_load( $$self, EC::Security::_text($path) ), $$self );
    return $self;
}

sub parse {
    my ( $self, $text ) = @_;
    EC::Security::_check( EC::Security::_c_policy_parse( $$self, EC::Security::_text($text) ), $$self );
    return $self;
}

sub check {
    my ($self) = @_;
    return EC::Security::_check( EC::Security::_c_policy_check($$self), $$self );
}

sub apply {
    my ($self) = @_;
    return EC::Security::_check( EC::Security::_c_policy_apply($$self), $$self );
}

package EC::Security::Error;    ## no critic (ProhibitMultiplePackages)

use overload
    '""'     => sub { $_[0]->message . ' at ' . $_[0]{file} . ' line ' . $_[0]{line} . ".\n" },
    bool     => sub { 1 },
    fallback => 1;

# The policy's own message, where there is a policy; else it is read at once, in the thread of the failure.
sub throw {
    my ( $class, $status, $policy ) = @_;
    my $message = defined $policy ? EC::Security::_c_policy_error($policy) : EC::Security::_c_last_error();
    my ($name) = grep { $EC::Security::STATUS{$_} == $status } keys %EC::Security::STATUS;
    my ( $level, $package, $file, $line ) = (0);
    do { ( $package, $file, $line ) = caller $level++ } while $package =~ /\AEC::Security\b/;
    die bless {
        status  => $status,
        name    => $name,
        kind    => EC::Security::_c_strerror($status),
        message => $message,
        file    => $file,
        line    => $line,
    }, $class;
}

sub status  { return $_[0]{status} }
sub name    { return $_[0]{name} }
sub kind    { return $_[0]{kind} }
sub message { return $_[0]{message} }

1;

__END__

=encoding utf8

=head1 NAME

EC::Security - drops the privileges of every thread of this process, through libec_security

=head1 SYNOPSIS

    use EC::Security;
    eval { EC::Security::apply('ecuser', 'ecuser', 'cap_net_bind_service+ep'); 1 }
        or die "refused, nothing has changed: $@";

    my $policy = EC::Security::Policy->new(user => 'ecuser', bounding => 'keep');
    $policy->check;
    $policy->apply;

=head1 DESCRIPTION

A call that is refused dies with an C<EC::Security::Error>, which reads as the library's full message and the place in your
program; nothing about the process has changed. Its C<status> is the number, C<name> the name of it as in
C<%EC::Security::STATUS>, C<kind> the fixed text of it, and C<message> the message without the place.

Needs FFI::Platypus and libec_security.so.0, which the loader must find; the environment variable EC_SECURITY_LIB may name
another file. Other interpreter threads (L<threads>) are changed like all others.

=head1 FUNCTIONS

=over

=item apply(USER, GROUP, CAPABILITIES)

Becomes a user and group, by name or number, with just these capabilities left, in every thread of the process. What is
not given is undef.

=item raised(CAPABILITIES, SUB), raise(CAPABILITIES), lower(CAPABILITIES)

Permitted capabilities, effective in the calling thread while the sub runs; or until they are lowered.

=item caps_from_text(TEXT), caps_to_text(EFFECTIVE, PERMITTED, INHERITABLE)

The three sets that a text in the format of cap_from_text(3) describes, and the text of three sets.

=item status(PID)

What each thread of a process holds, as text; without a PID, this process.

=item version()

The version of the library that is loaded.

=back

=head1 POLICIES

C<< EC::Security::Policy->new(OPTION => VALUE, ...) >> has every option of the Security stanza. C<set(OPTION, VALUE)> sets
one, undef puts it back to its default; C<load(PATH)> and C<parse(TEXT)> read the stanza of a configuration. C<get(OPTION)> is what an
option has come to, and C<uid>, C<gid> and C<groups> as numbers. C<check> dies
of what C<apply> would, and changes nothing. A thread that is made later finds undef in place of the policy.

=cut
