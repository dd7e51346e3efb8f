use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use IO::Socket::INET ();
use POSIX            qw(WNOHANG);
use Test::More;
use TestRedis;
use Time::HiRes qw(sleep time ualarm);

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
set redis_session => $server->settings;

# Starts a process that does its work and ends as any other.
sub begin {
    my ($work) = @_;
    my $child = fork // die "no process: $!";
    return $child if $child;
    my $done = eval { $work->(); 1 };
    print STDERR "in a child: $@" if !$done;
    exit($done ? 0 : 1);
}

sub ended_well { my ($child) = @_; waitpid $child, 0; return $? == 0 }

sub connections { return $client->info->{total_connections_received} }

sub threads { return scalar(() = glob '/proc/self/task/*') }

# Whether it holds before much time has passed.
sub soon {
    my ($holds) = @_;
    my $until = time + 10;
    while (!$holds->()) {
        return 0 if time > $until;
        sleep 0.005;
    }
    return 1;
}

subtest 'a session in turn' => sub {
    my $id     = $class->create->id;
    my $before = connections();
    my $well   = 0;
    for my $round (1 .. 5) {
        my $held = $class->retrieve($id);
        $well += ended_well(begin(sub {
            # What was in the parent's hands.
            $held->{"held by child $round"} = 1;
            $held->flush;
            my $mine = $class->retrieve($id);
            $mine->{"child $round"} = 1;
            $mine->flush->update(counter => sub { $_[0] + 1 });
            ended_well(begin(sub { $class->retrieve($id)->update(counter => sub { $_[0] + 1 }) }))
                or die "the child's child has failed\n";
            $class->retrieve($id)->{"child $round"} or die "the child does not find what it has set\n";
        })) if $held->update(counter => sub { ($_[0] // 0) + 1 });
        $held->{"parent $round"} = 1;
        $held->flush;
    }
    is $well, 5, 'parent, child and its child use it, and end well';
    my $session = $class->retrieve($id);
    my @missing = grep { !$session->{$_} } map { ("parent $_", "child $_", "held by child $_") } 1 .. 5;
    is_deeply \@missing, [], 'all that they have set is there, also by objects of before the fork (R12)';
    is $session->{counter}, 15, 'their counter is exact';
    is connections() - $before, 10, 'each child has made a connection; the parent has kept its own';
};

subtest 'a session at the same time' => sub {
    my $session = $class->create;
    my $id      = $session->id;
    my @children = map {
        my $child = $_;
        begin(sub {
            for my $number (1 .. 20) {
                $session->{"child $child, $number"} = $$;
                $session->flush;
            }
        });
    } 1 .. 4;
    for my $number (1 .. 20) {
        $session->{"parent $number"} = $$;
        $session->flush;
    }
    is scalar(grep { ended_well($_) } @children), 4, 'four children and the parent flush the same object';
    is scalar(keys %{ $class->retrieve($id) }), 1 + 5 * 20, 'all that they have set is there (R12)';
};

subtest 'the connection for commands' => sub {
    my $redis = $class->create->redis;
    $redis->set(whose => 'parent');
    ok ended_well(begin(sub {
        $redis->set(whose => "child $_"), $redis->get('whose') eq "child $_" || die "not mine\n" for 1 .. 20;
    })), 'a child has its own';
    is $redis->get('whose'), 'child 20', 'and the parent goes on with its own';
};

subtest 'ids of several processes' => sub {
    my (%seen, @children);
    $seen{ $class->new->id }++ for 1 .. 10;
    my @readers = map {
        pipe my $reader, my $writer or die "no pipe: $!";
        push @children, begin(sub {
            close $reader;
            print {$writer} $class->new->id, "\n" for 1 .. 500;
            close $writer or die "not written: $!";
        });
        close $writer;
        $reader;
    } 1 .. 4;
    $seen{ $class->new->id }++ for 1 .. 500;
    for my $reader (@readers) {
        while (my $id = readline $reader) { chomp $id; $seen{$id}++ }
    }
    is scalar(grep { ended_well($_) } @children), 4, 'four children make ids';
    is scalar(keys %seen), 5 * 500 + 10, 'no two are the same, in them or in the parent (R01c)';
    is_deeply [ grep { !/\A[0-9]{39,}\z/ } keys %seen ], [], 'all are digits';
};

subtest 'no thread is started' => sub {
    plan skip_all => 'only Linux tells' if !-d '/proc/self/task';
    my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $@";
    my $port     = $listener->sockport;
    close $listener;
    my $on_tcp = TestRedis->start('--port', $port);
    my %with   = ('a socket' => $server->settings, 'a name' => { server => "localhost:$port" });
    for my $address (sort keys %with) {
        set redis_session => $with{$address};
        my $use = sub {
            my $session = $class->retrieve($class->create->id);
            $session->{x} = 1;
            $session->flush->renew;
            $session->redis->ping;
            $session->destroy;
            return threads();
        };
        is $use->(), 1, "$address: by any call";
        my $child = begin(sub { $use->() == 1 or die threads() . " threads\n" });
        ok ended_well($child), "$address: nor in a child";
    }
    set redis_session => $server->settings;
};

subtest 'a process that is killed after a retrieve' => sub {
    my $id = $class->create->id;
    my ($killed, $extended) = (0, 0);
    for (1 .. 100) {
        $client->expire($id, 20);
        waitpid begin(sub { $class->retrieve($id); kill KILL => $$; sleep 60 }), 0;
        $killed++ if $? == POSIX::SIGKILL();
        # The server may not have looked yet; the child can't send any more.
        $extended++ if soon(sub { $client->ttl($id) > 100 });
        last if $extended < $killed;
    }
    is "$killed $extended", '100 100', 'had extended its life by then, each time';
};

subtest 'signals' => sub {
    my $session = $class->create;
    my $id      = $session->id;
    my $rang    = 0;
    local $SIG{ALRM} = sub { $rang++ };
    # Frozen by itself and woken by another, since we are in a call meanwhile.
    $server->freeze;
    my $waker = begin(sub { sleep 0.2; $server->unfreeze });
    ualarm(50_000);
    is eval { $class->retrieve($id)->id } // $@, $id, 'a call goes on when a signal has come';
    is $rang, 1, 'and its handler has been called after it';
    ok ended_well($waker), 'the server was frozen until then';

    my $reaped = 0;
    local $SIG{CHLD} = sub { $reaped++ while waitpid(-1, WNOHANG) > 0 };
    begin(sub { }) for 1 .. 20;
    my $called = sub { $session->{n}++; $session->flush; $class->retrieve($id)->{n} == $session->{n} || die };
    ok soon(sub { $called->(); $reaped == 20 }), 'children that end during calls are reaped';
    is $reaped, 20, 'each once';

    my ($signals, $calls, $mixed) = (0, 0, 0);
    my $other = $class->create;
    local $SIG{USR1} = sub { $signals++; $mixed++ if $class->retrieve($other->id)->id ne $other->id };
    my ($parent, $sent) = ($$, 0);
    begin(sub { for (1 .. 1000) { kill USR1 => $parent; sleep 0.0005 } });
    ok eval { soon(sub { $called->(); $calls++; $reaped == 21 }) }, '1000 signals during calls: no call fails'
        or diag $@;
    ok $signals > 100, 'their handler has been called';
    is $mixed, 0, 'and has read another session each time';
    is $class->retrieve($id)->{n}, $session->{n}, 'and nothing is lost';
};

# Functions see it: else it would end as late as Perl does.
undef $server;

done_testing;
