# Purpose: sends the commands that the original module sends for each call, for
# comparison only: a PING each time its connection is asked for.
package Dancer::Session::Original;
use strict;
use warnings;
use parent 'Dancer::Session::Abstract';
use Dancer::Config qw(setting);
use Redis    ();
use Storable ();

my ($handle, $process);

sub redis {
    if (!$handle || $process != $$ || !$handle->ping) {
        my ($where) = grep { setting('redis_session')->{$_} } qw(sock server);
        $handle  = Redis->new($where => setting('redis_session')->{$where});
        $process = $$;
    }
    return $handle;
}

sub init {
    my ($self, @arguments) = @_;
    $self->SUPER::init(@arguments);
    redis();
    return;
}

sub create { return $_[0]->new->flush }

sub flush {
    my ($self) = @_;
    redis()->ping;
    redis()->set($self->id => Storable::freeze($self));
    redis()->expire($self->id => 900);
    return $self;
}

sub retrieve {
    my ($class, $id) = @_;
    $class->new;
    redis()->ping;
    redis()->expire($id => 900);
    my $payload = redis()->get($id);
    return defined $payload ? Storable::thaw($payload) : undef;
}

sub destroy { redis()->del($_[0]->id); return 1 }

1;
