use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Dancer::Handler;
use HTTP::Date qw(str2time);
use HTTP::Request;
use Plack::Test;
use Test::More;
use TestRedis;

my $class  = 'Dancer::Session::Redis';
my $server = TestRedis->start;
my $client = $server->client;
set redis_session => $server->settings;
set session       => 'Redis';
set show_errors   => 0;
set logger        => 'capture';

my (%seen, @warnings);

get '/none'            => sub { 'no session' };
get '/id'              => sub { session->id };
get '/get/:key'        => sub { session(param('key')) // 'nothing' };
get '/twice'           => sub { session('one'); session two => 2; session('three'); session->id };
get '/set/:key/:value' => sub { session param('key') => param('value'); session->id };
get '/renew'           => sub { session->renew->id };
get '/renew/twice'     => sub { session->renew; session->renew->id };
get '/destroy'         => sub { session->destroy; 'destroyed' };
get '/destroy/set'     => sub { session->destroy; session new => 1; session->id };
# Another request takes the session into its hands after this one, and is faster.
get '/outrun/destroy' => sub {
    my $session = session;
    $seen{newer} = $class->retrieve($session->id)->renew->id;
    $session->destroy;
    return 'destroyed';
};
get '/outrun/set' => sub {
    my $session = session;
    $seen{newer} = $class->retrieve($session->id)->renew->id;
    session late => 1;
    return 'set';
};

my $test = Plack::Test->create(Dancer::Handler->psgi_app);

# A request with cookies; its content, and the cookies that it sends.
sub visit {
    my ($path, @cookies) = @_;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    @warnings = ();
    my $request = HTTP::Request->new(GET => $path);
    $request->header(Cookie => join '; ', @cookies) if @cookies;
    my $response = $test->request($request);
    return ($response->content, $response->header('Set-Cookie'));
}

# The cookies alone.
sub sent { my (undef, @sent) = visit(@_); return @sent }

sub from { return "dancer.session=$_[0]" }

# A cookie's value, and its attributes with their names in lower case.
sub taken_apart {
    my ($text) = @_;
    my ($value, @attributes) = split /; /, $text // '=';
    $value =~ s/\Adancer\.session=// or return;
    return ($value, { map { my ($name, $is) = split /=/, $_, 2; (lc $name => $is // 1) } @attributes });
}

# A session with an entry, made by a request.
sub stored { my ($id) = visit('/set/name/ann'); return $id }

sub is_new {
    my ($name, $id, @sent) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is_deeply [ map { (taken_apart($_))[0] } @sent ], [$id], $name;
}

sub is_removal {
    my ($name, @sent) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($value, $with) = taken_apart($sent[0]);
    my $expired = $with->{expires} && str2time($with->{expires}) < time - 86_400;
    return ok @sent == 1 && $value eq '' && $expired && $with->{path} eq '/', $name;
}

subtest 'the cookie of a new session' => sub {
    my ($id, @sent) = visit('/id');
    is_new 'has its id, and is sent once', $id, @sent;
    my (undef, $with) = taken_apart(@sent);
    is_deeply $with, { path => '/', samesite => 'Lax', httponly => 1 },
        'SameSite is Lax, not the None that browsers refuse; HttpOnly; no more';
    is_deeply [ visit('/id', from($id)) ], [$id], 'is not sent again while the id is the same';
    is_deeply [ visit('/twice', from($id)) ], [$id], 'nor when the session is used more than once';
    is_deeply [ visit('/none') ], ['no session'], 'is not sent by who uses no session (R28)';
    is_deeply \@warnings, [], 'nothing of this warns';
};

subtest 'the cookie settings' => sub {
    my @rows = (
        [ session_same_site    => 'Strict',      samesite => 'Strict' ],
        [ session_same_site    => 'none',        samesite => 'None' ],
        [ session_secure       => 1,             secure   => 1 ],
        [ session_secure       => 0,             secure   => undef ],
        [ session_is_http_only => 0,             httponly => undef ],
        [ session_is_http_only => 1,             httponly => 1 ],
        [ session_domain       => '.example.eu', domain   => '.example.eu' ],
    );
    for my $row (@rows) {
        my ($setting, $to, $attribute, $expected) = @$row;
        set $setting => $to;
        my ($id, @sent) = visit('/id');
        is +((taken_apart(@sent))[1])->{$attribute}, $expected, "$setting: $to";
        # As if it had never been set: for some, undef is refused.
        delete Dancer::Config->settings->{$setting};
    }
};

subtest 'session_expires' => sub {
    my $id = stored();
    for my $row ([ 600, 600 ], [ '2 hours', 7200 ]) {
        my ($setting, $seconds) = @$row;
        set session_expires => $setting;
        for my $path (qw(/id /get/name /twice /set/x/1)) {
            my $before = time;
            my (undef, @sent) = visit($path, from($id));
            is_new "$setting: $path sends the cookie, once (R17)", $id, @sent;
            my $lasts = str2time((taken_apart(@sent))[1]{expires}) - $before;
            my $most = $seconds + time - $before;
            ok $lasts >= $seconds && $lasts <= $most, "$setting: $path: it lasts as long";
        }
        my ($new, @sent) = visit('/twice');
        is_new "$setting: a new session sends it once", $new, @sent;
        ($new, @sent) = visit('/renew', from($new));
        is_new "$setting: so does renew, with the new id", $new, @sent;
        is_removal "$setting: destroy sends a removal", sent('/destroy', from($new));
        is_deeply [ visit('/none', from($id)) ], ['no session'], "$setting: who reads no session sends none";
    }
    set session_expires => undef;
};

subtest 'renew and destroy' => sub {
    my $old = stored();
    my ($new, @sent) = visit('/renew', from($old));
    isnt $new, $old, 'renew gives a new id';
    is_new 'and sends exactly one cookie, with that', $new, @sent;
    is_deeply [ visit('/get/name', from($new)) ], ['ann'], 'under which the session is (R06)';
    ($new, @sent) = visit('/renew/twice', from($new));
    is_new 'two of them send one cookie, with the last id', $new, @sent;
    is_deeply [ visit('/get/name', from($new)) ], ['ann'], 'under which the session is';
    ($new, @sent) = visit('/renew');
    is_new 'renew of a new session sends one, too', $new, @sent;

    is_removal 'destroy sends a removal (R24)', sent('/destroy', from($new));
    $old = stored();
    ($new, @sent) = visit('/destroy/set', from($old));
    isnt $new, $old, 'destroy, and a new session: it has a new id';
    is_new 'only its cookie is sent', $new, @sent;
    set session_secure => 1;
    my $secure = (taken_apart(sent('/destroy', from(stored()))))[1];
    is $secure->{secure}, 1, 'a removal is as secure as the cookie, else browsers refuse it';
    set session_secure => 0;
};

subtest 'a late request with the id that another one has renewed' => sub {
    for my $expires (undef, 600) {
        my $with = $expires ? 'with session_expires' : 'without session_expires';
        my $old  = stored();
        my ($new) = visit('/renew', from($old));
        set session_expires => $expires;
        for my $path (qw(/id /get/name /set/x/1 /twice /destroy)) {
            my ($content, @sent) = visit($path, from($old));
            is_deeply \@sent, [], "$with: $path sends no cookie (R08)";
            isnt $content, 'ann', "$with: $path does not see the session";
        }
        for my $path (qw(/outrun/destroy /outrun/set)) {
            my (undef, @sent) = visit($path, from($new));
            is_deeply \@sent, [], "$with: $path sends no cookie, though the session was there at first (R08)";
            $new = $seen{newer};
            is +(visit('/get/name', from($new)))[0], 'ann', "$with: $path: the newer id goes on";
            is $class->retrieve($new)->{late}, undef, "$with: $path: and has nothing of it (R10)";
        }
    }
    set session_expires => undef;
};

subtest 'an id that nobody has issued is never adopted' => sub {
    my @unknown = map { join '', map { int rand 10 } 1 .. 40 } 1 .. 10;
    push @unknown, 'a' x 20, 'Z_-~' x 10, '1' x 128, $class->new->id;
    my %new;
    for my $unknown (@unknown) {
        my ($id, @sent) = visit('/set/x/1', from($unknown));
        is_new "there is a new session instead of $unknown", $id, @sent;
        $new{$id}++;
    }
    is scalar keys %new, scalar @unknown, 'each has another id (R02)';
    is_deeply [ grep { $client->exists($_) } @unknown ], [], 'no key has an id that was not issued (R02)';
};

subtest 'ids that are none' => sub {
    my $id = stored();
    my @none = (
        "$id%0A", "$id%00", "$id%20", "%0A$id", "$id%2F", '%2A', substr($id, 1), "${id}1", '', '*', '1',
        "$id%0D%0Aset x", 'x' x 129, "%EF%BC%91$id",
    );
    for my $none (@none) {
        my ($new, @sent) = visit('/set/x/1', from($none));
        is_new "'$none': there is a new session", $new, @sent;
        isnt $new, $id, "'$none': it is another one";
        # Dancer itself says which ids it rejects, and that an empty cookie has no value.
        my @ours = grep { !m{/Dancer/Session/Abstract\.pm } && !/\ARejecting/ } @warnings;
        is_deeply \@ours, [], "'$none': nothing of ours warns";
    }
    is $class->retrieve($id)->{x}, undef, 'nothing was set in the session whose id they resemble';
    $server->commands;
    visit('/id', from("$id%0A"));
    is $server->commands->{GET}, undef, 'a newline at the end costs no read (R03)';
    my $encoded = join '', map { sprintf '%%%02X', ord } split //, $id;
    is_deeply [ visit('/get/name', from($encoded)) ], ['ann'], 'an encoded id is the id, as Dancer says';
    isnt +(visit('/id', "dancer%2Esession=$id"))[0], $id, 'an encoded name is another name (R22)';
};

subtest 'two cookies of the name' => sub {
    my ($first, $second) = map { my ($id) = visit("/set/name/$_"); $id } qw(ann bob);
    my @both = (from($first), from($second));
    is_deeply [ visit('/get/name', @both) ], ['bob'], 'the last one wins, as in Dancer (R23)';
    is_deeply [ visit('/get/name', reverse @both) ], ['ann'], 'whichever it is';
    is_deeply [ visit('/get/name', 'x=1', @both, 'y=2') ], ['bob'], 'and whatever is beside them';
};

done_testing;
