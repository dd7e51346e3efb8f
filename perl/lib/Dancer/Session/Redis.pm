package Dancer::Session::Redis;
use strict;
use warnings;
use parent qw(Dancer::Session::Redis::Owners Dancer::Session::Abstract);
use B              ();
use Carp           ();
use Dancer::Config qw(setting);
use Dancer::Session::Redis::Border;
use Dancer::Session::Redis::Connection;
use Dancer::Session::Redis::Cookie;
use Dancer::Session::Redis::Request;
use Dancer::SharedData;
use Hash::Util::FieldHash qw(fieldhash);
use Scalar::Util qw(refaddr);
use Storable   ();
use Time::HiRes ();

our $VERSION = '1.0';

# What is wrong is said of the application's line, not of Dancer's.
our @CARP_NOT = (
    map({ "Dancer::Session::Redis::$_" } qw(Border Connection Owners Request)),
    qw(Dancer Dancer::Engine Dancer::Handler Dancer::Object Dancer::Session),
);

# What is known of each session in hand, outside of it, so that it is never
# stored:
#   is       new (its id was made here, and nothing is stored yet), stored,
#            ended (by another request), destroyed (by this one), unread
#            (Redis did not answer), or unknown: a copy, as Storable's dclone
#            makes one
#   payload  what was read, or stored last: by it a flush knows whether another
#            request was faster, and what this one has changed
#   class    what it is stored as, if that has not our methods
#   warned   that it has ended
#   flushed  since it was read
fieldhash my %HAND;

# The engines by class and settings, in whatever order these are.
my %ENGINES;

# Classes whose sessions have had objects in them.
my %WHOLE;

# What such a session may be, when nothing is stored any more.
my %OVER = (ended => 1, destroyed => 1);

# Keys that the engine keeps beside the entries.
my @RESERVED = qw(__created __ended __owner __w);
my %RESERVED = map { $_ => 1 } 'id', @RESERVED;

sub init {
    my ($self, @arguments) = @_;
    _engine($self);
    # Before Dancer makes an id, which could be guessed.
    $self->_begin if !$self->{id};
    return $self->SUPER::init(@arguments);
}

sub redis {
    my ($self) = @_;
    my $connection = Dancer::Session::Redis::Connection->new(_engine($self));
    # Makes a new one if it is dead.
    $connection->ping;
    return $connection;
}

sub create {
    my ($class) = @_;
    my $self = $class->new;
    return $self->flush if !$class->is_lazy;
    Dancer::Session::Redis::Request->remember_made($self);
    return $self;
}

sub retrieve {
    my ($class, $id) = @_;
    $class = ref $class || $class;
    my $engine = _engine($class);
    return undef if !defined $id || $id eq '';    ## no critic: in a list, too
    # A sub-class looks at its own settings there.
    $class->new(id => $id) if $class ne __PACKAGE__ && $class->can('init') != \&init;
    utf8::encode($id);
    my ($outcome, $payload, undef, $shown) = $engine->retrieve($id);
    if ($outcome eq 'stored') {
        my $self = _thaw($shown, $payload) // return undef;    ## no critic
        delete @$self{@RESERVED};
        my $hand = $HAND{$self} = { is => 'stored', id => $id, payload => $payload };
        if (ref $self ne $class && !$self->isa(__PACKAGE__)) {
            $hand->{class} = ref $self;
            bless $self, $class;
        }
        return $self;
    }
    return undef if $outcome eq 'missing';        ## no critic
    # Not undef: Dancer would make a session then, and its cookie would replace
    # the newer one that the browser may have.
    my $empty = $class->new(id => $id);
    $HAND{$empty} = { is => $outcome eq 'unread' ? 'unread' : 'ended', id => $id };
    return $empty;
}

sub flush {
    my ($self) = @_;
    _tell_of_end($self) if _try($self, 'plainly') eq 'ended';
    return $self;
}

sub destroy {
    my ($self)  = @_;
    my $hand    = $self->_hand;
    my $outcome = $hand->{is};
    $self->_refuse_unread;
    if ($outcome eq 'stored' || $outcome eq 'unknown') {
        ($outcome) = _engine($self)->call('destroy', _id_of($self), $hand->{payload} // '');
    }
    $self->_leave_request($outcome);
    %$hand = (is => $outcome eq 'ended' ? 'ended' : 'destroyed', id => $hand->{id});
    return 1;
}

sub renew {
    my ($self) = @_;
    my $hand = $self->_hand;
    my $old  = $self->{id};
    if ($hand->{is} eq 'destroyed') {
        Carp::carp('renew of a session that was destroyed does nothing');
        return $self;
    }
    if ($hand->{is} eq 'ended') {
        # A log-in goes on, with what this request has set and nothing else.
        if (defined $hand->{payload}) { $hand->{is} = 'stored' }
        else                          { $self->_begin }
    }
    if ($self->_try('renew') eq 'ended') {
        # This request has set nothing yet, and what the session had has ended.
        %$self = ();
        $self->_begin;
        $self->_flush('plainly');
    }
    $self->_follow($old) if $self->{id} ne $old;
    return $self;
}

sub update {
    my ($self, $key, $new) = @_;
    _refuse_reserved($key);
    my $until = Time::HiRes::time() + _engine($self)->timeout;
    while (1) {
        my ($there, $old, $read) = (exists $self->{$key}, $self->{$key}, $self->_hand->{payload});
        my $value = $new->(ref $old ? Storable::dclone($old) : $old);
        ($read // '') eq ($self->_hand->{payload} // '')
            or Carp::croak('the code given to update has stored the session itself: it should only compute');
        $self->{$key} = $value;
        local $@;
        my $outcome = eval { $self->_flush('exactly', $key) };
        return $value if defined $outcome && $outcome ne 'outrun' && $outcome ne 'ended';
        my $error = $@;
        if (!defined $outcome || $outcome eq 'ended') {
            if   ($there) { $self->{$key} = $old }
            else          { delete $self->{$key} }
            die $error if !defined $outcome;    ## no critic: as it came
            return;
        }
        Time::HiRes::time() < $until
            or Carp::croak('Dancer::Session::Redis: unavailable: other requests changed '
                . "entry '$key' faster until the deadline");
    }
}

sub ended {
    my ($self) = @_;
    return $OVER{ $self->_hand->{is} } // 0;
}

# Whether it stands in the place of one that Redis did not give.
sub is_read_only { return $_[0]->_hand->{is} eq 'unread' }

# Whether it has an id already, but is not stored.
sub is_new { return $_[0]->_hand->{is} eq 'new' }

sub set_value {
    my ($self, $key, $value) = @_;
    _refuse_reserved($key);
    return $self->SUPER::set_value($key, $value);
}

sub is_lazy {
    my $settings = setting('redis_session');
    return ref $settings eq 'HASH' && $settings->{lazy} && Dancer::Session::Redis::Request->under_way;
}

sub write_session_id {
    my ($class, $id) = @_;
    my $name    = $class->session_name;
    my $session = (Dancer::SharedData->sessions || {})->{$name}{$id};
    # The browser may have a newer one.
    return if $session && $session->isa(__PACKAGE__) && ($session->ended || $session->is_read_only);
    # What the browser has already, it gets again at the end of the request.
    return if Dancer::Session::Redis::Cookie->has($name, $id);
    Dancer::Session::Redis::Cookie->send($name, $id);
    return;
}

# At the end of a request.
sub finish {
    my ($self) = @_;
    return if $self->_hand->{is} eq 'destroyed';
    # Of one that has ended and was left alone, nobody has to be told.
    my $over = $self->ended || $self->is_read_only;
    $self->_flush('changed') if $self->is_lazy && !($over && 1 == keys %$self);
    $self->_slide_cookie;
    return;
}

# With `session_expires`, lets the browser keep the cookie as long again.
sub _slide_cookie {
    my ($self) = @_;
    return if !setting('session_expires') || $self->ended || $self->is_read_only;
    my $name = $self->session_name;
    return if Dancer::Session::Redis::Cookie->is_sent($name)
        || !Dancer::Session::Redis::Cookie->has($name, $self->{id});
    if (!$self->_hand->{flushed}) {
        # Meanwhile another request may have given the browser a newer one, and only Redis knows.
        my ($outcome) = _engine($self)->retrieve(_id_of($self));
        return if $outcome ne 'stored';
    }
    Dancer::Session::Redis::Cookie->send($name, $self->{id});
    return;
}

# The engine for the settings as they are now.  This is done each time, so it is
# short where nothing has changed.
sub _engine {
    my ($self) = @_;
    my $settings = Dancer::Config::settings()->{redis_session};
    # What is undefined is as good as empty here.
    no warnings 'uninitialized';    ## no critic
    return $ENGINES{ ref $settings eq 'HASH' ? join "\0", ref $self || $self, %$settings : '' }
        // _make_engine(ref $self || $self, $settings);
}

# Carp finds the application's line.
sub _make_engine {
    my ($class, $settings) = @_;
    $settings
        or Carp::croak('redis_session is not defined');
    ref $settings eq 'HASH'
        or Carp::croak('redis_session must be a hash reference');
    $settings->{sock} || $settings->{server}
        or Carp::croak('redis_session should include either server or sock parameter');
    no warnings 'uninitialized';    ## no critic
    return $ENGINES{ join "\0", $class, %$settings } = Dancer::Session::Redis::Border->engine($class, $settings);
}

# Stores the session, or tells that it has ended; what became of it.
sub _flush {
    my ($self, @how) = @_;
    my $outcome = $self->_try(@how);
    _tell_of_end($self) if $outcome eq 'ended';
    return $outcome;
}

sub _tell_of_end {
    my ($self) = @_;
    Carp::carp('the session has ended, in this request or in another one: nothing was stored')
        if !$self->_hand->{warned}++;
    return;
}

# Stores the session; what became of it.  $how: `plainly`; `changed`, only if it
# is not as it was read; `renew`; `exactly`, with the name of an entry that no
# other request may have changed; `owner`, with a name and a description.
sub _try {
    my ($self, $how, @name) = @_;
    my $hand = $HAND{$self} || $self->_hand;
    my $is   = $hand->{is};
    if ($is ne 'stored') {
        return 'ended' if $OVER{$is};
        $self->_refuse_unread if $is eq 'unread';
        Carp::carp('this session was neither created nor retrieved here (a copy?): it is stored over '
            . 'what another request may have changed, if it still exists')
            if $is eq 'unknown';
    }
    my $engine = _engine($self);
    my $class  = $hand->{class} // ref $self;
    my $before = $hand->{id} // _id_of($self);
    my ($outcome, $payload, $id, $shown, @names);
    if (@name) {
        utf8::encode($_) for @name;
    }
    while (1) {
        my $frozen = _freeze($self, $class);
        ($outcome, $payload, $id, $shown, @names) =
            $is eq 'new'
            ? $engine->call('create', $before, $frozen)
            : $engine->flush($before, $how, \@name, $hand->{payload} // '', $frozen);
        last if $outcome ne 'whole';
        $WHOLE{$class} = 1;
    }
    return $outcome if $outcome eq 'unchanged' || $outcome eq 'too many';
    if ($outcome eq 'ended') {
        $hand->{is} = 'ended';
        return $outcome;
    }
    $id //= $before;
    # The hash may be locked.
    $self->{id} = $id if ($self->{id} // '') ne $id;
    $hand->{payload} = $payload;
    $hand->{flushed} = 1;
    # All else is so already, mostly.
    @$hand{qw(is id warned)} = ('stored', $id, 0) if $outcome ne 'stored' || $is ne 'stored' || $hand->{warned};
    $self->_take_over(_thaw($shown, $payload), @names) if @names;
    return $outcome;
}

# Nothing is stored in the place of what nobody has seen, and it has not ended.
sub _refuse_unread {
    my ($self) = @_;
    Carp::croak('Dancer::Session::Redis: unavailable: the session could not be read, so nothing of it '
        . 'was changed, and it has not ended')
        if $self->is_read_only;
    return;
}

# As an object of this class.  Storable makes a table for thousands of classes
# each time that it freezes an object, which takes longer than all the rest.  So
# the engine makes the object of its parts, unless there are objects in it.
sub _freeze {
    my ($self, $class) = @_;
    local $@;
    # Only a whole hash knows what is not in its values.
    my $whole = $WHOLE{$class} || tied %$self || Internals::SvREADONLY(%$self) || $Storable::canonical
        || $class->can('STORABLE_freeze')
        # Who goes through it with `each` would begin again.
        || B::svref_2object($self)->RITER != -1;
    # What Storable's `freeze` does, but without a second `eval`.
    return (
        $whole
        ? _freeze_whole($self, $class)
        : eval { _freeze_list(values %$self, keys %$self, $class) }
    ) // Carp::croak(_fault('refused', "the session can't be frozen", $@));
}

# In @_ the values are themselves; in another list they would be copies.
sub _freeze_list { return Storable::mstore(\@_) }

sub _freeze_whole {
    my ($self, $class) = @_;
    my $ours = ref $self;
    bless $self, $class if $class ne $ours;
    my $frozen = eval { Storable::mstore($self) };
    my $reason = $@;
    bless $self, $ours if $class ne $ours;
    $@ = $reason;        ## no critic: for who has called
    return $frozen;
}

# What is known of it.
sub _hand { return $HAND{ $_[0] } //= { is => 'unknown' } }

# An id, under which nothing is stored yet.
sub _begin {
    my ($self) = @_;
    my $engine = _engine($self);
    (undef, $self->{id}) = $engine->call('id');
    $HAND{$self} = { is => 'new', id => $self->{id}, class => $engine->class };
    return;
}

# Entries that other requests have changed meanwhile.
sub _take_over {
    my ($self, $stored, @names) = @_;
    for my $name (@names) {
        utf8::decode($name);
        if   (exists $stored->{$name}) { $self->{$name} = $stored->{$name} }
        else                           { delete $self->{$name} }
    }
    return;
}

# Both were proved by the engine to be a session of its id, within the limits.
sub _thaw {
    my ($shown, $payload) = @_;
    local $@;
    # What Storable's `thaw` does, but without a second `eval`.
    return eval { Storable::mretrieve(length $shown ? $shown : $payload) } // _unreadable($@);
}

# A session that Storable can't thaw: none, or an exception, as the settings say.
sub _unreadable {
    my ($reason) = @_;
    return undef if (setting('redis_session')->{on_unreadable} // '') eq 'anonymous';    ## no critic
    Carp::croak(_fault('unreadable', "the session can't be thawed", $reason));
}

# The words of an exception, with what Storable says but where it says it.
sub _fault {
    my ($kind, $what, $reason) = @_;
    $reason =~ s/(?:,? at \S+ line [0-9]+\.?)+\s*\z//;
    return "Dancer::Session::Redis: $kind: $what: $reason";
}

# Dancer's table of this request's sessions, and the cookie, follow a new id.
sub _follow {
    my ($self, $old) = @_;
    my $name     = $self->session_name;
    my $sessions = Dancer::SharedData->sessions or return;
    my $there    = $sessions->{$name}{$old}     or return;
    return if refaddr($there) != refaddr($self);
    delete $sessions->{$name}{$old};
    $sessions->{$name}{ $self->{id} } = $self;
    $self->write_session_id($self->{id});
    return;
}

# Nothing of this request leads to the session any more, so that the next
# `session` makes one with a new id; if there is none, the browser drops the
# cookie, unless another request may have given it a newer one.
sub _leave_request {
    my ($self, $outcome) = @_;
    my ($name, $id) = ($self->session_name, _id_of($self));
    my $sessions = Dancer::SharedData->sessions;
    delete $sessions->{$name}{$id} if $sessions && $sessions->{$name};
    return if !Dancer::Session::Redis::Cookie->has($name, $id);
    if   ($outcome eq 'ended') { Dancer::Session::Redis::Cookie->forget($name) }
    else                       { Dancer::Session::Redis::Cookie->remove($name) }
    return;
}

# By what the engine knows it: its id, and the payload that was read or stored.
sub _known {
    my ($self) = @_;
    return (_id_of($self), $self->_hand->{payload} // '');
}

sub _id_of {
    my ($self) = @_;
    # Whatever the application has done to its own.
    utf8::encode(my $id = $self->_hand->{id} // $self->{id} // '');
    return $id;
}

sub _refuse_reserved {
    my ($key) = @_;
    Carp::croak("the entry name '$key' is reserved for the session engine: choose another")
        if $RESERVED{$key};
    return;
}

1;

__END__

=encoding utf8

=head1 NAME

Dancer::Session::Redis - sessions of a Dancer application in Redis, with the engine in Rust

=head1 SYNOPSIS

In F<config.yml>:

    session: 'Redis'
    redis_session:
        sock: '/var/run/redis.sock'
        expire: 3600

In the application:

    get '/' => sub { session counter => (session('counter') // 0) + 1 };

    # exact, however many requests run side by side
    get '/count' => sub { session->update(counter => sub { ($_[0] // 0) + 1 }) };

    post '/login' => sub {
        # ...
        session user => $user;
        session->renew;    # a new id: what leaked before is worth nothing now
    };

    post '/logout' => sub { session->destroy; redirect '/' };

=head1 DESCRIPTION

Keeps the sessions of an application of L<Dancer> 1 in Redis. It has the name, the settings, the
methods, the keys and the payloads of the module of that name by its original authors, so that it can
take its place without a change to the application, and go again: sessions that one has written the
other one reads.

What is different:

=over 4

=item *

B<Fewer round trips.> Reading a session is one (C<GET>, and an C<EXPIRE> that is not waited for),
writing it one.

=item *

B<Nothing is lost.> When two requests of a visitor run side by side, what each of them has changed is
kept; see L</"Requests side by side">.

=item *

B<What has ended stays ended.> A request that was slower than a log-out can't bring the session back.

=item *

B<Ids that can't be guessed>: 40 digits from the operating system's generator.

=item *

B<Faults are told.> A server that does not answer costs an exception within C<timeout>, never a session
that seems to be empty.

=back

=head1 SETTINGS

Under C<redis_session> in F<config.yml>, in F<environments/*.yml>, or by
C<< setting redis_session => {...} >>. They are looked at again with each session, so a change takes
effect at once. (For each set of settings a process has a connection, to its end.) C<sock> or C<server>
is required.

=over 4

=item sock

The path of the socket on which Redis listens. It wins over C<server>.

=item server

C<host:port>, C<host> (port 6379), or a URL: C<redis://user:password@host:6379/1>, C<rediss://> for
TLS (the certificate is always verified), C<unix:///run/redis.sock?db=1>.

=item password, username

To log in to Redis. Default: no log-in; without C<username> the user C<default>.

=item database

The number of the database. Default: 0.

=item expire

For how many seconds a session may lie idle. Each read and each write starts this time again.
Default: 900. Also in Dancer's form: C<2 hours>.

=item debug

1: tells on STDERR about every interaction with the server, and about what happens to sessions; no
id, no value and no password is shown. Default: 0.

=item lazy

1: what a request sets is stored once, at its end, instead of with each C<< session key => $value >>;
see L</"Lazy sessions">. Default: 0.

=item lifetime

For how many seconds a session lives at most, however busy it is, counted from its creation. Default:
no such limit.

=item preset

C<aal1>, C<aal2> or C<aal3>: sets C<expire> and C<lifetime> to the limits of NIST SP 800-63B for that
assurance level: 30 days; 30 minutes and 12 hours; 15 minutes and 12 hours. C<expire> and C<lifetime>
beside it win.

=item max_sessions, on_max_sessions

How many sessions an owner (see L</set_owner, remove_owner, owner, handle>) may have at a time, from 1 to
1000; default: any number. C<on_max_sessions: end_oldest> (the default) ends the session with the oldest
log-in to make room for a new one, C<refuse> refuses the new one.

=item timeout

For how many seconds one operation may take, reconnecting included; then it dies as I<unavailable>.
Fractions are allowed. Default: 1. Only looking up the name of a host can take longer.

=item renew_grace

For how many seconds after C<renew> or C<destroy> the old id is remembered, so that a slower request
with the old cookie neither revives the session nor replaces the browser's newer cookie. Default: 30;
0: not at all.

=item touch_interval

How many seconds of idle time may go unnoticed: a read extends the session only after so many. It
spares Redis writes, and sessions end that much earlier. Default: 0.

=item max_size

How many bytes an encoded session may have. Default: 1048576 (1 MiB); at most 16777216.

=item on_unreadable

C<error> (the default): a session that is damaged or over a limit dies when it is read; C<anonymous>:
its visitor gets a new one. What is stored stays in either case.

=item on_unavailable

C<error> (the default): a session dies as I<unavailable> when it is read and Redis does not answer;
C<anonymous_read_only>: it is an empty one then (L</is_read_only>), so that public pages go on. Whatever
changes or ends it dies all the same, and the cookie stays.

=item allow_tied

1: sessions may have tied variables, whose classes Perl calls whenever they are touched. Default: 0,
they are refused when they are written and when they are read. Objects are always allowed.

=item layout

C<dancer> (the default): Storable under the id, as the original module has it. C<native>: JSON under a
key that does not show the id, as the Rust crate has it by default; for the end of a migration. It
holds data only, no objects.

=item class

The class that new sessions are stored as, for a Rust application or another Perl one. Default: that of
the engine, so that sub-classes need nothing. A session that was read keeps the class it has.

=item prefix

What every key begins with, in the native layout. Default: C<session:>.

=back

A key that is not known, or that is for Rust applications alone (C<cache>), is ignored, with a warning. So are empty values,
and 0 for C<server>, C<sock>, C<password> and C<expire>, which mean that the key is not set.

The cookie has Dancer's own settings: C<session_name> (default C<dancer.session>), C<session_expires>,
C<session_domain>, C<session_secure>, C<session_is_http_only> (default 1), C<session_same_site>. Two
are different from Dancer's own engines: C<session_same_site> is C<Lax> by default, since browsers
refuse Dancer's C<None> without C<session_secure>; and with C<session_expires> the cookie is sent again
whenever a session is read, so that it does not end while the session goes on. A request that only read
looks once more before that, since another one may have given the browser a newer cookie.

=head1 METHODS

=head2 init

Checks the settings and makes the first connection; Dancer calls it. It dies with C<redis_session is
not defined>, C<redis_session must be a hash reference>, or C<redis_session should include either
server or sock parameter>; with what is wrong about a value; or, within C<timeout>, because the server
can't be reached.

=head2 create

    my $session = Dancer::Session::Redis->create;

Makes a new session, stores it and returns it.

=head2 retrieve

    my $session = Dancer::Session::Redis->retrieve($id);

Reads a session and extends its life by C<expire>. C<undef> if there is none; what has not the shape of
an id is not even asked for. Of a session that was renewed or destroyed a moment ago (C<renew_grace>)
it returns an empty one that has L</ended>: what is set there is not stored, unless the request calls
C<renew> or C<destroy> first, as a log-in should. It dies as I<unavailable> or I<unreadable>.

=head2 flush

    $session->{cart}{apples} = 3;
    $session->flush;

Stores the session and returns it. Dancer calls it after each C<< session key => $value >>; call it
after changes that Dancer does not see, as the one above. If the session has ended, nothing is stored;
a warning says so, once.

=head2 destroy

Ends the session and returns 1. For the rest of the request there is no session: the next C<session>
makes a new one, with a new id and cookie. If there is none, the browser is told to drop the cookie.
It dies if it could not be done.

=head2 renew

    session user => $user;
    session->renew;

Gives the session a new id and the browser the new cookie, and returns the session, with all its
data. The old id ends. Call it at every log-in, and wherever else rights change: an id that somebody
knew before is worth nothing afterwards. If the session has ended meanwhile, a new one is made of what
this request has set.

=head2 update

    my $now = session->update(counter => sub { my ($before) = @_; ($before // 0) + 1 });

Makes the new value of an entry from the old one, stores the session, and returns the new value.
Exact under any number of parallel requests: if another one was faster, the code is called again with
the newer value. So it should do nothing but compute. It is given a copy. Returns nothing if the
session has ended.

=head2 ended

Whether the session has ended, by this request or another one: then nothing is stored any more.

=head2 is_read_only

Whether this is an empty session in the place of one that Redis did not give; see C<on_unavailable>.

=head2 set_owner, remove_owner, owner, handle

    session user => $user;
    session->renew;
    session->set_owner("user:$id", description => 'Firefox on Linux, Berlin')
        or return template 'too_many_sessions';

C<set_owner> says whose the session is, and stores it: call it at every log-in. The name is the
application's own, from 1 to 255 bytes, and never changes: the number of a user rather than the e-mail
address. The description, of at most 255 bytes, is for the user's own list of sessions. A session with
an owner lives 30 days at most, if C<lifetime> says nothing else. It returns 1, or 0 if the owner has
C<max_sessions> already and C<on_max_sessions> is C<refuse>; then the session is as it was, and has no
owner. It warns and returns 0 if the session has ended.

C<remove_owner> makes it nobody's. C<owner> and C<handle> tell the name, and what names this session in
the owner's list; C<undef> if it has no owner.

=head2 sessions_of, destroy_one, destroy_others, destroy_all

    my @list  = Dancer::Session::Redis->sessions_of("user:$id");
    my $ended = Dancer::Session::Redis->destroy_one("user:$id", param('handle'));
    my $count = session->destroy_others;
    my $all   = Dancer::Session::Redis->destroy_all("user:$id");

C<sessions_of> returns a hash for each session of the owner that is alive, the oldest log-in first:
C<handle>, C<created> and C<since> (when the session began, and when it got its owner; seconds since
1970), C<description>. A handle gives nobody the session, stays the same also when the session gets a
new id, and may stand in a page.

The others end one session of the owner, all but this one, or all, wherever they are used, and return
how many. They see every session whose log-in was stored before, in Perl or in Rust.

=head2 redis

    my $seconds = session->redis->ttl(session->id);
    my @keys    = session->redis->keys('*');

A connection to the same server and database, for whatever else there is to do: any command of Redis is
a method. Replies are Perl's data, and arrays are lists where a list is asked for; C<info> returns a
hash. An error of the server is an exception; commands with more than one answer, such
as C<subscribe> and C<monitor>, are refused. It is not the connection that the sessions use, so
nothing done with it disturbs them. C<redis> looks whether it is alive (C<PING>, within C<timeout>) and
makes a new one when it is not; a command does not look, so that C<multi> and the like work on a
connection that was kept, and dies if it meets a dead one; the next makes a new connection, to the
database of the settings. Arguments are bytes; characters beyond 255
become UTF-8. An answer is waited for as long as C<timeout> says, and without a limit that of a command
that waits, runs a script or looks at all keys, such as C<blpop>, C<eval> and C<keys>; Perl handles no
signal before it is there.

=head1 Requests side by side

A flush finds out whether another request was faster. If so, it compares what was read with what the
session is now, key by key, and does the difference to what is stored by then: what only one of them
has changed survives; of a key that both have changed, the one that is stored last. (The order of
hashes, the UTF-8 flag, and a number in place of the same text are no changes.) Afterwards the object
has the entries of the others, too. Values are never merged into each other: for a value that depends
on the old one there is L</update>.

That works for sessions that were created or retrieved. A copy, as C<dclone> makes one, or one made with
an id of your own, is stored as a whole over a session that exists, with a warning; it never makes one.

The keys C<id>, C<__created>, C<__owner>, C<__w> and C<__ended> are the engine's and can't be set.

A request that takes longer than C<expire> without touching its session no longer revives it by
writing to it: the session has ended, and C<flush> says so.

=head1 Lazy sessions

With C<lazy: 1> a request's session is stored once, when the application is done with the request: when
its route has returned, or ended by C<halt>, C<redirect>, C<send_error> or an exception, after its own
hooks, and before the first byte of the answer. Changes inside of values are found, too, without a
C<flush>. If nothing has changed, nothing is written, but for a new session, which is stored even if it
is empty, for Dancer has sent its cookie. If it can't be stored, the answer is that of an
exception. C<flush>, C<renew>, C<update> and C<destroy> act at once. Outside of a request nothing is
lazy.

=head1 Processes

A connection is never shared between processes: after a C<fork>, also of a server that loads the
application first (C<starman --preload-app>), each process makes its own when it first needs it.
Objects of sessions may be used on both sides. No thread is started.

Perl handles a signal when a call is over, which is C<timeout> at most, but for a command of L</redis>.

=head1 EXCEPTIONS

They are texts, C<Dancer::Session::Redis: KIND: WHAT at FILE line LINE>, where C<KIND> is

=over 4

=item unavailable

The server did not answer in time, or refused. Nothing was changed.

=item unknown

The answer to a change was lost, and nobody can tell whether it was carried out.

=item unreadable

A session is stored that can't be read. It was left as it is.

=item refused

The session can't be stored as it is: larger than C<max_size>, with more than 63 arrays and hashes within
each other, with a tied variable.

=item settings

A value of C<redis_session> that can't be; the text names its key.

=item command

Redis has answered a command of L</redis> with an error.

=item panic

A fault of this module. Please report it.

=back

None of them shows an id, a value of a session, or a password.

=head1 Security

The keys are the ids, as in the original module: who reads Redis, its dump or its log can use them. Keep
the database for sessions alone, and let a user of its own in. L<Storable> calls the classes of the
objects that it thaws: who can write to the database can run code in the application. Before anything
is thawed, the engine has checked the payload: its size and depth, and that it is the session of its
id. A key that holds anything else is never changed, nor given an expiry.

=head1 Installation

    perl Makefile.PL && make && make test && make install

builds the engine with C<cargo>, which needs Rust 1.88 or newer; afterwards it is not needed any more.
Perl needs L<Dancer> 1, L<FFI::Platypus> 2 and L<Storable>: Debian's C<libdancer-perl> and
C<libffi-platypus-perl>. The tests need C<redis-server> and the modules L<Redis>, L<Plack>, L<Starman>
and L<Test::Exception>. C<perl Makefile.PL PROFILE=dev> builds faster, for who works on it.

=head1 SEE ALSO

L<Dancer>, L<Dancer::Session>. The guide to the migration of an application to Rust, F<docs/from-dancer.md>.

=head1 LICENSE

MIT or Apache 2.0, as you like.

=cut
