use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use POSIX        ();
use Scalar::Util qw(looks_like_number);
use Test::More import => ['!pass'];
use TestRedis;
use Time::HiRes qw(sleep time);

my $class = 'Dancer::Session::Redis';
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };
ok(!eval { $class->redis }, 'redis needs settings');
like($@, qr/\Aredis_session is not defined at \Q$0\E line /, '... and says so');

my $server = TestRedis->start;
my $client = $server->client;
set redis_session => $server->settings;

# What a call dies of.
sub dies {
    my ($call) = @_;
    return eval { $call->(); 1 } ? 'nothing' : $@;
}

my $session = $class->create;
for my $of ($class, $session) {
    my $redis = $of->redis;
    my $name  = ref $of ? 'of an object' : 'of the class';
    is($redis->ping, 'PONG', "$name: ping");
    is($redis->set(text => 'a b'), 'OK', 'a reply that is a word');
    is($redis->get('text'), 'a b', 'a reply that is text');
    is($client->get('text'), 'a b', '... as it is stored');
    is_deeply([$redis->get('none')], [undef], 'nil is undef, in a list, too');
    is($redis->strlen('text'), 3, 'a reply that is a number');
    is($redis->ttl($session->id), $client->ttl($session->id), 'ttl of a session');
    is($redis->decrby(below => 5), -5, 'a number below 0');
    is($redis->incrby(large => '9223372036854775807'), 9223372036854775807, 'a number that is large');
    $redis->del(qw(below large list));
    is($redis->rpush(list => 'a', '', 'c'), 3, 'a command with many arguments');
    is_deeply([$redis->lrange('list', 0, -1)], ['a', '', 'c'], 'in a list an array is a list');
    is_deeply(scalar $redis->lrange('list', 0, -1), ['a', '', 'c'], 'in a scalar a reference');
    is_deeply([sort $redis->keys('*t')], [qw(list text)], 'keys');
    is_deeply([$redis->keys('none*')], [], 'an empty array is an empty list');
    is_deeply([$redis->mget(qw(text none))], ['a b', undef], 'an array may hold undef');
    is_deeply([$redis->command_info('get')]->[0][0], 'get', 'an array may hold arrays');
    is($redis->eval('return {1, {2, {ARGV[1]}}}', 0, 'x')->[1][1][0], 'x', '... and these, too');
    is($redis->client_setname('shop'), 'OK', 'a command of two words');
    is($redis->client_getname, 'shop', '... on one connection');
    like($redis->info->{redis_version}, qr/\A[0-9]+\./, 'info is a hash');
    like($redis->info('memory')->{used_memory}, qr/\A[0-9]+\z/, '... also of one section');
    ok(!exists $redis->info('memory')->{redis_version}, '... alone');
}
is($class->redis->client_id, $session->redis->client_id, 'every call gives the same connection');

# Bytes.
my %values = (
    'empty'            => '',
    'zero'             => 0,
    'every byte'       => join('', map { chr } 0 .. 255),
    'line ends'        => "\r\n\$5\r\n",
    'a mebibyte'       => "\xff" x 2**20,
    'characters'       => "\x{263a}",
    'a byte, upgraded' => do { my $text = "\xe9"; utf8::upgrade($text); $text },
);
for my $name (sort keys %values) {
    my $bytes = $values{$name};
    utf8::encode($bytes) if $name eq 'characters';
    my $redis = $class->redis;
    $redis->set($values{$name} => $values{$name});
    ok($client->get($bytes) eq $bytes, "$name: is stored as bytes");
    my $read = eval { $redis->get($values{$name}) } // "died: $@";
    ok($read eq $bytes && !utf8::is_utf8($read), "$name: ... and comes back so") or diag substr $read, 0, 99;
    $redis->del($values{$name});
}

my @many = eval { $class->redis->eval('local t = {} for i = 1, 150000 do t[i] = i end return t', 0) };
is(@many, 150_000, 'a reply may be a very long array') or diag $@;

# Errors.
my $redis = $class->redis;
like(
    dies(sub { $redis->incr('text') }),
    qr/\ADancer::Session::Redis: command: ERR value is not an integer.* at \Q$0\E line [0-9]+/,
    'an error of the server is an exception, of the line that called'
);
like(dies(sub { $redis->llen('text') }), qr/: command: WRONGTYPE /, '... with its code');
like(dies(sub { $redis->no_such_thing(1) }), qr/: command: ERR unknown command/, '... also for no command');
like(dies(sub { $redis->get(undef) }), qr/undefined at \Q$0\E line /, 'undef is no argument');
like(dies(sub { Dancer::Session::Redis::Connection->get('text') }), qr/\bget\b/, 'a class has no connection');
is($redis->get('text'), 'a b', 'the connection goes on after errors');

# R34: what it does is nothing to the sessions.
is($redis->select(5), 'OK', 'another database');
$session = $class->create;
$session->{x} = 1;
$session->flush;
is($redis->dbsize, 0, 'sessions stay in their database');
is($client->exists($session->id), 1, '... and are stored there');
is($class->redis->set(five => 5), 'OK', 'the next call');
is($client->exists('five'), 0, '... is in the database that was selected');
is($redis->multi, 'OK', 'a transaction');
is($redis->set(queued => 1), 'QUEUED', '... waits');
$redis->rpush(queued => 1);
$redis->get('queued');
$session->{x} = 2;
$session->flush;
is($class->retrieve($session->id)->{x}, 2, 'sessions do not wait for it');
$class->retrieve($session->id)->destroy;
is_deeply(
    [map { looks_like_number($_) ? $_ : substr $_, 0, 9 } $redis->exec],
    ['OK', 'WRONGTYPE', 1],
    'a transaction ends, and an error in it is text'
);
is($redis->blpop('none', 0.1), undef, 'a command that waits');
ok($class->create->flush, 'sessions go on');

# What a child's exit says.
sub in_child {
    my ($do) = @_;
    my $child = fork // die "no process: $!";
    if (!$child) {
        my $done = eval { $do->() };
        POSIX::_exit($done ? 0 : 1);
    }
    waitpid $child, 0;
    return $?;
}

# A connection that is gone.
my $ended = in_child(sub {
    my $redis = $class->redis;
    my $id    = $redis->client_id;
    $server->client->client_kill('ID', $id);
    return $redis->ping eq 'PONG' && $redis->client_id != $id;
});
is($ended, 0, 'F04: a connection that is gone does not end the process (by SIGPIPE)');
local $SIG{PIPE} = 'IGNORE';
my $id    = $redis->client_id;
my $other = $class->create->id;
$client->client_kill('ID', $id);
is($redis->ping, 'PONG', 'F04: after a CLIENT KILL there is a new connection');
isnt($redis->client_id, $id, '... which is another one');
is($redis->dbsize, $client->dbsize, '... in the database of the settings');
$server->commands;
ok($class->retrieve($other), 'sessions go on');
is_deeply($server->commands, { GET => 1, PEXPIRE => 1 }, '... on their own connection');
$server->restart;
is(eval { $redis->ping } // $redis->ping, 'PONG', 'F04: a restarted server costs one call at most');

set redis_session => $server->settings(database => 3);
$class->redis->set(three => 3);
($client = $server->client)->select(3);
is($client->get('three'), 3, 'it is in the database of the settings');

# A server that does not answer.
set redis_session => $server->settings(timeout => 0.3);
$redis = $class->redis;
$redis->ping;
$server->freeze;
# Or the test would hang if there were no deadline.
my $rescuer = fork // die "no process: $!";
if (!$rescuer) {
    sleep 3;
    $server->unfreeze;
    POSIX::_exit(0);
}
my $from = time;
like(dies(sub { $redis->ping }), qr/: (?:unavailable|unknown): /, 'F02: no answer is an exception');
cmp_ok(time - $from, '<=', 0.6, 'R32: ... within 2 x timeout');
$server->unfreeze;
kill KILL => $rescuer;
waitpid $rescuer, 0;
is(eval { $redis->ping } // $redis->ping, 'PONG', '... and once it does, all is well');
is_deeply(\@warnings, [], 'nothing of all this warns');

done_testing;
