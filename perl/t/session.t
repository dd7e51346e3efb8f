use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use B            ();
use Scalar::Util qw(refaddr);
use Storable     qw(freeze thaw);
use Test::More import => ['!pass'];
use TestRedis;
use Tie::Hash ();

{

    package Shop::Session;
    our @ISA = 'Dancer::Session::Redis';

    package Basket;
    sub new   { my ($class, @things) = @_; return bless {@things}, $class }
    sub count { my ($self) = @_; return scalar keys %$self }

    package Counting;
    our @ISA = 'Tie::StdHash';
    our $FETCHES = 0;
    sub FETCH { $FETCHES++; return $_[0]{ $_[1] } }
}

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };
set redis_session => $server->settings(expire => 500);
set session       => 'Redis';

# The life of a session.
my $session = $class->create;
isa_ok($session, $class, 'what create returns');
like($session->id, qr/\A[0-9]{40}\z/, 'R01: an id has 40 digits');
isnt($session->id, $class->create->id, 'R01: another session has another id');
ok($client->exists($session->id), 'create stores');
$session->{name} = 'ann';
is(refaddr($session->flush), refaddr($session), 'flush returns the session');
my $read = $class->retrieve($session->id);
my $expected = bless { id => $session->id, name => 'ann' }, $class;
is_deeply($read, $expected, 'retrieve finds id and entries, and no more');
is_deeply($session, $read, 'flush adds nothing to the object');
is($session->retrieve($session->id)->{name}, 'ann', 'retrieve is a method of objects, too');
$client->expire($session->id, 10);
$class->retrieve($session->id);
cmp_ok($client->ttl($session->id), '>', 490, 'R15: retrieve extends the life of a session');
$client->expire($session->id, 10);
$session->flush;
cmp_ok($client->ttl($session->id), '>', 490, 'R15: flush extends the life of a session');
is($session->destroy, 1, 'destroy returns 1');
set redis_session => $server->settings(expire => 500, renew_grace => 0);
($session = $class->create)->destroy;
is_deeply([$class->retrieve($session->id)], [undef], 'what is missing is undef, in a list, too');
set redis_session => $server->settings(expire => 500);

# Ids.
my $long = 'x' x 4096;
my @malformed = (
    'XXX', '', undef, $long, '1' x 19, '1' x 129, "\x{263a}" x 40, "\x{ff11}" x 40, "\xe9" x 40, "\n",
    ('1' x 39) . "\n", ('1' x 40) . "\n", "\n" . ('1' x 40), ('1' x 20) . "\n" . ('1' x 20), ("\0" x 40),
    ('1' x 40) . "\0", ('1' x 39) . ' ', ' ' . ('1' x 40), '*', '?', '[0-9]', '*' x 40, '?' x 40, '{1}' x 14,
    map({ ('1' x 20) . $_ . ('1' x 19) } qw(* ? [ ] { } \ / : ; % + = . & ! $ @ ' "), "\x7f"),
    '%31' x 13, 'session:' . ('1' x 40), '../' x 10, "\r\nFLUSHALL\r\n" . ('1' x 30), 0, '0', [], {},
);
cmp_ok(scalar @malformed, '>=', 40, 'R03: a table of ids');
$server->commands;
my @found = grep { defined } map { scalar $class->retrieve($_) } @malformed;
is_deeply(\@found,            [], 'R03: malformed ids find nothing');
is_deeply($server->commands, {}, 'R03: ... and cost no command');
is_deeply(\@warnings,         [], 'R03: ... and no warning');
is($class->retrieve('1' x 40), undef, 'R02: an unknown id finds nothing');
is($client->exists('1' x 40), 0, 'R02: ... and is not adopted');

# Values.
my $shared = { pear => [1 .. 3] };
my $cycle  = { name => 'ring' };
$cycle->{self} = $cycle;
(my $upgraded = "caf\xe9") =~ s/\z/\x{263a}/;
chop $upgraded;
my %values = (
    basket      => Basket->new(apple => 1, pear => 2),
    list        => [[], {}, [undef, 'x', [[7]]], \'text', \\[1]],
    twice       => [$shared, $shared],
    again       => $shared,
    cycle       => $cycle,
    text        => "\x{263a} caf\xe9",
    upgraded    => $upgraded,
    bytes       => join('', map { chr } 0 .. 255),
    "\x{263a}"  => 'a wide key',
    "\xe9"      => 'a key of a byte',
    ''          => 'a key without a character',
    empty       => '',
    nothing     => undef,
    numbers     => [0, -1, 42, 1.5, -1e300, 2**53, 9223372036854775807, 18446744073709551615, 9**9**9],
    text_number => '0042',
    big         => 'x' x 300_000,
);
my %kept = %values;
$session = $class->create;
@$session{ keys %values } = values %values;
$session->flush;
is_deeply($session, bless({ %kept, id => $session->id }, $class), 'flush leaves the values in the object');
for my $flushes (1, 2) {
    $read = $class->retrieve($session->id);
    is_deeply($read, bless({ %kept, id => $session->id }, $class), "values survive $flushes flushes");
    is($read->{basket}->count, 2, 'objects are objects');
    is(refaddr($read->{twice}[0]), refaddr($read->{again}), 'what two entries share they share');
    is(refaddr($read->{cycle}{self}), refaddr($read->{cycle}), 'what refers to itself does');
    my ($number, $text) = map { B::svref_2object(\$_) } $read->{numbers}[2], $read->{text_number};
    ok($number->FLAGS & B::SVf_IOK && !($number->FLAGS & B::SVf_POK), 'a number is a number');
    ok($text->FLAGS & B::SVf_POK, 'text is text');
    ok(utf8::is_utf8($read->{text}), 'characters are characters') and $read->flush;
}

# What is a bit smaller or larger than there is room for between Perl and the engine.
$session = $class->create;
for my $size (map { 65_536 - 10 * $_ } -5 .. 30) {
    $session->{big} = substr join('', 10_000 .. 30_000), 0, $size;
    $session->flush;
    is_deeply($class->retrieve($session->id), $session, "with $size bytes it comes back");
}

# Classes.
$session = Shop::Session->create;
$session->{x} = 1;
$session->flush;
is(ref thaw($client->get($session->id)), 'Shop::Session', 'the payload keeps the name of a sub-class');
is(ref $class->retrieve($session->id), 'Shop::Session', 'and it comes back as what it is');
my $id = '8' x 40;
$client->setex($id, 100, freeze bless { id => $id, x => 1 }, 'Nobody::Knows');
$session = $class->retrieve($id);
isa_ok($session, $class, 'a session of a class that is none of ours');
is($session->{x}, 1, '... has its entries');
$session->{y} = 2;
$session->flush;
$read = thaw $client->get($id);
is("$read->{x}$read->{y}", '12', '... and can be flushed');
is(ref $read, 'Nobody::Knows', 'the class that was read is the class that is written');

# Names.
is($class->session_name, 'dancer.session', 'session_name is that of Dancer');
set session_name => 'eg_session_id';
is($class->session_name, 'eg_session_id', 'session_name can be set');
$session = $class->create;
my $bytes = $client->get($session->id);
for my $name (qw(id __created __ended __owner __w)) {
    ok(!eval { $session->set_value($name => 1); 1 }, "set_value refuses $name");
    like($@, qr/'$name' is reserved.* at \Q$0\E line /, '... and says so');
    ok(!eval { $session->update($name => sub { 1 }); 1 }, "update refuses $name");
    like($@, qr/'$name' is reserved.* at \Q$0\E line /, '... and says so');
    ok(!eval { session $name => 1; 1 }, "Dancer's session refuses $name");
    like($@, qr/"id"|'$name' is reserved/, '... and says so');
}
is($client->get($session->id), $bytes, 'nothing of that was stored');

# Round trips; the scripts were sent before.
$server->commands;
$session = $class->create;
is_deeply($server->commands, { SET => 1 }, 'create is one command');
my %script = (EVALSHA => 1, GET => 1, SET => 1);
for my $time (qw(first second)) {
    $session->{x}++;
    $session->flush;
    is_deeply($server->commands, \%script, "the $time flush is one script");
}
$session = $class->retrieve($session->id);
is_deeply($server->commands, { GET => 1, PEXPIRE => 1 }, 'retrieve is one GET, and extends');
$session->renew;
$server->commands;
$session->renew;
is_deeply($server->commands, { EVALSHA => 1, GET => 1, SET => 2 }, 'renew is one script');
$session->destroy;
is_deeply($server->commands, \%script, 'destroy is one script');

# Tied variables.
$session = $class->create;
$bytes   = $client->get($session->id);
for my $ref (\my %hash, \my @array, \my $scalar) {
    require Tie::Array;
    require Tie::Scalar;
    my $tie = { HASH => 'Counting', ARRAY => 'Tie::StdArray', SCALAR => 'Tie::StdScalar' }->{ ref $ref };
    ref $ref eq 'HASH' ? tie(%$ref, $tie) : ref $ref eq 'ARRAY' ? tie(@$ref, $tie) : tie($$ref, $tie);
    $session->{deep} = [{ tied => $ref }];
    ok(!eval { $session->flush }, "a tied variable is refused at flush: $tie");
    like($@, qr/refused: .*allow_tied/, '... and the setting is named');
    is($client->get($session->id), $bytes, '... and nothing is stored');
    $client->setex($id, 100, my $tied = freeze bless { id => $id, tied => $ref }, $class);
    $Counting::FETCHES = 0;
    ok(!eval { $class->retrieve($id) }, "a tied variable is refused at retrieve: $tie");
    like($@, qr/unreadable: .*allow_tied/, '... and the setting is named');
    is($client->get($id), $tied, '... and the bytes stay');
    is($Counting::FETCHES, 0, '... and nothing of it ran');
}
set redis_session => $server->settings(allow_tied => 1);
ok(eval { $session->flush }, 'allow_tied: a tied variable is flushed') or diag $@;
is(ref tied ${ $class->retrieve($session->id)->{deep}[0]{tied} }, 'Tie::StdScalar', '... and retrieved');
is_deeply(\@warnings, [], 'nothing of all this warns');

done_testing;
