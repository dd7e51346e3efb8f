# Purpose: keeps the sessions of a Dancer application in Redis, the way the
# manual of Dancer::Session::Redis says.  Only the tests use this: it has that
# module's name so that payloads carry it, and the distribution of this project
# with the same name is another program.
# Run: not run alone; `set session => 'Redis'` in an application.
package Dancer::Session::Redis;
use strict;
use warnings;
use base 'Dancer::Session::Abstract';
use Dancer::Config 'setting';
use Redis ();
use Storable ();

my ($handle, $process);

# Dancer makes one instance as the engine itself, before any request, and one
# for each new session.
sub init {
    my ($self, @arguments) = @_;
    $self->SUPER::init(@arguments);
    _connect() if !$handle;
    return;
}

# A handle from before a fork would share its socket with other processes.
sub redis {
    _connect() if $process != $$ || !$handle->ping;
    return $handle;
}

sub create {
    my ($class) = @_;
    return $class->new->flush;
}

sub flush {
    my ($self) = @_;
    my $redis = redis();
    $redis->set($self->id => Storable::freeze($self));
    $redis->expire($self->id => _expire());
    return $self;
}

sub retrieve {
    my ($class, $id) = @_;
    my $redis = redis();
    $redis->expire($id => _expire());
    my $payload = $redis->get($id);
    return defined $payload ? Storable::thaw($payload) : undef;
}

sub destroy {
    my ($self) = @_;
    return redis()->del($self->id);
}

sub _expire { return setting('redis_session')->{expire} // 900 }

sub _connect {
    my $settings = setting('redis_session') or die "redis_session is not defined\n";
    my ($where) = grep { defined $settings->{$_} } qw(sock server);
    die "redis_session should include either server or sock parameter\n" if !$where;
    $handle  = Redis->new($where => $settings->{$where});
    $process = $$;
    return;
}

1;
