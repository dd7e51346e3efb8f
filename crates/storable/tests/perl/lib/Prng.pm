# Purpose: a small generator of pseudo-random numbers that gives the same run
# for the same seed on every 64-bit Perl.  Run: not run alone; Prng->new($seed).
package Prng;
use strict;
use warnings;

# One step of a multiplicative mix, so that near seeds start far apart.
sub new {
    my ($class, $seed) = @_;
    my $state;
    {
        use integer;
        $state = ($seed + 1) * 713633465963545537;
    }
    $state = 88172645463325252 if $state == 0;
    my $self = bless \$state, $class;
    $self->next64 for 1 .. 8;
    return $self;
}

sub next64 {
    my $x = ${ $_[0] } | 0;
    $x ^= $x << 13;
    $x ^= $x >> 7;
    $x ^= $x << 17;
    return ${ $_[0] } = $x;
}

sub below { return ($_[0]->next64 >> 11) % $_[1] }

sub chance { return ($_[0]->next64 >> 11) % 1000 < $_[1] * 1000 }

sub pick { my ($self, @from) = @_; return $from[ $self->below(scalar @from) ] }

1;
