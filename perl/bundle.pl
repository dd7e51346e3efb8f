# Purpose: puts the sources of the session engine into a distribution that is
# about to be packed, as a workspace of its own in rust/.
# Run: perl bundle.pl DIRECTORY, by `make dist`
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Find qw(find);
use File::Path qw(make_path);

my ($distribution) = @ARGV or die "usage: perl bundle.pl DIRECTORY\n";
my ($from) = grep { -e "$_/Cargo.toml" } 'rust', '..';
my $to = "$distribution/rust";

# What the engine needs, and what cargo looks at for its tests.
my @members = (map({ "crates/$_" } qw(dancer-session dancer-session-tower storable testbench)), 'perl/ffi');
my @files   = ('LICENSE-MIT', 'LICENSE-APACHE', 'Cargo.lock');
for my $member (@members) {
    my $wanted = sub { push @files, $_ if -f && !m{/tests/} };
    find({ no_chdir => 1, wanted => $wanted }, "$from/$member/src", "$from/$member/Cargo.toml");
    push @files, "$from/$member/README.md" if -e "$from/$member/README.md";
}
for my $file (@files) {
    (my $name = $file) =~ s{\A\Q$from\E/}{};
    make_path(dirname("$to/$name"));
    copy("$from/$name", "$to/$name") or die "cannot copy $from/$name: $!\n";
}

my $workspace = content("$from/Cargo.toml");
$workspace =~ s/^members = \[.*?\]$/'members = [' . join(', ', map { qq("$_") } @members) . ']'/mse;
$workspace =~ s/^#[^\n]*\ndefault-members = \[.*?\]\n//ms;
open my $out, '>', "$to/Cargo.toml" or die "cannot write $to/Cargo.toml: $!\n";
print {$out} $workspace;
close $out or die "cannot write $to/Cargo.toml: $!\n";
# Takes out of the lock file what belongs to other members.
system("cargo update --quiet --workspace --offline --manifest-path $to/Cargo.toml") == 0
    or die "the bundled workspace is not one that cargo takes\n";

open my $manifest, '>>', "$distribution/MANIFEST" or die "cannot write the MANIFEST: $!\n";
find({ no_chdir => 1, wanted => sub { print {$manifest} s{\A\Q$distribution\E/}{}r, "\n" if -f } }, $to);
close $manifest or die "cannot write the MANIFEST: $!\n";

sub content {
    my ($file) = @_;
    open my $in, '<', $file or die "cannot read $file: $!\n";
    local $/;
    return scalar readline $in;
}
