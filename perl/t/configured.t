use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use File::Spec ();
use File::Temp ();
use Storable   qw(freeze thaw);
use Test::More import => ['!pass'];
use TestRedis;

my $class = 'Dancer::Session::Redis';
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };

my $server = TestRedis->start;
my $client = $server->client;
my $session;
sub ttl      { return $client->ttl($_[0]->id) }
sub settings { return $server->settings(@_) }

# What the original did not have.
sub stored { return thaw $client->get($_[0]->id) }
set redis_session => settings(expire => 100, lifetime => 1000);
$session = $class->create;
my $old = stored($session);
$old->{__created} -= 970;
$client->set($session->id, freeze $old);
$class->retrieve($session->id);
ok(ttl($session) > 0 && ttl($session) <= 30, 'lifetime ends a session however busy it is');
$old->{__created} -= 31;
$client->setex($session->id, 100, freeze $old);
is($class->retrieve($session->id), undef, 'past its lifetime a session is no more');

set redis_session => settings(expire => 100, touch_interval => 50);
$session = $class->create;
$client->expire($session->id, 70);
$class->retrieve($session->id);
cmp_ok(ttl($session), '<=', 70, 'within touch_interval a retrieve extends nothing');
$client->expire($session->id, 40);
$class->retrieve($session->id);
cmp_ok(ttl($session), '>', 90, 'after touch_interval a retrieve extends');

set redis_session => settings(renew_grace => 5);
($session = $class->create)->destroy;
ok(ttl($session) > 0 && ttl($session) <= 6, 'renew_grace is how long the old id is remembered');
set redis_session => settings(renew_grace => 0);
($session = $class->create)->destroy;
is($class->retrieve($session->id), undef, 'renew_grace: 0 forgets it at once');

set redis_session => settings(max_size => 1000);
$session = $class->create;
my $bytes = $client->get($session->id);
$session->{text} = 'x' x 1000;
ok(!eval { $session->flush }, 'a session over max_size is refused');
like($@, qr/refused: .* more than 1000/, '... and the limit is told');
is($client->get($session->id), $bytes, '... and what is stored stays');

set redis_session => settings(layout => 'native', prefix => 'shop:');
$session = $class->create;
$session->{name} = "Ann \x{263a}";
$session->flush;
is($client->exists($session->id), 0, 'layout: native keeps no key that is an id');
my ($key) = $client->keys('shop:*');
like($client->get($key // ''), qr/\A\{.*"name":"Ann \xe2\x98\xba"/, 'prefix begins the key');
is($class->retrieve($session->id)->{name}, $session->{name}, 'what layout: native stores can be read');

set redis_session => settings(class => 'Shop::Session');
($session = $class->create)->{x} = 1;
is(ref stored($session), 'Shop::Session', 'class is what payloads are blessed as');
isa_ok($class->retrieve($session->id), $class, 'and what is retrieved');
$session->destroy;
is(ref stored($session), 'Shop::Session', 'so is what remembers an old id');

$client->acl('SETUSER', 'ann', 'on', '>swordfish', '~*', '&*', '+@all');
set redis_session => settings(username => 'ann', password => 'swordfish');
is(eval { $class->redis->acl_whoami }, 'ann', 'username and password log in');
set redis_session => settings(username => 'ann', password => 'opensesame');
ok(!eval { $class->new }, 'a wrong password is an error');
like($@, qr/unavailable: .*\Q${\$server->sock}\E/, '... that names the address');
unlike($@, qr/opensesame/, '... and not the password');

my $id = '7' x 40;
my $broken = substr freeze(bless { id => $id, list => [1 .. 9] }, $class), 0, -1;
$client->setex($id, 100, $broken);
set redis_session => settings(on_unreadable => 'error');
ok(!eval { $class->retrieve($id) }, 'on_unreadable: error dies');
like($@, qr/unreadable/, '... and says so');
set redis_session => settings(on_unreadable => 'anonymous');
is($class->retrieve($id), undef, 'on_unreadable: anonymous retrieves nothing');
is($client->get($id), $broken, '... and leaves the bytes');

# Debugging: what the process itself, and not only Perl, tells on STDERR.
sub told {
    my ($work) = @_;
    my $file = File::Temp->new;
    open my $stderr, '>&', \*STDERR or die "no copy of STDERR: $!";
    open STDERR, '>&', $file or die "no STDERR: $!";
    my $done = eval { $work->(); 1 };
    my $died = $@;
    open STDERR, '>&', $stderr or die "STDERR is gone: $!";
    die $died if !$done;
    seek $file, 0, 0;
    local $/ = undef;
    return scalar readline $file;
}

my @ids;

sub whole_life {
    my $session = $class->create;
    $session->{drink} = 'absinthe';
    $session->flush;
    push @ids, $session->id;
    $class->retrieve($session->id)->renew;
    $session = $class->create;
    push @ids, $session->id;
    return $session->destroy;
}

my %logged_in = (username => 'ann', password => 'swordfish');
set redis_session => settings(%logged_in, debug => 0);
is(told(\&whole_life), '', 'debug: 0 tells nothing');
set redis_session => settings(%logged_in, debug => 1);
my $told = told(\&whole_life);
like($told, qr/^dancer-session: $_\b/m, "debug: 1 tells of $_") for qw(connect SET GET EVALSHA);
like($told, qr/\Q${\$server->sock}\E/, 'debug: 1 tells the address');
unlike($told, qr/absinthe/, 'R27: ... but no value');
unlike($told, qr/swordfish/, 'R27: ... no password');
unlike($told, qr/[0-9]{20}/, 'R27: ... and no id');
set redis_session => settings(%logged_in, debug => 0);
is(told(\&whole_life), '', 'debug can be switched off again');
is($client->exists($_), 1, 'these ids were looked for') for @ids;
is_deeply(\@warnings, [], 'nothing of all this warns');

# By Dancer's own means, in a program that says nothing of this class.
my $home = File::Temp->newdir('dancer-session-XXXXXX', TMPDIR => 1);

sub write_file {
    my ($name, $text) = @_;
    open my $file, '>', "$home/$name" or die "no $name: $!";
    print {$file} $text;
    close $file or die "no $name: $!";
    return;
}

sub run {
    # Dancer has put the place of this program there.
    local @ENV{ grep { /\A(?:DANCER|PLACK)_/ } keys %ENV };
    delete @ENV{ grep { /\A(?:DANCER|PLACK)_/ } keys %ENV };
    open my $said, '-|', $^X, (map { '-I' . File::Spec->rel2abs($_) } @INC), "$home/app.pl"
        or die "no process: $!";
    my @lines = <$said>;
    close $said;
    chomp @lines;
    return @lines;
}

write_file('app.pl', <<'END');
use strict;
use warnings;
BEGIN { open STDERR, '>&', \*STDOUT }
use Dancer ':script';
print "$_\n" for session->id, ref session, session->session_name;
END
write_file('config.yml', <<"END");
session: Redis
session_name: shop_id
redis_session:
    sock: '${\$server->sock}'
    username: ann
    password: 'swordfish'
    expire: 60
    lifetime: '2 hours'
    touch_interval: 10
    renew_grace: 5
    timeout: 0.5
    max_size: 100000
    layout: native
    prefix: 'yaml:'
    class: Shop::Session
    on_unreadable: anonymous
    debug: 0
    lazy: 1
END
my ($id_there, @rest) = run();
like($id_there, qr/\A[A-Za-z0-9_-]{43}\z/, 'config.yml: a session with an id of its layout');
is_deeply(\@rest, [$class, 'shop_id'], 'config.yml: of this class, with its cookie, and no warning');
my @keys = $client->keys('yaml:*');
is(@keys, 1, 'config.yml: the prefix counts');
my $left = $client->ttl($keys[0] // '');
ok($left > 0 && $left <= 60, 'config.yml: so does expire');

write_file('config.yml', <<"END");
session: Redis
redis_session:
    sock: '${\$server->sock}'
    password: 'swordfish'
    expire: soon
    pasword: 'opensesame'
END
my $said = join "\n", run();
like($said, qr/redis_session: expire is `soon`, expected/, 'config.yml: a wrong value stops the application');
unlike($said, qr/swordfish|opensesame/, 'R27: ... and shows no password');

done_testing;
