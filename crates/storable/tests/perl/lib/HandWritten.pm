# Purpose: streams that this Perl never writes but that a reader meets or must
# refuse to lose: large objects, the booleans of later versions, old minors.
# Run: not run alone; `HandWritten::rows()`.
package HandWritten;
use strict;
use warnings;

my $NATIVE_START  = '04%02x08' . unpack('H*', '12345678') . '04080808';
my $NETWORK_START = '05%02x';

# name, dialect, minor version, body in hex, expected.  The expected text of
# these is written by hand, since no Perl value gives it; where this Perl can
# read the stream, vectors.pl --verify compares.
my @ROWS = (
    [ 'hand-true',  'network', 12, '22', 'true' ],
    [ 'hand-false', 'native',  12, '23', 'false' ],
    [ 'hand-booleans', 'network', 12, '02 00000003 22 23 0881', '[true,false,1]' ],
    [ 'hand-boolean-in-hash', 'native', 12, '03 01000000 22 02000000 6f6b', '{b"ok":true}' ],
    [ 'hand-boolean-shared', 'network', 12, '02 00000002 04 22 04 00 00000002', '[\\&1 true,\\*1]' ],
    [ 'hand-large-string', 'native',  11, '21 01 0300000000000000 616263', 'b"abc"' ],
    [ 'hand-large-string', 'network', 11, '21 01 0000000000000003 616263', 'b"abc"' ],
    [ 'hand-large-utf8', 'native',  11, '21 18 0200000000000000 c3a9', 'u"\\xc3\\xa9"' ],
    [ 'hand-large-utf8', 'network', 11, '21 18 0000000000000002 c3a9', 'u"\\xc3\\xa9"' ],
    [ 'hand-large-array', 'native',  11, '21 02 0200000000000000 0881 0882', '[1,2]' ],
    [ 'hand-large-array', 'network', 11, '21 02 0000000000000002 0881 0e', '[1,hole]' ],
    [ 'hand-large-hash', 'native',  11, '21 03 0100000000000000 0881 01000000 61', '{b"a":1}' ],
    [ 'hand-large-hash', 'network', 11, '21 03 0000000000000001 0881 00000001 61', '{b"a":1}' ],
    [ 'hand-large-tag', 'native',  11, '02 02000000 04 02 00000000 04 21 00 0200000000000000',
        '[\\&1 [],\\*1]' ],
    [ 'hand-large-tag', 'network', 11, '02 00000002 04 02 00000000 04 21 00 0000000000000002',
        '[\\&1 [],\\*1]' ],
    [ 'hand-large-hook', 'network', 11, '21 13 02 08 486f6f6b48617368 0000000000000003 616263',
        'hook HookHash "abc" []' ],
    [ 'hand-hook-large-ids', 'network', 11,
        '13 42 02 00000000 92 08 486f6f6b48617368 01 78 ffffffff 0000000000000001',
        'hook HookHash "x" [[]]' ],
    [ 'hand-long-forms', 'network', 11, '02 00000003 01 00000001 61 18 00000002 c3a9 1e 00000002 7631 0a 01 01',
        '[b"a",u"\\xc3\\xa9",v"v1"b"\\x01"]' ],
    [ 'hand-regexp-long-form', 'network', 11, '11 06 526567657870 20 01 00000001 61 01 69', 'Regexp=qr"a"i' ],
    [ 'hand-class-long-form', 'network', 11, '11 80 00000003 466f6f 02 00000000', 'Foo=[]' ],
    [ 'hand-class-index-long', 'network', 11,
        '02 00000002 04 11 03 466f6f 02 00000000 04 12 80 00000000 02 00000000', '[\\Foo=[],\\Foo=[]]' ],
    [ 'hand-key-is-scalar', 'network', 11, '19 00 00000001 0881 08 0a 01 6b', '{b"k":1}' ],
    [ 'hand-netint-in-native', 'native', 11, '09 00000400', '1024' ],
    [ 'hand-integer-small', 'native', 11, '06 0500000000000000', '5' ],
    [ 'hand-double-in-network', 'network', 11, '07 000000000000e03f', 'd:3fe0000000000000' ],
    [ 'hand-double-integral', 'native', 11, '07 0000000000000840', 'd:4008000000000000' ],
    [ 'hand-minor-4', 'network', 4, '02 00000001 0881', '[1]' ],
    [ 'hand-minor-8', 'native', 8, '03 01000000 0a 01 78 01000000 61', '{b"a":b"x"}' ],
    [ 'hand-minor-2', 'native', 2, '02 01000000 0881', '[1]' ],
);

sub rows {
    return map { expand(@$_) } @ROWS;
}

sub expand {
    my ($name, $dialect, $minor, $body, $expected) = @_;
    my $start = sprintf $dialect eq 'native' ? $NATIVE_START : $NETWORK_START, $minor;
    $body =~ tr/ //d;
    return {
        name     => $name,
        dialect  => $dialect,
        minor    => $minor,
        bytes    => pack('H*', $start . $body),
        expected => $expected,
    };
}

1;
