# Purpose: a Dancer application whose sessions other programs share.  Every
# answer is text/plain; a failure in a route is told to STDERR.
# Run: REDIS_SOCK=/run/redis.sock LISTEN=127.0.0.1:4100 perl -Ilib app.pl
# Also from the environment: WORKERS (processes, default 2), REDIS_SERVER (in
# place of the socket), REDIS_EXPIRE (seconds, default 900), and in capitals
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
    my %redis = (sock => $ENV{REDIS_SOCK}, server => $ENV{REDIS_SERVER}, expire => $ENV{REDIS_EXPIRE});
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

# Makes the file `gate`.read and goes on when there is a file `gate`.write.
get '/held_count' => sub {
    my ($counter, $gate) = (session('counter') // 0, param('gate'));
    open my $told, '>', "$gate.read" or die "cannot write $gate.read: $!";
    sleep 0.005 until -e "$gate.write";
    session counter => $counter + 1;
};

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
