"""What companies might type, or their name servers say, to make us call what we must not."""

PUBLIC = "93.184.216.34"

# By the code of the refusal. Names resolve to PUBLIC, so nothing but the spelling is wrong.
REFUSED_URLS: dict[str, list[str]] = {
    "https_only": [
        "http://example.com/", "HTTP://example.com/", "http://example.com:443/", "http://1.1.1.1/",
        "http://10.0.0.1/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/_x",
        "javascript:alert(1)", "data:text/plain,a", "dict://example.com:11211/", "ldap://a.com/",
        "ws://example.com/", "unix:///run/docker.sock", "jar:https://a.com!/", "//example.com/",
        "example.com", "example.com:443", "/hook", "", "http:/example.com/",
    ],
    "bad_url": [
        # no whole URL
        "https", "https:", "https:/example.com/", "https:example.com", "https+unix://example.com/",
        # who is the host?
        "https://user@example.com/", "https://user:pw@example.com/", "https://@example.com/",
        "https://:@example.com/", "https://example.com@127.0.0.1/", "https://a.com:80@b.com/",
        "https://a.com#@b.com/", "https://a.com\\@b.com/", "https:\\\\a.com\\", "https://a.com\\b/",
        "https:/\\a.com/", "https://a.com/#fragment", "https://a.com/?a#", "https://a.com#",
        # control characters, spaces, what cannot be seen
        "https://a.com/ b", "https://a.com/\tb", "https://a.com\n.b.com/", "https://a.com\r/",
        "https://a.com/\r\nX-Header: 1", "https://a.com/\x00", "https://a.com\x00.b.com/",
        "https://a.com/\x7f", "https://a.com/\x85", "https://a.com\u2028/", "https://a.com\u00a0/",
        " https://a.com/", "https://a.com/ ", "\ufeffhttps://a.com/", "https://a\u202eb.com/",
        "https://a\u200b.com/", "https://a\u00ad.com/",
        "https://a\u200de.com/", "https://a.com/\ud800",
        "https://a.com/" + "a" * 2_048, "https://a.com/" + "\u4e00" * 700,
        # what no text of a database holds
        "https://a.com/%00", "https://a.com%00.b.com/", "https://a.com/hook%00.html?a",
        "https://a.com/?a=%00",
    ],
    "bad_host": [
        "https://", "https:///path", "https://?a", "https://:443/", "https://a..com/",
        "https://.a.com/", "https://a.com./", "https://a.com../", "https://./", "https://-a.com/",
        "https://a-.com/", "https://a.-com/", "https://%61.com/",
        "https://example.com%40127.0.0.1/", "https://a%2ecom/", "https://a.com%01.b.com/",
        "https://[a.com]/",
        "https://a.com]/",
        "https://[::1/", "https://::1/", "https://[::1]a/", "https://[]/",
        "https://a_%2e.com/", "https://a,b.com/", "https://a;b.com/", "https://a'b.com/",
        "https://*.com/", "https://{a}.com/", "https://$(id).com/", "https://<a>.com/",
        "https://" + "a" * 64 + ".com/", "https://" + "a." * 127 + "com/", "https://" + "ä" * 70,
        # numbers that are addresses to some
        "https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0X7F.1/",
        "https://127.1/", "https://127.0.1/", "https://0177.0.0.1/", "https://127.0.0.01/",
        "https://127.0.0.0x1/", "https://0/", "https://1.2.3.4.5/", "https://256.1.1.1/",
        "https://1.2.3.4./", "https://93.184.216.34./", "https://a.0x1/", "https://a.1/",
        "https://0x/", "https://127.0.0.1.0x/", "https://4294967296/", "https://[127.0.0.1]/",
        # digits, dots and letters that first have to be mapped
        "https://\uff11\uff12\uff17.0.0.1/", "https://\u2460\u2461\u2466.0.0.1/",
        "https://127\u30020\u30020\u30021/", "https://93.184.216.\uff134/", "https://a\uff0ecom/",
        "https://a\uff61com/", "https://a\u3002com/", "https://\uff45xample.com/",
        "https://\u24d4xample.com/", "https://ex\u0430mple\u2024com/", "https://a\u2100.com/",
        "https://\u0661\u0662\u0667.0.0.1/", "https://a\u2044b.com/", "https://a\uff0fb.com/",
        "https://a\uff20b.com/", "https://a\uff1a80/", "https://de\u0301ja.fr/",
        # literals in unusual spellings
        "https://[::ffff:127.0.0.1]/", "https://[0:0:0:0:0:ffff:127.0.0.1]/", "https://[::0001]/",
        "https://[0:0:0:0:0:0:0:1]/", "https://[::127.0.0.1]/", "https://[64:ff9b::127.0.0.1]/",
        "https://[2606:4700:4700:0:0:0:0:1111]/", "https://[fe80::1%25eth0]/", "https://[::1%lo]/",
        "https://[2606:4700:4700::1111%25lo]/", "https://[v1.fe80::1]/", "https://[::1]]/",
    ],
    "bad_port": [
        "https://example.com:0/", "https://example.com:65536/", "https://example.com:/",
        "https://example.com:-1/", "https://example.com:+443/", "https://example.com:443a/",
        "https://example.com:0443/", "https://a:b:c/",
        "https://example.com:\uff14\uff14\uff13/", "https://example.com:99999999999/",
        *(
            f"https://example.com:{port}/"
            for port in (
                1, 21, 22, 23, 25, 53, 80, 110, 143, 389, 445, 465, 587, 636, 853, 993, 1023, 1433,
                1521, 2049, 2375, 2379, 3306, 3389, 5060, 5432, 5672, 5900, 6000, 6379, 6443, 6667,
                8500, 9042, 9092, 9200, 9464, 10250, 11211, 15672, 27017,
            )
        ),
    ],
    "not_public": [
        # literals, that no resolver is ever asked about
        "https://127.0.0.1/", "https://10.1.2.3/", "https://192.168.1.1/", "https://0.0.0.0/",
        "https://169.254.169.254/latest/meta-data/", "https://100.100.100.200/",
        "https://168.63.129.16/", "https://192.0.0.192/", "https://255.255.255.255/",
        "https://[::1]/", "https://[::]/", "https://[::ffff:7f00:1]/", "https://[::7f00:1]/",
        "https://[::FFFF:7F00:1]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::a00:1]/",
        "https://[fe80::1]/", "https://[fd00:ec2::254]/", "https://[2002:7f00:1::]/",
        "https://[2001::1]/", "https://[fec0::1]/", "https://[ff02::1]/", "https://[2001:db8::1]/",
        # names of what is near by
        "https://localhost/", "https://LOCALHOST/", "https://localhost:8443/",
        "https://a.localhost/",
        "https://localhost.localdomain.local/", "https://printer.local/", "https://db.internal/",
        "https://metadata.google.internal/", "https://router.lan/", "https://nas.home/",
        "https://nas.home.arpa/", "https://intranet/", "https://redis/", "https://com/",
        "https://a.corp/", "https://mail.private/", "https://hidden.onion/", "https://a.test/",
        "https://a.invalid/", "https://1.0.0.127.in-addr.arpa/",
        "https://kubernetes.default.svc.cluster.local/",
    ],
}  # fmt: skip

REFUSED_ADDRESSES = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
    "100.127.255.255", "127.0.0.1", "127.1.2.3", "168.63.129.16", "169.254.0.1",
    "169.254.169.254", "169.254.170.2", "169.254.170.23", "172.16.0.1", "172.31.255.255",
    "192.0.0.1", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1",
    "192.88.99.1", "192.168.0.1", "192.168.255.255", "192.175.48.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::10.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:93.184.216.34",
    "::ffff:0:7f00:1", "64:ff9b::a00:1", "64:ff9b::5db8:d822", "64:ff9b:1::a00:1", "100::1",
    "100:0:0:1::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1",
    "2001:20::1", "2001:db8::1", "2002:a00:1::", "2002:7f00:1::1", "2620:4f:8000::1", "3fff::1",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::a9fe:a9fe", "fec0::1",
    "ff02::1", "ff0e::1", "2001:470::5efe:10.0.0.1", "2001:470::200:5efe:10.0.0.1", "4000::1",
]  # fmt: skip

PUBLIC_ADDRESSES = [
    "1.1.1.1", "9.255.255.255", "11.0.0.0", PUBLIC, "100.63.255.255", "100.128.0.1",
    "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.1", "172.15.255.255",
    "172.32.0.1", "192.0.1.1", "192.167.1.1", "192.169.0.1", "198.17.0.1", "198.20.0.1",
    "223.255.255.255", "2001:200::1", "2001:470::1", "2003::1", "2606:4700:4700::1111",
    "2a00:1450:4001::1", "2620:4f:8001::1",
]  # fmt: skip

# What is typed; the host and port that are dialled; the path that is asked for.
GOOD_URLS = [
    ("https://example.com", "example.com", 443, "/"),
    ("https://EXAMPLE.com/a?b=c", "example.com", 443, "/a?b=c"),
    ("HTTPS://example.com:8443/", "example.com", 8443, "/"),
    ("https://example.com:443/", "example.com", 443, "/"),
    ("https://example.com:1024/", "example.com", 1024, "/"),
    ("https://example.com:65535/", "example.com", 65535, "/"),
    ("https://example.com?a=b", "example.com", 443, "/?a=b"),
    ("https://a.b-c.d_e.example.com/", "a.b-c.d_e.example.com", 443, "/"),
    ("https://1.example.com/", "1.example.com", 443, "/"),
    ("https://127.0.0.1.example.com/", "127.0.0.1.example.com", 443, "/"),
    ("https://0x7f.example.com/", "0x7f.example.com", 443, "/"),
    ("https://localhost.example.com/", "localhost.example.com", 443, "/"),
    ("https://bücher.example/", "xn--bcher-kva.example", 443, "/"),
    ("https://BÜCHER.example/", "xn--bcher-kva.example", 443, "/"),
    ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/"),
    ("https://例え.jp/", "xn--r8jz45g.jp", 443, "/"),
    (f"https://{PUBLIC}/", PUBLIC, 443, "/"),
    ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 443, "/"),
    ("https://[2606:4700:4700::ABCD]:8443/", "2606:4700:4700::abcd", 8443, "/"),
    ("https://example.com/é?ü=1&x=%41", "example.com", 443, "/%C3%A9?%C3%BC=1&x=%41"),
    ("https://example.com/a/../b//c", "example.com", 443, "/a/../b//c"),
    ("https://example.com/?u=http://10.0.0.1/@a", "example.com", 443, "/?u=http://10.0.0.1/@a"),
    ('https://example.com/"<a>`{b}|^', "example.com", 443, "/%22%3Ca%3E%60%7Bb%7D%7C%5E"),
    ("https://" + "a" * 63 + ".com/", "a" * 63 + ".com", 443, "/"),
]
