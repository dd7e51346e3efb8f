# Purpose: calls the session engine, which is a shared library beside the
# module: Redis.so.  A request and a reply are byte strings, each behind its
# length; perl/ffi/src/calls.rs says what each call takes and gives.  What each
# request of a visitor does, `retrieve` and `flush`, needs no message: there
# each step counts.
package Dancer::Session::Redis::Border;
use strict;
use warnings;
use Carp           ();
use Config         ();
use Dancer::Session::Redis::Request;
use FFI::Platypus 2.00;
use File::Basename ();
use File::Spec     ();
use Scalar::Util   ();
use overload       ();

our @CARP_NOT = map { "Dancer::Session::$_" } qw(Redis Redis::Connection);

# Settings that are ours alone; all others are the engine's.
my %OURS = map { $_ => 1 } qw(allow_tied lazy);

# What the reply to a call that was not carried out begins with.
use constant ERROR => pack 'N/a*', 'error';

# Where the engine puts an answer of so many bytes at most.
use constant ROOM => 65_536;
vec(my $ROOM = '', ROOM - 1, 8) = 0;

# How a flush is done that has nothing more to say, as a message.
my %HOW = map { $_ => pack 'N/a*', $_ } qw(plainly changed renew);

my %ENGINES;

_attach(__FILE__);

sub _attach {
    my ($file) = @_;
    my $ffi = FFI::Platypus->new(api => 2, lib => _library($file));
    # Nothing is ever unloaded: a connection outlives the last session.
    my @bytes = ('string', 'size_t');
    $ffi->attach([ dancer_session_call => '_call' ] => [ @bytes, 'size_t*' ] => 'opaque');
    $ffi->attach([ dancer_session_retrieve => '_retrieve' ] => [ 'size_t', (@bytes) x 2 ] => 'ssize_t');
    $ffi->attach([ dancer_session_flush => '_flush' ] => [ 'size_t', (@bytes) x 5 ] => 'ssize_t');
    $ffi->attach([ dancer_session_reply => '_reply' ] => [ 'ssize_t', 'size_t*' ] => 'opaque');
    return;
}

# Beside the module, where it is installed; else where Perl looks for modules,
# since Dancer puts an application's lib before a blib.
sub _library {
    my ($file) = @_;
    my $beside = File::Basename::dirname(File::Basename::dirname(File::Spec->rel2abs($file)));
    my @places = map { "$_/Redis.$Config::Config{dlext}" } $beside,
        map { File::Spec->rel2abs($_) . '/Dancer/Session' } grep { !ref } @INC;
    my ($library) = grep { -e } @places;
    return $library // die "Dancer::Session::Redis: the session engine is missing at $places[0]: "
        . "build the distribution with `perl Makefile.PL && make`, and install it\n";
}

# The engine for these settings; made when there is none yet.
sub engine {
    my ($class, $for, $settings) = @_;
    my @pairs = map { defined $settings->{$_} ? ($_ => $settings->{$_}) : () } sort keys %$settings;
    return $ENGINES{ join "\0", $for, @pairs } //= $class->_open($for, @pairs);
}

sub _open {
    my ($class, $for, @pairs) = @_;
    my (%ours, @theirs);
    while (my ($key, $value) = splice @pairs, 0, 2) {
        if ($OURS{$key}) {
            $ours{$key} = $value;
            next;
        }
        # An object may have a text.
        !ref $value || (Scalar::Util::blessed($value) && overload::Method($value, '""'))
            or Carp::croak("Dancer::Session::Redis: settings: redis_session: $key is a reference, expected text");
        push @theirs, $key, $value;
    }
    my $tied = $ours{allow_tied} ? 1 : 0;
    # What has no number yet is called by its class.
    my $unopened = bless { number => $for }, $class;
    my ($opened, $number, $timeout, @warnings) =
        $unopened->call('open', $tied, map { _text($_) } @theirs);
    Carp::carp($_) for map { _characters($_) } @warnings;
    my %theirs = @theirs;
    return bless { number => $number, timeout => $timeout, class => $theirs{class} }, $class;
}

# For how many seconds an operation may go on.
sub timeout { return $_[0]{timeout} }

# As what new sessions are stored, if that is set.
sub class { return $_[0]{class} }

# What became of it, and what there is to know; dies of an error.
sub call {
    my ($self, $name, @parts) = @_;
    my $request = pack '(N/a*)*', $name, $self->{number}, @parts;
    # One text with Perl's UTF-8 flag among them makes characters of all.
    utf8::downgrade($request);
    my ($address, $length, $reply);
    # One statement: between two, the handler of a signal may call the engine.
    $address = _call($request, length $request, \$length), $reply = unpack "P$length", pack 'J', $address;
    return _parts($reply);
}

# What is under an id, which is in bytes.
sub retrieve {
    my ($self, $id) = @_;
    if ($Dancer::Session::Redis::Request::FAILURE) {
        my $failure = Dancer::Session::Redis::Request->failure($id);
        die $failure if defined $failure;    ## no critic: as it came
    }
    # One statement, too.
    my $answer = substr $ROOM, 0, my $length = _retrieve($self->{number}, $id, length $id, $ROOM, ROOM);
    # A reply begins with a zero.
    return (stored => $answer) if $length > 0 && ord $answer;
    return _told($answer, $length, $id);
}

# Stores a session, all of which is in bytes: its id, how, and what else there is
# to say about that; behind these, so that they need not be copied, the payload
# that was read, and the session as it is now.
sub flush {
    my ($self, $id, $how, $more) = @_;
    $how = @$more ? pack '(N/a*)*', $how, @$more : $HOW{$how};
    my $answer = substr $ROOM, 0, my $length = _flush(
        $self->{number}, $id, length $id, $_[4], length $_[4],
        $_[5], length $_[5], $how, length $how, $ROOM, ROOM
    );
    return (stored => $answer) if $length > 0 && ord $answer;
    return _told($answer, $length);
}

# What an answer says that is no payload, or was too large; $id, if one was read.
sub _told {
    my ($answer, $length, $id) = @_;
    if ($length < 0) {
        my ($address, $whole);
        $address = _reply($length, \$whole), $answer = unpack "P$whole", pack 'J', $address;
        length $answer
            or Carp::croak('Dancer::Session::Redis: unknown: the handler of a signal has called the engine, too');
        return (stored => $answer) if ord $answer;
    }
    return _parts($answer, $id);
}

sub _parts {
    my ($reply, $id) = @_;
    return unpack '(N/a)*', $reply if substr($reply, 0, length ERROR) ne ERROR;
    my (undef, $kind, $words) = map { _characters($_) } unpack '(N/a)*', $reply;
    my $failure = Carp::shortmess("Dancer::Session::Redis: $kind: $words");
    Dancer::Session::Redis::Request->remember_failure($id, $failure) if defined $id;
    die $failure;        ## no critic: it has its line
}

# Both ways texts are UTF-8.
sub _text {
    my ($text) = @_;
    utf8::encode($text);
    return $text;
}

sub _characters {
    my ($text) = @_;
    utf8::decode($text);
    # So that it can be printed anywhere.
    $text =~ s/\x{2026}/.../g;
    return $text;
}

1;
