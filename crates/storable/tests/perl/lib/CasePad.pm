# Purpose: the package in which the case expressions are evaluated, with the
# short helpers that they call.  Run: not run alone; `CasePad::build($text)`.
package CasePad;
use strict;
use warnings;
use feature 'refaliasing';
no warnings 'experimental::refaliasing';
use Hash::Util qw(lock_keys lock_hash lock_value unlock_hash);
use JSON::PP ();
use Math::BigInt ();
use Scalar::Util qw(dualvar weaken);
use SampleClasses;

# The same bytes as Perl text that carries the UTF-8 flag.
sub wide {
    my ($text) = @_;
    utf8::upgrade($text);
    return $text;
}

# Number from its IEEE bits, since a literal may be folded to an integer.
sub double { return unpack 'd>', pack 'H16', $_[0] }

# Puts the very value into the hash or array; an assignment would copy it.
sub alias_value { my ($hash, $key, $ref) = @_; \$hash->{$key} = $ref; return $hash }
sub alias_element { my ($array, $index, $ref) = @_; \$array->[$index] = $ref; return $array }

sub immortals { return \@_ }

sub weak { my ($slot) = @_; weaken($$slot); return $slot }

sub with_weak {
    my ($target) = @_;
    my $hash = { kept => $target, weak => $target };
    weaken($hash->{weak});
    return $hash;
}

sub locked { my ($hash, @allowed) = @_; lock_keys(%$hash, keys %$hash, @allowed); return $hash }

sub frozen_solid { my ($hash) = @_; lock_hash(%$hash); return $hash }

sub hash_of { my ($key, $value) = @_; my %hash; $hash{$key} = $value; return \%hash }

sub self_array { my $array = [1]; push @$array, $array; return $array }
sub self_hash { my $hash = { name => 'self' }; $hash->{self} = $hash; return $hash }
sub self_scalar { my $scalar; $scalar = \$scalar; return \$scalar }

sub self_hook { my $hook = HookHash->new('loop'); push @{ $hook->{refs} }, $hook; return $hook }

sub tied_hash { my ($class, @data) = @_; tie(my %hash, $class, @data); return \%hash }
sub tied_array { my ($class, @data) = @_; tie(my @array, $class, @data); return \@array }
sub tied_scalar { my ($class, @data) = @_; tie(my $scalar, $class, @data); return \$scalar }
sub tied_key { my ($hash, $key) = @_; return \$hash->{$key} }
sub tied_index { my ($array, $index) = @_; return \$array->[$index] }

sub vstring { my @parts = @_; return eval 'v' . join '.', @parts }

sub many_classes {
    my ($count) = @_;
    return [ map { (bless({}, "Class$_"), bless([], "Class$_")) } 1 .. $count ];
}

sub session {
    return bless {
        id       => '394850239485760928374650192837465',
        user     => 'marie.dupont@example.org',
        name     => "Marie Dupont-L\xe9vesque",
        visits   => 42,
        last     => 1650000000,
        roles    => [ 'reader', 'editor', 'approver' ],
        language => 'fr',
        flash    => { notice => 'Your changes were saved.', level => 'info', count => 1 },
        basket   => { items => [ { sku => 'AB-1001', qty => 2 } ], total => 59.9 },
    }, 'Dancer::Session::Redis';
}

sub moment {
    require DateTime;
    return DateTime->new(
        year => 2021, month => 12, day => 31, hour => 23, minute => 59, second => 58,
        nanosecond => 123_000_000, time_zone => 'UTC', locale => 'en-US',
    );
}

# The plus sign keeps an expression in braces from being read as a block.
sub build {
    my ($expression) = @_;
    no strict 'refs';
    my $value = eval "+$expression";
    die "case '$expression': $@" if $@;
    die "case '$expression' gives no reference\n" if !ref $value;
    return $value;
}

1;
