# Purpose: walks two structures at once and says where they differ, flags,
# magic, sharing and all.  Run: not run alone;
# my ($difference, $met) = Comparing::compare($one, $other).
package Comparing;
use strict;
use warnings;
no warnings 'recursion';
use B ();
use Scalar::Util qw(blessed isweak refaddr reftype);
use re ();
use SvFacts qw(immortal_name find_magic magic_target plain_keys is_restricted is_readonly code_text SVMAGICAL);

use constant {
    VALUE_FLAGS => B::SVf_IOK() | B::SVf_NOK() | B::SVf_POK() | B::SVf_ROK(),
    UNSIGNED    => B::SVf_IVisUV(),
    UTF8        => B::SVf_UTF8(),
    IOK         => B::SVf_IOK(),
    NOK         => B::SVf_NOK(),
    POK         => B::SVf_POK(),
    ROK         => B::SVf_ROK(),
};

# The difference, or undef; and the containers met, for whoever has to take
# the structures apart.
sub compare {
    my ($one, $other) = @_;
    my $walk = { there => {}, back => {}, met => [] };
    my $difference = node($walk, $one, $other);
    return ($difference, $walk->{met});
}

# Every function gives undef, or `path: what`; the caller puts its step before.
sub node {
    my ($walk, $one, $other) = @_;
    my ($here, $there) = (refaddr $one, refaddr $other);
    if (immortal_name($one) || immortal_name($other)) {
        return $here == $there ? undef : ': one is immortal, the other not';
    }
    my ($partner, $origin) = ($walk->{there}{$here}, $walk->{back}{$there});
    if ($partner || $origin) {
        return ($partner // 0) == $there && ($origin // 0) == $here ? undef : ': shared otherwise';
    }
    $walk->{there}{$here}  = $there;
    $walk->{back}{$there} = $here;
    my ($class, $other_class) = (blessed($one) // '', blessed($other) // '');
    return ": class '$class', other '$other_class'" if $class ne $other_class;
    return body($walk, $one, $other);
}

my %BODY = (ARRAY => \&arrays, HASH => \&hashes, CODE => \&subs, REGEXP => \&regexps);

sub body {
    my ($walk, $one, $other) = @_;
    my ($type, $other_type) = (reftype $one, reftype $other);
    my ($object, $other_object) = (B::svref_2object($one), B::svref_2object($other));
    if ($BODY{$type} || $BODY{$other_type}) {
        return ": $type, other $other_type" if $type ne $other_type;
    }
    my ($flags, $other_flags) = ($object->FLAGS, $other_object->FLAGS);
    if (($flags | $other_flags) & SVMAGICAL) {
        my ($difference, $tied) = magics($walk, $object, $other_object);
        return $difference if defined $difference || $tied;
    }
    return $BODY{$type}->($walk, $one, $other) if $BODY{$type};
    return scalars($walk, $one, $other, $flags, $other_flags);
}

# What Storable keeps of magic; says also whether it stands for the contents.
sub magics {
    my ($walk, $object, $other) = @_;
    my $tied = 0;
    for my $type (qw(P q p V)) {
        my ($magic, $other_magic) = (find_magic($object, $type), find_magic($other, $type));
        next if !$magic && !$other_magic;
        return ": magic $type on one side only" if !$magic || !$other_magic;
        my $difference = $type eq 'V' ? version_magic($magic, $other_magic)
            : tie_magic($walk, $magic, $other_magic);
        return "($type)$difference" if defined $difference;
        $tied = 1 if $type ne 'V';
    }
    return (undef, $tied);
}

sub version_magic { return $_[0]->PTR eq $_[1]->PTR ? undef : ': version string differs' }

sub tie_magic {
    my ($walk, $magic, $other) = @_;
    my ($target, $other_target) = (magic_target($magic), magic_target($other));
    return ': tie object on one side only' if !$target != !$other_target;
    my $difference = $target ? node($walk, $target, $other_target) : undef;
    return $difference if defined $difference || $magic->TYPE ne 'p';
    my ($key, $other_key) = ($magic->PTR, $other->PTR);
    return ': key or index' if !ref $key != !ref $other_key;
    return node($walk, $key->object_2svref, $other_key->object_2svref) if ref $key;
    return $magic->LENGTH == $other->LENGTH ? undef : ': index differs';
}

sub arrays {
    my ($walk, $one, $other) = @_;
    push @{ $walk->{met} }, $one, $other;
    return ": $#$one last, other $#$other" if $#$one != $#$other;
    for my $index (0 .. $#$one) {
        my $there = exists $one->[$index];
        return "[$index]: hole on one side" if $there xor exists $other->[$index];
        next if !$there;
        my $difference = node($walk, \$one->[$index], \$other->[$index]);
        return "[$index]$difference" if defined $difference;
    }
    return;
}

# Keys that are equal as text may differ in how they are flagged.
sub hashes {
    my ($walk, $one, $other) = @_;
    push @{ $walk->{met} }, $one, $other;
    my $restricted = is_restricted($one);
    return ': restricted on one side' if $restricted != is_restricted($other);
    my ($keys, $hidden)             = plain_keys($one);
    my ($other_keys, $other_hidden) = plain_keys($other);
    my $difference = key_lists($keys, $other_keys) // key_lists($hidden, $other_hidden);
    return $difference if defined $difference;
    my %partner;
    @partner{@$other_keys} = map { \$_ } values %$other;
    my @values = map { \$_ } values %$one;
    for my $key (@$keys) {
        my ($value, $other_value) = (shift @values, $partner{$key});
        my $found = node($walk, $value, $other_value);
        $found //= ': locked on one side'
            if $restricted && is_readonly($value) != is_readonly($other_value);
        return '{' . printable($key) . '}' . $found if defined $found;
    }
    return;
}

sub key_lists {
    my ($keys, $other_keys) = @_;
    my %flagged = map { $_ => utf8::is_utf8($_) ? 1 : 0 } @$other_keys;
    for my $key (@$keys) {
        my $flag = delete $flagged{$key};
        return ': key ' . printable($key) . ' only in one' if !defined $flag;
        return ': key ' . printable($key) . ' flagged otherwise'
            if $flag != (utf8::is_utf8($key) ? 1 : 0);
    }
    my ($left) = keys %flagged;
    return defined $left ? ': key ' . printable($left) . ' only in other' : undef;
}

sub printable { return $_[0] =~ s/([^\x20-\x7e])/sprintf '\\x{%x}', ord $1/ger }

sub subs {
    my ($walk, $one, $other) = @_;
    my ($text, $other_text) = (code_text($one) // '', code_text($other) // '');
    return $text eq $other_text ? undef : ': code text differs';
}

sub regexps {
    my ($walk, $one, $other) = @_;
    my ($pattern, $flags)             = re::regexp_pattern($one);
    my ($other_pattern, $other_flags) = re::regexp_pattern($other);
    return ': pattern differs' if $pattern ne $other_pattern;
    return ': pattern flagged otherwise'
        if utf8::is_utf8($pattern) xor utf8::is_utf8($other_pattern);
    return $flags eq $other_flags ? undef : ": regexp flags $flags, other $other_flags";
}

sub scalars {
    my ($walk, $one, $other, $flags, $other_flags) = @_;
    return ': kind ' . kind($flags) . ', other ' . kind($other_flags)
        if ($flags ^ $other_flags) & VALUE_FLAGS;
    return references($walk, $one, $other) if $flags & ROK;
    if ($flags & POK) {
        return ': text flagged otherwise' if ($flags ^ $other_flags) & UTF8;
        return ': text differs' if $$one ne $$other;
    }
    if ($flags & IOK) {
        return ': signed otherwise' if ($flags ^ $other_flags) & UNSIGNED;
        return ': integer differs' if $$one != $$other;
    }
    elsif ($flags & NOK) {
        return if pack('d>', $$one) eq pack('d>', $$other);
        return if $$one != $$one && $$other != $$other;
        return ': double differs';
    }
    return;
}

sub kind {
    my ($flags) = @_;
    my @names = grep { $_ } $flags & IOK && 'integer', $flags & NOK && 'double',
        $flags & POK && 'string', $flags & ROK && 'reference';
    return @names ? join('+', @names) : 'undef';
}

sub references {
    my ($walk, $one, $other) = @_;
    return ': weak on one side' if isweak($$one) xor isweak($$other);
    my $difference = node($walk, $$one, $$other);
    return defined $difference ? "->$difference" : undef;
}

1;
