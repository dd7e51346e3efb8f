use strict;
use warnings;
use lib 't/lib';
use utf8;
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Storable   qw(thaw);
use Test::More import => ['!pass'];
use TestRedis;

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };
set redis_session => $server->settings(expire => 500);

sub logged_in {
    my ($owner, @more) = @_;
    my $session = $class->create;
    $session->{user} = $owner;
    $session->renew;
    ok($session->set_owner($owner, @more), "$owner logs in");
    return $session;
}
sub alive { my ($session) = @_; my $found = $class->retrieve($session->id); return $found && !$found->ended }

my $phone = logged_in('user:42', description => 'Käthes phone');
# Who is older is told by whole seconds.
my $then = time;
select undef, undef, undef, 0.05 while time == $then;
my $desk  = logged_in('user:42', description => 'desk');
my $other = logged_in('user:4');

my @list = $class->sessions_of('user:42');
is_deeply([ map { $_->{description} } @list ], [ 'Käthes phone', 'desk' ], 'R29: the list, the oldest first');
cmp_ok(abs($list[0]{since} - time), '<=', 5, 'R29: since when');
cmp_ok($list[0]{created}, '<=', $list[0]{since}, 'R29: begun before');
is($phone->handle, $list[0]{handle}, 'R29: the handle of the session in hand');
is($phone->owner, 'user:42', 'R29: and its owner');

my $again = $class->retrieve($phone->id);
is_deeply([ sort keys %$again ], [ 'id', 'user' ], 'no trace of it among the entries');
$again->{cart} = { apples => 3 };
$again->flush;
is($again->owner, 'user:42', 'a flush keeps the owner');
my $frozen = thaw($client->get($phone->id));
is_deeply($frozen->{__owner}, [ 'user:42', 'Käthes phone', $list[0]{since}, $list[0]{handle} ],
    'and it stands in the payload');

my $handle = $again->handle;
$again->renew;
is($again->handle, $handle, 'R29: the handle is the same under a new id');
is($class->destroy_one('user:4',  $handle), 0, 'R29: in no other list');
is($class->destroy_one('user:42', 'none'),  0, 'R29: what is no handle is in no list');
is($class->destroy_one('user:42', $handle), 1, 'R29: one ends by its handle');
ok(!alive($again) && alive($desk), 'R29: ... and no other');
@warnings = ();
$again->{late} = 1;
$again->flush;
is($again->ended, 1, 'R10: a late flush finds that it has ended');
is(@warnings,     1, '... and warns');

my $third = logged_in('user:42', description => 'third');
is($third->destroy_others, 1, 'R29: the others end');
ok(alive($third) && !alive($desk) && alive($other), 'R29: ... and no more');
is($class->destroy_all('user:42'), 1, 'R29: all end');
ok(!alive($third) && alive($other), 'R29: ... of this owner');
is_deeply([ $class->sessions_of('user:42') ], [], 'R29: and none is left');

$other->remove_owner;
is($other->owner, undef, 'a session is nobody\'s again');
is($class->destroy_all('user:4'), 0, '... and in no list');
ok(alive($other), '... and goes on');

ok(!eval { $other->set_owner('') }, 'an owner has a name');
like($@, qr/the name of the owner is missing at \Q$0\E/, '... says what is wrong, and where');
ok(!eval { $other->set_owner('x', descripton => 1) }, 'what is not known is refused');
like($@, qr/'descripton' is not known/, '... by its name');
ok(!eval { $other->set_owner('x' x 256) }, 'a name that is too long is refused');
like($@, qr/refused: the name of an owner has 256 bytes/, '... says why');

set redis_session => $server->settings(max_sessions => 1, on_max_sessions => 'refuse');
logged_in('user:7');
my $refused = $class->create;
$refused->{cart} = 1;
$refused->flush;
is($refused->set_owner('user:7'), 0, 'one session too many is refused');
is($refused->owner, undef, '... and is nobody\'s');
is($class->retrieve($refused->id)->{cart}, 1, '... and as it was');
set redis_session => $server->settings(max_sessions => 1);
my $latest = logged_in('user:7');
is(scalar(my @left = $class->sessions_of('user:7')), 1, 'the oldest makes room');
ok(alive($latest), '... for the latest');

set redis_session => $server->settings(preset => 'aal3');
my $short = $class->create;
cmp_ok($client->ttl($short->id), '<=', 900, 'preset: 15 minutes');
cmp_ok($client->ttl($short->id), '>',  890, 'preset: ... of idle time');

done_testing;
