use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use POSIX    ();
use Test::More import => ['!pass'];
use TestRedis;
use TestSessions qw(fresh entries_of other_writers);

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };
set redis_session => $server->settings;

sub stored { return TestSessions::stored($client, @_) }

# Another request, which is faster.
my %ways = other_writers($client);
my $session = fresh(n => 1, cart => { list => [1] });
my $cart    = $session->{cart};
is($session->update(n => sub { $_[0] + 1 }), 2, 'update returns the new value');
is_deeply(entries_of(stored($session)), { n => 2, cart => { list => [1] } }, '... and stores it');
$session->update(cart => sub { my ($cart) = @_; push @{ $cart->{list} }, 2; return $cart });
is_deeply($cart, { list => [1] }, 'the closure has a copy');
is_deeply(stored($session)->{cart}, { list => [1, 2] }, '... and what it returns is stored');
is($session->update(new => sub { defined $_[0] ? 'there' : 'none' }), 'none', 'a new entry is undef before');
is($session->update(n => sub { return }), undef, 'the new value may be undef');
ok(exists stored($session)->{n} && !defined stored($session)->{n}, '... and is stored');
my $bytes = $client->get($session->id);
my $why   = { why => 'not' };
is(eval { $session->update(cart => sub { $_[0]{list} = 0; die $why }) }, undef, 'a closure may die');
is($@, $why, '... of what it likes');
my $as_before = { n => undef, cart => { list => [1, 2] }, new => 'none' };
is_deeply(entries_of($session), $as_before, '... and changes nothing');
is($client->get($session->id), $bytes, '... nor stores anything');

for my $way (sort keys %ways) {
    $session = fresh(n => 1, a => 1);
    $session->{mine} = 1;
    my @seen;
    my $new = $session->update(
        n => sub {
            push @seen, $_[0];
            $ways{$way}->($session->id, sub { $_[0]{n} += 10; $_[0]{theirs} = 1 }) if @seen == 1;
            return $_[0] + 1;
        }
    );
    is_deeply([@seen, $new], [1, 11, 12], "R12, $way: update asks again when others changed the entry");
    is_deeply(entries_of(stored($session)), { n => 12, a => 1, mine => 1, theirs => 1 }, '... all is there');
    is_deeply(entries_of($session), entries_of(stored($session)), '... and the object has what is stored');
    @seen = ();
    $session->update(
        n => sub { push @seen, $_[0]; $ways{$way}->($session->id, sub { $_[0]{a}++ }); return $_[0] + 1 });
    is_deeply(\@seen, [12], "R12, $way: update asks once when another entry was");
    is_deeply(entries_of(stored($session)), { n => 13, a => 2, mine => 1, theirs => 1 }, '... both too');
}
set redis_session => $server->settings(timeout => 0.2);
$session->flush;
$server->freeze;
is(eval { $session->update(n => sub { $_[0] + 1 }) }, undef, 'F02: update needs an answer of the server');
like($@, qr/: (?:unavailable|unknown): /, '... and says so');
is($session->{n}, 13, '... and the object is as it was');
$server->unfreeze;

# R12: three processes.
set redis_session => $server->settings(timeout => 20);
$session = fresh(n => 0);
pipe my $gate, my $open or die "no pipe: $!";
my @children;
for my $child (1 .. 3) {
    my $process = fork // die "no process: $!";
    if (!$process) {
        close $open;
        my $own = $class->retrieve($session->id);
        # Ends when all are there.
        sysread $gate, my $nothing, 1;
        my $done = eval {
            $own->update(n => sub { $_[0] + 1 }) for 1 .. 200;
            $own->{"child$child"} = 1;
            $own->flush;
        };
        POSIX::_exit($done ? 0 : 1);
    }
    push @children, $process;
}
close $open;
is_deeply([map { waitpid $_, 0; $? } @children], [0, 0, 0], 'three processes have updated one entry');
my $all = { n => 600, map { ("child$_" => 1) } 1 .. 3 };
is_deeply(entries_of(stored($session)), $all, 'R12: each time counts');
is_deeply(\@warnings, [], 'nothing of all this warns');

done_testing;
