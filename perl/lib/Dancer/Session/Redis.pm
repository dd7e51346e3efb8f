package Dancer::Session::Redis;
use strict;
use warnings;
use parent 'Dancer::Session::Abstract';
use Carp           ();
use Dancer::Config qw(setting);
use Dancer::Cookie;
use Dancer::Cookies;
use Dancer::Session::Redis::Border;
use Dancer::Session::Redis::Connection;
use Dancer::Session::Redis::Lazy;
use Dancer::SharedData;
use Hash::Util::FieldHash qw(fieldhash);
use Scalar::Util qw(blessed refaddr);
use Storable   ();
use Time::HiRes ();

our $VERSION = '1.0';

# What is known of each session in hand, outside of it, so that it is never
# stored:
#   is       new (its id was made here, and nothing is stored yet), stored,
#            ended (by another request), destroyed (by this one), or unknown:
#            a copy, as Storable's dclone makes one
#   payload  what was read, or stored last: by it a flush knows whether another
#            request was faster, and what this one has changed
#   warned   that it has ended
fieldhash my %HAND;

# The cookies that were made here, and the responses that they are for.
fieldhash my %SENT;

# Keys that the engine keeps beside the entries.
my @RESERVED = qw(__created __ended __owner __w);
my %RESERVED = map { $_ => 1 } 'id', @RESERVED;

sub init {
    my ($self, @arguments) = @_;
    $self->_engine;
    # Before Dancer makes an id, which could be guessed.
    $self->_begin if !$self->{id};
    return $self->SUPER::init(@arguments);
}

sub redis {
    my ($self) = @_;
    return Dancer::Session::Redis::Connection->new($self->_engine);
}

sub create {
    my ($class) = @_;
    my $self = $class->new;
    return $class->is_lazy ? $self : $self->flush;
}

sub retrieve {
    my ($class, $id) = @_;
    $class = ref $class || $class;
    my $engine = $class->_engine;
    return undef if !defined $id || $id eq '';    ## no critic: in a list, too
    utf8::encode(my $text = $id);
    my ($outcome, undef, $payload, $shown) = $engine->call('retrieve', $text);
    return undef if $outcome eq 'missing';        ## no critic
    if ($outcome eq 'ended') {
        # Not undef: Dancer would make a session then, and its cookie would
        # replace the newer one that the browser may have.
        my $ended = $class->new(id => $id);
        $HAND{$ended} = { is => 'ended' };
        return $ended;
    }
    my $self = _thaw($shown, $payload);
    bless $self, $class if ref $self ne $class && !$self->isa(__PACKAGE__);
    delete @$self{@RESERVED};
    $HAND{$self} = { is => 'stored', payload => $payload };
    return $self;
}

sub flush {
    my ($self) = @_;
    $self->_flush('plainly');
    return $self;
}

sub destroy {
    my ($self)  = @_;
    my $hand    = $self->_hand;
    my $outcome = $hand->{is};
    if ($outcome eq 'stored' || $outcome eq 'unknown') {
        ($outcome) = $self->_engine->call('destroy', _id_of($self), $hand->{payload} // '');
    }
    # The cookie of a session that another request has renewed is a newer one.
    $self->_leave_request if $outcome ne 'ended';
    %$hand = (is => $outcome eq 'ended' ? 'ended' : 'destroyed');
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
    $self->_flush('renew');
    $self->_follow($old) if $self->{id} ne $old;
    return $self;
}

sub update {
    my ($self, $key, $new) = @_;
    _refuse_reserved($key);
    my $until = Time::HiRes::time() + $self->_engine->timeout;
    for (my $tries = 1;; $tries++) {
        my ($there, $old) = (exists $self->{$key}, $self->{$key});
        my $value = $new->(ref $old ? Storable::dclone($old) : $old);
        $self->{$key} = $value;
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
        # Who has lost often steps back a little.
        Time::HiRes::sleep(rand 0.0005 * $tries) if $tries > 2;
    }
}

sub ended {
    my ($self) = @_;
    return $self->_hand->{is} =~ /\A(?:ended|destroyed)\z/ ? 1 : 0;
}

sub set_value {
    my ($self, $key, $value) = @_;
    _refuse_reserved($key);
    return $self->SUPER::set_value($key, $value);
}

sub is_lazy {
    my $settings = setting('redis_session');
    return ref $settings eq 'HASH' && $settings->{lazy} && Dancer::Session::Redis::Lazy->in_request;
}

sub write_session_id {
    my ($class, $id) = @_;
    my $name    = $class->session_name;
    my $session = (Dancer::SharedData->sessions || {})->{$name}{$id};
    # The browser may have a newer one.
    return if $session && $session->isa(__PACKAGE__) && $session->ended;
    my $expires  = setting('session_expires');
    my $response = refaddr(Dancer::SharedData->response);
    if (my $cookie = Dancer::Cookies->cookies->{$name}) {
        my $sent = ($SENT{$cookie} // 0) == $response;
        return if scalar $cookie->value eq $id && ($sent || !$expires);
    }
    $expires = Dancer::Cookie::_epoch_to_gmtstring(time + $expires)
        if $expires && $expires =~ /\A[0-9]+\z/;
    my $cookie = Dancer::Cookie->new(
        name      => $name,
        value     => $id,
        domain    => setting('session_domain'),
        secure    => setting('session_secure'),
        http_only => setting('session_is_http_only') // 1,
        # Dancer says None, which browsers refuse without Secure.
        same_site => setting('session_same_site') // 'Lax',
        $expires ? (expires => $expires) : (),
    );
    $SENT{$cookie} = $response;
    Dancer::Cookies->set_cookie_object($name => $cookie);
    return;
}

# At the end of a request, with the setting `lazy`.
sub finish {
    my ($self) = @_;
    return if !$self->is_lazy;
    return if $self->_hand->{is} eq 'destroyed';
    # Nothing was set in it: nobody has to be told.
    return if $self->ended && 1 == keys %$self;
    $self->_flush('changed');
    return;
}

# The engine for the settings as they are now; Carp finds the application's
# line.
sub _engine {
    my ($self) = @_;
    my $settings = setting('redis_session')
        or Carp::croak('redis_session is not defined');
    ref $settings eq 'HASH'
        or Carp::croak('redis_session must be a hash reference');
    $settings->{sock} || $settings->{server}
        or Carp::croak('redis_session should include either server or sock parameter');
    return Dancer::Session::Redis::Border->engine(ref $self || $self, $settings);
}

# Stores the session; what became of it.  $how: `plainly`; `changed`, only if it
# is not as it was read; `renew`; `exactly`, with the name of an entry that no
# other request may have changed.
sub _flush {
    my ($self, $how, @name) = @_;
    my $hand = $self->_hand;
    return $self->_tell_ended if $self->ended;
    Carp::carp('this session was neither created nor retrieved here (a copy?): it is stored over '
        . 'what another request may have changed, if it still exists')
        if $hand->{is} eq 'unknown';
    my $engine = $self->_engine;
    my $frozen = Storable::freeze($self);
    my ($outcome, $id, $payload, $shown, @names);
    if ($hand->{is} eq 'new') {
        ($outcome, $id, $payload) = $engine->call('create', $self->{id}, $frozen);
    }
    else {
        utf8::encode($_) for @name;
        ($outcome, $id, $payload, $shown, @names) =
            $engine->call('flush', _id_of($self), $hand->{payload} // '', $frozen, $how, @name);
    }
    return $outcome if $outcome eq 'unchanged';
    if ($outcome eq 'ended') {
        $hand->{is} = 'ended';
        return $self->_tell_ended;
    }
    $self->{id} = $id;
    @$hand{qw(is payload)} = ('stored', $payload);
    $self->_take_over(_thaw($shown, $payload), @names) if @names;
    return $outcome;
}

sub _tell_ended {
    my ($self) = @_;
    Carp::carp('the session has ended, in this request or in another one: nothing was stored')
        if !$self->_hand->{warned}++;
    return 'ended';
}

# What is known of it.
sub _hand { return $HAND{ $_[0] } //= { is => 'unknown' } }

# An id, under which nothing is stored yet.
sub _begin {
    my ($self) = @_;
    (undef, $self->{id}) = $self->_engine->call('id');
    $HAND{$self} = { is => 'new' };
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
    my $thawed = eval { Storable::thaw(length $shown ? $shown : $payload) };
    return $thawed if blessed $thawed;
    my $reason = $@ || 'Storable says nothing';
    $reason =~ s/ at \S+ line [0-9]+\.?\n?\z//;
    Carp::croak("Dancer::Session::Redis: unreadable: the session can't be thawed: $reason");
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
# cookie.
sub _leave_request {
    my ($self) = @_;
    my ($name, $id) = ($self->session_name, $self->{id});
    my $sessions = Dancer::SharedData->sessions;
    delete $sessions->{$name}{$id} if $sessions && $sessions->{$name};
    my $cookies = Dancer::Cookies->cookies;
    my $cookie  = $cookies->{$name};
    return if !$cookie || (scalar $cookie->value // '') ne $id;
    delete $cookies->{$name};
    my $removal = Dancer::Cookie->new(
        name    => $name,
        value   => '',
        domain  => setting('session_domain'),
        secure  => setting('session_secure'),
        expires => Dancer::Cookie::_epoch_to_gmtstring(1),
    );
    # Once the headers are built, it is too late; the session has ended anyway.
    eval { Dancer::SharedData->response->add_cookie($name => $removal) };
    return;
}

sub _id_of {
    my ($self) = @_;
    utf8::encode(my $id = $self->{id} // '');
    return $id;
}

sub _refuse_reserved {
    my ($key) = @_;
    Carp::croak("the entry name '$key' is reserved for the session engine: choose another")
        if $RESERVED{$key};
    return;
}

1;
