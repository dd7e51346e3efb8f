# Purpose: sessions on a test's server, and other requests that are faster.
package TestSessions;
use strict;
use warnings;
use Dancer::Session::Redis;
use Exporter qw(import);
use Storable qw(freeze thaw);

our @EXPORT_OK = qw(fresh entries_of other_writers);

my $class = 'Dancer::Session::Redis';

# A session with these entries, as a request reads it.
sub fresh {
    my (%entries) = @_;
    my $session = $class->create;
    @$session{ keys %entries } = values %entries;
    return $class->retrieve($session->flush->id);
}

# What is stored of it.
sub stored {
    my ($client, $session) = @_;
    return thaw $client->get($session->id);
}

# The entries of a session, and of what is stored.
sub entries_of {
    my ($session) = @_;
    return { map { /\A(?:id|__\w+)\z/ ? () : ($_ => $session->{$_}) } keys %$session };
}

# Another request, which is faster: of ours, and of the original's.
sub other_writers {
    my ($client) = @_;
    return (
        ours => sub {
            my ($id, $do) = @_;
            my $other = $class->retrieve($id);
            $do->($other);
            return $other->flush;
        },
        original => sub {
            my ($id, $do) = @_;
            my $other = thaw $client->get($id);
            $do->($other);
            return $client->setex($id, 900, freeze $other);
        },
    );
}

1;
