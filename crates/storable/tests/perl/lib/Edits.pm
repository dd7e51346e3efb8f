# Purpose: random changes of hashes inside a structure, as text and as deed,
# and an applier that works from the text alone.  Run: not run alone.
# Text: `path|op|key|value`, joined by commas, `-` for none.
package Edits;
use strict;
use warnings;
use Scalar::Util qw(blessed isweak reftype);
use RandomScalars qw(random_bytes random_text random_double random_integer);
use SvFacts qw(key_form has_hook is_restricted);

# Chooses changes and makes them at once, so that each path is right after
# the changes before it.
sub choose_and_apply {
    my ($root, $random) = @_;
    my @texts;
    for (1 .. $random->below(6)) {
        my ($path, $hash) = random_hash($root, $random);
        push @texts, change($path, $hash, $random);
    }
    return @texts ? join(',', @texts) : '-';
}

sub change {
    my ($path, $hash, $random) = @_;
    my @keys = sort keys %$hash;
    my $old = @keys && $random->chance(0.65);
    my $key = $old ? $random->pick(@keys) : 'new' . $random->below(100);
    if ($old && $random->chance(0.45)) {
        delete $hash->{$key};
        return join '|', $path, 'del', key_text($key), '';
    }
    ($key) = grep { $_ eq $key } @keys if exists $hash->{$key};
    my ($text, $value) = random_value($random, 2);
    replace($hash, $key, $value);
    return join '|', $path, 'set', key_text($key), $text;
}

# A set replaces the value, so that others who hold the old one keep it as it
# was; assigning in place would change it for them too.
sub replace {
    my ($hash, $key, $value) = @_;
    delete $hash->{$key};
    $hash->{$key} = $value;
    return;
}

sub key_text {
    my ($form, $bytes) = key_form($_[0]);
    return unpack('H*', $bytes) . ($form eq 'u' ? 'u' : '');
}

# A random walk down, which ends in the last hash that it met.
sub random_hash {
    my ($root, $random) = @_;
    my ($at, $path, $hash, $hash_path) = ($root, '', $root, '');
    while ($random->chance(0.75)) {
        my @steps = steps($at);
        last if !@steps;
        my ($step, $next) = @{ $random->pick(@steps) };
        $path .= ($path eq '' ? '' : '.') . $step;
        $at = $next;
        ($hash, $hash_path) = ($at, $path) if reftype($at) eq 'HASH';
    }
    return ($hash_path, $hash);
}

# Not through weak references: what only they lead to is gone once thawed.
sub steps {
    my ($at) = @_;
    if (reftype($at) eq 'HASH') {
        return map { [ 'k' . key_text($_), $at->{$_} ] }
            grep { passable($at->{$_}) && !isweak($at->{$_}) } sort keys %$at;
    }
    return map { [ "i$_", $at->[$_] ] }
        grep { exists $at->[$_] && passable($at->[$_]) && !isweak($at->[$_]) } 0 .. $#$at;
}

# Plain hashes and arrays, blessed or not: no ties, hooks, restrictions.
sub passable {
    return 0 if !ref $_[0];
    my $type = reftype $_[0];
    return 0 if $type ne 'HASH' && $type ne 'ARRAY';
    my $class = blessed $_[0];
    return 0 if defined $class && has_hook($class);
    return tied @{ $_[0] } ? 0 : 1 if $type eq 'ARRAY';
    return tied %{ $_[0] } || is_restricted($_[0]) ? 0 : 1;
}

# A value as text and as itself.
sub random_value {
    my ($random, $depth) = @_;
    my $case = $random->below($depth > 0 ? 8 : 6);
    return ('U', undef) if $case == 0;
    if ($case == 1) { my $value = random_integer($random); return ("I$value", 0 + $value) }
    if ($case == 2) { my $value = random_double($random); return ('D' . unpack('H16', pack 'd>', $value), $value) }
    if ($case == 3) { my $value = random_bytes($random); return ('B' . unpack('H*', $value), $value) }
    if ($case == 4) { my $value = 'word' . $random->below(100); return ('B' . unpack('H*', $value), $value) }
    if ($case == 5) {
        my $value = my $bytes = random_text($random);
        utf8::encode($bytes);
        return ('T' . unpack('H*', $bytes), $value);
    }
    return $case == 6 ? random_list($random, $depth - 1) : random_map($random, $depth - 1);
}

sub random_list {
    my ($random, $depth) = @_;
    my @pairs = map { [ random_value($random, $depth) ] } 1 .. $random->below(4);
    return ('A[' . join(';', map { $_->[0] } @pairs) . ']', [ map { $_->[1] } @pairs ]);
}

sub random_map {
    my ($random, $depth) = @_;
    my (@texts, %map);
    for my $number (1 .. $random->below(4)) {
        my ($text, $value) = random_value($random, $depth);
        my $key = 'key' . $number x $random->below(4) . $number;
        next if exists $map{$key};
        push @texts, unpack('H*', $key) . "=$text";
        $map{$key} = $value;
    }
    return ('H[' . join(';', @texts) . ']', \%map);
}

# From here on: the applier that knows only the text.
sub apply_text {
    my ($root, $text) = @_;
    return if $text eq '-';
    for my $edit (split /,/, $text) {
        my ($path, $operation, $key, $value) = split /\|/, $edit, -1;
        my $at = $root;
        $at = follow($at, $_) for split /\./, $path;
        my ($name) = existing_key($at, $key);
        delete $at->{$name} if defined $name;
        next if $operation eq 'del';
        $name //= pack 'H*', $key;
        $at->{$name} = parse_value(\$value);
    }
    return;
}

sub follow {
    my ($at, $step) = @_;
    return $at->[$1] if $step =~ /\Ai(\d+)\z/;
    my ($name) = existing_key($at, substr $step, 1);
    die "no such step $step\n" if !defined $name;
    return $at->{$name};
}

sub existing_key {
    my ($hash, $text) = @_;
    return grep { key_text($_) eq $text } keys %$hash;
}

sub parse_value {
    my ($text) = @_;
    $$text =~ /\G([UIDBTAH])/gc or die "bad value in $$text\n";
    my $kind = $1;
    return undef if $kind eq 'U';
    return parse_group($text, $kind) if $kind eq 'A' || $kind eq 'H';
    $$text =~ /\G(-?[0-9a-f]*)/gc;
    return 0 + $1 if $kind eq 'I';
    my $bytes = pack 'H*', $1;
    return unpack 'd>', $bytes if $kind eq 'D';
    utf8::decode($bytes) if $kind eq 'T';
    return $bytes;
}

sub parse_group {
    my ($text, $kind) = @_;
    my @items;
    $$text =~ /\G\[/gc or die "no bracket in $$text\n";
    until ($$text =~ /\G\]/gc) {
        $$text =~ /\G;/gc;
        push @items, pack 'H*', $1 if $kind eq 'H' && $$text =~ /\G([0-9a-f]*)=/gc;
        push @items, parse_value($text);
    }
    return $kind eq 'A' ? \@items : {@items};
}

1;
