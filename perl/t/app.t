use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Dancer::Test;
use File::Temp   ();
use Scalar::Util qw(refaddr);
use Test::More import => ['!pass'];
use TestRedis;

{

    package Basket;
    sub new   { my ($class, @things) = @_; return bless {@things}, $class }
    sub count { my ($self) = @_; return scalar keys %$self }
}

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
set redis_session => $server->settings(timeout => 0.3);
set session       => 'Redis';

# What a route has seen, and the warnings of a request.
my (%seen, @warnings);

get '/set/:key/:value' => sub { session param('key') => param('value') };
get '/get/:key'        => sub { session(param('key')) // 'nothing' };
get '/id'              => sub { session->id };
get '/count'           => sub { session count => (session('count') // 0) + 1 };
get '/basket/set'      => sub { session basket => Basket->new(apple => 1, pear => 2); 'set' };
get '/basket/count'    => sub { ref(session 'basket') . ' ' . session('basket')->count };
get '/destroy'         => sub { session->destroy; 'destroyed' };
get '/die'             => sub { die "the route says no\n" };

get '/destroy/set' => sub {
    $seen{old} = session->id;
    session->destroy;
    session fresh => 'yes';
    return session->id;
};

get '/dead' => sub {
    my $dead = session;
    session secret => 'before';
    @seen{qw(old returned)} = ($dead->id, $dead->destroy);
    $dead->{secret} = 'after';
    $seen{flushed} = $dead->flush for 1 .. 3;
    $seen{ended}   = $dead->ended;
    session fresh => 'yes';
    $dead->flush;
    @seen{qw(dead now)} = (refaddr($dead), refaddr(session));
    return session->id;
};

get '/renew' => sub {
    my $session = session;
    $seen{old} = $session->id;
    session user => 'ann';
    $session->renew;
    session later => 'too';
    @seen{qw(before after)} = (refaddr($session), refaddr(session));
    return session->id;
};

# The values of the session's cookie in a response.
sub sent {
    my ($response) = @_;
    my $name    = setting('session_name') || 'dancer.session';
    my @headers = @{ $response->headers_to_array };
    my @sent;
    while (my ($header, $text) = splice @headers, 0, 2) {
        push @sent, $1 if lc $header eq 'set-cookie' && $text =~ /\A\Q$name\E=([^;]*)/;
    }
    return @sent;
}

sub visit {
    my ($path) = @_;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    (%seen, @warnings) = ();
    return dancer_response(GET => $path);
}

# Dancer::Test is one browser, whose cookies stay.
sub new_browser { %{ Dancer::Cookies->cookies } = (); return }

subtest 'a session goes on over requests' => sub {
    new_browser();
    my $response = visit('/set/colour/red');
    my ($id) = sent($response);
    like $id, qr/\A[0-9]{39,}\z/, 'a new session has an id of digits only (R01)';
    is visit('/get/colour')->content, 'red', 'what one request sets, the next one reads';
    is visit('/id')->content, $id, 'the id stays';
    is_deeply [ sent(visit('/get/colour')) ], [], 'a known id is not sent again';
    is join(' ', map { visit('/count')->content } 1 .. 3), '1 2 3', 'a counter counts';
    visit('/basket/set');
    is visit('/basket/count')->content, 'Basket 2', 'an object is still of its class, with its methods';
    new_browser();
    is visit('/get/colour')->content, 'nothing', 'another browser has another session';
    is_deeply \@warnings, [], 'nothing of this warns';
};

subtest 'a destroyed session is followed by a new one' => sub {
    new_browser();
    my ($first) = sent(visit('/set/colour/red'));
    my $second = visit('/destroy/set');
    is $seen{old}, $first, 'it was the first';
    isnt $second->content, $first, 'in the same request, the next session has a new id (R09)';
    is_deeply [ sent($second) ], [ $second->content ], 'one cookie is sent, with the new id';
    is visit('/get/fresh')->content, 'yes', 'what was set after destroy is there in the next request';
    is visit('/get/colour')->content, 'nothing', 'nothing of the old session is';
    visit('/destroy');
    my $third = visit('/id');
    like $third->content, qr/\A[0-9]+\z/, 'after a destroy and nothing else, there is a session again';
    isnt $third->content, $second->content, 'it has a new id (R09)';
    isnt $third->content, $first, 'which is no older one either';
    is_deeply [ sent($third) ], [ $third->content ], 'and a cookie';
    is_deeply \@warnings, [], 'nothing of this warns';
};

subtest 'an object that was destroyed is dead' => sub {
    new_browser();
    my ($id) = sent(visit('/set/colour/red'));
    my $response = visit('/dead');
    is $seen{old}, $id, 'it was the session of the request';
    is $seen{returned}, 1, 'destroy returns 1';
    is $seen{ended}, 1, 'it has ended';
    is refaddr($seen{flushed}), $seen{dead}, 'flush returns it, as always';
    is scalar @warnings, 1, 'its flush warns, and only once' or diag explain \@warnings;
    like "@warnings", qr/the session has ended.* at \Q$0\E line/, 'the warning names the line of the route';
    isnt $seen{now}, $seen{dead}, 'Dancer does not hand it out any more';
    isnt $response->content, $id, 'what is set then is set in a session with a new id';
    is_deeply [ sent($response) ], [ $response->content ], 'whose cookie is sent';
    unlike $client->get($id) // '', qr/secret|colour/, 'nothing was stored under the old id (R10)';
    is visit('/get/secret')->content, 'nothing', 'nor under the new one';
    is visit('/get/fresh')->content, 'yes', 'the new session is stored';
};

subtest 'renew in a route' => sub {
    new_browser();
    my ($id) = sent(visit('/set/colour/red'));
    my $response = visit('/renew');
    is $seen{old}, $id, 'it was the session of the request';
    isnt $response->content, $id, 'it has a new id';
    is $seen{after}, $seen{before}, 'Dancer hands out the same object under it';
    is_deeply [ sent($response) ], [ $response->content ], 'one cookie is sent, with the new id';
    my @entries = map { visit("/get/$_")->content } qw(colour user later);
    is "@entries", 'red ann too', 'set before, with and after it: all is there (R06)';
    is visit('/id')->content, $response->content, 'the new id stays';
    unlike $client->get($id) // '', qr/colour/, 'nothing is left under the old id';
    is_deeply \@warnings, [], 'nothing of this warns';
};

subtest 'session_name names the cookie' => sub {
    new_browser();
    set session_name => 'eg_session_id';
    my $response = visit('/id');
    is_deeply [ sent($response) ], [ $response->content ], 'the id is sent under that name';
    is visit('/id')->content, $response->content, 'and read';
    is_deeply [ keys %{ Dancer::Cookies->cookies } ], ['eg_session_id'], 'there is no other cookie';
    visit('/destroy');
    isnt visit('/id')->content, $response->content, 'destroy knows the name';
    set session_name => undef;
};

subtest 'templates see the session' => sub {
    my $views = File::Temp->newdir;
    open my $view, '>', "$views/hello.tt" or die "no view: $!";
    print {$view} "hello <% session.name %>, you are <% session.id %>\n";
    close $view or die "no view: $!";
    set views => "$views";
    get '/hello' => sub { template 'hello' };
    new_browser();
    my ($id) = sent(visit('/set/name/ann'));
    is visit('/hello')->content, "hello ann, you are $id\n", 'by the name `session`';
    is_deeply \@warnings, [], 'without a warning';
};

subtest 'a route that dies' => sub {
    new_browser();
    my ($id) = sent(visit('/set/colour/red'));
    is visit('/die')->status, 500, 'is answered with 500';
    is visit('/get/colour')->content, 'red', 'and leaves the session as it was';
};

subtest 'without the server' => sub {
    new_browser();
    my ($id) = sent(visit('/set/colour/red'));
    $server->freeze;
    for my $path (qw(/get/colour /set/colour/blue /die)) {
        my $response = eval { visit($path) };
        is $@, '', "$path: what its session can't be read for is Dancer's to answer, not to die of";
        is $response && $response->status, 500, "$path: 500 (R33)";
        is_deeply [ $response ? sent($response) : () ], [], "$path: no cookie is set or removed (N9)";
    }
    $server->recover;
    is visit('/get/colour')->content, 'red', 'when the server is back, so is the session';
    is visit('/id')->content, $id, 'under its id';
};

done_testing;
