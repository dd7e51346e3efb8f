# Purpose: freezes what it is told to, and thaws and freezes again what it is given.
# Run: perl again.pl cases          name, dialect and hex of each case, keys in the order of the
#                                   hash seed (PERL_HASH_SEED)
#      perl again.pl freeze         a line of hex for each expression on STDIN, in native order
#      perl again.pl again          for each line of hex on STDIN: `ok <hex>` or `died`
#      perl again.pl ask HEX EXPR   what the expression gives for the thawed $root
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use Scalar::Util qw(blessed refaddr);
use Storable ();
use CasePad;
use StorableCases;
use SvFacts qw(eval_keeping_text);

{
    no warnings 'once';
    $Storable::Deparse = 1;
    $Storable::Eval    = \&eval_keeping_text;
}

my %MODES = (cases => \&cases, freeze => \&freeze, again => \&again, ask => \&ask);

my ($mode, @rest) = @ARGV;
($MODES{ $mode // '' } // die "no such mode\n")->(@rest);

sub cases {
    for my $case (StorableCases::all()) {
        for my $dialect (qw(native network)) {
            my $value = CasePad::build($case->{expression});
            print join("\t", $case->{name}, $dialect, hex_of($value, $dialect)), "\n";
        }
    }
    return;
}

sub freeze {
    while (my $line = <STDIN>) {
        chomp $line;
        print hex_of(CasePad::build($line), 'native'), "\n";
    }
    return;
}

sub again {
    while (my $line = <STDIN>) {
        chomp $line;
        my $bytes = pack 'H*', $line;
        my $dialect = substr($bytes, 0, 1) eq "\x05" ? 'network' : 'native';
        my $hex = eval { hex_of(Storable::thaw($bytes), $dialect) };
        print defined $hex ? "ok $hex\n" : "died\n";
    }
    return;
}

sub ask {
    my ($hex, $expression) = @_;
    our $root = Storable::thaw(pack 'H*', $hex);
    my $answer = eval $expression;
    die $@ if $@;
    print $answer // 'undef';
    return;
}

sub hex_of {
    my ($value, $dialect) = @_;
    return unpack 'H*', $dialect eq 'native' ? Storable::freeze($value) : Storable::nfreeze($value);
}
