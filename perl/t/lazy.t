use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Dancer::Handler;
use File::Spec ();
use HTTP::Request;
use Plack::Test;
use POSIX ();
use Test::More;
use TestRedis;

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
my %lazy   = (lazy => 1, timeout => 0.3);
set redis_session => $server->settings(%lazy);
set session       => 'Redis';
set show_errors   => 0;
set logger        => 'capture';

# What a route does in the middle of itself, what it has seen, and the warnings.
our $within = sub { };
my (%seen, @warnings);
my $file = File::Spec->rel2abs($0);

sub set_three { session $_ => request->path for qw(one two three); $within->(); return }

# Each is a way for a request to end; `one` to `three` are set in it.
get '/return'     => sub { set_three(); 'done' };
get '/halt'       => sub { set_three(); halt('done') };
get '/redirect'   => sub { set_three(); redirect '/none' };
get '/send_error' => sub { set_three(); send_error('no', 403) };
get '/die'        => sub { set_three(); die "the route says no\n" };
get '/pass'       => sub { set_three(); pass };
get '/send_file'  => sub { set_three(); send_file($file, system_path => 1) };
get '/forward'    => sub { set_three(); forward '/forwarded' };
get '/streamed'   => sub {
    set_three();
    my $id = session->id;
    my $look = sub {
        my ($respond, $response) = @_;
        # Not by GET, which is counted.
        $seen{streamed} = $seen{frozen} ? '' : $client->getrange($id, 0, -1);
        my $writer = $respond->([ 200, [ map { ('Set-Cookie' => $_) } $response->header('Set-Cookie') ] ]);
        $writer->write('done');
        $writer->close;
    };
    send_file($file, system_path => 1, streaming => 1, callbacks => { override => $look });
};
hook before => sub {
    my $path = request->path;
    set_three() if $path =~ m{\A/(?:missing|guarded)\z};
    redirect '/none' if $path eq '/guarded';
};
hook after => sub { session after => 'the hook' if request->path eq '/after' };
my @ways = qw(return halt redirect send_error die pass send_file streamed missing guarded);
# For these Dancer makes another response, without the cookies of the first.
my %forgets = map { $_ => 1 } qw(send_error die pass missing);

get '/none'      => sub { 'no session' };
get '/guarded'   => sub { 'never' };
get '/after'     => sub { session('one'); 'done' };
get '/forwarded' => sub { session forwarded => session('one'); 'done' };
get '/read'      => sub { session('one') . session('cart')->{apples} };
get '/same'      => sub { session one => session('one'); 'done' };
get '/in-place'  => sub { session('cart')->{apples}++; push @{ session('list') }, 'new'; 'done' };
get '/within'    => sub { $within->(session); 'done' };

my $test = Plack::Test->create(Dancer::Handler->psgi_app);

sub visit {
    my ($path, $id) = @_;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    (%seen, @warnings) = ();
    my $request = HTTP::Request->new(GET => $path);
    $request->header(Cookie => "dancer.session=$id") if defined $id;
    return $test->request($request);
}

sub id_in { my ($response) = @_; return ($response->header('Set-Cookie') // '') =~ /=([0-9]+)/ ? $1 : undef }

# How often a session was read and written since the last call: a flush that
# compares reads once more, but within the server.
sub traffic {
    my $commands = $server->commands;
    my %number   = map { $_ => $commands->{$_} // 0 } qw(GET SET EVALSHA);
    return join ' ', $number{GET} - $number{EVALSHA}, $number{SET};
}

# A session in the store, and nothing counted; its id.
sub stored {
    my $session = $class->create;
    @$session{qw(one cart list)} = ('old', { apples => 1 }, ['old']);
    $session->flush;
    traffic();
    return $session->id;
}

# In another process, as another request would: here it would be this one's.
sub elsewhere {
    my ($work) = @_;
    my $child = fork // die "no process: $!";
    if (!$child) {
        my $done = eval { $work->(); 1 };
        POSIX::_exit($done ? 0 : 1);
    }
    waitpid $child, 0;
    return $? == 0 || die "the other process has failed\n";
}

subtest 'one read and one write in a request, whatever way it takes' => sub {
    for my $way (@ways) {
        set redis_session => $server->settings;
        my $as_ever = visit("/$way")->code;
        set redis_session => $server->settings(%lazy);
        my $id = stored();
        is visit("/$way", $id)->code, $as_ever, "$way: the answer is as without lazy";
        is traffic(), '1 1', "$way: one read and one write";
        my $session = $class->retrieve($id);
        is_deeply [ @$session{qw(one two three)} ], [ ("/$way") x 3 ], "$way: all is stored";
        like $seen{streamed}, qr{/streamed}, 'before the first byte of a stream' if $way eq 'streamed';
        is_deeply \@warnings, [], "$way: nothing warns" if $way !~ /send_file|streamed/;
        traffic();
        my $new = id_in(visit("/$way"));
        is traffic(), '0 1', "$way: a new session is one write";
        is eval { $class->retrieve($new)->{three} }, "/$way", "$way: whose cookie is sent" if !$forgets{$way};
    }
};

subtest 'what is not changed is not written' => sub {
    my $id = stored();
    is visit('/read', $id)->content, 'old1', 'a request that reads';
    is traffic(), '1 0', 'is one read and no write (R11)';
    visit('/same', $id);
    is traffic(), '1 0', 'the same value again is no change';
    visit('/none', $id);
    is traffic(), '0 0', 'no session, no command (R28)';
    visit('/in-place', $id);
    is traffic(), '1 1', 'a change in place is one';
    my $session = $class->retrieve($id);
    is_deeply [ $session->{cart}, $session->{list} ], [ { apples => 2 }, [ 'old', 'new' ] ], 'and is stored';
    visit('/after', $id);
    is $class->retrieve($id)->{after}, 'the hook', q(what an application's `after` hook sets is stored);
};

subtest 'a forward' => sub {
    my $id = stored();
    is visit('/forward', $id)->content, 'done', 'is answered by the second route';
    my $session = $class->retrieve($id);
    is_deeply [ @$session{qw(one two three)} ], [ ('/forward') x 3 ], 'what was set before it is stored';
    is $session->{forwarded}, '/forward', 'and there for the second route, whose entries are, too';
};

subtest 'the server fails before the end' => sub {
    for my $way (@ways, 'forward') {
        my $id = stored();
        set session_expires => 600;
        for my $with ('an old session', $forgets{$way} ? () : 'a new one') {
            local $within = sub { $seen{frozen} = 1; $server->freeze };
            my $response = visit("/$way", $with eq 'a new one' ? undef : $id);
            $server->recover;
            is $response->code, 500, "$way, $with: 500, not what the route says (R33)";
            is $response->header('Set-Cookie'), undef, "$way, $with: no cookie (N9)";
            is $response->header('Location'), undef, "$way, $with: to nowhere";
            unlike $response->content, qr/done/, "$way, $with: nothing of its content";
        }
        set session_expires => undef;
    }
};

subtest 'flush, destroy and renew are done at once' => sub {
    my ($id, $there) = stored();
    local $within = sub { session x => 'at once'; $_[0]->flush; $there = $client->get($id) };
    visit('/within', $id);
    like $there, qr/at once/, 'an explicit flush stores in the middle of the request';
    is $server->commands->{SET}, 1, 'and nothing is stored once more at the end';

    $within = sub { session x => 'gone'; $_[0]->destroy; $there = $client->get($id) };
    my $response = visit('/within', $id);
    unlike $there, qr/gone|apples/, 'destroy destroys at once';
    unlike $client->get($id), qr/gone|apples/, 'and the end brings nothing back (R09)';
    like $response->header('Set-Cookie'), qr/\Adancer\.session=;/, 'the cookie is removed';
    is_deeply \@warnings, [], 'without a warning';

    $id     = stored();
    $within = sub { $_[0]->destroy; session fresh => 'yes'; session more => 'yes' };
    my $new = id_in(visit('/within', $id));
    isnt $new, $id, 'a session after destroy is a new one';
    is $class->retrieve($new)->{more}, 'yes', 'which is stored at the end';
    ok $class->retrieve($id)->ended, 'the old one stays ended (R10)';

    $id     = stored();
    $within = sub { session before => 1; $_[0]->renew; session behind => 2 };
    $new    = id_in(visit('/within', $id));
    my $session = $class->retrieve($new);
    is_deeply [ @$session{qw(one before behind)} ], [ 'old', 1, 2 ], 'renew: all is under the new id (R06)';

    $within = sub { $_[0]->destroy };
    traffic();
    visit('/within');
    is traffic(), '0 0', 'a session that is destroyed in the request that made it was never stored';
};

subtest 'requests in parallel' => sub {
    my $id = stored();
    local $within = sub {
        session mine => 1;
        session('cart')->{apples} = 7;
        my $other = $class->retrieve($id);
        @$other{qw(theirs list)} = (2, ['theirs']);
        $other->flush;
    };
    visit('/within', $id);
    my $session = $class->retrieve($id);
    is_deeply [ @$session{qw(mine theirs)} ], [ 1, 2 ], 'what both of them set is there (R12)';
    is_deeply [ @$session{qw(cart list)} ], [ { apples => 7 }, ['theirs'] ], 'also in place';

    $within = sub {
        elsewhere(sub { $class->retrieve($id)->destroy });
        session late  => 1;
        session later => 2;
    };
    is visit('/within', $id)->header('Set-Cookie'), undef, 'destroyed by another request: no cookie';
    is scalar(@warnings), 1, 'one warning that nothing was stored' or diag explain \@warnings;
    unlike $client->get($id), qr/late/, 'nothing was (R10)';
    $within = sub { };
    is visit('/within', $id)->code, 200, 'a late request that only looks';
    is_deeply \@warnings, [], 'is not worth a warning';
};

subtest 'lazy is for requests, and only where it is set' => sub {
    my $session = $class->create;
    ok $client->exists($session->id), 'outside of a request, create stores at once';
    ok !$class->is_lazy, 'and nothing is put off';
    set redis_session => $server->settings;
    my $id = stored();
    visit('/return', $id);
    is traffic(), '1 3', 'without the setting, each `session key => value` is a write';
};

# Functions see it: else it would end as late as Perl does.
undef $server;

done_testing;
