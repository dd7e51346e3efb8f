use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use File::Temp       ();
use IO::Socket::INET ();
use Test::More import => ['!pass'];
use TestRedis;
use Time::HiRes qw(time);

my $class = 'Dancer::Session::Redis';
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };

# What it dies of, and what it warns of; each at the line of this file that it names.
sub tried {
    my ($settings, $call, @arguments) = @_;
    set redis_session => $settings;
    @warnings = ();
    my ($file, $line) = (quotemeta __FILE__, __LINE__ + 1);
    my $done = eval { $class->$call(@arguments); 1 };
    my $died = $done ? '' : $@;
    for my $told (grep { length } $died, @warnings) {
        $told =~ s/ at $file line $line\.?\n\z// or $told = "not told of this line: $told";
    }
    return $died;
}

# Before any server: what is said needs none.
my @errors = (
    ['redis_session is not defined', undef, 0, ''],
    ['redis_session must be a hash reference', [], 'localhost:6379', \1],
    [
        'redis_session should include either server or sock parameter',
        {}, { expire => 60 }, { server => '', sock => 0 }, { sock => undef }
    ],
);
for my $error (@errors) {
    my ($words, @settings) = @$error;
    for my $call (qw(new create retrieve)) {
        my %died = map { tried($_, $call, 1 x 40) => 1 } @settings;
        is_deeply(\%died, { $words => 1 }, "$call dies at its caller's line: $words");
    }
}
is(tried({}, 'retrieve', 'XXX'), $errors[2][0], 'wrong settings are told to who asks for no id, too');

my $server = TestRedis->start;
my $client = $server->client;
sub ttl { return $client->ttl($_[0]->id) }
sub settings { return $server->settings(@_) }

# Warnings.
is(tried(settings(expir => 3), 'create'), '', 'an unknown key does not stop the application');
is_deeply(
    \@warnings,
    ['redis_session: `expir` is not a known key, the nearest one is `expire`; it is ignored'],
    'an unknown key warns, and names the nearest one'
);
cmp_ok(ttl($class->create), '>', 890, 'an unknown key is ignored');
tried(settings(expir => 3), $_, 1 x 40) for qw(new create retrieve);
is_deeply(\@warnings, [], 'the same settings warn once');
tried(settings(expir => 4, paswort => 'swordfish'), 'new');
is(@warnings, 2, 'other settings warn again');
unlike("@warnings", qr/swordfish/, 'a warning shows no value of an unknown key');

for my $key (qw(server password expire)) {
    for my $value ('', 0) {
        is(tried(settings($key => $value), 'create'), '', "$key: '$value' is as if it were not set");
        is(@warnings, 1, "$key: '$value' warns");
        like($warnings[0], qr/\Aredis_session: $key /, "... and names $key");
    }
}
set redis_session => settings(expire => 0);
cmp_ok(ttl($class->create), '>', 890, 'expire: 0 means 900 seconds');
is(tried(settings(database => ''), 'create'), '', "database: '' is as if it were not set");
like("@warnings", qr/\Aredis_session: database /, "database: '' warns");
my %silent = (debug => 0, database => 0, lazy => 0, ping => 5, allow_tied => 0, password => undef);
for my $key (sort keys %silent) {
    is(tried(settings($key => $silent{$key}), 'create'), '', "$key is known");
    is_deeply(\@warnings, [], "$key: " . ($silent{$key} // 'undef') . ' does not warn');
}
is(tried(settings(server => '127.0.0.1:1'), 'create'), '', 'sock wins over server');
is_deeply(\@warnings, [], 'sock and server do not warn');
is(tried(settings(cache => 1000), 'create'), '', 'a file for Rust applications, too, does no harm');
like("@warnings", qr/\Aredis_session: cache needs threads/, 'cache is left alone, with a warning');
my $port = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)->sockport;
$client->config_set(port => $port);
for my $sock ('', 0) {
    is(tried({ sock => $sock, server => "127.0.0.1:$port" }, 'create'), '', "sock: '$sock': server counts");
    like("@warnings", qr/\Aredis_session: sock /, "sock: '$sock' warns");
}
$client->config_set(port => 0);

# Settings that are read again.
set redis_session => settings(expire => 100);
my $session = $class->create;
cmp_ok(ttl($session), '<=', 100, 'expire is how long a session lives');
setting('redis_session')->{expire} = 2000;
$session->flush;
cmp_ok(ttl($session), '>', 1900, 'a setting that is changed in place takes effect at the next flush');
set redis_session => settings(expire => 300);
$class->retrieve($session->id);
cmp_ok(ttl($session), '<=', 300, 'a setting that is replaced takes effect at the next retrieve');

# Wrong values.
my %wrong = (
    class         => '-',      database      => 'one',   expire   => 'soon',  layout         => 'dance',
    lifetime      => 5,        max_size      => '1k',    prefix   => '*',     touch_interval => 900,
    on_unreadable => 'ignore', renew_grace   => 4000,    timeout  => 0,       username       => 'ann',
    password      => ['no'],
);
for my $key (sort keys %wrong) {
    like(tried(settings($key => $wrong{$key}), 'create'), qr/\b$key\b/, "a wrong $key dies, and is named");
}
like(tried({ sock => [$server->sock] }, 'create'), qr/\bsock\b.*expected/, 'a list is no sock');
like(tried({ server => {} }, 'create'), qr/\bserver\b.*expected/, 'a mapping is no server');
for my $url ('redis://ann:swordfish@127.0.0.1:1/x', 'rediss://ann:swordfish@', 'redis://ann:swordfish@h:p') {
    my $died = tried({ server => $url }, 'create');
    like($died, qr/\bserver\b/, 'a wrong URL dies, and server is named');
    unlike($died, qr/swordfish/, '... but no password');
}

# A server that is not there.
sub fails_in_time {
    my ($settings, $address, $name) = @_;
    my $from = time;
    my $died = tried({ timeout => 0.2, password => 'swordfish', %$settings }, 'new');
    cmp_ok(time - $from, '<=', 0.4, "R32: $name: init dies within 2 x timeout");
    like($died, qr/unavailable: .*\Q$address\E/, "$name: the address is named");
    unlike($died, qr/swordfish/, "$name: the password is not");
}
# Nobody listens there, and nobody else can.
my $bound  = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp');
my $closed = '127.0.0.1:' . $bound->sockport;
fails_in_time({ server => $closed }, $closed, 'a closed port');
fails_in_time({ server => "redis://ann:swordfish\@$closed/1" }, $closed, 'a URL');
my $nowhere = File::Temp->newdir . '/no.sock';
fails_in_time({ sock => $nowhere }, $nowhere, 'a missing socket');
$server->freeze;
fails_in_time(settings(), $server->sock, 'F02: a server that answers nothing');
$server->unfreeze;

done_testing;
