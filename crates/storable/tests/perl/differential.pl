# Purpose: a child process that invents random structures with edits, and
# judges whether an edited stream says what Perl itself would have frozen.
# Run: perl differential.pl                 the protocol below, on STDIN/STDOUT
#      perl differential.pl --self-test N   N seeds in both dialects
#      perl differential.pl --measure N     times N pairs of gen and check
# gen <seed> <native|network>  -> ok <hex> <edits>
# check <seed> <hex>           -> same | differs: <path>: <what> | died: <why>
# thaw <hex>                   -> ok <rendering> | died <why>   (in a child)
# quit
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";

# Hash order depends on a seed of the process; fixing it makes the bytes of a
# seed the same everywhere, without sorting the keys on the wire.  The limit on
# memory is for hostile lengths, which Perl would try to allocate.
BEGIN {
    if (($ENV{PERL_HASH_SEED} // '') ne '0' || ($ENV{PERL_PERTURB_KEYS} // '') ne '0') {
        @ENV{qw(PERL_HASH_SEED PERL_PERTURB_KEYS)} = (0, 0);
        exec '/bin/sh', '-c', 'ulimit -v 4000000; exec "$@"', 'sh', $^X, $0, @ARGV
            or die "cannot start again: $!\n";
    }
}

use POSIX ();
use Storable ();
use Comparing;
use Edits;
use Prng;
use RandomStructure;
use Rendering qw(render);
use SvFacts qw(eval_keeping_text forget_code_texts);

{
    no warnings 'once';
    $Storable::Deparse   = 1;
    $Storable::Eval      = \&eval_keeping_text;
    $Storable::canonical = 0;
}
my %live;

# Code that was generated, by its text: hostile input must not run other code.
my %known_code = map { $_ => 1 } RandomStructure::code_texts();

sub main {
    my ($mode, $count) = @_;
    require DifferentialTest if defined $mode;
    return DifferentialTest::run($count // 200) if ($mode // '') eq '--self-test';
    return DifferentialTest::measure($count // 5000) if ($mode // '') eq '--measure';
    die "unknown argument $mode\n" if defined $mode;
    return serve();
}

sub serve {
    binmode STDIN;
    binmode STDOUT;
    $| = 1;
    while (my $line = <STDIN>) {
        chomp $line;
        my ($verb, @words) = split / /, $line;
        return if ($verb // '') eq 'quit';
        print answer($verb, @words), "\n";
    }
    return;
}

my %VERBS = (gen => \&gen, check => \&check, thaw => \&thaw);

sub answer {
    my ($verb, @words) = @_;
    my $action = $VERBS{ $verb // '' } or return 'died: unknown request';
    my $reply = eval { $action->(@words) };
    return defined $reply ? $reply : 'died: ' . one_line($@);
}

sub one_line {
    my ($message) = @_;
    utf8::encode($message) if utf8::is_utf8($message);
    $message =~ s/\s+\z//;
    $message =~ s/[\r\n]+/ /g;
    return $message;
}

sub gen {
    my ($seed, $dialect) = @_;
    my $random = Prng->new($seed * 2 + ($dialect eq 'network' ? 1 : 0));
    my ($root, $made) = RandomStructure::build($random);
    my $bytes = frozen($root, $dialect);
    my $edits = Edits::choose_and_apply($root, $random);
    # Edited already: the check only has to freeze it.
    $live{$seed} = { root => $root, made => $made, dialect => $dialect };
    return join ' ', 'ok', unpack('H*', $bytes), $edits;
}

sub frozen {
    my ($root, $dialect) = @_;
    return $dialect eq 'network' ? Storable::nfreeze($root) : Storable::freeze($root);
}

# What the edited structure freezes to, for the self test.
sub refrozen { return frozen(@{ $live{ $_[0] } }{qw(root dialect)}) }

sub check {
    my ($seed, $hex) = @_;
    my $case = delete $live{$seed} or return "died: seed $seed is not known";
    my $expected = Storable::thaw(frozen(@$case{qw(root dialect)}));
    my ($reply, $met) = judge($expected, pack 'H*', $hex);
    RandomStructure::dismantle([ @{ $case->{made} }, @$met ]);
    forget_code_texts();
    return $reply;
}

sub judge {
    my ($expected, $bytes) = @_;
    my $got = eval { Storable::thaw($bytes) };
    return ('died: ' . one_line($@ || 'thaw gave nothing'), []) if !ref $got;
    my ($difference, $met) = Comparing::compare($expected, $got);
    return (defined $difference ? 'differs: root' . one_line($difference) : 'same', $met);
}

# Hostile bytes can end the whole process (a huge length), or keep it busy for
# ever, so each request has a process of its own.
use constant SECONDS_TO_THAW => 5;

sub thaw {
    my ($hex) = @_;
    my $child = open(my $pipe, '-|') // die "no child: $!\n";
    if (!$child) {
        open STDERR, '>', '/dev/null';
        alarm SECONDS_TO_THAW;
        print thaw_here($hex);
        close STDOUT;
        POSIX::_exit(0);
    }
    my $reply = do { local $/; <$pipe> };
    close $pipe;
    return $reply if $? == 0 && defined $reply && $reply ne '';
    return 'died the process ended: ' . ($? & 127 ? 'signal ' . ($? & 127) : 'status ' . ($? >> 8));
}

# Modules are not looked for and unknown code is not run: the bytes may come
# from anywhere.
sub thaw_here {
    my ($hex) = @_;
    no warnings 'once';
    local @INC = ();
    local $SIG{__WARN__} = sub { };
    local $Storable::Eval = \&eval_known_code;
    my $reply = eval {
        my $value = Storable::thaw(pack 'H*', $hex // '');
        die "thaw gave nothing\n" if !ref $value;
        'ok ' . render($value);
    };
    return $reply // 'died ' . one_line($@);
}

sub eval_known_code {
    my ($source) = @_;
    die "code that is not known\n" if !$known_code{ substr $source, 4 };
    return eval_keeping_text($source);
}

main(@ARGV);
