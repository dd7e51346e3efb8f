# Purpose: answers questions about one Perl value as the interpreter holds it
# (flags, magic, hash key flags), shared by the renderer, the comparison and
# the generator.  Run: not run alone; `use SvFacts qw(...)`.
package SvFacts;
use strict;
use warnings;
use B ();
use Exporter 'import';
use Hash::Util ();
use Scalar::Util qw(refaddr);
use overload ();

our @EXPORT_OK = qw(
    immortal_name key_form find_magic magic_target plain_keys
    is_restricted is_readonly is_overloaded_class has_hook
    internal_bytes eval_keeping_text code_text forget_code_texts
    SVMAGICAL
);

use constant SVMAGICAL => B::SVs_GMG() | B::SVs_SMG() | B::SVs_RMG();

# The three immortals live at fixed addresses, so an address tells more
# cheaply than flags what is really the interpreter's own yes or no.
my %IMMORTAL = (
    refaddr(\undef) => 'undef',
    refaddr(\!!1)   => 'yes',
    refaddr(\!!0)   => 'no',
);
for my $probe (\undef, \!!1, \!!0) {
    die "an immortal was copied\n"
        if ref(B::svref_2object($probe)) ne 'B::SPECIAL';
}

sub immortal_name { return $IMMORTAL{ refaddr $_[0] } }

# How a hash key lies in the hash: 'b' bytes, 'u' UTF-8, 'w' bytes that were
# UTF-8.  Perl hands a WASUTF8 key back as a flagged string that fits Latin-1.
sub key_form {
    my ($key) = @_;
    return ('b', $key) if !utf8::is_utf8($key);
    my $bytes = $key;
    return ('w', $bytes) if utf8::downgrade($bytes, 1);
    utf8::encode($bytes);
    return ('u', $bytes);
}

sub find_magic {
    my ($object, $type) = @_;
    return if ref($object) eq 'B::SPECIAL' || !$object->can('MAGIC');
    return if !($object->FLAGS & SVMAGICAL);
    my $magic = $object->MAGIC;
    while ($magic) {
        return $magic if $magic->TYPE eq $type;
        $magic = $magic->MOREMAGIC;
    }
    return;
}

# A reference to what the magic points at, or undef when it points nowhere
# (a scalar tied to itself has no object there).
sub magic_target {
    my ($magic) = @_;
    my $object = $magic->OBJ;
    return if !$$object || ref($object) eq 'B::SPECIAL';
    return $object->object_2svref;
}

# Two lists in the same order: visible keys, and keys that only hold a place.
sub plain_keys {
    my ($hash) = @_;
    my (@visible, @hidden);
    Hash::Util::all_keys(%$hash, @visible, @hidden);
    return (\@visible, \@hidden);
}

sub is_restricted { return Internals::SvREADONLY(%{ $_[0] }) ? 1 : 0 }

sub is_readonly {
    my ($ref) = @_;
    return 1 if $IMMORTAL{ refaddr $ref };
    return B::svref_2object($ref)->FLAGS & B::SVf_READONLY() ? 1 : 0;
}

my %overloaded;

sub is_overloaded_class {
    my ($class) = @_;
    return $overloaded{$class} //= overload::Overloaded($class) ? 1 : 0;
}

my %hooked;

sub has_hook {
    my ($class) = @_;
    return $hooked{$class} //= $class->can('STORABLE_freeze') ? 1 : 0;
}

sub internal_bytes {
    my ($string) = @_;
    utf8::encode($string) if utf8::is_utf8($string);
    return $string;
}

# Storable hands "sub {...}" to $Storable::Eval.  Remembering that text by the
# address of the sub shows the text of the wire later; deparsing the thawed
# sub would not, since its text grows a package line.
my %code_text;

sub eval_keeping_text {
    my ($source) = @_;
    my $code = compile_bare($source);
    die $@ if ref($code) ne 'CODE';
    $code_text{ refaddr $code } = substr $source, 4;
    return $code;
}

sub code_text { return $code_text{ refaddr $_[0] } }

sub forget_code_texts { %code_text = (); return }

# Compiled without pragmas, as Storable itself would.
sub compile_bare {
    no strict;
    no warnings;
    return eval $_[0];
}

1;
