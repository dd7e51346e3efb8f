use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Dancer::Handler;
use File::Temp ();
use HTTP::Request;
use Plack::Test;
use Test::Exception;
use Test::More;
use TestRedis;

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
my $file   = File::Temp->new(SUFFIX => '.txt');
print {$file} 'content';
close $file;
set redis_session => $server->settings;
set session       => 'Redis';
set show_errors   => 0;
set logger        => 'capture';

# What a request does to its session, and how it ends.
my %deed = (
    read    => sub { session('user') },
    set     => sub { session seen => 1 },
    renew   => sub { session->renew },
    destroy => sub { session->destroy },
);
my %end = (
    return  => sub { 'returned' },
    halt    => sub { halt 'halted' },
    forward => sub { forward '/plain' },
    error   => sub { send_error('no', 403) },
    die     => sub { die "as planned\n" },
    file    => sub { send_file($file->filename, system_path => 1) },
    answer  => sub { Dancer::Response->new(status => 201, content => 'made') },
);
my %status = (error => 403, die => 500, answer => 201);
for my $deed (keys %deed) {
    for my $end (keys %end) {
        get "/$deed/$end" => sub { $deed{$deed}->(); $end{$end}->() };
    }
}
get '/plain'          => sub { session('user') // 'nobody' };
get '/destroy_and_in' => sub { session->destroy; session user => 'bob'; session->id };
get '/others/:id'     => sub { eval { $class->retrieve(param('id')) }; session('user') };
get '/made'           => sub { $class->create->id };

my $test = Plack::Test->create(Dancer::Handler->psgi_app);

sub visit {
    my ($path, $id) = @_;
    local $SIG{__WARN__} = sub { };
    my $request = HTTP::Request->new(GET => $path);
    $request->header(Cookie => "dancer.session=$id") if defined $id;
    my $response = $test->request($request);
    my @cookies = map { /\Adancer\.session=([^;]*)/ ? $1 : () } $response->header('Set-Cookie');
    return ($response, \@cookies);
}

sub logged_in {
    my $session = $class->create;
    $session->{user} = 'anna';
    return $session->flush->id;
}

# The id that the browser has afterwards; '' if it was told to drop it.
sub kept { my ($id, $cookies) = @_; return @$cookies ? $cookies->[-1] : $id }

for my $expires (undef, '2 hours') {
    set session_expires => $expires;
    my $with = $expires ? 'with session_expires' : 'plainly';
    for my $end (sort keys %end) {
        my $id = logged_in();
        for my $deed (qw(read set)) {
            my ($response, $cookies) = visit("/$deed/$end", $id);
            is $response->code, $status{$end} // 200, "$with, $deed, $end: the answer is the application's";
            is_deeply [ grep { $_ ne $id } @$cookies ], [], "$with, $deed, $end: no other id";
            ok !$expires == !@$cookies, "$with, $deed, $end: the cookie slides, or stays";
        }
        my (undef, $cookies) = visit("/renew/$end", $id);
        my $renewed = kept($id, $cookies);
        isnt $renewed, $id, "$with, renew, $end: the browser gets the new id";
        is eval { $class->retrieve($renewed)->{user} }, 'anna', "$with, renew, $end: which leads to the session";
        (undef, $cookies) = visit("/destroy/$end", $renewed);
        isnt kept($renewed, $cookies), $renewed, "$with, destroy, $end: the browser has it no longer";
    }
}
set session_expires => undef;

subtest 'a log-in under an id that another request has ended' => sub {
    my $old = logged_in();
    $class->retrieve($old)->renew;
    my ($response, $cookies) = visit('/destroy_and_in', $old);
    is_deeply $cookies, [ $response->content ], 'begins anew after a destroy (rule 4.3)';
    isnt $response->content, $old, 'with another id';
    is $class->retrieve($response->content)->{user}, 'bob', 'and is stored';
};

subtest 'a session that cannot be read' => sub {
    my $damaged = logged_in();
    $client->set($damaged => substr($client->get($damaged), 0, -4), EX => 60);
    is +(visit("/others/$damaged", logged_in()))[0]->content, 'anna', 'says nothing about another one (R37)';
    is +(visit('/plain', $damaged))[0]->code, 500, 'is a failure of its own visitor';
};

subtest 'update' => sub {
    my $session = $class->retrieve(logged_in());
    throws_ok { $session->update(n => sub { $session->flush; 1 }) } qr/should only compute/,
        'refuses a code that stores the session, and would not see what it missed';
};

subtest 'lazily' => sub {
    set redis_session => $server->settings(lazy => 1);
    my ($response) = visit('/made');
    ok $client->exists($response->content), 'what create makes is stored at the end, whoever has it';
};

subtest 'a tied variable' => sub {
    package Tied { sub TIESCALAR { return bless [] } sub FETCH { return 1 } }
    set redis_session => $server->settings(allow_tied => 1);
    my $theirs = $class->retrieve(logged_in());
    set redis_session => $server->settings;
    my $ours = $class->retrieve($theirs->id);
    set redis_session => $server->settings(allow_tied => 1);
    tie my $value, 'Tied';
    $theirs->{evil} = \$value;
    $theirs->flush;
    set redis_session => $server->settings;
    $ours->{user} = 'bob';
    throws_ok { $ours->flush } qr/unreadable: .*tied/, 'does not come in with what another request has stored';
    ok !exists $ours->{evil}, 'and is not there';
};

done_testing;
