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
use Dancer::Session::Redis::Cookie;
use Dancer::SharedData;
use Scalar::Util qw(blessed refaddr);

# How many are under way: a `forward` is one within another.
our $DEPTH = 0;

# Which session can't be had in this one, and why.
our $FAILURE;

# Those that were made in it.
our $MADE;

_wrap();

sub under_way { return $DEPTH > 0 }

# Nobody waits for the same failure twice: what Dancer shows of an exception has
# the session in it, too.
sub remember_failure {
    my ($class, $id, $failure) = @_;
    $FAILURE = { id => $id, words => $failure } if $DEPTH;
    return;
}

sub failure {
    my ($class, $id) = @_;
    return $FAILURE && $FAILURE->{id} eq $id ? $FAILURE->{words} : undef;
}

# Some are in no table of Dancer's.
sub remember_made {
    my ($class, $session) = @_;
    push @$MADE, $session if $DEPTH;
    return;
}

sub _wrap {
    my $render = \&Dancer::Handler::render_request;
    no warnings 'redefine';    ## no critic
    *Dancer::Handler::render_request = sub {
        my @arguments = @_;
        local $DEPTH = $DEPTH + 1;
        local $FAILURE;
        local $MADE = [];
        local $Dancer::Session::Redis::Cookie::OWED = $Dancer::Session::Redis::Cookie::OWED || {};
        Dancer::Session::Redis::Cookie->remember if $DEPTH > 1;
        my $done = eval { [ scalar $render->(@arguments) ] } || [ _answer($@) ];
        my $answer = eval { _finish(); 1 } ? $done->[0] : _refuse($@);
        Dancer::Session::Redis::Cookie->settle;
        return $answer;
    };
    # A `forward` forgets the sessions of the request before.
    Dancer::Hook->new(on_reset_state => sub { _finish() if $DEPTH });
    return;
}

sub _finish {
    $_->finish for _sessions();
    return;
}

# All that this request has had in hand.
sub _sessions {
    my $tables = Dancer::SharedData->sessions || {};
    my %sessions = map { refaddr($_) => $_ }
        grep { blessed $_ && $_->isa('Dancer::Session::Redis') } @$MADE, map { values %$_ } values %$tables;
    return values %sessions;
}

# Dancer has died of an exception of ours, because its page for exceptions wants
# the session, too.
sub _answer {
    my ($error) = @_;
    die $error if !$FAILURE || ref $error || $error ne $FAILURE->{words};    ## no critic: as it came
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
    my $response = Dancer::Error->new(
        code      => 500,
        title     => 'Runtime Error',
        message   => "$error",
        exception => $error,
    )->render;
    # That page may have asked for the session; nobody shall come back with an id that is not stored.
    for my $session (grep { $_->is_new } _sessions()) {
        Dancer::Session::Redis::Cookie->forget($session->session_name);
    }
    return $response;
}

1;
