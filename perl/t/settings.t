use strict;
use warnings;
use lib 't/lib';
use Dancer::Session::Redis;
use Dancer qw(:script :tests);
use Test::Exception;
use Test::More;
use TestRedis;

my $class = 'Dancer::Session::Redis';

throws_ok { $class->new } qr/\Aredis_session is not defined at \Q$0\E line [0-9]+\.?$/;

done_testing;
