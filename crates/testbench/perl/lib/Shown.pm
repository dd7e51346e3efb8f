# Purpose: shows a Perl value as one line of text that is always the same.
# Run: not run alone; `use Shown qw(shown)`; shown($value).
package Shown;
use strict;
use warnings;
use B ();
use Exporter 'import';
use Scalar::Util qw(blessed reftype);

our @EXPORT_OK = qw(shown kind);

# A plain value as it is; what a reference leads to with quotes and classes:
# [1,"a",undef], {"key":1}, \"a", My::Class={"key":1}.
sub shown {
    my ($value) = @_;
    return 'undef' if !defined $value;
    return ref $value ? node($value) : $value;
}

# Whether a plain value is text (of characters or bytes) or a number.  Asking
# for it does not turn one into the other, as using it would.
sub kind {
    my ($flags) = map { B::svref_2object(\$_)->FLAGS } $_[0];
    return $flags & B::SVf_UTF8 ? 'characters' : 'bytes' if $flags & B::SVf_POK;
    return $flags & B::SVf_IOK ? 'integer' : $flags & B::SVf_NOK ? 'double' : 'undef';
}

sub node {
    my ($value) = @_;
    return 'undef' if !defined $value;
    return kind($value) =~ /\A(?:characters|bytes)\z/ ? quoted($value) : $value if !ref $value;
    my $class = blessed($value) // '';
    return 'DateTime=' . $value->iso8601 if $class eq 'DateTime';
    return ($class && "$class=") . body($value);
}

sub body {
    my ($value) = @_;
    my $type = reftype $value;
    return '[' . join(',', map { node($_) } @$value) . ']' if $type eq 'ARRAY';
    return '\\' . node($$value) if $type eq 'SCALAR' || $type eq 'REF';
    return lc $type if $type ne 'HASH';
    return '{' . join(',', map { quoted($_) . ':' . node($value->{$_}) } sort keys %$value) . '}';
}

# Code points beyond ASCII are spelled out, so that bytes and characters with
# the same look differ: "\x{e9}" is one, "\x{c3}\x{a9}" are two.
sub quoted {
    my ($text) = @_;
    $text =~ s/([^ !#-\[\]-~])/sprintf '\\x{%x}', ord $1/ge;
    return qq{"$text"};
}

1;
