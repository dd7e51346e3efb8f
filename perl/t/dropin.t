use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Storable qw(freeze thaw nfreeze);
use Test::More import => ['!pass'];
use TestRedis;

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };
set redis_session => $server->settings(expire => 500);

# What the original wrote, as it did.
my @ids = (map({ 'a' x $_ } 20, 40, 128), '~_-' . 'Az9' x 10, Dancer::Session::Abstract::build_id());
for my $id (@ids) {
    my $name = length($id) . ' characters';
    $client->set($id, freeze bless { id => $id, user => 'ann', cart => [1, { x => "\x{263a}" }] }, $class);
    $client->expire($id, 20);
    my $session = $class->retrieve($id);
    is_deeply(
        $session,
        bless({ id => $id, user => 'ann', cart => [1, { x => "\x{263a}" }] }, $class),
        "a session that the original wrote is read: id of $name"
    );
    cmp_ok($client->ttl($id), '>', 490, '... and lives on');
    push @{ $session->{cart} }, 2;
    $session->flush;
    my $there = thaw $client->get($id);
    is(ref $there, $class, 'what is written is what the original thaws: a session');
    is($there->id, $id, '... with its id');
    is_deeply([@$there{qw(user cart)}], ['ann', [1, { x => "\x{263a}" }, 2]], '... and its entries');
    $there->{cart} = 'empty';
    $client->set($id, freeze $there);
    $client->expire($id, 20);
    is($class->retrieve($id)->{cart}, 'empty', '... and after the original has changed it, it is read again');
}
my $id = '5' x 40;
$client->set($id, freeze bless { id => $id, x => 1 }, $class);
is($class->retrieve($id)->{x}, 1, 'a session that the original left without an expiry is read');
cmp_ok($client->ttl($id), '>', 490, 'R14: ... and gets one');
$client->set($id, nfreeze bless { id => $id, x => 2 }, $class);
is($class->retrieve($id)->{x}, 2, 'a session in network byte order is read');

# Keys of others, which are called as if they were sessions.
my @canaries = (
    [text     => sub { $client->set($_[0], 'a text') }],
    [empty    => sub { $client->set($_[0], '') }],
    [number   => sub { $client->set($_[0], 7) }],
    [list     => sub { $client->rpush($_[0], 'a') }],
    [set      => sub { $client->sadd($_[0], 'a') }],
    [zset     => sub { $client->zadd($_[0], 1, 'a') }],
    [hash     => sub { $client->hset($_[0], id => $_[0]) }],
    [stream   => sub { $client->xadd($_[0], '*', a => 1) }],
    [plain    => sub { $client->set($_[0], freeze { id => $_[0] }) }],
    [array    => sub { $client->set($_[0], freeze bless [id => $_[0]], $class) }],
    [other_id => sub { $client->set($_[0], freeze bless { id => '9' x 40 }, $class) }],
    [no_id    => sub { $client->set($_[0], freeze bless { x => 1 }, $class) }],
    [native   => sub { $client->set($_[0], '{"v":1,"e":{}}') }],
    [damaged  => sub { $client->set($_[0], substr freeze([1 .. 9]), 0, -3) }],
);
my $number = 0;
for my $canary (@canaries) {
    my ($name, $write) = @$canary;
    for my $length (20, 40, 128) {
        my $key   = sprintf '%020d%s', ++$number, 'x' x ($length - 20);
        my $raced = $class->create;
        my ($old, $own) = ($raced->id, $class->create);
        $write->($key);
        my $bytes = $client->dump($key);
        is($class->retrieve($key), undef, "R04: $name: is no session");
        my @hands = map { $class->new(id => $key) } 1 .. 3;
        $_->{x} = 1 for @hands;
        eval { $hands[0]->flush };
        eval { $hands[1]->destroy };
        eval { $hands[2]->update(x => sub { 2 }) };
        is($client->dump($key), $bytes, "R04: $name: neither retrieve, flush, destroy nor update touch it");
        is($client->ttl($key), -1, "R04: $name: ... and its life is what it was");

        # It takes the place of a session that is in hand.
        next if $length != 40;
        $client->del($old, $own->id);
        $write->($_) for $old, $own->id;
        my @before = map { $client->dump($_) } $old, $own->id;
        $raced->{x} = 1;
        eval { $raced->flush };
        eval { $own->destroy };
        my @after = map { $client->dump($_) } $old, $own->id;
        is_deeply(\@after, \@before, "R04: $name: nor in a session's place");
        my @lives = map { $client->ttl($_) } $old, $own->id;
        is_deeply(\@lives, [-1, -1], "R04: $name: ... nor does it expire");
    }
}
my %words = map { s/ at \S+ line [0-9]+\.\n//r => 1 } @warnings;
my @strange = grep { !/ended|neither created nor retrieved/ } keys %words;
is_deeply(\@strange, [], 'R04: warned is only of what was lost');
@warnings = ();

# Sessions that can't be read, R37.
my $whole = freeze bless { id => $id, list => [1 .. 9] }, $class;
my $newer = $whole;
substr $newer, 1, 1, chr 99;
my $deep = [];
$deep = [$deep] for 1 .. 200;
my %broken = (
    truncated => substr($whole, 0, -1),
    longer    => "$whole\0",
    newer     => $newer,
    deep      => freeze(bless { id => $id, deep => $deep }, $class),
    large     => freeze(bless { id => $id, large => 'x' x 1_100_000 }, $class),
);
for my $name (sort keys %broken) {
    $client->set($id, $broken{$name});
    ok(!eval { $class->retrieve($id) }, "R37: $name: retrieve dies");
    like($@, qr/\ADancer::Session::Redis: unreadable: .* at \Q$0\E line /, "R37: $name: and says unreadable");
    unlike($@, qr/$id/, "R27: $name: the id is not told");
    ok($client->get($id) eq $broken{$name}, "R37: $name: the bytes stay");
    is($client->ttl($id), -1, "R37: $name: and its life is what it was");

    # It takes the place of a session that is in hand.
    for my $call ([flush =>], [renew =>], [update => x => sub { 2 }]) {
        my ($method, @arguments) = @$call;
        my $session = $class->create;
        my $bytes   = $broken{$name} =~ s/$id/$session->{id}/r;
        $client->set($session->id, $bytes);
        $session->{x} = 1;
        ok(!eval { $session->$method(@arguments); 1 }, "R37: $name: $method dies");
        like($@, qr/unreadable: /, "R37: $name: and says unreadable");
        ok($client->get($session->{id}) eq $bytes, "R37: $name: the bytes stay");
    }
}
is_deeply(\@warnings, [], 'what can not be read does not warn');

done_testing;
