#!/usr/bin/perl
# Purpose: a page that counts its visits, in a session.
# Run: perl eg/app.pl, and open http://localhost:4100/
# From the environment: REDIS_SERVER (default localhost:6379) or REDIS_SOCK.
use strict;
use warnings;
use Dancer::Session::Redis;
use Dancer;

set port          => 4100;
set session_name  => 'eg_session_id';
set redis_session => {
    ($ENV{REDIS_SOCK} ? (sock => $ENV{REDIS_SOCK}) : (server => $ENV{REDIS_SERVER} // 'localhost:6379')),
    expire => 60 * 60,
};
# After its settings, for it connects at once.
set session => 'Redis';

get '/' => sub {
    my $counter = session->update(counter => sub { ($_[0] // 0) + 1 });
    my $id      = session->id;
    return <<"END";
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Sessions in Redis</title></head>
<body>
<h1>Sessions in Redis</h1>
<p>Session id: <code>$id</code></p>
<p>Counter: <strong>$counter</strong></p>
<p><a href="/">Reload the page</a></p>
</body>
</html>
END
};

dance;
