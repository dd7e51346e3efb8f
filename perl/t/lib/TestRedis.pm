# Purpose: a redis-server for one test, on a unix socket in a directory of its
# own.  It ends with the test, even if that is killed.
package TestRedis;
use strict;
use warnings;
use File::Temp ();
use POSIX      ();
use Redis      ();
use Time::HiRes qw(sleep time);

# my $server = TestRedis->start;   more options: start('--maxmemory', '1mb')
sub start {
    my ($class, @options) = @_;
    my $directory = File::Temp->newdir('dancer-session-XXXXXX', TMPDIR => 1);
    my $self = bless { directory => $directory, options => \@options, owner => $$ }, $class;
    $self->launch;
    return $self;
}

sub sock { return $_[0]{directory} . '/redis.sock' }

# A client that is not ours, for looking at what is there.
sub client {
    my ($self) = @_;
    return Redis->new(sock => $self->sock, encoding => undef);
}

# What `use` of ours takes.
sub settings {
    my ($self, %more) = @_;
    return { sock => $self->sock, %more };
}

sub launch {
    my ($self) = @_;
    my $log = $self->{directory} . '/log';
    pipe my $life, $self->{life} or die "no pipe: $!";
    pipe my $told, my $tell or die "no pipe: $!";
    my $guard = fork // die "no process: $!";
    if (!$guard) {
        close $_ for $self->{life}, $told;
        $SIG{TERM} = $SIG{INT} = 'IGNORE';
        my $server = fork // POSIX::_exit(1);
        if (!$server) {
            open STDOUT, '>>', $log;
            open STDERR, '>>', $log;
            $SIG{TERM} = $SIG{INT} = 'DEFAULT';
            no warnings 'exec';
            exec 'redis-server', '--port', 0, '--unixsocket', $self->sock, '--save', '',
                '--dir', "$self->{directory}", @{ $self->{options} };
            POSIX::_exit(127);
        }
        syswrite $tell, "$server\n";
        # Until the test says so, or is no more.
        sysread $life, my $nothing, 1;
        kill CONT => $server;
        kill KILL => $server;
        waitpid $server, 0;
        POSIX::_exit(0);
    }
    close $_ for $life, $tell;
    chomp($self->{server} = readline $told);
    $self->{guard} = $guard;
    my $until = time + 10;
    until (eval { $self->client->ping }) {
        die "redis-server does not start; is it installed? Its log is in $log\n" if time > $until;
        sleep 0.02;
    }
    return;
}

# Ends it at once, as a crash would.
sub stop {
    my ($self) = @_;
    my $guard = delete $self->{guard} or return;
    close delete $self->{life};
    waitpid $guard, 0;
    unlink $self->sock;
    return;
}

sub restart {
    my ($self) = @_;
    $self->stop;
    $self->launch;
    return;
}

# A server that takes connections and answers nothing.
sub freeze   { kill STOP => $_[0]{server}; return }
sub unfreeze { kill CONT => $_[0]{server}; return }

# The same after an outage of many calls: some time later the next one asks again.
sub recover {
    my ($self) = @_;
    $self->unfreeze;
    sleep 0.6;
    return;
}

# Which commands the server has carried out since the last call, with the number
# of each, those of scripts among them; ours that look are left out.
sub commands {
    my ($self) = @_;
    my $client = $self->{looking} ||= $self->client;
    my %now;
    my $stats = $client->info('commandstats');
    while (my ($name, $text) = each %$stats) {
        my ($calls) = $text =~ /calls=([0-9]+)/;
        $now{ uc substr $name, length 'cmdstat_' } = $calls;
    }
    my $before = $self->{before} || {};
    $self->{before} = \%now;
    my %new = map { $_ => $now{$_} - ($before->{$_} // 0) } keys %now;
    delete $new{INFO};
    return { map { $new{$_} ? ($_ => $new{$_}) : () } keys %new };
}

sub DESTROY {
    my ($self) = @_;
    # The end of a test may be that of its server: the test's result stays.
    local $?;
    $self->stop if $self->{owner} == $$;
    return;
}

1;
