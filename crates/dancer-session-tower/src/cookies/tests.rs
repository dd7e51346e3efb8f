use super::*;

fn check(headers: &[&[u8]], expected: Option<&str>) {
    let mut map = HeaderMap::new();
    for header in headers {
        map.append(COOKIE, HeaderValue::from_bytes(header).unwrap());
    }
    let shown: Vec<_> = headers
        .iter()
        .map(|header| String::from_utf8_lossy(header))
        .collect();
    assert_eq!(
        presented(&map, "__Host-id", Duplicates::Refuse)
            .as_ref()
            .map(Presented::as_str),
        expected,
        "{shown:?}"
    );
}

#[test]
fn r22_cookies_are_read_byte_by_byte() {
    check(&[b"__Host-id=x"], Some("x"));
    check(&[b"a=b; __Host-id=x; c=d"], Some("x"));
    check(&[b"a=b;__Host-id=x;c=d"], Some("x"));
    check(&[b"a=b;\t __Host-id \t= \tx\t ; c=d"], Some("x"));
    check(&[b"__Host-id=x=y"], Some("x=y"));
    check(&[b"__Host-id="], Some(""));
    check(&[b"a=b", b"c=d", b"e=f; __Host-id=x"], Some("x"));
    check(&[b"caf\xE9=\xFC; __Host-id=x"], Some("x"));
    check(&[b"nameless; =also; __Host-id=x; %zz=%"], Some("x"));
    let neighbours: Vec<u8> = (0..100)
        .flat_map(|n| format!("n{n}=v; ").into_bytes())
        .collect();
    check(&[&[&neighbours[..], b"__Host-id=x"].concat()], Some("x"));

    check(&[], None);
    check(&[b"__Host-id"], None);
    check(&[b"__host-id=x"], None);
    check(&[b"%5F%5FHost-id=x"], None);
    check(&[b"\xC2\xA0__Host-id=x"], None);
    check(&[b"x__Host-id=x; __Host-id2=x"], None);
    check(&[b"__Host-id=\xFF\xFE"], None);
}

#[test]
fn r23_two_different_values_of_our_name_are_none() {
    check(&[b"__Host-id=x; __Host-id=y"], None);
    check(&[b"__Host-id=x", b"a=b; __Host-id=y"], None);
    check(&[b"__Host-id=x; __Host-id=x"], Some("x"));
}
