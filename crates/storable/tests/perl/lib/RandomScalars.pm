# Purpose: random plain scalars and hash keys of every kind for the generator.
# Run: not run alone; `use RandomScalars qw(random_scalar random_key)`.
package RandomScalars;
use strict;
use warnings;
use Exporter 'import';
use Scalar::Util qw(dualvar);

our @EXPORT_OK = qw(random_scalar random_key random_bytes random_text random_double random_integer);

my @SCALARS = (
    sub { return undef },
    sub { return random_integer($_[0]) },
    sub { return random_integer($_[0]) },
    sub { return random_integer($_[0]) },
    sub { return 9223372036854775808 + $_[0]->below(1 << 50) },
    sub { return random_double($_[0]) },
    sub { return random_double($_[0]) },
    sub { return odd_double($_[0]) },
    sub { return random_bytes($_[0]) },
    sub { return random_bytes($_[0]) },
    sub { return random_text($_[0]) },
    sub { return random_text($_[0]) },
    sub { return random_word($_[0]) },
    sub { return random_word($_[0]) },
    sub { return flagged_word($_[0]) },
    sub { return '' . random_integer($_[0]) },
    sub { return dualvar($_[0]->below(1000), random_word($_[0])) },
    sub { return random_vstring($_[0]) },
    sub { return $_[0]->below(2) ? !!1 : !!0 },
    sub { return '' },
);

sub random_scalar { return $SCALARS[ $_[0]->below(scalar @SCALARS) ]->($_[0]) }

# Every width has its turn, with its edges.
my @EDGES = (
    0, 1, -1, 127, 128, -128, -129, 255, 256, 32767, 65536, 2147483647, 2147483648,
    -2147483648, -2147483649, 4294967296, 9007199254740993, 9223372036854775807,
    -9223372036854775807 - 1,
);

sub random_integer {
    my ($random) = @_;
    return $random->pick(@EDGES) if $random->chance(0.3);
    my $size = $random->below(63);
    my $value = $random->next64 >> (64 - 1 - $size) & ~0 >> 1;
    return $random->below(2) ? -$value : $value;
}

# A short decimal, so that its text with 15 digits gives the same number.
sub random_double {
    my ($random) = @_;
    my $text = sprintf '%d.%d5e%d', $random->below(1000), $random->below(10000), $random->below(21) - 10;
    my $value = ($random->below(2) ? -1 : 1) * $text;
    return $value == int $value ? $value + 0.5 : $value;
}

sub odd_double {
    my ($random) = @_;
    my $case = $random->below(10);
    return 9**9**9 if $case == 0;
    return -9**9**9 if $case == 1;
    return unpack 'd>', pack 'H16', '7ff8000000000000' if $case == 2;
    return unpack 'd>', pack 'Q>', $random->below(1 << 52) if $case == 3;
    my $exponent = 0x3ff - 100 + $random->below(200);
    return unpack 'd>', pack 'Q>', $exponent << 52 | $random->next64 >> 12;
}

sub random_length {
    my ($random) = @_;
    return $random->chance(0.03) ? 200 + $random->below(101) : $random->below(16);
}

sub random_bytes {
    my ($random) = @_;
    my $length = random_length($random);
    return substr join('', map { pack 'Q>', $random->next64 } 0 .. $length / 8), 0, $length;
}

my @LETTERS = ("\xe9", "\xdf", "\x{153}", "\x{263a}", "\x{1f600}", 'a', 'z', ' ');

# Always at least one character beyond ASCII, and flagged.
sub random_text {
    my ($random) = @_;
    my $text = join '', "\x{e9}", map { $random->pick(@LETTERS) } 1 .. random_length($random);
    utf8::upgrade($text);
    return $text;
}

my @WORDS = qw(id name user count list value next prev parent child red green blue one two three);

sub random_word { my ($random) = @_; return $random->pick(@WORDS) . $random->below(20) }

sub flagged_word {
    my $word = random_word(@_);
    utf8::upgrade($word);
    return $word;
}

my @VSTRINGS = (v1.2.3, v5.36.0, v1.22.333, v10.0);

sub random_vstring {
    my ($random) = @_;
    return $random->pick(@VSTRINGS) if !$random->chance(0.05);
    return eval 'v' . join '.', (7) x (100 + $random->below(100));
}

sub random_key {
    my ($random) = @_;
    my $case = $random->below(40);
    return '' if $case == 0;
    return random_bytes($random) if $case < 3;
    return random_text($random) if $case < 7;
    return "k\xe9" . $random->below(50) if $case < 9;
    return flagged_latin1($random) if $case < 12;
    return flagged_word($random) if $case < 14;
    return "nul\0" . $random->below(9) if $case == 14;
    return $random->below(2000) if $case < 18;
    return random_word($random);
}

sub flagged_latin1 {
    my $key = "w\xe9" . $_[0]->below(50);
    utf8::upgrade($key);
    return $key;
}

1;
