use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Hash::Util   qw(lock_keys unlock_keys);
use Scalar::Util qw(refaddr weaken);
use Storable     qw(thaw);
use Test::Exception;
use Test::More import => ['!pass'];
use TestRedis;
use TestSessions qw(entries_of);

# Another class, since it is remembered of each whether there were objects in its sessions.
{ package My::Other; our @ISA = ('Dancer::Session::Redis') }
# Of this one nothing is ever frozen as a whole.
{ package My::Busy;  our @ISA = ('Dancer::Session::Redis') }
{ package My::Hook;  our @ISA = ('Dancer::Session::Redis'); our $FROZEN = 0; sub STORABLE_freeze { $FROZEN++; return 'x' } }

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
set redis_session => $server->settings;

my ($whole, $freeze_whole) = (0, \&Dancer::Session::Redis::_freeze_whole);
{
    no warnings 'redefine';    ## no critic
    *Dancer::Session::Redis::_freeze_whole = sub { $whole++; return $freeze_whole->(@_) };
}

# A session with what this puts in, as Redis has it and as another request reads it.
sub stored_with {
    my ($of, $put) = @_;
    $whole = 0;
    my $session = $of->create;
    $put->($session);
    $session->flush;
    my $stored = thaw $client->get($session->id);
    my $again  = $of->retrieve($session->id);
    is_deeply(entries_of($again), entries_of($stored), '... another request has what is stored');
    is(ref $stored, $of, '... stored as an object of the class');
    $again->flush;
    is_deeply(entries_of(thaw $client->get($session->id)), entries_of($stored), '... also when it is stored again');
    return $again;
}

subtest 'in parts' => sub {
    my $weak = [7];
    my $it = stored_with($class, sub {
        my ($session) = @_;
        my $shared = [1];
        @$session{qw(one two)} = ($shared, { in => $shared });
        $session->{text}     = "\x{263a}";
        $session->{"\x{263a}"} = undef;
        $session->{"\xe9"}   = [{}, [], \'x'];
        $session->{number}   = 5;
        $session->{alias}    = \$session->{number};
        $session->{strong}   = $weak;
        weaken($session->{weak} = $weak);
    });
    is($whole, 0, 'nothing needs the whole');
    is(refaddr $it->{one}, refaddr $it->{two}{in}, 'what is shared stays shared');
    is(refaddr $it->{alias}, refaddr \$it->{number}, 'also a value itself');
    ok(Scalar::Util::isweak($it->{weak}), 'what is weak stays weak');
    is($it->{text}, "\x{263a}", 'characters');
    is_deeply([sort map { ord } grep { length == 1 } keys %$it], [0xe9, 0x263a], 'also in keys');
};

subtest 'as a whole' => sub {
    my $self = My::Other->create;
    $self->{me} = $self;
    $self->flush;
    is($whole, 1, 'with itself in it');
    my $again = My::Other->retrieve($self->id);
    is(refaddr $again->{me}, refaddr $again, 'it is itself');
    delete $_->{me} for $self, $again;
    my $it = stored_with('My::Other', sub { $_[0]{object} = bless [1], 'Some::Class' });
    ok($whole, 'with an object in it');
    isa_ok($it->{object}, 'Some::Class');
    my $session = $class->create;
    $session->{a} = 1;
    lock_keys(%$session);
    $whole = 0;
    $session->flush;
    is($whole, 1, 'locked');
    ok(Internals::SvREADONLY(%{ thaw $client->get($session->id) }), 'it stays locked');
    unlock_keys(%$session);
    $whole = 0;
    {
        local $Storable::canonical = 1;
        $session->flush;
    }
    is($whole, 1, 'in an order that the program wants');
    my $busy = My::Busy->create;
    $busy->{$_} = $_ for 'a' .. 'e';
    my @seen;
    while (my ($key, $value) = each %$busy) {
        push @seen, $key;
        last if @seen > 20;
        $busy->{$key} = uc $value if length $key == 1;
        $busy->flush;
    }
    is(scalar @seen, scalar keys %$busy, 'each goes on behind a flush');
    throws_ok { My::Hook->create } qr/refused: .*no object that is a hash/, 'frozen by its class';
    is($My::Hook::FROZEN, 1, 'its hook was called');
};

subtest 'what can not be' => sub {
    my $session = $class->create;
    $session->{code} = sub { 1 };
    throws_ok { $session->flush } qr/\ADancer::Session::Redis: refused: the session can't be frozen: Can't store CODE items at/,
        'code';
    delete $session->{code};
    require Tie::Scalar;
    tie $session->{tied}, 'Tie::StdScalar';
    throws_ok { $session->flush } qr/refused: the session has a tied variable/, 'a tied entry';
};

done_testing;
