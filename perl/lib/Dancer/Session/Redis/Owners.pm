# Purpose: whose a session is, and what can be done with all sessions of one
# owner.  Dancer::Session::Redis has these methods by inheritance.
package Dancer::Session::Redis::Owners;
use strict;
use warnings;
use Carp ();

our @CARP_NOT = qw(Dancer::Session::Redis Dancer::Session::Redis::Border);

sub set_owner {
    my ($self, $owner, %more) = @_;
    my ($unknown) = grep { $_ ne 'description' } keys %more;
    defined $unknown
        and Carp::croak("set_owner: '$unknown' is not known, expected description => \$text");
    length($owner // '')
        or Carp::croak('set_owner: the name of the owner is missing');
    return $self->_own($owner, $more{description} // '');
}

sub remove_owner { return $_[0]->_own('', '') }

# Stores the session with its owner; whether there was room for it.
sub _own {
    my ($self, @owner) = @_;
    # One that is not stored yet has nothing that could be refused.
    $self->_flush('plainly') if $self->is_new;
    my $outcome = $self->_flush('owner', @owner);
    return $outcome eq 'stored' ? 1 : 0;
}

sub owner {
    my ($self) = @_;
    my ($owner) = $self->_owned;
    return $owner;
}

sub handle {
    my ($self) = @_;
    my (undef, $handle) = $self->_owned;
    return $handle;
}

sub sessions_of {
    my ($class, $owner) = @_;
    my (undef, @parts) = $class->_engine->call('sessions_of', _bytes($owner));
    my @sessions;
    while (my ($handle, $created, $since, $description) = splice @parts, 0, 4) {
        utf8::decode($description);
        push @sessions,
            {
            handle      => $handle,
            created     => $created + 0,
            since       => $since + 0,
            description => $description,
            };
    }
    return @sessions;
}

sub destroy_one {
    my ($class, $owner, $handle) = @_;
    my (undef, $ended) = $class->_engine->call('destroy_one', _bytes($owner), _bytes($handle));
    return $ended + 0;
}

sub destroy_all {
    my ($class, $owner) = @_;
    my (undef, $ended) = $class->_engine->call('destroy_all', _bytes($owner));
    return $ended + 0;
}

sub destroy_others {
    my ($self) = @_;
    my (undef, $ended) = $self->_engine->call('destroy_others', $self->_known);
    return $ended + 0;
}

# The name of the owner and the handle, as the session was read or stored last.
sub _owned {
    my ($self) = @_;
    my ($id, $payload) = $self->_known;
    return if $payload eq '';
    my (undef, @owned) = $self->_engine->call('owner', $id, $payload);
    return if $owned[0] eq '';
    utf8::decode($_) for @owned;
    return @owned;
}

sub _bytes {
    my ($text) = @_;
    $text //= '';
    utf8::encode($text);
    return $text;
}

1;
