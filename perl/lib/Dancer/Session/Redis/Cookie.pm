# Purpose: the cookie with the id of a session, as this request knows it and as
# its answer will have it.
package Dancer::Session::Redis::Cookie;
use strict;
use warnings;
use Dancer::Config qw(setting);
use Dancer::Cookie;
use Dancer::Cookies;
use Dancer::SharedData;
use Hash::Util::FieldHash qw(fieldhash);

# Those that were made here, and so are on their way already.
fieldhash my %SENT;

# By name, what the requests under way owe the browser, with whatever answer they
# end: an exception, `send_error` and `forward` each make a new one.
our $OWED;

# Whether the browser has this id, or is about to.
sub has {
    my ($class, $name, $id) = @_;
    my $cookie = Dancer::Cookies->cookies->{$name};
    return $cookie && (scalar $cookie->value // '') eq $id;
}

# Whether the answer has it.
sub is_sent {
    my ($class, $name) = @_;
    my $cookie = Dancer::Cookies->cookies->{$name};
    return $cookie && $SENT{$cookie};
}

sub send {
    my ($class, $name, $id) = @_;
    my $expires = setting('session_expires');
    $expires = Dancer::Cookie::_epoch_to_gmtstring(time + $expires)
        if $expires && $expires =~ /\A[0-9]+\z/;
    my $cookie = Dancer::Cookie->new(
        name  => $name,
        value => $id,
        _where(),
        # Dancer says None, which browsers refuse without Secure.
        same_site => setting('session_same_site') // 'Lax',
        $expires ? (expires => $expires) : (),
    );
    $SENT{$cookie} = 1;
    Dancer::Cookies->cookies->{$name} = $cookie;
    _owe($name => $cookie);
    return;
}

# Forgets it in this request, and tells the browser to.
sub remove {
    my ($class, $name) = @_;
    delete Dancer::Cookies->cookies->{$name};
    my $removal = Dancer::Cookie->new(
        name  => $name,
        value => '',
        _where(),
        expires => Dancer::Cookie::_epoch_to_gmtstring(1),
    );
    _owe($name => $removal);
    return;
}

# Forgets it in this request alone.
sub forget {
    my ($class, $name) = @_;
    delete Dancer::Cookies->cookies->{$name};
    delete $OWED->{$name} if $OWED;
    return;
}

# A request within another one has read the browser's cookies again.
sub remember {
    my $cookies = Dancer::Cookies->cookies;
    for my $name (keys %{ $OWED || {} }) {
        my $cookie = $OWED->{$name};
        if   ($SENT{$cookie}) { $cookies->{$name} = $cookie }
        else                  { delete $cookies->{$name} }
    }
    return;
}

# Puts all that is owed into the answer.
sub settle {
    _put($_ => $OWED->{$_}) for keys %{ $OWED || {} };
    return;
}

sub _owe {
    my ($name, $cookie) = @_;
    $OWED->{$name} = $cookie if $OWED;
    _put($name => $cookie);
    return;
}

sub _put {
    my ($name, $cookie) = @_;
    my $response = Dancer::SharedData->response;
    my $header   = $cookie->to_header;
    # Dancer makes a new response of one whose headers were built.
    return if grep { $_ eq $header } $response->header('Set-Cookie');
    local $@;
    # It is too late for that when they were built and this is the same one still.
    eval { $response->add_cookie($name => $cookie); 1 } or $response->push_header('Set-Cookie' => $header);
    return;
}

# A browser takes a cookie for the same one only if these are.
sub _where {
    return (
        domain    => setting('session_domain'),
        secure    => setting('session_secure'),
        http_only => setting('session_is_http_only') // 1,
    );
}

1;
