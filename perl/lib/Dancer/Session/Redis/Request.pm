# Purpose: what is done for the sessions of a request at its end: after the
# routes and hooks of the application, before the head of the response is made,
# whatever way the request has taken (return, halt, redirect, send_error, die).
# Dancer has no hook that all these ways pass through, but one function.
package Dancer::Session::Redis::Request;
use strict;
use warnings;
use Dancer::Error;
use Dancer::Factory::Hook;
use Dancer::Handler;
use Dancer::Hook;
use Dancer::Logger;
use Dancer::Response;
use Dancer::SharedData;
use Scalar::Util qw(blessed);

# How many are under way: a `forward` is one within another.
our $DEPTH = 0;

# Why a session can't be had in this one.
our $FAILURE;

_wrap();

sub under_way { return $DEPTH > 0 }

# Nobody waits for the same failure twice: what Dancer shows of an exception has
# the session in it, too.
sub remember_failure {
    my ($class, $failure) = @_;
    $FAILURE = $failure if $DEPTH;
    return;
}

sub failure { return $FAILURE }

sub _wrap {
    my $render = \&Dancer::Handler::render_request;
    no warnings 'redefine';    ## no critic
    *Dancer::Handler::render_request = sub {
        my @arguments = @_;
        local $DEPTH = $DEPTH + 1;
        local $FAILURE;
        my $done = eval { [ scalar $render->(@arguments) ] } || [ _answer($@) ];
        return eval { _finish(); 1 } ? $done->[0] : _refuse($@);
    };
    # A `forward` forgets the sessions of the request before.
    Dancer::Hook->new(on_reset_state => sub { _finish() if $DEPTH });
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

# Dancer has died of an exception of ours, because its page for exceptions wants
# the session, too.
sub _answer {
    my ($error) = @_;
    die $error if !defined $FAILURE || ref $error;    ## no critic: as it came
    my $response = Dancer::Response->new(
        status  => 500,
        headers => [ 'Content-Type' => 'text/plain' ],
        content => "Internal Server Error\n",
    );
    Dancer::SharedData->response($response);
    return $response;
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
