# Purpose: with the setting `lazy`, stores the sessions of a request once, at
# its end: after the routes and hooks of the application, before the head of the
# response is made, whatever way the request has taken (return, halt, redirect,
# send_error, die).
package Dancer::Session::Redis::Lazy;
use strict;
use warnings;
use Dancer::Config qw(setting);
use Dancer::Error;
use Dancer::Factory::Hook;
use Dancer::Handler;
use Dancer::Hook;
use Dancer::Logger;
use Dancer::SharedData;
use Scalar::Util qw(blessed);

our $REQUESTS = 0;

_wrap();

# Whether a request is under way, at whose end sessions are stored.
sub in_request { return $REQUESTS > 0 }

# Dancer has no hook that all these ways pass through, but one function.
sub _wrap {
    my $render = \&Dancer::Handler::render_request;
    no warnings 'redefine';    ## no critic
    *Dancer::Handler::render_request = sub {
        my @arguments = @_;
        local $REQUESTS = $REQUESTS + 1;
        my $done = eval { [ scalar $render->(@arguments) ] };
        my $error = $@;
        my $failed = eval { _finish(); 1 } ? undef : _refuse($@);
        die $error if !$done;    ## no critic: as it came
        return $failed // $done->[0];
    };
    # A `forward` forgets the sessions of the request before.
    Dancer::Hook->new(on_reset_state => sub { _finish() if $REQUESTS });
    return;
}

sub _finish {
    my $tables = Dancer::SharedData->sessions or return;
    for my $table (values %$tables) {
        for my $session (values %$table) {
            next if !blessed $session || !$session->isa('Dancer::Session::Redis');
            $session->finish;
        }
    }
    return;
}

# What Dancer answers when a route has died.
sub _refuse {
    my ($error) = @_;
    Dancer::Factory::Hook->execute_hooks('on_handler_exception', $error);
    Dancer::Logger::error("the session was not stored: $error");
    return Dancer::Error->new(
        code      => 500,
        title     => 'Runtime Error',
        message   => "$error",
        exception => $error,
    )->render;
}

1;
