use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use IO::Select       ();
use IO::Socket::UNIX ();
use POSIX            ();
use Test::More;
use TestRedis;
use Time::HiRes qw(time);

my $class   = 'Dancer::Session::Redis';
my $timeout = 0.3;
my $server  = TestRedis->start(qw(--appendonly yes --appendfsync always));
my $client  = $server->client;
set redis_session => $server->settings(timeout => $timeout);

# Without a handler, it ends a Perl process.
my $pipes = 0;
$SIG{PIPE} = sub { $pipes++ };

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output);

# What it dies of, and for how long it goes on.
sub failure {
    my ($work) = @_;
    my $begun = time;
    my $done  = eval { $work->(); 1 };
    return ($done ? 'it has not failed' : $@, time - $begun);
}

# In time, and as what; the line is the test's.
sub is_refused {
    my ($name, $kind, $work) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($error, $seconds) = failure($work);
    like $error, qr/\ADancer::Session::Redis: $kind: .* at \Q$0\E line/s, "$name: it says $kind";
    return ok $seconds < 2 * $timeout, "$name: within the deadline (R32)" || diag "$seconds s";
}

# The session, when it is noticed that the server is back: after a longer outage
# not every call asks for it.
sub again {
    my ($id) = @_;
    my $until = time + 10;
    while (time < $until) {
        my $session = eval { $class->retrieve($id) };
        return $session if $session;
        select undef, undef, undef, 0.02;
    }
    return;
}

sub with_entry {
    my ($value) = @_;
    my $session = $class->create;
    $session->{value} = $value;
    return $session->flush;
}

subtest 'a restarted server' => sub {
    my $session = with_entry('kept');
    my %calls = (
        create   => sub { $class->create },
        retrieve => sub { $class->retrieve($session->id)->{value} eq 'kept' or die 'another value' },
        flush    => sub { $session->{flushed} = 'yes'; $session->flush },
        update   => sub { $session->update(updated => sub { ($_[0] // 0) + 1 }) },
        redis    => sub { $session->redis->get($session->id) =~ /kept/ or die 'another value' },
        renew    => sub { $session->renew },
        destroy  => sub { $session->destroy },
    );
    for my $name (qw(create retrieve flush update redis renew destroy)) {
        $class->new->redis->ping;
        $calls{retrieve}->();
        $pipes = 0;
        $server->restart;
        my $failed = grep { !eval { $calls{$name}->(); 1 } } 1, 2;
        ok $failed <= 1, "$name: costs one failed request at most ($failed)";
        is $pipes, 0, "$name: and no signal, which would end the process";
        last if $name eq 'destroy';
        ok eval { $calls{retrieve}->(); 1 }, "$name: the next one works" or diag $@;
    }
    ok $class->retrieve($session->id)->ended, 'what was done is done';
    $client = $server->client;
};

subtest 'a server that is down' => sub {
    my $session = with_entry(1);
    my @before  = times;
    $server->stop;
    is_refused retrieve => 'unavailable', sub { $class->retrieve($session->id) };
    is_refused create => 'unavailable', sub { $class->create };
    is_refused flush => 'unavailable', sub { $session->{more} = 1; $session->flush };
    is_refused update => 'unavailable', sub { $session->update(value => sub { $_[0] + 1 }) };
    is_refused destroy => 'unavailable', sub { $session->destroy };
    is_refused redis => 'unavailable', sub { $session->redis->ping };
    my @now = times;
    my $share = ($now[0] + $now[1] - $before[0] - $before[1]) / (6 * $timeout);
    ok $share < 0.3, 'it is waited for, not looked for without a pause (R32)' or diag $share;
    is $session->{value}, 1, 'a failed update leaves the entry as it was';
    $server->launch;
    $client = $server->client;
    is again($session->id)->{value}, 1, 'when it is back, so is the session: not even destroyed';
    $session->flush;
    is $class->retrieve($session->id)->{more}, 1, 'and the object that could not be flushed can be';
};

subtest 'a frozen server' => sub {
    my @sessions = map { with_entry("value $_") } 0 .. 3;
    $client->set("key $_", "value $_") for 0 .. 3;
    my $redis = $sessions[0]->redis;
    $redis->ping;
    for my $round (0 .. 2) {
        $server->freeze;
        is_refused "retrieve $round", 'unavailable', sub { $class->retrieve($sessions[$round]->id) };
        is_refused "redis $round", 'un(?:available|known)', sub { $redis->get("key $round") };
        $server->unfreeze;
        # The old replies come now.
        my $next = $round + 1;
        my $retrieved = $class->retrieve($sessions[$next]->id);
        is $retrieved->{value}, "value $next", 'the next retrieve has its own reply (R34)';
        is $redis->get("key $next"), "value $next", 'so has the next command';
    }
    my $session = $sessions[0];
    $session->update(n => sub { 0 });
    my $applied = 0;
    for my $round (1, 2) {
        $server->freeze;
        is_refused "update $round", 'un(?:available|known)', sub { $session->update(n => sub { $_[0] + 1 }) };
        $server->unfreeze;
        # It may have been carried out after all, and then once.
        my $n = $class->retrieve($session->id)->{n};
        my $once = $n == $applied || $n == $applied + 1;
        ok $once, "update $round: is carried out once or not at all (R36)" or diag $n;
        $applied = $class->retrieve($session->id)->update(n => sub { $_[0] + 1 });
        is $applied, $n + 1, "update $round: the next one counts from there";
        $session = $class->retrieve($session->id);
    }
};

# A process that stands between, and on a signal swallows the next reply and
# hangs up; it tells when it is ready to, and when it has.
sub swallower {
    my ($path) = @_;
    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "no socket: $!";
    pipe my $told, my $tell or die "no pipe: $!";
    my $parent = $$;
    my $child  = fork // die "no process: $!";
    return ($child, $told) if $child;
    my $swallow = 0;
    $SIG{USR1} = sub { $swallow = 1; syswrite $tell, "ready\n" };
    # Not for longer than the test.
    while (getppid == $parent) {
        next if !IO::Select->new($listener)->can_read(0.1);
        my $near = $listener->accept;
        my $far  = IO::Socket::UNIX->new(Peer => $server->sock) or next;
        my $both = IO::Select->new($near, $far);
        TALK: while (getppid == $parent) {
            for my $from ($both->can_read(0.1)) {
                sysread $from, my $bytes, 65_536 or last TALK;
                if ($from == $far && $swallow) {
                    $swallow = 0;
                    syswrite $tell, "swallowed\n";
                    last TALK;
                }
                syswrite $from == $near ? $far : $near, $bytes;
            }
        }
    }
    POSIX::_exit(0);
}

subtest 'a reply that is lost' => sub {
    my $path  = "$server->{directory}/between.sock";
    my ($child, $told) = swallower($path);
    set redis_session => { sock => $path, timeout => 2 };
    my $session = with_entry('first');
    $session->update(n => sub { 0 });
    my $loses = sub {
        my ($work) = @_;
        kill USR1 => $child;
        readline $told;
        my $done = eval { $work->(); 1 } || $@;
        return readline($told) eq "swallowed\n" ? $done : 'the reply was not lost';
    };
    for my $round (1 .. 5) {
        is $loses->(sub { $session->update(n => sub { $_[0] + 1 }) }), 1, "update $round: it is found out";
        is $class->retrieve($session->id)->{n}, $round, "update $round: and counted once (R36)";
    }
    is $loses->(sub { $session->{value} = 'second'; $session->flush }), 1, 'a flush is found out';
    is $class->retrieve($session->id)->{value}, 'second', 'and stored';
    my $before = $client->dbsize;
    is $loses->(sub { $class->create }), 1, 'so is a create';
    is $client->dbsize, $before + 1, 'and stored once';
    my $old = $session->id;
    is $loses->(sub { $session->renew }), 1, 'so is a renew (R07)';
    is $class->retrieve($session->id)->{value}, 'second', 'the session is under the id that the object has';
    ok $class->retrieve($old)->ended, 'and not under the old one' if $session->id ne $old;
    is $loses->(sub { $session->destroy }), 1, 'so is a destroy';
    ok $class->retrieve($session->id)->ended, 'and carried out';
    kill TERM => $child;
    waitpid $child, 0;
    set redis_session => $server->settings(timeout => $timeout);
};

subtest 'what the server forgets' => sub {
    my $session = $class->retrieve(with_entry(1)->id);
    my @warnings;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    $client->script('flush');
    $session->{more} = 1;
    is eval { $session->flush->renew->{more} } // $@, 1, 'its scripts: they are sent again (NOSCRIPT, F17)';
    is_deeply \@warnings, [], 'without a word';
    $client->flushall;
    $session->{more} = 2;
    is $session->flush, $session, 'everything: a flush finds no session';
    ok $session->ended, 'it has ended';
    $session->flush;
    is scalar(@warnings), 1, 'one warning says so';
    is $client->dbsize, 0, 'nothing is stored (R10)';
};

subtest 'a server that refuses' => sub {
    my $session = with_entry('before');
    $client->config('set', 'requirepass', 'right horse');
    my @rows = ([ 'a wrong one', '(?i)password|WRONGPASS', password => 'wrong horse' ], [ none => 'NOAUTH' ]);
    for my $row (@rows) {
        my ($name, $expected, %password) = @$row;
        set redis_session => $server->settings(timeout => $timeout + 0.01, %password);
        my ($error) = failure(sub { $class->retrieve($session->id) });
        like $error, qr/$expected/, "$name: the exception names it";
        unlike $error, qr/horse/, "$name: and no password (R27)";
    }
    set redis_session => $server->settings(timeout => $timeout, password => 'right horse');
    is eval { $class->retrieve($session->id)->{value} } // $@, 'before', 'with the right one it is there';
    $client->config('set', 'requirepass', '');

    set redis_session => $server->settings(timeout => $timeout);
    $session = $class->retrieve($session->id);
    my $stored = $client->get($session->id);
    $client->config('set', 'maxmemory-policy', 'noeviction');
    $client->config('set', 'maxmemory',        1);
    $session->{value} = 'after';
    for my $call (qw(flush renew)) {
        my ($error) = failure(sub { $session->$call });
        like $error, qr/OOM|memory/, "full: $call dies, and says so (F15)";
        is $client->get($session->id), $stored, "full: $call leaves what is stored as it was";
    }
    my ($error) = failure(sub { $class->create });
    like $error, qr/OOM|memory/, 'full: so does create';
    is eval { $class->retrieve($session->id)->{value} } // $@, 'before', 'full: retrieve works';
    my $leaving = $class->retrieve($session->id);
    is eval { $leaving->destroy } // $@, 1, 'full: so does destroy, which makes room (F15)';
    ok !$client->exists($leaving->id), 'full: and nothing is left';
    $client->config('set', 'maxmemory', 0);

    # A log-out that could not be stored is never called done.
    $leaving = with_entry('stays');
    $client->config('set', 'min-replicas-to-write', 1);
    $leaving = $class->retrieve($leaving->id);
    is $leaving->{value}, 'stays', 'no replicas: retrieve works';
    ($error) = failure(sub { $leaving->destroy });
    like $error, qr/NOREPLICAS/, 'no replicas: destroy dies';
    ok !$leaving->ended, 'no replicas: and the session goes on';
    $client->config('set', 'min-replicas-to-write', 0);
    is $leaving->destroy, 1, 'until there are some again';
};

subtest 'pages that go on without' => sub {
    set redis_session => $server->settings(timeout => $timeout, on_unavailable => 'anonymous_read_only');
    my $session = with_entry('kept');
    ok !$class->retrieve($session->id)->is_read_only, 'with a server it is as ever';
    $server->stop;
    my $without = $class->retrieve($session->id);
    ok $without->is_read_only && !$without->ended && !exists $without->{value}, 'without it, it is empty';
    my %changes = (
        flush   => sub { $without->flush },
        renew   => sub { $without->renew },
        destroy => sub { $without->destroy },
        update  => sub { $without->update(value => sub { 1 }) },
    );
    for my $name (sort keys %changes) {
        is_refused $name => 'unavailable', $changes{$name};
    }
    # By now nobody waits for it any more.
    my ($begun, $calls) = (time, 200);
    $class->retrieve($session->id) for 1 .. $calls;
    my $seconds = time - $begun;
    ok $seconds < $calls * $timeout / 10, 'nor is it waited for with every call (R32)' or diag "$seconds s";
    $server->launch;
    $client = $server->client;
    my $until = time + 10;
    select undef, undef, undef, 0.02 while $class->retrieve($session->id)->is_read_only && time < $until;
    is $class->retrieve($session->id)->{value}, 'kept', 'when it is back, so is the session';
    set redis_session => $server->settings(timeout => $timeout);
};

# As many as a worker carries out in a long life, in the long form.
my $requests = $ENV{DANCER_SESSION_LONG} ? 50_000 : 20_000;

subtest "$requests requests in one process" => sub {
    plan skip_all => 'only Linux tells' if !-e '/proc/self/statm';
    my $pages = sub {
        open my $file, '<', '/proc/self/statm' or die "not read: $!";
        return (split ' ', readline $file)[1];
    };
    my $quick = TestRedis->start;
    set redis_session => $quick->settings;
    my $id = with_entry('x' x 500)->id;
    my $before;
    for my $number (1 .. $requests) {
        my $session = $class->retrieve($id);
        $session->{number} = $number;
        $session->flush;
        $before = $pages->() if $number == 5_000;
    }
    my $grown = ($pages->() - $before) * POSIX::sysconf(POSIX::_SC_PAGESIZE());
    ok $grown < 1 << 20, 'the process does not grow' or diag "by $grown bytes";
    is $class->retrieve($id)->{number}, $requests, 'while each is stored';
};

# Functions see it: else it would end as late as Perl does.
undef $server;

done_testing;
