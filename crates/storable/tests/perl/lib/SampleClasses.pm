# Purpose: the classes of the test structures: objects with Storable hooks,
# ties, and overloads.  Both programs load it, so that thaw finds the methods.
# Run: not run alone; `use SampleClasses;`.
package SampleClasses;
use strict;
use warnings;

# A hash whose hook hands its text as the frozen string and its list of
# references to Storable.  Freezing a thawed one gives the same again.
package HookHash;

sub new {
    my ($class, $text, @refs) = @_;
    return bless { text => $text, refs => [@refs] }, $class;
}

sub STORABLE_freeze {
    my ($self, $cloning) = @_;
    return if $cloning;
    return ($self->{text}, @{ $self->{refs} });
}

sub STORABLE_thaw {
    my ($self, $cloning, $text, @refs) = @_;
    return if $cloning;
    @$self{qw(text refs)} = ($text, [@refs]);
    return;
}

package HookHash::Child;
our @ISA = ('HookHash');

package HookArray;

sub new { my ($class, @rest) = @_; return bless [@rest], $class }

sub STORABLE_freeze { my ($self) = @_; return @$self }

sub STORABLE_thaw {
    my ($self, $cloning, @rest) = @_;
    @$self = @rest;
    return;
}

package HookScalar;

sub new { my ($class, $text) = @_; return bless \$text, $class }

sub STORABLE_freeze { return ${ $_[0] } }

sub STORABLE_thaw {
    my ($self, $cloning, $text) = @_;
    $$self = $text;
    return;
}

# Declines in its hook, so that Storable blesses its plain contents.
package HookDeclined;

sub STORABLE_freeze { return }
sub STORABLE_thaw   { die "never called\n" }

# For blessed variables that are tied as well: the hook never looks inside,
# since thaw ties the variable only after the hook ran.
package HookOnTied;

sub STORABLE_freeze { return 'outside' }
sub STORABLE_thaw   { return }

package Attached;
my %kept;

sub named { my ($class, $name) = @_; return $kept{$name} //= bless { name => $name }, $class }

sub STORABLE_freeze { return $_[0]{name} }

sub STORABLE_attach {
    my ($class, $cloning, $name) = @_;
    return $class->named($name);
}

package LoudHash;
use overload '""' => sub { return 'loud hash' }, 'bool' => sub { return 1 }, fallback => 1;

package LoudArray;
use overload '""' => sub { return 'loud array' }, 'bool' => sub { return 1 }, fallback => 1;

# A hook class that is overloaded too.
package LoudHook;
our @ISA = ('HookHash');
use overload '""' => sub { return 'loud hook' }, 'bool' => sub { return 1 }, fallback => 1;

package TieToHash;

sub TIEHASH  { my ($class, %data) = @_; return bless {%data}, $class }
sub FETCH    { return 'fetched' }
sub STORE    { $_[0]{ $_[1] } = $_[2]; return }
sub EXISTS   { return 1 }
sub DELETE   { return delete $_[0]{ $_[1] } }
sub CLEAR    { return }
sub FIRSTKEY { return }
sub NEXTKEY  { return }

package TieToArray;

sub TIEARRAY  { my ($class, @data) = @_; return bless [@data], $class }
sub FETCH     { return 'fetched' }
sub FETCHSIZE { return scalar @{ $_[0] } }
sub STORE     { $_[0][ $_[1] ] = $_[2]; return }
sub STORESIZE { return }
sub EXTEND    { return }
sub CLEAR     { return }

package TieToScalar;

sub TIESCALAR { my ($class, $data) = @_; return bless \$data, $class }
sub FETCH     { return 'fetched' }
sub STORE     { return }

# Its objects are overloaded, which shows in the reference to the tie object.
package TieToLoud;
our @ISA = ('TieToHash');
use overload '""' => sub { return 'loud tie' }, 'bool' => sub { return 1 }, fallback => 1;

1;
