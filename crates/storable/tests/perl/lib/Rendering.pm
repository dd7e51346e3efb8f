# Purpose: writes a Perl structure as one line of text that says what a
# Storable stream of it holds: kinds, flags, classes, sharing.
# Run: not run alone; `use Rendering qw(render)`; render($reference).
package Rendering;
use strict;
use warnings;
no warnings 'recursion';
use B ();
use Exporter 'import';
use Scalar::Util qw(blessed isweak refaddr);
use re ();
use SvFacts qw(
    immortal_name key_form find_magic magic_target plain_keys is_restricted
    is_readonly is_overloaded_class has_hook internal_bytes code_text
);

our @EXPORT_OK = qw(render quoted);

# The rendering starts at what the reference points to.
sub render {
    my ($root) = @_;
    my $walk = { pieces => [], slot => {}, kept => [] };
    node($walk, $root);
    return assemble($walk->{pieces});
}

# Each first sight left a slot among the pieces, each later sight a pair; only
# slots met again get a number, in order of first sight.
sub assemble {
    my ($pieces) = @_;
    my $next = 0;
    for my $piece (@$pieces) {
        next if ref($piece) ne 'HASH' || !$piece->{again};
        $piece->{number} = ++$next;
    }
    return join '', map { piece_text($_) } @$pieces;
}

sub piece_text {
    my ($piece) = @_;
    return $piece if !ref $piece;
    return '*' . ${$piece}->{number} if ref($piece) eq 'REF';
    return $piece->{number} ? "&$piece->{number} " : '';
}

sub add { my ($walk, @text) = @_; push @{ $walk->{pieces} }, @text; return }

sub node {
    my ($walk, $ref) = @_;
    my $immortal = immortal_name($ref) // '';
    # Storable never shares the immortal undef.
    return add($walk, 'undef') if $immortal eq 'undef';
    my $address = refaddr $ref;
    if (my $slot = $walk->{slot}{$address}) {
        $slot->{again} = 1;
        return add($walk, \$slot);
    }
    add($walk, $walk->{slot}{$address} = {});
    return add($walk, $immortal) if $immortal;
    my $class = blessed $ref;
    if (defined $class) {
        return if has_hook($class) && hook_node($walk, $ref, $class);
        add($walk, escaped($class), '=');
    }
    return body($walk, $ref, B::svref_2object($ref));
}

sub body {
    my ($walk, $ref, $object) = @_;
    return if tied_node($walk, $object);
    my $kind = ref $object;
    return array_node($walk, $ref) if $kind eq 'B::AV';
    return hash_node($walk, $ref) if $kind eq 'B::HV';
    return code_node($walk, $ref) if $kind eq 'B::CV';
    return regexp_node($walk, $ref) if $kind eq 'B::REGEXP';
    return scalar_node($walk, $ref, $object);
}

sub tied_node {
    my ($walk, $object) = @_;
    my $kind = ref $object;
    my $container = $kind eq 'B::AV' || $kind eq 'B::HV';
    if (my $magic = find_magic($object, $container ? 'P' : 'q')) {
        my $what = $kind eq 'B::AV' ? 'array' : $kind eq 'B::HV' ? 'hash' : 'scalar';
        add($walk, "tied-$what(");
        tie_object($walk, $magic);
        add($walk, ')');
        return 1;
    }
    my $magic = $container ? undef : find_magic($object, 'p');
    return 0 if !$magic;
    my $key = $magic->PTR;
    add($walk, ref $key ? 'tied-key(' : 'tied-index(');
    tie_object($walk, $magic);
    add($walk, ',');
    ref $key ? node($walk, $key->object_2svref) : add($walk, $magic->LENGTH);
    add($walk, ')');
    return 1;
}

sub tie_object {
    my ($walk, $magic) = @_;
    my $target = magic_target($magic);
    return $target ? node($walk, $target) : add($walk, 'undef');
}

sub array_node {
    my ($walk, $array) = @_;
    add($walk, '[');
    for my $index (0 .. $#$array) {
        add($walk, ',') if $index;
        if (!exists $array->[$index]) {
            add($walk, 'hole');
        }
        elsif ((immortal_name(\$array->[$index]) // '') eq 'undef') {
            add($walk, 'elem-undef');
        }
        else {
            node($walk, \$array->[$index]);
        }
    }
    return add($walk, ']');
}

sub hash_node {
    my ($walk, $hash) = @_;
    my $restricted = is_restricted($hash);
    add($walk, $restricted ? 'restricted{' : '{');
    my $comma = '';
    for my $entry (sorted_entries($hash)) {
        my ($form, $bytes, $value) = @$entry;
        add($walk, $comma, $form, quoted($bytes));
        $comma = ',';
        if (!$value) { add($walk, '?'); next }
        add($walk, '!') if $restricted && is_readonly($value);
        add($walk, ':');
        node($walk, $value);
    }
    return add($walk, '}');
}

# `values` hands out the values themselves, also where an element access
# would refuse (an immortal undef as a value).
sub sorted_entries {
    my ($hash) = @_;
    my ($visible, $hidden) = plain_keys($hash);
    my @values = map { \$_ } values %$hash;
    my @entries = map { [ key_form($visible->[$_]), $values[$_] ] } 0 .. $#$visible;
    push @entries, map { [ key_form($_) ] } @$hidden;
    return sort { $a->[1] cmp $b->[1] || $a->[0] cmp $b->[0] } @entries;
}

sub code_node {
    my ($walk, $code) = @_;
    my $text = code_text($code);
    if (!defined $text) {
        require B::Deparse;
        $text = B::Deparse->new->coderef2text($code);
    }
    return add($walk, 'code', quoted(internal_bytes($text)));
}

sub regexp_node {
    my ($walk, $regexp) = @_;
    my ($pattern, $flags) = re::regexp_pattern($regexp);
    return add($walk, 'qr', quoted(internal_bytes($pattern)), $flags);
}

sub scalar_node {
    my ($walk, $ref, $object) = @_;
    my $flags = $object->FLAGS;
    if ($flags & B::SVf_ROK()) {
        add($walk, reference_mark($ref));
        return node($walk, $$ref);
    }
    if ($flags & B::SVf_POK()) {
        my $magic = find_magic($object, 'V');
        add($walk, 'v', quoted($magic->PTR)) if $magic;
        my $form = $flags & B::SVf_UTF8() ? 'u' : 'b';
        return add($walk, $form, quoted(internal_bytes($$ref)));
    }
    return add($walk, number_text($ref, $flags));
}

sub number_text {
    my ($ref, $flags) = @_;
    if ($flags & B::SVf_IOK()) {
        my $copy = $$ref;
        return "$copy";
    }
    return 'd:' . unpack('H16', pack 'd>', $$ref) if $flags & B::SVf_NOK();
    return 'undef';
}

sub reference_mark {
    my ($ref) = @_;
    my $class = blessed $$ref;
    my $loud = defined $class && is_overloaded_class($class);
    my $weak = isweak($$ref);
    return ($weak ? $loud ? 'weak-overload' : 'weak' : $loud ? 'overload' : '') . '\\';
}

# Says whether the hook gave anything; a hook that declines leaves the object
# to be stored plainly.  What it gave is kept, so that no address is reused.
sub hook_node {
    my ($walk, $ref, $class) = @_;
    my ($frozen, @refs) = $ref->STORABLE_freeze(0);
    return 0 if !defined $frozen;
    push @{ $walk->{kept} }, @refs;
    add($walk, 'hook ', escaped($class), ' ', quoted(internal_bytes($frozen)), ' [');
    for my $index (0 .. $#refs) {
        add($walk, ',') if $index;
        node($walk, $refs[$index]);
    }
    add($walk, ']');
    my $object = B::svref_2object($ref);
    if (find_magic($object, 'P') || find_magic($object, 'q')) {
        add($walk, ' ');
        tied_node($walk, $object);
    }
    return 1;
}

sub quoted { return '"' . escaped($_[0]) . '"' }

sub escaped {
    my ($bytes) = @_;
    $bytes =~ s/([^\x20-\x7e]|["\\])/sprintf '\\x%02x', ord $1/ge;
    return $bytes;
}

1;
