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
    Dancer::Cookies->set_cookie_object($name => $cookie);
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
    # Once the headers are built, it is too late; the session has ended anyway.
    local $@;
    eval { Dancer::SharedData->response->add_cookie($name => $removal) };
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
