# Purpose: the self test of differential.pl: plays the reader's part in Perl,
# then damages copies in every way that the comparison must see.
# Run: perl differential.pl --self-test N, or --measure N.
package DifferentialTest;
use strict;
use warnings;
no warnings 'recursion';
use Hash::Util ();
use Scalar::Util qw(blessed isweak refaddr reftype);
use Storable ();
use Time::HiRes ();
use B ();
use re ();
use Edits;
use SvFacts qw(find_magic is_restricted is_readonly plain_keys key_form);

sub run {
    my ($count) = @_;
    my (%replies, $failed, $edits, $bytes);
    for my $seed (1 .. $count) {
        for my $dialect (qw(native network)) {
            my ($ok, $hex, $text) = split / /, main::gen($seed, $dialect);
            $bytes += length($hex) / 2;
            $edits += () = $text =~ /\|/g;
            my $reply = main::check($seed, edited_hex($hex, $text, $dialect));
            next if $reply eq 'same';
            print "seed $seed $dialect: $reply\n    $text\n" if ++$failed <= 20;
        }
    }
    printf "%d pairs, %d not the same, %d bytes and %.1f edits each\n",
        2 * $count, $failed // 0, $bytes / (2 * $count), $edits / 3 / (2 * $count);
    damage_report($count);
    return;
}

# The same edits from their text, on what Perl itself thaws.
sub edited_hex {
    my ($hex, $text, $dialect) = @_;
    my $copy = Storable::thaw(pack 'H*', $hex);
    Edits::apply_text($copy, $text);
    return unpack 'H*', main::frozen($copy, $dialect);
}

sub measure {
    my ($count) = @_;
    my ($start, @sizes) = (Time::HiRes::time());
    for my $seed (1 .. $count) {
        my $dialect = $seed % 2 ? 'native' : 'network';
        my ($ok, $hex) = split / /, main::gen($seed, $dialect);
        push @sizes, length($hex) / 2;
        # The edited structure, so that the walk goes to its end.
        main::check($seed, unpack 'H*', main::refrozen($seed));
    }
    @sizes = sort { $a <=> $b } @sizes;
    printf "%d pairs in %.1f s; bytes: median %d, 90%% %d, most %d\n", $count,
        Time::HiRes::time() - $start, @sizes[ $count / 2, $count * 0.9, -1 ];
    return;
}

# A damage takes the sites of a copy and changes one of them; it gives false
# where it finds none that suits.
my %DAMAGES = (
    'flip UTF-8 flag'    => sub { scalar_site($_[0], sub { defined ${ $_[0] } && is_text($_[0]) && ${ $_[0] } =~ /\A[a-z]+\d+\z/ && !utf8::is_utf8(${ $_[0] }) && !vmagic($_[0]) }, sub { utf8::upgrade(${ $_[0] }) }) },
    'integer to string'  => sub { scalar_site($_[0], \&is_integer, sub { my $n = ${ $_[0] }; ${ $_[0] } = "$n" }) },
    'integer to double'  => sub { scalar_site($_[0], \&is_integer, sub { ${ $_[0] } = 0.5 + ${ $_[0] } % 1000 }) },
    'integer by one'     => sub { scalar_site($_[0], sub { is_integer($_[0]) && ${ $_[0] } < 1000 }, sub { ${ $_[0] }++ }) },
    'string by a byte'   => sub { scalar_site($_[0], sub { is_text($_[0]) && !vmagic($_[0]) }, sub { ${ $_[0] } .= 'x' }) },
    'value to undef'     => sub { scalar_site($_[0], sub { is_text($_[0]) || is_integer($_[0]) }, sub { ${ $_[0] } = undef }) },
    'drop weak flag'     => sub { scalar_site($_[0], sub { isweak(${ $_[0] }) }, sub { my $strong = ${ $_[0] }; ${ $_[0] } = $strong }) },
    'drop vstring magic' => sub { scalar_site($_[0], \&vmagic, sub { my $text = '' . ${ $_[0] }; $text = "$text"; ${ $_[0] } = substr($text, 0) . '' }) },
    'unshare'            => \&unshare,
    'change class'       => sub { container_site($_[0], sub { blessed $_[0] && (reftype $_[0]) eq 'HASH' }, sub { bless $_[0], 'Other::Class' }) },
    'drop class'         => \&drop_class,
    'fill hole'          => \&fill_hole,
    'longer array'       => sub { container_site($_[0], sub { reftype($_[0]) eq 'ARRAY' }, sub { $#{ $_[0] }++ }) },
    'drop restriction'   => sub { container_site($_[0], sub { reftype($_[0]) eq 'HASH' && is_restricted($_[0]) && %{ $_[0] } }, sub { Internals::SvREADONLY(%{ $_[0] }, 0); Internals::hv_clear_placeholders(%{ $_[0] }) }) },
    'drop placeholder'   => sub { container_site($_[0], \&has_placeholder, sub { Internals::hv_clear_placeholders(%{ $_[0] }) }) },
    'drop lock'          => \&drop_lock,
    'drop WASUTF8'       => sub { key_site($_[0], 'w', sub { my $key = $_[0]; utf8::downgrade($key); $key }) },
    'drop key UTF-8'     => sub { key_site($_[0], 'u', sub { my $key = $_[0]; utf8::encode($key); $key }) },
    'drop key'           => sub { container_site($_[0], sub { reftype($_[0]) eq 'HASH' && !is_restricted($_[0]) && %{ $_[0] } }, sub { my ($key) = sort keys %{ $_[0] }; delete $_[0]{$key} }) },
    'yes to string'      => \&copy_immortal,
    'string in hook'     => sub { inside($_[0], 'HookHash', sub { $_[0]{text} .= 'x' }) },
    'unlist in hook'     => sub { inside($_[0], 'HookHash', sub { @{ $_[0]{refs} } && pop @{ $_[0]{refs} } }) },
    'tie object'         => sub { referent($_[0], 'HASH', sub { my $tie = tied %{ $_[0] }; $tie && ($tie->{hurt} = 1) }) },
    'regexp flags'       => sub { slot_of($_[0], 'REGEXP', sub { my ($pattern) = re::regexp_pattern(${ $_[0] }); ${ $_[0] } = qr/$pattern/s }) },
    'code text'          => sub { slot_of($_[0], 'CODE', sub { ${ $_[0] } = sub { 'other' } }) },
    'double bits'        => sub { scalar_site($_[0], \&is_double, sub { my $bits = unpack 'Q', pack 'd', ${ $_[0] }; ${ $_[0] } = unpack 'd', pack 'Q', $bits ^ 1 }) },
    'double to string'   => sub { scalar_site($_[0], \&is_double, sub { ${ $_[0] } = '' . ${ $_[0] } }) },
);

sub damage_report {
    my ($count) = @_;
    my (%done, %missed, %reason);
    for my $seed (1 .. $count) {
        for my $name (sort keys %DAMAGES) {
            next if ($done{$name} // 0) >= 10;
            my $reply = damaged_reply($seed, $DAMAGES{$name}) // next;
            $done{$name}++;
            if ($reply =~ /\Adiffers: .*: (.*)/) { $reason{$name} //= $1; next }
            $missed{$name}++;
            print "damage not seen: $name, seed $seed: $reply\n";
        }
    }
    for my $name (sort keys %DAMAGES) {
        printf "damage %-20s seen %d of %d, as in: %s\n", $name,
            ($done{$name} // 0) - ($missed{$name} // 0), $done{$name} // 0, $reason{$name} // '-';
    }
    return;
}

sub damaged_reply {
    my ($seed, $damage) = @_;
    my ($ok, $hex, $text) = split / /, main::gen($seed, 'native');
    my $copy = Storable::thaw(pack 'H*', $hex);
    Edits::apply_text($copy, $text);
    my $done = $damage->(sites($copy));
    # What was hurt may have been reachable by weak references only, and so
    # vanish on thawing: the sites are taken from strong paths alone.
    my $bytes = $done ? unpack 'H*', main::frozen($copy, 'native') : $hex;
    my $reply = main::check($seed, $bytes);
    return $done ? $reply : undef;
}

# Scalars and containers of the plain part of a structure.
sub sites {
    my ($root) = @_;
    my $sites = { scalars => [], containers => [], seen => {} };
    visit($sites, $root);
    return $sites;
}

sub visit {
    my ($sites, $ref) = @_;
    my $again = $sites->{seen}{ refaddr $ref }++;
    return if $again || !Edits::passable($ref) && !restricted_hash($ref);
    push @{ $sites->{containers} }, $ref;
    my @slots = reftype($ref) eq 'HASH' ? map { \$_ } values %$ref
        : map { \$ref->[$_] } grep { exists $ref->[$_] } 0 .. $#$ref;
    for my $slot (@slots) {
        push @{ $sites->{scalars} }, $slot;
        visit($sites, $$slot) if ref($$slot) && !isweak($$slot);
    }
    return;
}

sub restricted_hash {
    my ($ref) = @_;
    my $class = blessed $ref;
    return reftype($ref) eq 'HASH' && !tied %$ref && is_restricted($ref)
        && !(defined $class && SvFacts::has_hook($class));
}

sub flags { return B::svref_2object($_[0])->FLAGS }
sub writable { return !is_readonly($_[0]) }
sub is_text { return !SvFacts::immortal_name($_[0]) && flags($_[0]) & B::SVf_POK() }
sub vmagic { return !SvFacts::immortal_name($_[0]) && !!find_magic(B::svref_2object($_[0]), 'V') }

sub is_integer {
    return 0 if SvFacts::immortal_name($_[0]);
    my $flags = flags($_[0]);
    return $flags & B::SVf_IOK() && !($flags & B::SVf_POK());
}

sub is_double {
    return 0 if SvFacts::immortal_name($_[0]);
    my $flags = flags($_[0]);
    return 0 if !($flags & B::SVf_NOK()) || $flags & (B::SVf_POK() | B::SVf_IOK());
    my $value = ${ $_[0] };
    return $value == $value && abs($value) < 9**99 && $value != 0;
}

# A slot that refers to something of that type, weak or blessed or not.
sub slot_of {
    my ($sites, $type, $change) = @_;
    for my $slot (grep { writable($_) && ref $$_ && !isweak($$_) } @{ $sites->{scalars} }) {
        next if reftype($$slot) ne $type;
        return 1 if $change->($slot);
    }
    return 0;
}

sub referent {
    my ($sites, $type, $change) = @_;
    return slot_of($sites, $type, sub { $change->(${ $_[0] }) });
}

sub inside {
    my ($sites, $class, $change) = @_;
    return referent($sites, 'HASH', sub { blessed $_[0] && $_[0]->isa($class) && $change->($_[0]) });
}

sub scalar_site {
    my ($sites, $suits, $change) = @_;
    for my $slot (grep { writable($_) } @{ $sites->{scalars} }) {
        next if !$suits->($slot);
        $change->($slot);
        return 1;
    }
    return 0;
}

sub container_site {
    my ($sites, $suits, $change) = @_;
    for my $ref (@{ $sites->{containers} }) {
        next if !$suits->($ref);
        $change->($ref);
        return 1;
    }
    return 0;
}

sub has_placeholder {
    my ($ref) = @_;
    return reftype($ref) eq 'HASH' && is_restricted($ref) && @{ (plain_keys($ref))[1] };
}

# One of two references gets a target of its own.
sub unshare {
    my ($sites) = @_;
    my %met;
    for my $slot (grep { writable($_) } @{ $sites->{scalars} }) {
        next if ref($$slot) ne 'ARRAY' && ref($$slot) ne 'HASH' || isweak($$slot);
        next if !$met{ refaddr $$slot }++ || !Edits::passable($$slot);
        $$slot = ref($$slot) eq 'ARRAY' ? [@$$slot] : {%$$slot};
        return 1;
    }
    return 0;
}

sub drop_class {
    my ($sites) = @_;
    for my $slot (grep { writable($_) } @{ $sites->{scalars} }) {
        next if !blessed $$slot || reftype($$slot) ne 'HASH' || !Edits::passable($$slot) || isweak($$slot);
        $$slot = {%{ $$slot }};
        return 1;
    }
    return 0;
}

sub fill_hole {
    my ($sites) = @_;
    for my $array (grep { reftype($_) eq 'ARRAY' } @{ $sites->{containers} }) {
        for my $index (0 .. $#$array) {
            next if exists $array->[$index];
            $array->[$index] = undef;
            return 1;
        }
    }
    return 0;
}

sub drop_lock {
    my ($sites) = @_;
    for my $hash (grep { reftype($_) eq 'HASH' && is_restricted($_) } @{ $sites->{containers} }) {
        for my $slot (map { \$_ } values %$hash) {
            next if !is_readonly($slot) || SvFacts::immortal_name($slot);
            Internals::SvREADONLY($$slot, 0);
            return 1;
        }
    }
    return 0;
}

sub key_site {
    my ($sites, $wanted, $renamed) = @_;
    for my $hash (grep { reftype($_) eq 'HASH' && !is_restricted($_) } @{ $sites->{containers} }) {
        for my $key (sort keys %$hash) {
            next if (key_form($key))[0] ne $wanted;
            my $value = delete $hash->{$key};
            $hash->{ $renamed->($key) } = $value;
            return 1;
        }
    }
    return 0;
}

sub copy_immortal {
    my ($sites) = @_;
    for my $hash (grep { reftype($_) eq 'HASH' && !is_restricted($_) } @{ $sites->{containers} }) {
        for my $key (sort keys %$hash) {
            next if !SvFacts::immortal_name(\$hash->{$key});
            my $copy = delete $hash->{$key};
            $hash->{$key} = "$copy";
            return 1;
        }
    }
    return 0;
}

1;
