# Purpose: what `redis` of Dancer::Session::Redis returns: any command of Redis
# as a method, on a connection that the sessions don't use.
package Dancer::Session::Redis::Connection;
use strict;
use warnings;
use Carp     ();
use Storable ();

our $AUTOLOAD;
our @CARP_NOT = ('Dancer::Session::Redis::Border');

sub new {
    my ($class, $engine) = @_;
    return bless { engine => $engine }, $class;
}

# What INFO says, as a hash.
sub info {
    my ($self, @section) = @_;
    my $text = $self->_send('INFO', @section);
    return { map { split /:/, $_, 2 } grep { /^[^#]+:/ } split /\r?\n/, $text };
}

# `$redis->ttl($key)`, `$redis->client_getname`.
sub AUTOLOAD {
    my ($self, @arguments) = @_;
    my ($name) = $AUTOLOAD =~ /(\w+)\z/;
    ref $self or Carp::croak("$name is a method of a connection: call it on what `redis` returns");
    my $reply = $self->_send(join(' ', split /_/, uc $name), @arguments);
    return wantarray && ref $reply eq 'ARRAY' ? @$reply : $reply;
}

sub DESTROY { }

sub _send {
    my ($self, $name, @arguments) = @_;
    my ($outcome, $frozen) = $self->{engine}->call('command', $name, map { _bytes($_) } @arguments);
    return Storable::thaw($frozen)->[0];
}

# Redis knows bytes only: characters beyond 255 become UTF-8, all others are
# bytes already.
sub _bytes {
    my ($argument) = @_;
    defined $argument or Carp::croak('an argument of a command to Redis is undefined');
    $argument = "$argument";
    utf8::downgrade($argument, 1) or utf8::encode($argument);
    return $argument;
}

1;
