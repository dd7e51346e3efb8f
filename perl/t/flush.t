use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Scalar::Util qw(refaddr);
use Storable     qw(dclone freeze);
use Test::More import => ['!pass'];
use TestRedis;
use TestSessions qw(fresh entries_of other_writers);

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };
set redis_session => $server->settings;

sub stored { return TestSessions::stored($client, @_) }

# Another request, which is faster.
my %ways = other_writers($client);
for my $way (sort keys %ways) {
    my $other = sub { my ($session, $do) = @_; return $ways{$way}->($session->id, $do) };

    # Whose changes are there in the end, in the store and in the object.
    my $case = sub {
        my ($name, $before, $theirs, $ours, $after) = @_;
        my $session = fresh(%$before);
        $other->($session, $theirs);
        $ours->($session);
        $session->flush;
        is_deeply(entries_of(stored($session)), $after, "R12, $way: $name");
        is_deeply(entries_of($session), $after, "... and the object has what is stored");
        my $bytes = $client->get($session->id);
        $session->flush;
        is_deeply(entries_of(stored($session)), $after, '... and after another flush, too');
        return $session;
    };
    $case->('different entries both survive', { a => 1, b => 1 },
        sub { $_[0]{a} = 2 }, sub { $_[0]{b} = 2 }, { a => 2, b => 2 });
    $case->('new entries both survive', { a => 1 }, sub { $_[0]{x} = 2 }, sub { $_[0]{y} = 2 },
        { a => 1, x => 2, y => 2 });
    $case->('of the same entry the last change wins', { a => 1 }, sub { $_[0]{a} = 2 }, sub { $_[0]{a} = 3 },
        { a => 3 });
    $case->('a change in place survives', { cart => { apple => 1 } }, sub { $_[0]{user} = 'ann' },
        sub { $_[0]{cart}{pear} = 1 }, { cart => { apple => 1, pear => 1 }, user => 'ann' });
    $case->('their change in place survives', { cart => { list => [1] }, n => 1 },
        sub { push @{ $_[0]{cart}{list} }, 2 }, sub { $_[0]{n}++ }, { cart => { list => [1, 2] }, n => 2 });
    $case->('removed entries stay removed', { a => 1, b => 1, c => 1 }, sub { delete $_[0]{a} },
        sub { delete $_[0]{b} }, { c => 1 });
    $case->('a removal after a change wins', { a => 1, b => 1 }, sub { $_[0]{a} = 2 },
        sub { delete $_[0]{a} }, { b => 1 });
    $case->('a change after a removal wins', { a => 1, b => 1 }, sub { delete $_[0]{a} },
        sub { $_[0]{a} = 2 }, { a => 2, b => 1 });
    $case->('undef is a value', { a => 1, b => 1 }, sub { $_[0]{a} = undef }, sub { $_[0]{b} = undef },
        { a => undef, b => undef });
    $case->('names are texts', { "\x{263a}" => 1, "\xe9" => 1, '' => 1 }, sub { $_[0]{"\x{263a}"} = 2 },
        sub { $_[0]{"\xe9"} = 2; delete $_[0]{''} }, { "\x{263a}" => 2, "\xe9" => 2 });

    # What Perl does to values in passing is no change.
    my %big = map { $_ => 1 } 'a' .. 'zz';
    $case->('another order of a hash is no change', { it => {%big}, n => 1 }, sub { $_[0]{it} = 'new' },
        sub { $_[0]{it} = { map { $_ => 1 } reverse sort keys %big }; $_[0]{n}++ }, { it => 'new', n => 2 });
    $case->('the UTF-8 flag is no change', { it => "caf\xe9", n => 1 }, sub { $_[0]{it} = 'new' },
        sub { utf8::upgrade($_[0]{it}); $_[0]{n}++ }, { it => 'new', n => 2 });
    $case->('a number in place of the same text is no change', { it => ['42', 7, '1.5'], n => 1 },
        sub { $_[0]{it} = 'new' }, sub { $_[0]{it} = [42, '7', 1.5]; $_[0]{n}++ }, { it => 'new', n => 2 });
    $case->('a number that was printed is no change', { it => 42, n => 1 }, sub { $_[0]{it} = 'new' },
        sub { my $text = "$_[0]{it}"; $_[0]{n}++ }, { it => 'new', n => 2 });
    $case->('another text is a change', { it => '42', n => 1 }, sub { $_[0]{it} = 'new' },
        sub { $_[0]{it} = '042' }, { it => '042', n => 1 });

    # What two entries share.
    my $both = { n => 1 };
    my $session = $case->('what entries share is kept', { a => $both, b => $both, c => 1 },
        sub { $_[0]{c} = 2 }, sub { $_[0]{d} = 1 }, { a => $both, b => $both, c => 2, d => 1 });
    for my $there (stored($session), $class->retrieve($session->id)) {
        is(refaddr $there->{a}, refaddr $there->{b}, '... and is still one thing');
    }

    # What others keep in the payload.
    $session = fresh(a => 1);
    $other->($session, sub { @{ $_[0] }{qw(a b)} = (2, 2) });
    my $there = stored($session);
    @$there{qw(__created __owner)} = (1_700_000_000, 'ann');
    $client->setex($session->id, 900, freeze $there);
    my %marks;
    for my $flush (1 .. 3) {
        $session->{n}++;
        $session->flush;
        my $now = stored($session);
        is_deeply([@$now{qw(__created __owner)}], [1_700_000_000, 'ann'], "metadata is kept at flush $flush");
        $marks{ $now->{__w} }++;
    }
    is_deeply(entries_of(stored($session)), { a => 2, b => 2, n => 3 }, '... and the entries are');
    is(keys %marks, 3, 'each flush has a mark of its own');
    is_deeply([grep { /\A__/ } keys %$session], [], 'the object has no metadata');
}

# An object that nobody has read.
my $session = fresh(a => 1, b => { c => 1 });
my $copy    = dclone($session);
$session->{later} = 1;
$session->flush;
is_deeply(\@warnings, [], 'no flush warns');
$copy->{b}{c} = 2;
$copy->flush;
is_deeply(stored($session)->{b}, { c => 2 }, 'a copy is flushed over a session that is there');
is(@warnings, 1, '... and that warns');
like($warnings[0], qr/neither created nor retrieved.* at \Q$0\E line /, '... of what it may overwrite');
$copy->flush;
is(@warnings, 1, '... once');
my $lost = dclone($session);
$client->del($session->id);
is(refaddr($lost->flush), refaddr($lost), 'a copy of a session that is gone is flushed');
is($client->exists($session->id), 0, '... and stores nothing');
ok($lost->ended, '... and has ended');
my $made = $class->new(id => 'x' x 30);
$made->{a} = 1;
$made->flush;
is($client->exists('x' x 30), 0, 'R02: an id of the application is not adopted');

done_testing;
