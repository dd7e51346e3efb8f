# Purpose: a Dancer application whose sessions other programs share.  Every
# answer is text/plain; a failure in a route is told to STDERR.
# Run: REDIS_SOCK=/run/redis.sock LISTEN=127.0.0.1:4100 perl -Istand_in -Ilib app.pl
# with the directory of another Dancer::Session::Redis in place of stand_in.
# Also from the environment: WORKERS (processes, default 2), REDIS_SERVER (in
# place of the socket), REDIS_EXPIRE (seconds, default 900), REDIS_TIMEOUT
# (seconds, not known to the stand-in), and in capitals
# what Dancer calls its settings of the cookie: SESSION_NAME, SESSION_EXPIRES,
# SESSION_DOMAIN, SESSION_SECURE, SESSION_IS_HTTP_ONLY, SESSION_SAME_SITE.
use strict;
use warnings;

# Dancer reads these when it is loaded.
BEGIN { @ENV{qw(DANCER_LOGGER DANCER_APPHANDLER)} = qw(null PSGI) }

use Dancer;
use Encode qw(encode_utf8);
use JSON::PP ();
use My::Basket;
use Plack::Runner;
use Shown qw(shown);
use Time::HiRes qw(sleep);

configure();

sub configure {
    set content_type => 'text/plain';
    set charset      => 'utf-8';
    my %redis = map { $_ => $ENV{"REDIS_\U$_"} } qw(sock server expire timeout);
    set redis_session => { map { $_ => $redis{$_} } grep { defined $redis{$_} } keys %redis };
    for my $setting (map { "session_$_" } qw(name expires domain secure is_http_only same_site)) {
        set $setting => $ENV{ uc $setting } if defined $ENV{ uc $setting };
    }
    # Last: this makes the engine, which looks at the others.
    set session => 'Redis';
    hook on_route_exception => sub { warn "$_[0]\n" };
    return;
}

# Which process group this is: by that its starter knows it from a stranger.
get '/group' => sub { getpgrp };
get '/pid'   => sub { $$ };

get '/id'   => sub { session->id };
get '/keys' => sub {
    join "\n", sort keys %{ session() };
};
get '/count' => sub { session counter => (session('counter') // 0) + 1 };
get '/get/:name' => sub { shown(session(param('name'))) };

# Dancer hands out characters, also where ASCII would do; the second one stores
# their UTF-8.
post '/set/:name'       => sub { session param('name') => param('value'); 'set' };
post '/set_bytes/:name' => sub { session param('name') => encode_utf8(param('value')); 'set' };
post '/set_json/:name'  => sub {
    session param('name') => JSON::PP->new->allow_nonref->decode(param('value'));
    'set';
};

# Both read first, then give others time to write.
get '/slow_count' => sub {
    my $counter = session('counter') // 0;
    sleep(param('ms') / 1000);
    session counter => $counter + 1;
};

# These read, wait at the gate, and write; a gate is the beginning of the names
# of two files.
get '/held_count' => sub {
    my $counter = session('counter') // 0;
    wait_at(param('gate'));
    session counter => $counter + 1;
};
get '/held_set/:name' => sub {
    session;
    wait_at(param('gate'));
    session param('name') => 'held';
};

# Not with the stand-in, nor are the next two. Only the first try waits.
get '/held_update' => sub {
    my $gate = param('gate');
    session->update(counter => sub { wait_at($gate) if !-e "$gate.write"; ($_[0] // 0) + 1 });
};
get '/update' => sub {
    session->update(counter => sub { ($_[0] // 0) + 1 });
};
post '/renew' => sub { session->renew->id };

post '/object' => sub {
    my @entries = My::Basket::entries();
    while (my ($name, $value) = splice @entries, 0, 2) {
        session $name => $value;
    }
    'set';
};
get '/object' => sub { join("\n", My::Basket::differences(session())) || 'intact' };

post '/login'  => sub { session user => param('name'); 'hello' };
post '/logout' => sub { session->destroy; 'bye' };
get '/whoami'  => sub { session('user') // 'nobody' };

any qr{.*} => sub { status 404; 'there is no such route' };

serve();

# Makes the file `gate`.read and goes on when there is a file `gate`.write.
sub wait_at {
    my ($gate) = @_;
    open my $told, '>', "$gate.read" or die "cannot write $gate.read: $!";
    sleep 0.005 until -e "$gate.write";
    return;
}

sub serve {
    my $runner = Plack::Runner->new;
    # Without keep-alive no worker is held by a client that has nothing to ask.
    $runner->parse_options(
        qw(--server Starman --env deployment --disable-keepalive),
        '--listen'  => $ENV{LISTEN},
        '--workers' => $ENV{WORKERS} // 2,
    );
    return $runner->run(dance);
}
