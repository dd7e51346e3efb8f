# Purpose: the table of cases: a name and a Perl expression that gives the
# reference to freeze.  Run: not run alone; `StorableCases::all()`.
package StorableCases;
use strict;
use warnings;

# A line is `name[*][!] expression`; `*` asks for the file dialects as well,
# `!` has the original rendered instead of the thawed copy, for what Storable
# itself does not bring back.
my $SCALARS = <<'CASES';
undef            \(my $x)
undef-immortal   \undef
zero*            \(my $x = 0)
one              \(my $x = 1)
minus-one        \(my $x = -1)
int-127          \(my $x = 127)
int-128          \(my $x = 128)
int-minus-128    \(my $x = -128)
int-minus-129    \(my $x = -129)
int-max-32       \(my $x = 2147483647)
int-over-32      \(my $x = 2147483648)
int-min-32       \(my $x = -2147483648)
int-under-32     \(my $x = -2147483649)
int-2-32         \(my $x = 4294967296)
int-2-53         \(my $x = 9007199254740992)
int-max-64       \(my $x = 9223372036854775807)
int-min-64       \(my $x = -9223372036854775807 - 1)
uint-2-63        \(my $x = 9223372036854775808)
uint-max-64      \(my $x = 18446744073709551615)
uint-in-array    [18446744073709551615, 9223372036854775808, 1]
double-tenth     \(my $x = 0.1)
double-1e300     \(my $x = 1e300)
double-tiny      \(my $x = double('0000000000000001'))
double-third     \(my $x = 1 / 3)
double-minus     \(my $x = -2.5)
double-minus-0   \(my $x = double('8000000000000000'))
double-integer   \(my $x = double('4008000000000000'))
double-2-53      \(my $x = double('4340000000000000'))
double-2-63      \(my $x = double('43e0000000000000'))
double-inf       \(my $x = double('7ff0000000000000'))
double-minus-inf \(my $x = double('fff0000000000000'))
double-nan       \(my $x = double('7ff8000000000000'))
string-empty     \(my $x = '')
string-short*    \(my $x = 'hello')
string-255       \(my $x = 'a' x 255)
string-256       \(my $x = 'b' x 256)
string-all-bytes \(my $x = join '', map { chr } 0 .. 255)
string-quotes    \(my $x = "tab\t quote\" back\\slash nul\0")
string-e-bytes   \(my $x = "\xc3\xa9")
string-e-latin1  \(my $x = "\xe9")
string-e-utf8    \(my $x = wide("\xe9"))
string-ascii-utf8 \(my $x = wide('plain'))
string-empty-utf8! \(my $x = wide(''))
string-wide      \(my $x = "\x{263a}\x{1f600}")
string-wide-255  \(my $x = "\x{263a}" x 85)
string-wide-256  \(my $x = "\x{263a}" x 85 . 'x')
string-beyond    \(my $x = "\x{110000}")
string-surrogate \(my $x = "\x{d800}")
string-digits    \(my $x = '42')
string-zero-true \(my $x = '0 but true')
string-as-number do { my $x = '42'; my $y = $x + 0; \$x }
number-as-string do { my $x = 42; my $y = "$x"; \$x }
dualvar          \(my $x = dualvar(5, 'five'))
string-readonly  do { my $x = dualvar(1.5, 'one'); Internals::SvREADONLY($x, 1); \$x }
bool-copies      [!!1, !!0]
yes              \!!1
no               \!!0
yes-no-aliased   immortals(!!1, !!0)
yes-shared       immortals(!!1, !!1, !!0, !!0)
yes-in-hash      alias_value(alias_value({}, 'y', \!!1), 'n', \!!0)
yes-reference    [\!!1, \!!0]
vstring          \(my $x = v1.22.333)
vstring-bytes    \(my $x = v1.2.3)
vstring-in-array [v5.36.0, 'plain', v1.2]
vstring-long     \(my $x = vstring((1) x 200))
vstring-255      \(my $x = vstring((1) x 126, 11))
vstring-256      \(my $x = vstring((1) x 126, 111))
vstring-blessed  bless \(my $x = v1.2.3), 'Version'
bigint           Math::BigInt->new('123456789012345678901234567890')
CASES

my $CONTAINERS = <<'CASES';
array-empty      []
array-undef      [undef]
array-elem-undef immortals(undef)
array-elem-undefs alias_element([1, 2, 3], 1, \undef)
array-holes      do { my @x = (1); $x[3] = 2; \@x }
array-only-holes do { my @x; $#x = 2; \@x }
array-hole-undef do { my @x; $x[2] = 1; alias_element(\@x, 1, \undef) }
array-nested     [1, [2, [3, [4, []]]], [5]]
array-300        [1 .. 300]
array-shared-elem do { my @x = (7); alias_element(\@x, 1, \$x[0]) }
hash-empty       {}
hash-simple*     { one => 1, two => 2, three => 'drei' }
hash-undef       { a => undef }
hash-immortal-undef alias_value({ b => 1 }, 'a', \undef)
hash-nested      { a => { b => { c => {} } }, d => [ { e => 1 } ] }
hash-empty-key   { '' => 'empty', a => 1 }
hash-nul-key     { "a\0b" => 1, "\0" => 2 }
hash-latin1-key  { "\xe9t\xe9" => 1 }
hash-utf8-key    { "\x{263a}" => 1, plain => 2 }
hash-wasutf8-key hash_of(wide("\xe9"), 1)
hash-ascii-wasutf8 hash_of(wide('plain'), 1)
hash-empty-wasutf8 hash_of(wide(''), 1)
hash-same-bytes  { "\xe2\x98\xba" => 'bytes', "\x{263a}" => 'text' }
hash-mixed-keys  { "\x{263a}" => 1, wide("\xe9") => 2, "\xe8" => 3, z => 4 }
hash-flag-left   do { my %x = ("\x{263a}" => 1, a => 2); delete $x{"\x{263a}"}; \%x }
hash-long-key    { 'k' x 300 => 1 }
hash-400         { map { ("key$_" => $_) } 1 .. 400 }
shared-array     do { my $x = [1]; [$x, $x, $x] }
shared-hash      do { my $x = { a => 1 }; { p => $x, q => $x } }
shared-scalar    do { my $x = 'same'; [\$x, \$x] }
shared-value     do { my $x = { a => 1 }; $x->{b} = \$x->{a}; $x }
shared-empty     do { my $x = []; { a => [$x, $x], b => $x } }
cycle-array      self_array()
cycle-hash       self_hash()
cycle-scalar     self_scalar()
cycle-two        do { my $x = { n => 'x' }; my $y = { n => 'y', other => $x }; $x->{other} = $y; $x }
cycle-blessed    do { my $x = bless { n => 1 }, 'Node'; $x->{me} = $x; $x }
weak-hash        with_weak([1])
weak-first       do { my $x = [1]; my $y = { z => $x }; weaken($y->{a} = $x); $y }
weak-to-root     do { my $x = { n => 1 }; weaken($x->{root} = $x); $x }
weak-gone        do { my $x = { a => [1] }; weaken($x->{a}); $x }
weak-parent      do { my $x = { children => [map { { id => $_ } } 1 .. 3] }; weaken($_->{parent} = $x) for @{ $x->{children} }; $x }
weak-overloaded  with_weak(bless {}, 'LoudHash')
ref-scalar       \\(my $x = 'deep')
ref-ref          \\\\(my $x = 1)
ref-undef        \\undef
ref-array        \[1, 2]
ref-hash         \{ a => 1 }
ref-in-array     [\1, \'two', \\3]
restricted-keys  locked({ a => 1, b => 2 })
restricted-legal locked({ a => 1 }, 'b', 'c')
restricted-empty! locked({})
restricted-hash  frozen_solid({ a => 1, b => [2] })
restricted-one   do { my $x = locked({ a => 1, b => 2 }); lock_value(%$x, 'a'); $x }
restricted-gone  do { my $x = locked({ a => 1, b => 2 }); delete $x->{a}; $x }
restricted-utf8  frozen_solid({ "\x{263a}" => 1, wide("\xe9") => 2, a => 3 })
restricted-blessed frozen_solid(bless { a => 1 }, 'Sealed')
restricted-yes   locked(alias_value({}, 'y', \!!1))
restricted-wide-legal locked({ a => 1 }, "\x{263a}", wide("\xe9"))
unlocked-gone    do { my $x = locked({ a => 1, b => 2 }); delete $x->{a}; unlock_hash(%$x); $x }
CASES

my $OBJECTS = <<'CASES';
blessed-hash*    bless { a => 1 }, 'Foo'
blessed-array    bless [1, 2], 'Foo::Bar'
blessed-scalar   bless \(my $x = 'in'), 'Foo::Scalar'
blessed-undef    bless \(my $x), 'Foo::Scalar'
blessed-ref      bless \(my $x = [1]), 'Foo::Ref'
blessed-code!       bless sub { $_[0] + 1 }, 'Foo::Code'
blessed-inside   { a => bless({}, 'Foo'), b => [bless [], 'Bar'] }
blessed-root-ref \(bless {}, 'Foo')
blessed-main     bless {}, 'main'
class-twice      [bless({}, 'Foo'), bless([], 'Foo'), bless({ a => 1 }, 'Foo')]
class-130        many_classes(130)
class-name-127   bless {}, 'C' x 127
class-name-128   bless {}, 'C' x 128
class-name-300   [bless({}, 'D' x 300), bless([], 'D' x 300)]
class-latin1     bless {}, "Caf\xe9"
class-wide       bless {}, "Caf\x{e9}\x{263a}"
overloaded-root  bless { a => 1 }, 'LoudHash'
overloaded       [bless({}, 'LoudHash'), bless([], 'LoudArray')]
overloaded-shared do { my $x = bless {}, 'LoudHash'; [$x, $x] }
overloaded-hook  [LoudHook->new('text')]
json-true        { yes => JSON::PP::true, no => JSON::PP::false }
json-same        [JSON::PP::true, JSON::PP::true]
bigint-list      [map { Math::BigInt->new($_) } '1' x 20, -5]
code             sub { return 'constant' }
code-in-hash     { run => sub { my ($x) = @_; return $x * 2 }, after => [1] }
code-shared      do { my $x = sub { 'twice' }; [$x, $x, 'end'] }
code-utf8        [sub { return "\x{263a} is wide" }]
code-long        [sub { return 'long' . 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' . $_[0] }]
regexp           qr/a.b/
regexp-flags     [qr/a/i, qr/b/msx, qr/c/xx, qr/d/a, qr/e/aa, qr/f/n, qr/g/p]
regexp-empty     [qr//]
regexp-255       [qr/@{['r' x 255]}/]
regexp-256       [qr/@{['r' x 256]}/]
regexp-escape    [qr/\x{263a}/]
regexp-wide!     [qr/@{["\x{263a}"]}/]
regexp-latin1    [qr/@{["\xe9"]}/]
regexp-latin1-u! [qr/@{[wide("\xe9")]}/]
regexp-class     bless qr/x/i, 'My::Regexp'
regexp-shared    do { my $x = qr/s/; [$x, $x] }
dancer-session*  session()
datetime         moment()
datetime-inside  { when => moment(), again => moment() }
CASES

my $LIVE = <<'CASES';
hook             HookHash->new('frozen text')
hook-empty       HookHash->new('')
hook-bytes       HookHash->new("\0\xff\x80")
hook-wide        HookHash->new("\x{263a}")
hook-255         HookHash->new('f' x 255)
hook-256         HookHash->new('g' x 256)
hook-ref-new     HookHash->new('new', [1, 2])
hook-refs-new    HookHash->new('news', [1], { a => 2 }, \'three')
hook-ref-seen    do { my $x = { a => 1 }; [$x, HookHash->new('seen', $x)] }
hook-ref-mixed   do { my $x = [1]; [$x, HookHash->new('mixed', [2], $x, [3])] }
hook-ref-twice   do { my $x = [1]; HookHash->new('twice', $x, $x) }
hook-ref-self    self_hook()
hook-ref-root    do { my $x = { a => 1 }; $x->{hook} = HookHash->new('up', $x); $x }
hook-in-hook     HookHash->new('outer', HookHash->new('inner', HookHash->new('core')))
hook-two         [HookHash->new('one'), HookHash->new('two', [2])]
hook-shared      do { my $x = HookHash->new('same'); [$x, $x] }
hook-after-bless [bless([], 'Other'), HookHash->new('h'), bless([], 'Other'), HookHash->new('i')]
hook-seen-class  HookHash->new('outer', bless([], 'HookHash::Plain'), HookHash->new('i'))
hook-child       [HookHash::Child->new('child'), HookHash->new('parent')]
hook-refs-255    HookHash->new('many', ([1]) x 255)
hook-refs-256    do { my $x = [1]; HookHash->new('many', ($x) x 256) }
hook-refs-300    HookHash->new('more', map { [$_] } 1 .. 300)
hook-array       HookArray->new('array text', { a => 1 })
hook-scalar      HookScalar->new('scalar text')
hook-scalars     [HookScalar->new('x'), HookScalar->new('y')]
hook-declined    [bless({ a => 1 }, 'HookDeclined'), bless([2], 'HookDeclined')]
hook-class-300   do { @{"E" x 300 . "::ISA"} = 'HookHash'; [map { ('E' x 300)->new($_) } 1, 2] }
hook-class-index-256 do { [@{ many_classes(260) }, map { HookHash->new("h$_") } 1, 2] }
hook-late-index  do { [map { @{"Late${_}::ISA"} = 'HookHash'; ("Late$_"->new($_), "Late$_"->new(-$_)) } 1 .. 258] }
hook-weak        with_weak(HookHash->new('weak'))
hook-tied-hash   bless tied_hash('TieToHash', a => 1), 'HookOnTied'
hook-tied-array  bless tied_array('TieToArray', 1, 2), 'HookOnTied'
hook-tied-scalar bless tied_scalar('TieToScalar', 'in'), 'HookOnTied'
hook-tied-two    [bless(tied_hash('TieToHash'), 'HookOnTied'), bless(tied_array('TieToArray'), 'HookOnTied'), 'end']
attach           Attached->named('first')
attach-two       [Attached->named('one'), Attached->named('two'), { again => Attached->named('one') }]
tied-hash        tied_hash('TieToHash', a => 1, b => [2])
tied-array       tied_array('TieToArray', 1, 'two')
tied-scalar      tied_scalar('TieToScalar', 'inner')
tied-inside      { h => tied_hash('TieToHash', x => 1), a => tied_array('TieToArray'), s => tied_scalar('TieToScalar', 5) }
tied-blessed     bless tied_hash('TieToHash', a => 1), 'PlainOnTied'
tied-loud        [tied_hash('TieToLoud', a => 1)]
tied-to-shared   do { my $x = [1]; [$x, tied_hash('TieToHash', x => $x)] }
tied-value       do { my $x = { a => 1 }; tie $x->{t}, 'TieToScalar', 'v'; $x }
tied-key         tied_key(tied_hash('TieToHash', a => 1), 'a')
tied-key-utf8    [tied_key(tied_hash('TieToHash', a => 1), "\x{263a}")]
tied-key-number  [tied_key(tied_hash('TieToHash'), 42)]
tied-index       tied_index(tied_array('TieToArray', 1, 2, 3), 2)
tied-index-300   [tied_index(tied_array('TieToArray', 0 .. 300), 300)]
tied-elements    do { my $x = tied_hash('TieToHash', a => 1); my $y = tied_array('TieToArray', 1); [$x, tied_key($x, 'a'), $y, tied_index($y, 0)] }
CASES

# Only modules beyond the core need a look before their cases are listed.
my %NEEDS = (datetime => 'DateTime', 'datetime-inside' => 'DateTime');

sub all {
    my @cases;
    for my $line (map { split /\n/ } $SCALARS, $CONTAINERS, $OBJECTS, $LIVE) {
        my ($name, $marks, $expression) = $line =~ /\A([\w-]+)([*!]*)\s+(.+)\z/
            or die "bad case line: $line\n";
        next if $NEEDS{$name} && !eval "require $NEEDS{$name}; 1";
        push @cases, {
            name       => $name,
            expression => $expression,
            files      => $marks =~ /\*/ ? 1 : 0,
            original   => $marks =~ /!/ ? 1 : 0,
        };
    }
    return @cases;
}

1;
