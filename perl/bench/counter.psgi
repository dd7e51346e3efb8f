# Purpose: the counter that compare.pl measures.
# From the environment: ENGINE (Redis or Original), WHERE (sock=… or server=…).
use strict;
use warnings;
BEGIN { $ENV{DANCER_APPHANDLER} = 'PSGI' }
use Dancer;

set redis_session => { split /=/, $ENV{WHERE}, 2 };
set session       => $ENV{ENGINE};

get '/' => sub { session counter => (session('counter') // 0) + 1 };

dance;
