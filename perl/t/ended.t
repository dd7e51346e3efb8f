use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Scalar::Util qw(refaddr);
use Storable     qw(freeze thaw);
use Test::More import => ['!pass'];
use TestRedis;
use Time::HiRes qw(sleep time);

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };
set redis_session => $server->settings(expire => 500, renew_grace => 60);

sub fresh {
    my (%entries) = @_;
    my $session = $class->create;
    @$session{ keys %entries } = values %entries;
    return $session->flush;
}
sub again { my ($session) = @_; return $class->retrieve($session->id) }

# All that is stored.
sub everything {
    return { map { ($_ => $client->get($_)) } $client->keys('*') };
}

# Entries that are stored; undef: there is no session, or only what remembers one.
sub entries {
    my ($id) = @_;
    my $there = thaw($client->get($id) // return undef);
    return undef if delete $there->{__ended};
    delete @$there{qw(id __created __w)};
    return {%$there};
}

# Waits for what happens by itself, not for ever.
sub soon {
    my ($holds) = @_;
    my $until = time + 5;
    sleep 0.02 until $holds->() || time > $until;
    return $holds->();
}

# A flush that stores nothing; the second one does not even warn.
sub refused {
    my ($session, $name) = @_;
    my $before = everything();
    @warnings = ();
    $session->{late} = 1;
    is(refaddr($session->flush), refaddr($session), "$name: flush returns the session");
    is_deeply(everything(), $before, "R10, $name: ... and stores nothing, under any id");
    is(@warnings, 1, "$name: ... and warns");
    like($warnings[0], qr/has ended.*nothing was stored at \Q$0\E line [0-9]+/, "$name: ... of that");
    is($session->ended, 1, "$name: the session has ended");
    $session->flush;
    is($session->update(x => sub { 1 }), undef, "$name: update has no value");
    ok(!exists $session->{x}, "$name: ... and sets none");
    is_deeply(everything(), $before, "$name: ... and stores nothing");
    is(@warnings, 1, "$name: it warns once");
    return;
}

# What ends a session that is in hand; the key may be gone, or there may be what remembers it.
my %ends = (
    'destroyed'                       => sub { $_[0]->destroy },
    'destroyed by another request'    => sub { again($_[0])->destroy },
    'destroyed by the original'       => sub { $client->del($_[0]->id) },
    'renewed by another request'      => sub { again($_[0])->renew },
    'expired by hand' =>
        sub { my $id = $_[0]->id; $client->pexpire($id, 1); soon(sub { !$client->exists($id) }) },
    'destroyed after another request' => sub { again($_[0])->destroy; $_[0]->destroy },
    'destroyed twice'                 => sub { $_[0]->destroy; $_[0]->destroy },
    'new and destroyed'               => sub { $_[0] = $class->new; $_[0]->destroy },
);
for my $name (sort keys %ends) {
    my $session = fresh(a => 1);
    is($session->ended, 0, 'a session that is stored has not ended');
    $ends{$name}->($session);
    refused($session, $name);
}
my $session = $class->new;
is($session->ended, 0, 'a new session has not ended');
set redis_session => $server->settings(expire => 1, renew_grace => 60);
$session = fresh(a => 1);
ok(soon(sub { !$client->exists($session->id) }), 'R15: a session that lies idle ends');
refused($session, 'a request longer than expire');
set redis_session => $server->settings(expire => 500, renew_grace => 60);

# What remembers a session.
$session = fresh(secret => 1);
$session->destroy;
my $bytes = $client->get($session->id);
my $late  = again($session);
is_deeply($late, bless({ id => $session->id }, $class), 'R08: a late request has an empty session');
is($late->ended, 1, 'R08: ... that has ended');
refused($late, 'a late request');
is(again($session)->destroy, 1, 'destroy of it returns 1');
is($client->get($session->id), $bytes, '... and does nothing');
my $left = $client->ttl($session->id);
ok($left > 30 && $left <= 62, 'it is remembered for renew_grace');
my $past = thaw $bytes;
$past->{__ended} = int(time) - 1;
$client->setex($session->id, 100, freeze $past);
is(again($session), undef, 'after renew_grace it is missing, however long its key is there');
set redis_session => $server->settings(renew_grace => 1);
$session = fresh(a => 1);
$session->destroy;
ok(soon(sub { !defined again($session) }), 'after renew_grace it is missing');
set redis_session => $server->settings(expire => 500, renew_grace => 60);

# renew.
@warnings = ();
$session  = fresh(user => 'ann', cart => { apple => 1 });
my ($old, $other) = ($session->id, again($session));
my $created = thaw($client->get($old))->{__created};
$session->{cart}{pear} = 1;
is(refaddr($session->renew), refaddr($session), 'renew returns the session');
my $new = $session->id;
like($new, qr/\A[0-9]{40}\z/, 'R06: renew gives a new id');
isnt($new, $old, 'R06: ... that is another one');
my $data = { user => 'ann', cart => { apple => 1, pear => 1 } };
my $read = $class->retrieve($new);
is_deeply($read, bless({ id => $new, %$data }, $class), 'R06: the data is kept, and changes are stored');
is(thaw($client->get($new))->{__created}, $created, 'R06: ... and so is the time of creation');
cmp_ok($client->ttl($new), '>', 490, 'R06: the new id lives as long as any');
is_deeply(entries($old), undef, 'R07: the old id is no session any more');
unlike($client->get($old), qr/$new|ann/, 'R08: what remembers it leads nowhere');
is_deeply($class->retrieve($old), bless({ id => $old }, $class), 'R08: under the old id nothing can be read');
refused($other, 'under the old id');
is_deeply(entries($new), $data, 'R08: ... nor can the renewed session be changed');
$session->{more} = 1;
$session->flush;
is_deeply(entries($new), { %$data, more => 1 }, 'the renewed session goes on');
is($class->retrieve($old)->destroy, 1, 'destroy under the old id returns 1');
is_deeply(entries($new), { %$data, more => 1 }, '... and does not end the renewed session');
$other = again($session);
$session->renew;
is($other->destroy, 1, 'destroy of a session that another request has renewed returns 1');
is_deeply(entries($session->id), { %$data, more => 1 }, '... and does not end the renewed session');

$session = fresh(a => 1, b => 1);
$other   = again($session);
@$other{qw(b c)} = (2, 2);
$other->flush;
$session->{d} = 1;
$session->renew;
is_deeply(entries($session->id), { a => 1, b => 2, c => 2, d => 1 }, 'R12: renew keeps changes of others');
is_deeply({ map { ($_ => $session->{$_}) } qw(a b c d) }, entries($session->id), '... and the object has it');

# A log-in goes on.
sub logs_in {
    my ($late, $name) = @_;
    my ($id, $before) = ($late->id, everything());
    $late->{user} = 'bob';
    $late->renew;
    is($late->ended, 0, "R08, $name: renew gives a session");
    isnt($late->id, $id, "$name: ... with a new id");
    is_deeply(entries($late->id), { user => 'bob' }, "$name: ... with what this request has set");
    is_deeply($late, bless({ id => $late->id, user => 'bob' }, $class), "$name: ... as the object has it");
    my $after = everything();
    delete $after->{ $late->id };
    is_deeply($after, $before, "$name: ... and nothing else is touched");
    $late->{n} = 1;
    $late->flush;
    is_deeply(entries($late->id), { user => 'bob', n => 1 }, "$name: ... and goes on");
    return;
}
for my $end ('renewed by another request', 'destroyed by another request', 'destroyed by the original') {
    my $session = fresh(secret => 1);
    $ends{$end}->($session);
    logs_in($session, $end);
    $session = fresh(secret => 1);
    $ends{$end}->($session);
    $session->flush;
    logs_in($session, "$end, and told");
    again($session)->destroy;
    refused($session, "$end, and after a log-in destroyed");
    next if $end =~ /original/;
    $session = fresh(secret => 1);
    $ends{$end}->(my $first = again($session));
    logs_in(again($session), "$end, and read");
}
$session = fresh(secret => 1);
$ends{'renewed by another request'}->($session);
$session->renew;
$session->{user} = 'bob';
$session->flush;
is_deeply(entries($session->id), { user => 'bob' }, 'R08: a log-in may renew before it sets anything');

@warnings = ();
$session  = fresh(a => 1);
$session->destroy;
my $before = everything();
is(refaddr($session->renew), refaddr($session), 'renew after destroy returns the session');
is_deeply(everything(), $before, '... and does nothing');
is(@warnings, 1, '... and warns');
like($warnings[0], qr/renew of a session that was destroyed.* at \Q$0\E line [0-9]+/, '... of that');

# A server that does not answer.
set redis_session => $server->settings(timeout => 0.2, renew_grace => 60);
$session = fresh(a => 1);
$server->freeze;
ok(!eval { $session->destroy }, 'R33: destroy does not return when the server does not answer');
like($@, qr/: (?:unavailable|unknown): /, '... and says so');
is($session->ended, 0, '... and does not say that the session has ended');
$server->unfreeze;
is($session->destroy, 1, '... and can be called again');
is(entries($session->id), undef, '... and then there is no session any more');

done_testing;
