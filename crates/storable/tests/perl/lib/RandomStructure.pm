# Purpose: builds a random structure of everything that Storable writes, the
# same for the same seed.  Run: not run alone;
# my ($root, $made) = RandomStructure::build($random).
package RandomStructure;
use strict;
use warnings;
no warnings 'recursion';
use feature 'refaliasing';
no warnings 'experimental::refaliasing';
use Hash::Util qw(lock_ref_keys);
use JSON::PP ();
use Scalar::Util qw(weaken);
use SampleClasses;
use RandomScalars qw(random_scalar random_key random_bytes random_text);

use constant MAX_DEPTH => 8;

my @PLAIN_CLASSES = qw(User Order::Line Dancer::Session::Redis Node Very::Long::Class::Name::For::Test X);
my @SUBS = do {
    # Without pragmas, so that the deparsed texts stay short.
    no strict;
    no warnings;
    (sub { $_[0] + 1 }, sub { 'constant' }, sub { my ($x) = @_; return $x * 2 });
};

# Some are patterns with characters beyond Latin-1 written as escapes, since
# Storable does not bring literal ones back as they were.
my @REGEXPS = (qr/a.b/, qr/^\d+$/msx, qr/x/i, qr/\x{263a}/, qr/n/xx, qr//, qr/@{['long' x 80]}/, bless(qr/own/, 'My::Regexp'));

# What a slot of a container gets, by weight.
my @KINDS = (
    ([\&some_scalar]) x 44, ([\&hash]) x 9, ([\&array]) x 8, ([\&shared]) x 7,
    ([\&scalar_ref]) x 4, ([\&ref_of_ref]) x 2, ([\&ancestor]) x 2, ([\&overloaded]) x 3,
    ([\&hook]) x 4, ([\&tied_thing]) x 3, ([\&regexp]) x 2, ([\&json_boolean]) x 1,
    ([\&blessed_scalar]) x 1,
);

sub build {
    my ($random) = @_;
    my $wanted = $random->below(100);
    my $self = {
        random => $random,
        left   => $wanted < 75 ? 8 + $random->below(80) : $wanted < 97 ? 60 + $random->below(250) : 2000,
        parents => [], pool => [], made => [],
        code    => $random->chance(0.05) ? 1 : 0,
    };
    my $root = fill_hash($self, {}, 1 + $random->below(12) - $random->chance(0.05));
    bless $root, $random->pick(@PLAIN_CLASSES) if $random->chance(0.8);
    # A small tree leaves room for more branches at the root.
    fill_hash($self, $root, 3) while $self->{left} > 30 && keys %$root < 12;
    return ($root, $self->{made});
}

sub kept { my ($self, $ref) = @_; push @{ $self->{made} }, $ref; push @{ $self->{pool} }, $ref; return $ref }

# One value; immortals and weak references are made in the slot itself.
sub value {
    my ($self) = @_;
    my $random = $self->{random};
    $self->{left}--;
    return some_scalar($self) if $self->{left} <= 0 || @{ $self->{parents} } >= MAX_DEPTH;
    return $random->pick(@SUBS) if $self->{code} && $random->chance(0.05);
    return $KINDS[ $random->below(scalar @KINDS) ][0]->($self);
}

sub some_scalar { return random_scalar($_[0]{random}) }

sub fill_hash {
    my ($self, $hash, $count) = @_;
    my $random = $self->{random};
    push @{ $self->{parents} }, $hash;
    for (1 .. $count) {
        my $key = random_key($random);
        next if exists $hash->{$key};
        if ($random->chance(0.02)) {
            \$hash->{$key} = $random->below(2) ? \!!1 : \!!0;
            next;
        }
        $hash->{$key} = weak_target($self) // value($self);
        weaken_if_asked($self, \$hash->{$key});
    }
    pop @{ $self->{parents} };
    return $hash;
}

# Only what the pool knows to be held elsewhere may be held weakly.
sub weak_target {
    my ($self) = @_;
    my ($random, $pool) = @$self{qw(random pool)};
    return undef if !@$pool || !$random->chance(0.03);
    $self->{weaken} = 1;
    return $random->pick(@$pool);
}

# A copy of a weak reference is strong, so the slot itself is weakened.
sub weaken_if_asked {
    my ($self, $slot) = @_;
    weaken($$slot) if delete $self->{weaken};
    return;
}

sub hash {
    my ($self) = @_;
    my $random = $self->{random};
    my $hash = {};
    fill_hash($self, $hash, breadth($self));
    bless $hash, $random->pick(@PLAIN_CLASSES) if $random->chance(0.3);
    restrict($self, $hash) if $random->chance(0.12);
    return kept($self, $hash);
}

# Wide while much is left, or else a large structure would end early.
sub breadth {
    my ($self) = @_;
    return $self->{left} > 150 ? 5 + $self->{random}->below(20) : $self->{random}->below(9);
}

sub restrict {
    my ($self, $hash) = @_;
    my $random = $self->{random};
    my @extra = grep { !exists $hash->{$_} } map { random_key($random) } 1 .. $random->below(3);
    lock_ref_keys($hash, keys %$hash, @extra);
    for my $key (sort keys %$hash) {
        Internals::SvREADONLY($hash->{$key}, 1) if $random->chance(0.4);
    }
    return;
}

sub array {
    my ($self) = @_;
    my $random = $self->{random};
    my $array = [];
    push @{ $self->{parents} }, $array;
    for my $index (0 .. breadth($self) - 1) {
        next if $random->chance(0.05);
        if ($random->chance(0.03)) {
            \$array->[$index] = $random->pick(\undef, \!!1, \!!0);
            next;
        }
        $array->[$index] = weak_target($self) // value($self);
        weaken_if_asked($self, \$array->[$index]);
    }
    $#$array += $random->below(3) if $random->chance(0.05);
    pop @{ $self->{parents} };
    bless $array, $random->pick(@PLAIN_CLASSES) if $random->chance(0.2);
    return kept($self, $array);
}

sub shared {
    my ($self) = @_;
    my $pool = $self->{pool};
    return @$pool ? $self->{random}->pick(@$pool) : array($self);
}

sub ancestor { my ($self) = @_; return $self->{random}->pick(@{ $self->{parents} }) }

sub scalar_ref {
    my ($self) = @_;
    my $value = some_scalar($self);
    push @{ $self->{pool} }, \$value;
    return \$value;
}

sub ref_of_ref { my ($self) = @_; my $inner = value($self); my $outer = \$inner; return \$outer }

sub blessed_scalar {
    my ($self) = @_;
    my $value = value($self);
    my $object = bless \$value, $self->{random}->pick(@PLAIN_CLASSES);
    push @{ $self->{pool} }, $object;
    return $object;
}

sub json_boolean { return $_[0]{random}->below(2) ? JSON::PP::true() : JSON::PP::false() }

sub regexp { return $_[0]{random}->pick(@REGEXPS) }

sub overloaded {
    my ($self) = @_;
    my $random = $self->{random};
    return kept($self, bless fill_hash($self, {}, $random->below(4)), 'LoudHash') if $random->below(2);
    return kept($self, bless [map { some_scalar($self) } 1 .. $random->below(4)], 'LoudArray');
}

# References of hooks: new things, things met before, parents, itself.
sub hook {
    my ($self) = @_;
    my $random = $self->{random};
    return HookScalar->new(random_bytes($random)) if $random->chance(0.2);
    return bless empty_tied($self), 'HookOnTied' if $random->chance(0.1);
    my $class = $random->pick(qw(HookHash HookHash HookArray HookHash::Child LoudHook));
    my $text = $random->chance(0.2) ? random_text($random) : random_bytes($random);
    utf8::encode($text) if utf8::is_utf8($text);
    my @refs = map { hook_reference($self) } 1 .. $random->below(4);
    @refs = ($refs[0]) x 260 if @refs && $random->chance(0.01);
    my $hook = $class->new($text, @refs);
    push @{ $hook->{refs} }, $hook if $class eq 'HookHash' && $random->chance(0.05);
    return kept_hook($self, $hook);
}

# The list inside is cleared at the end, the object itself as well.  An
# overloaded hook object is never shared: thaw blesses it after its references,
# and dies when one of those leads back to it.
sub kept_hook {
    my ($self, $hook) = @_;
    push @{ $self->{made} }, $hook->{refs} if $hook->isa('HookHash');
    return kept($self, $hook) if !$hook->isa('LoudHook');
    push @{ $self->{made} }, $hook;
    return $hook;
}

sub hook_reference {
    my ($self) = @_;
    my $case = $self->{random}->below(5);
    return shared($self) if $case < 2;
    return ancestor($self) if $case == 2;
    return $case == 3 ? hash($self) : array($self);
}

sub empty_tied {
    my ($self) = @_;
    my $case = $self->{random}->below(3);
    if ($case == 0) { tie(my %hash, 'TieToHash', data => some_scalar($self)); return \%hash }
    if ($case == 1) { tie(my @array, 'TieToArray', some_scalar($self)); return \@array }
    tie(my $scalar, 'TieToScalar', some_scalar($self));
    return \$scalar;
}

sub tied_thing {
    my ($self) = @_;
    my $random = $self->{random};
    my $case = $random->below(7);
    if ($case < 2) {
        my $class = $random->pick(qw(TieToHash TieToHash TieToLoud));
        tie(my %hash, $class, inner => value($self), more => some_scalar($self));
        my $key = random_key($random);
        return $case ? \%hash : [\%hash, \$hash{$key}];
    }
    if ($case < 4) {
        tie(my @array, 'TieToArray', map { value($self) } 0 .. $random->below(3));
        return $case == 2 ? \@array : [\$array[0], \@array];
    }
    return bless empty_tied($self), 'PlainOnTied' if $case == 4;
    tie(my $scalar, 'TieToScalar', value($self));
    return \$scalar;
}

# What Storable writes of the subs used here.
sub code_texts {
    require B::Deparse;
    return map { B::Deparse->new->coderef2text($_) } @SUBS;
}

# Empties the containers, so that cycles do not stay in memory for ever.
sub dismantle {
    my ($made) = @_;
    for my $ref (@$made) {
        if (Scalar::Util::reftype($ref) eq 'HASH') {
            next if tied %$ref;
            Internals::SvREADONLY(%$ref, 0);
            undef %$ref;
        }
        elsif (Scalar::Util::reftype($ref) eq 'ARRAY') {
            @$ref = () if !tied @$ref;
        }
    }
    return;
}

1;
