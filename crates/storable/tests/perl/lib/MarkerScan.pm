# Purpose: reads a Storable stream just far enough to list its markers, so
# that the table can say which of them it holds.
# Run: not run alone; `MarkerScan::markers($bytes)`.
package MarkerScan;
use strict;
use warnings;
no warnings 'recursion';

my @NAMES = qw(
    OBJECT LSCALAR ARRAY HASH REF UNDEF INTEGER DOUBLE BYTE NETINT SCALAR
    TIED_ARRAY TIED_HASH TIED_SCALAR SV_UNDEF SV_YES SV_NO BLESS IX_BLESS HOOK
    OVERLOAD TIED_KEY TIED_IDX UTF8STR LUTF8STR FLAG_HASH CODE WEAKREF
    WEAKOVERLOAD VSTRING LVSTRING SVUNDEF_ELEM REGEXP LOBJECT TRUE FALSE
);
my %WITHOUT_BODY = map { $_ => 1 } 5, 14, 15, 16, 31, 34, 35;
my %FIXED        = (0 => 4, 6 => 8, 7 => 8, 8 => 1, 9 => 4);
my %SHORT        = map { $_ => 1 } 10, 23, 29;
my %LONG         = map { $_ => 1 } 1, 24, 30;
my %ONE_INSIDE   = map { $_ => 1 } 4, 11, 12, 13, 20, 26, 27, 28;

sub name { return $NAMES[ $_[0] ] }

# The markers of one stream, each once.
sub markers {
    my ($bytes) = @_;
    $bytes =~ s/\Apst0//;
    my $network = ord($bytes) & 1;
    my $scan = { bytes => $bytes, at => $network ? 2 : 15, network => $network, met => {} };
    object($scan);
    die "bytes left over\n" if $scan->{at} != length $bytes;
    return sort { $a <=> $b } keys %{ $scan->{met} };
}

sub take {
    my ($scan, $count) = @_;
    die "stream too short\n" if $scan->{at} + $count > length $scan->{bytes};
    my $part = substr $scan->{bytes}, $scan->{at}, $count;
    $scan->{at} += $count;
    return $part;
}

sub byte { return ord take($_[0], 1) }
sub long { return unpack $_[0]{network} ? 'l>' : 'l<', take($_[0], 4) }
sub huge { return unpack $_[0]{network} ? 'q>' : 'q<', take($_[0], 8) }

sub object {
    my ($scan) = @_;
    my $marker = byte($scan);
    $scan->{met}{$marker} = 1;
    return if $WITHOUT_BODY{$marker};
    return take($scan, $FIXED{$marker}) if $FIXED{$marker};
    return object($scan) if $ONE_INSIDE{$marker};
    return text($scan, $marker, $SHORT{$marker} ? byte($scan) : long($scan))
        if $SHORT{$marker} || $LONG{$marker};
    return array($scan, long($scan)) if $marker == 2;
    return hash($scan, long($scan), 0) if $marker == 3;
    return flag_hash($scan) if $marker == 25;
    return blessed_object($scan, $marker) if $marker == 17 || $marker == 18;
    return hook($scan, 0) if $marker == 19;
    return tied_element($scan, $marker) if $marker == 21 || $marker == 22;
    return regexp($scan) if $marker == 32;
    return large($scan) if $marker == 33;
    die "unknown marker $marker\n";
}

# A version string is followed by the string that it is.
sub text {
    my ($scan, $marker, $length) = @_;
    take($scan, $length);
    return object($scan) if $marker == 29 || $marker == 30;
    return;
}

sub array { my ($scan, $count) = @_; object($scan) for 1 .. $count; return }

sub hash {
    my ($scan, $count, $flagged) = @_;
    for (1 .. $count) {
        object($scan);
        my $flags = $flagged ? byte($scan) : 0;
        if ($flags & 8) { object($scan); next }
        take($scan, long($scan));
    }
    return;
}

sub flag_hash { my ($scan) = @_; byte($scan); return hash($scan, long($scan), 1) }

sub blessed_object {
    my ($scan, $marker) = @_;
    my $number = byte($scan);
    $number = long($scan) if $number & 0x80;
    take($scan, $number) if $marker == 17;
    return object($scan);
}

sub hook {
    my ($scan, $large) = @_;
    my $flags = byte($scan);
    my $extra = ($flags & 3) == 3 ? byte($scan) : 0;
    while ($flags & 0x40) { object($scan); $flags = byte($scan) }
    my $name = $flags & 4 ? long($scan) : byte($scan);
    take($scan, $name) if !($flags & 0x20);
    take($scan, $large ? huge($scan) : $flags & 8 ? long($scan) : byte($scan));
    if ($flags & 0x80) {
        my $ids = $flags & 0x10 ? long($scan) : byte($scan);
        take($scan, $ids < 0 ? -8 * $ids : 4 * $ids);
    }
    return $extra ? object($scan) : undef;
}

sub tied_element {
    my ($scan, $marker) = @_;
    object($scan);
    return $marker == 21 ? object($scan) : long($scan);
}

sub regexp {
    my ($scan) = @_;
    my $flags = byte($scan);
    take($scan, $flags & 1 ? long($scan) : byte($scan));
    return take($scan, byte($scan));
}

sub large {
    my ($scan) = @_;
    my $kind = byte($scan);
    return hook($scan, 1) if $kind == 19;
    my $flagged = $kind == 25 ? byte($scan) + 1 : 0;
    my $length = huge($scan);
    return if $kind == 0;
    return array($scan, $length) if $kind == 2;
    return hash($scan, $length, $flagged) if $kind == 3 || $kind == 25;
    return take($scan, $length);
}

1;
