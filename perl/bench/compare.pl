#!/usr/bin/perl
# Purpose: what a session costs with this module, beside the same work done with
# the commands that the original module sends, in one run on one server.
# Run: perl -Mblib bench/compare.pl [--tcp] [--rounds N] [--http]
# By the unix socket, or with --tcp through the loopback.  --http also compares
# the requests per second of a counter under Starman, for which it needs wrk.
# Rounds of all contestants alternate; the table shows medians, their spread,
# and what of this module's time the others take.
use strict;
use warnings;
use FindBin qw($Bin);
use lib "$Bin/../t/lib", "$Bin/lib";
use Dancer::Session::Redis;
use Dancer qw(:script);
use Getopt::Long qw(GetOptions);
use IO::Socket::INET ();
use IO::Socket::UNIX ();
use Redis ();
use Storable qw(freeze thaw);
use TestRedis;
use Time::HiRes qw(time);

GetOptions('tcp' => \my $tcp, 'rounds=i' => \(my $rounds = 41), 'http' => \my $http)
    or die "usage: perl -Mblib bench/compare.pl [--tcp] [--rounds N] [--http]\n";

my $port   = $tcp ? free_port() : 0;
my $server = TestRedis->start('--port', $port);
my %where  = $tcp ? (server => "127.0.0.1:$port") : (sock => $server->sock);
set redis_session => { %where, expire => 900 };

# 350 bytes, as a small shop has them.
my $session = Dancer::Session::Redis->create;
$session->{user} = { id => 42, name => 'Anna Andersson', roles => [qw(customer reviewer)] };
$session->{cart} = { map { $_ => { price => $_ * 7, title => "item $_" } } 1001 .. 1003 };
$session->{csrf} = 'q83vASNFZ4kq83vASNFZ4k';
$session->{counter} = 1;
$session->flush;
my ($id, $other) = ($session->id, 'a-session-of-the-others-0123456789');

my $plain = Redis->new(%where);
my $theirs = bless { %$session, id => $other }, 'Dancer::Session::Original';
my $frozen = freeze($theirs);
$plain->set($other => $frozen);

my $bare = $tcp ? IO::Socket::INET->new(PeerAddr => $where{server}) : IO::Socket::UNIX->new($where{sock});
$bare->setsockopt(6, 1, 1) if $tcp;    # TCP_NODELAY

# As the engine's own for a flush.
my $script = $plain->script_load(<<'END');
local there = redis.call('GET', KEYS[1])
if there ~= ARGV[1] then
  return there
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
END

my %contestant = (
    'this module' => sub { Dancer::Session::Redis->retrieve($id)->flush },
    'eight commands' => sub {
        $plain->ping;
        $plain->select(0);
        $plain->expire($other => 900);
        my $it = thaw($plain->get($other));
        $plain->ping;
        $plain->select(0);
        $plain->set($other => freeze($it));
        $plain->expire($other => 900);
    },
    'all commands of the original' => sub {
        $plain->ping for 1 .. 4;
        $plain->expire($other => 900);
        my $it = thaw($plain->get($other));
        $plain->ping for 1 .. 3;
        $plain->set($other => freeze($it));
        $plain->expire($other => 900);
    },
    'GET and SET on a bare socket' => sub {
        my $it  = thaw(value(exchange('GET', $other)));
        exchange('SET', $other, freeze($it), 'EX', 900);
    },
    'our commands on a bare socket' => sub {
        my $read = value(exchange('GET', $other));
        my $it   = thaw($read);
        # Its answer comes with the next one.
        syswrite $bare, packed('PEXPIRE', $other, 900_000);
        my $frozen = freeze($it);
        syswrite $bare, packed('EVALSHA', $script, 1, $other, $read, $frozen, 900_000);
        my $answers = 0;
        while ($answers < 2) {
            sysread $bare, my $reply, 65_536;
            $answers += () = $reply =~ /\r\n/g;
        }
    },
);
my @order = (
    'this module', 'eight commands', 'all commands of the original',
    'GET and SET on a bare socket', 'our commands on a bare socket',
);

printf "retrieve and flush of a session of %d bytes, %s, %d rounds of 200\n\n",
    length $frozen, $tcp ? 'through the loopback' : 'by the unix socket', $rounds;
my %times;
for (1 .. $rounds) {
    for my $name (@order) {
        my $work  = $contestant{$name};
        my $begun = time;
        $work->() for 1 .. 200;
        push @{ $times{$name} }, (time - $begun) / 200 * 1e6;
    }
}
printf "%-30s %10s %17s %8s\n", '', 'median', 'half are between', 'ratio';
for my $name (@order) {
    my @ratios = map { $times{$name}[$_] / $times{'this module'}[$_] } 0 .. $rounds - 1;
    printf "%-30s %7.1f us %7.1f %7.1f %9.2f\n", $name, map({ part($_, @{ $times{$name} }) } 0.5, 0.25, 0.75),
        part(0.5, @ratios);
}
compare_http() if $http;

# The counter of bench/counter.psgi, with this module and with a stand-in that
# sends what the original sends.
sub compare_http {
    my %rate;
    my $rounds = 5;
    for (1 .. $rounds) {
        for my $engine (qw(Redis Original)) {
            push @{ $rate{$engine} }, requests_per_second($engine, $engine eq 'Redis' ? $id : $other);
        }
    }
    my ($ours, $theirs) = map { part(0.5, @{ $rate{$_} }) } qw(Redis Original);
    print "\na counter under Starman, two workers, eight connections\n\n";
    printf "%-30s %7.0f requests per second\n", 'this module', $ours;
    printf "%-30s %7.0f requests per second, ratio %.2f\n", 'the original\'s commands', $theirs, $ours / $theirs;
    return;
}

sub requests_per_second {
    my ($engine, $of) = @_;
    my $at = free_port();
    local @ENV{qw(ENGINE WHERE PERL5LIB DANCER_LOGGER)} =
        ($engine, join('=', %where), join(':', grep({ !ref } @INC)), 'null');
    my $pid = fork // die "no process: $!";
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        exec $^X, '-S', 'starman', '--listen', "127.0.0.1:$at", '--workers', 2, '--preload-app',
            '--env', 'deployment', '--log-level', 0, "$Bin/counter.psgi"
            or die "starman is missing\n";
    }
    my $until = time + 20;
    until (IO::Socket::INET->new(PeerAddr => "127.0.0.1:$at")) {
        die "the counter does not start\n" if time > $until;
        select undef, undef, undef, 0.05;
    }
    my $said = `wrk -t 1 -c 8 -d 3 -H 'Cookie: dancer.session=$of' http://127.0.0.1:$at/ 2>&1`;
    kill TERM => $pid;
    waitpid $pid, 0;
    my ($rate) = $said =~ m{Requests/sec:\s*([0-9.]+)} or die "wrk says: $said\n";
    $said !~ /Non-2xx/ or die "the counter has failed: $said\n";
    return $rate;
}

sub exchange {
    syswrite $bare, packed(@_);
    sysread $bare, my $reply, 65_536;
    return $reply;
}

sub packed {
    return '*' . @_ . "\r\n" . join '', map { '$' . length($_) . "\r\n$_\r\n" } @_;
}

sub value {
    my ($reply) = @_;
    my ($length) = $reply =~ /\A\$([0-9]+)\r\n/;
    return substr $reply, index($reply, "\n") + 1, $length;
}

sub part {
    my ($part, @values) = @_;
    @values = sort { $a <=> $b } @values;
    return $values[ $part * $#values ];
}

sub free_port {
    return IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
}
