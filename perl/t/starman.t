use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Dancer::Handler;
use File::Temp       ();
use HTTP::Tiny       ();
use IO::Socket::INET ();
use Plack::Runner;
use POSIX ();
use Test::More;
use TestRedis;
use Time::HiRes qw(sleep time);

plan skip_all => 'needs Starman' if !eval { require Starman; 1 };

my ($clients, $workers, $requests) = (16, 4, 2000);
my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
# Longer than a busy machine may need.
set redis_session => $server->settings(timeout => 5);
set session       => 'Redis';
set logger        => 'null';
set show_errors   => 1;

get '/set/:key' => sub { session param('key') => $$; 'set' };
get '/count'    => sub { session->update(counter => sub { ($_[0] // 0) + 1 }) };
# So slow that no worker can serve all.
get '/new' => sub { sleep 0.01; session->id . " $$" };

# Both are used before the server forks its workers.
my $shared = $class->create;
$shared->redis->ping;

my $address = do {
    my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $@";
    '127.0.0.1:' . $listener->sockport;
};
my $log = File::Temp->new;
my ($guard, $master, $life) = start_server();

# A guard runs it in a process group of its own, which ends with the test.
sub start_server {
    pipe my $end, my $alive or die "no pipe: $!";
    pipe my $told, my $tell or die "no pipe: $!";
    my $child = fork // die "no process: $!";
    if ($child) {
        close $_ for $end, $tell;
        chomp(my $group = readline $told);
        return ($child, $group, $alive);
    }
    close $_ for $alive, $told;
    my $starman = fork // POSIX::_exit(1);
    run_server() if !$starman;
    setpgrp $starman, $starman;
    syswrite $tell, "$starman\n";
    sysread $end, my $nothing, 1;
    kill TERM => $starman;
    my $until = time + 3;
    sleep 0.02 while time < $until && !waitpid $starman, POSIX::WNOHANG();
    kill KILL => -$starman;
    POSIX::_exit(0);
}

sub run_server {
    setpgrp 0, 0;
    open STDOUT, '>&', $log;
    open STDERR, '>&', $log;
    my $done = eval {
        my $runner = Plack::Runner->new(server => 'Starman', env => 'deployment');
        $runner->parse_options('--preload-app', '--workers', $workers, '--listen', $address);
        $runner->run(Dancer::Handler->psgi_app);
    };
    print STDERR $@ if !$done;
    POSIX::_exit(0);
}

sub stop_server {
    close $life;
    waitpid $guard, 0;
    my $until = time + 5;
    sleep 0.02 while kill(0 => -$master) && time < $until;
    return !kill 0 => -$master;
}

sub wait_for_server {
    my $until = time + 10;
    until (IO::Socket::INET->new(PeerAddr => $address)) {
        die "Starman does not start\n" if time > $until;
        sleep 0.02;
    }
    return;
}

# What the paths are answered, each asked for once, by all clients at a time.
sub ask {
    my ($headers, @paths) = @_;
    my @readers;
    for my $client (1 .. $clients) {
        pipe my $reader, my $writer or die "no pipe: $!";
        my $child = fork // die "no process: $!";
        if (!$child) {
            my $http = HTTP::Tiny->new(keep_alive => 0, timeout => 20);
            for my $path (@paths[ grep { $_ % $clients == $client - 1 } 0 .. $#paths ]) {
                my $answer = $http->get("http://$address$path", { headers => $headers });
                my $text   = $answer->{success} ? $answer->{content} : "failed: $answer->{content}";
                print {$writer} $text =~ s/\n/ /gr, "\n";
            }
            close $writer;
            POSIX::_exit(0);
        }
        push @readers, [ $reader, $child ];
    }
    my @answers;
    for my $each (@readers) {
        my ($reader, $child) = @$each;
        chomp(my @lines = readline $reader);
        push @answers, @lines;
        waitpid $child, 0;
    }
    return @answers;
}

my $failed = !eval {
    wait_for_server();
    my $cookie = { Cookie => 'dancer.session=' . $shared->id };
    my $counts = $requests / 8;

    subtest "$requests requests of $clients clients to $workers workers, for one session" => sub {
        my @keys    = map { "key$_" } 1 .. $requests;
        my @answers = ask($cookie, map { "/set/$_" } @keys);
        is_deeply [ grep { $_ ne 'set' } @answers ], [], 'none fails';
        is scalar @answers, $requests, 'all are answered';
        my $session = $class->retrieve($shared->id);
        is_deeply [ grep { !$session->{$_} } @keys ], [], 'the keys that they have set are all there (R12)';
        my %by = map { $session->{$_} => 1 } @keys;
        cmp_ok scalar keys %by, '>', 1, 'by several workers';
    };

    subtest "$counts requests that count, and as many that set something else" => sub {
        my @answers = ask($cookie, map { ('/count', "/set/other$_") } 1 .. $counts);
        my @numbers = sort { $a <=> $b } grep { /\A[0-9]+\z/ } @answers;
        is_deeply \@numbers, [ 1 .. $counts ], 'each update has its own number (R12)';
        is $class->retrieve($shared->id)->{counter}, $counts, 'the last is what is stored';
        is scalar(grep { $_ eq 'set' } @answers), $counts, 'the others are answered, too';
    };

    subtest 'new sessions' => sub {
        my (%ids, %by);
        for my $answer (ask({}, ('/new') x 320)) {
            my ($id, $worker) = $answer =~ /\A([0-9]{39,}) ([0-9]+)\z/ or fail($answer), next;
            $ids{$id}++;
            $by{$worker}++;
        }
        cmp_ok scalar keys %by, '>', 1, 'are made by several workers';
        is scalar keys %ids, 320, 'no two ids are the same (R01c)';
    };

    my $next = $class->retrieve($shared->id)->update(counter => sub { $_[0] + 1 });
    is $next, $counts + 1, 'the process before the fork goes on';
    1;
};
my $error = $@;

ok stop_server(), 'the server ends with all its workers';
if ($failed || !Test::More->builder->is_passing) {
    diag $error;
    seek $log, 0, 0;
    diag readline $log;
}
fail 'the test came to its end' if $failed;
# Functions see it: else it would end as late as Perl does.
undef $server;

done_testing;
