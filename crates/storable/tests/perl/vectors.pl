# Purpose: prints the table of test vectors, one line per case and dialect:
# name, Perl expression, dialect, hex of the frozen bytes, expected rendering.
# Run: perl vectors.pl > vectors.tsv        the table
#      perl vectors.pl --corpus DIR         each case as DIR/<name>.<dialect>.bin
#      perl vectors.pl --markers            how many cases hold each marker
#      perl vectors.pl --verify             checks the table against itself
use strict;
use warnings;
use FindBin ();
use lib "$FindBin::Bin/lib";
use File::Path qw(make_path);
use File::Temp ();
use Storable ();
use CasePad;
use HandWritten;
use MarkerScan ();
use Rendering qw(render);
use StorableCases;
use SvFacts qw(eval_keeping_text forget_code_texts);

{
    no warnings 'once';
    $Storable::canonical = 1;
    $Storable::Deparse   = 1;
    $Storable::Eval      = \&eval_keeping_text;
}

main(@ARGV);

sub main {
    my ($mode, $directory) = (@_, '');
    binmode STDOUT;
    my @rows = (case_rows(), hand_rows());
    return write_corpus($directory, @rows) if $mode eq '--corpus';
    return print_markers(@rows) if $mode eq '--markers';
    return verify(@rows) if $mode eq '--verify';
    die "unknown argument $mode\n" if $mode ne '';
    return print_table(@rows);
}

sub case_rows {
    my @rows;
    for my $case (StorableCases::all()) {
        for my $dialect (dialects($case)) {
            # A fresh structure each time: freezing may leave number flags.
            my $value = CasePad::build($case->{expression});
            my $bytes = frozen($value, $dialect);
            push @rows, {
                %$case,
                dialect  => $dialect,
                bytes    => $bytes,
                value    => $value,
                expected => expected($case, $value, $bytes, $dialect),
            };
        }
    }
    return @rows;
}

sub dialects {
    my ($case) = @_;
    return ('native', 'network') if !$case->{files};
    return ('native', 'network', 'native-file', 'network-file');
}

sub frozen {
    my ($value, $dialect) = @_;
    return Storable::freeze($value) if $dialect eq 'native';
    return Storable::nfreeze($value) if $dialect eq 'network';
    my $file = File::Temp->new;
    $dialect eq 'native-file'
        ? Storable::store($value, $file->filename)
        : Storable::nstore($value, $file->filename);
    open my $in, '<:raw', $file->filename or die "no stored file: $!\n";
    local $/;
    return scalar <$in>;
}

sub thawed {
    my ($bytes) = @_;
    forget_code_texts();
    return Storable::thaw($bytes) if substr($bytes, 0, 4) ne 'pst0';
    return Storable::thaw(substr $bytes, 4);
}

sub expected {
    my ($case, $value, $bytes, $dialect) = @_;
    return render($value) if $case->{original};
    my $copy = thawed($bytes);
    return render($copy);
}

sub hand_rows {
    return map { { %$_, expression => '(written by hand)' } } HandWritten::rows();
}

sub print_table {
    my @rows = @_;
    print "# Test vectors of Perl's Storable: what freeze, nfreeze, store and nstore write.\n";
    print "# Made by: perl vectors.pl > vectors.tsv (Storable $Storable::VERSION)\n";
    print "# name\tperl expression\tdialect\thex\texpected\n";
    for my $row (@rows) {
        my $hex = unpack 'H*', $row->{bytes};
        print join("\t", @$row{qw(name expression dialect)}, $hex, $row->{expected}), "\n";
    }
    return;
}

sub write_corpus {
    my ($directory, @rows) = @_;
    die "--corpus needs a directory\n" if $directory eq '';
    make_path($directory);
    for my $row (@rows) {
        my $path = "$directory/$row->{name}.$row->{dialect}.bin";
        open my $out, '>:raw', $path or die "$path: $!\n";
        print {$out} $row->{bytes};
        close $out or die "$path: $!\n";
    }
    print scalar(@rows), " files in $directory\n";
    return;
}

sub print_markers {
    my @rows = @_;
    my (%rows, %sample);
    for my $row (@rows) {
        for my $marker (MarkerScan::markers($row->{bytes})) {
            $rows{$marker}++;
            $sample{$marker} //= $row->{name};
        }
    }
    for my $marker (0 .. 35) {
        printf "%2d %-16s %4d rows, as in %s\n", $marker, MarkerScan::name($marker),
            $rows{$marker} // 0, $sample{$marker} // '-';
    }
    return;
}

# The rendering of the original and of the copy must agree, but for what is
# known not to come back; hand-written streams must read as they say.
sub verify {
    my @rows = @_;
    my ($same, @different) = (0);
    for my $row (@rows) {
        my $other = eval { other_rendering($row) } // 'died: ' . ($@ =~ s/ at .*//sr);
        if ($other eq $row->{expected}) { $same++; next }
        push @different, "$row->{name} $row->{dialect}\n  table: $row->{expected}\n  other: $other\n";
    }
    print "rows that agree: $same, that differ: ", scalar(@different), "\n", @different;
    return;
}

sub other_rendering {
    my ($row) = @_;
    return render(thawed($row->{bytes})) if !$row->{value} || $row->{original};
    forget_code_texts();
    return render($row->{value});
}
