# Purpose: session entries of every awkward kind, and what another program has
# changed in them.
# Run: not run alone; `use My::Basket`; My::Basket::entries, ::differences.
package My::Basket;
use strict;
use warnings;
use DateTime ();
use Scalar::Util qw(refaddr);
use Shown qw(kind shown);

# Name and value of each entry, in order.
sub entries {
    my $shared = [1, 'two', 3.5];
    my $basket = {
        items => [{ name => "\x{17e}lu\x{165}\x{e1}", price => 9.75, count => 3 }, { name => 'tea' }],
        empty => [{}, [], ''],
        none  => undef,
    };
    return (
        basket => bless($basket, 'My::Basket'),
        one    => $shared,
        other  => $shared,
        when   => DateTime->new(year => 2024, month => 2, day => 29, hour => 12, time_zone => 'UTC'),
        bytes  => "caf\xE9",
        text   => "caf\x{e9} \x{20ac}",
        none   => undef,
        digits => '0042',
        number => 42,
        big    => 9_007_199_254_740_993,
        minus  => -1,
    );
}

# What is not as in `entries`, one line each.
sub differences {
    my ($session) = @_;
    my %wanted = entries();
    my @all = map { difference($_, $session, \%wanted) } sort keys %wanted;
    push @all, 'one and other are not the same array'
        if (refaddr($session->{one}) // 1) != (refaddr($session->{other}) // 2);
    push @all, 'basket has lost its methods'
        if (eval { $session->{basket}->count } // 0) != 2;
    push @all, 'when is not the same moment'
        if !eval { $session->{when} == $wanted{when} && $session->{when}->time_zone->is_utc };
    return @all;
}

sub difference {
    my ($name, $session, $wanted) = @_;
    return "$name is not there" if !exists $session->{$name};
    # Kinds first, and of the entries themselves: comparing uses them.
    my ($kind, $wanted_kind) = (kind($session->{$name}), kind($wanted->{$name}));
    return "$name is $kind, not $wanted_kind" if $kind ne $wanted_kind;
    my ($text, $wanted_text) = map { shown($_->{$name}) } $session, $wanted;
    return $text eq $wanted_text ? () : "$name is $text, not $wanted_text";
}

sub count { return scalar @{ $_[0]{items} } }

1;
