# The Perl side of `bench storable`: answers one line to each line.
#   use SESSION       takes a session from here on; its frozen bytes as hex
#   same SESSION=HEX  whether these bytes thaw to that session
#   OPERATION TIMES   does it that often; the seconds it took
use strict;
use warnings;
use Storable qw(freeze thaw);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

$| = 1;
my %sessions = ('session' => \&session, 'large session' => \&large_session);
my ($session, $frozen);

my %operations = (
    mretrieve => sub { my $n = shift; for (1 .. $n) { my $x = Storable::mretrieve($frozen, 6) } },
    thaw      => sub { my $n = shift; for (1 .. $n) { my $x = thaw($frozen) } },
    mstore    => sub { my $n = shift; for (1 .. $n) { my $x = Storable::mstore($session) } },
    freeze    => sub { my $n = shift; for (1 .. $n) { my $x = freeze($session) } },
);

while (my $line = <STDIN>) {
    chomp $line;
    my ($verb, $rest) = split / /, $line, 2;
    my $answer
        = $verb eq 'use'  ? use_session($rest)
        : $verb eq 'same' ? same($rest)
        :                   timed($operations{$verb}, $rest);
    print "$answer\n";
}

sub use_session {
    my ($name) = @_;
    $session = $sessions{$name}->();
    $frozen = freeze($session);
    # As after a retrieve: what is frozen then is what was thawed before.
    $session = thaw($frozen);
    return unpack 'H*', $frozen;
}

sub same {
    my ($name, $hex) = split /=/, $_[0];
    local $Storable::canonical = 1;
    my $theirs = freeze(thaw(pack 'H*', $hex));
    return $theirs eq freeze($sessions{$name}->()) ? 'same' : 'different';
}

sub timed {
    my ($operation, $times) = @_;
    my $start = clock_gettime(CLOCK_MONOTONIC);
    $operation->($times);
    return clock_gettime(CLOCK_MONOTONIC) - $start;
}

sub session {
    my %session = (
        id       => '394850239485760239485760239485760239',
        user     => 'ann@example.com',
        user_id  => 48_213,
        roles    => [ 'customer', 'reviewer' ],
        visits   => 17,
        since    => 1_732_300_000,
        csrf     => 'b1946ac92492d2347c6235b4d2611184',
        theme    => 'dark',
        language => 'en_GB',
        basket   => { items => [ { sku => 'AB-1001', qty => 2 } ], total => 59.9 },
        flash    => { level => 'info', notice => 'Your changes were saved.' },
    );
    return bless \%session, 'Dancer::Session::Redis';
}

sub large_session {
    my $session = session();
    for my $number (1 .. 420) {
        push @{ $session->{history} }, {
            page  => "/catalogue/section/$number/item",
            at    => 1_732_300_000 + 60 * $number,
            title => "Item number $number of the catalogue",
            price => $number / 7,
            tags  => [ 'new', "s$number" ],
        };
    }
    return $session;
}
