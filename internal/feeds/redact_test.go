package feeds

import "testing"

func TestRedactURL(t *testing.T) {
	for raw, want := range map[string]string{
		"http://example.org/":                      "http://example.org/",
		"https://example.org/@name/feed":           "https://example.org/@name/feed",
		"http://user@example.org/":                 "http://xxxxx@example.org/",
		"http://u:secret@h/p?q#f":                  "http://xxxxx@h/p?q#f",
		"http://u:se@cr:et@h:8/":                   "http://xxxxx@h:8/",
		"http://u:%zz@h/":                          "http://xxxxx@h/",
		"not a url":                                "not a url",
		"postgres://u:p@h/d?a=b&password=s&x=y":    "postgres://xxxxx@h/d?a=b&password=xxxxx&x=y",
		"postgresql:///d?sslpassword=s":            "postgresql:///d?sslpassword=xxxxx",
		"http://example.org/?next=http://u:p@x/@y": "http://example.org/?next=http://xxxxx@x/@y",
		"//user:pw@host/":                          "//xxxxx@host/",
		"http:user:pw@host":                        "http:xxxxx@host",
		"http:///user:pw@host":                     "http:///xxxxx@host",
		"http://user:p/w@host/":                    "http://xxxxx@host/",
		"http://user:80/w@host/":                   "http://xxxxx@host/",
		"http://user:p#w@host/":                    "http://xxxxx@host/",
		"http://user:p?w@host/":                    "http://xxxxx@host/",
		"  HTTP://user:p w@host/":                  "xxxxx@host/",
		"user:pw@host":                             "user:xxxxx@host",
		"http://user:pw＠host/":                     "http://xxxxx＠host/",
		"https://example.org/＠name/feed":           "https://example.org/＠name/feed",
		"http://user:pw%40host.example/":           "http://xxxxx%40host.example/",
		"http://user:pw&#64;host.example/":         "http://xxxxx&#64;host.example/",
		"https://example.org/%40name/&commat;x":    "https://example.org/%40name/&commat;x",
		"http://nas/%40name":                       "http://nas/%40name",
		"http://user:secret":                       "http://user:xxxxx",
		"a//b:c":                                   "a//b:c",
		"//user:secret/x":                          "//user:xxxxx/x",
		"http://example.org:99999/x":               "http://example.org:99999/x",
		"password=s ://h":                          "password=xxxxx ://h",
		"host=h password=s user=u":                 "host=h password=xxxxx user=u",
		"http://example.org/?password=s":           "http://example.org/?password=s",
		"ftp://user:pw@host/":                      "ftp://xxxxx@host/",
		"socks5://user:pw@host:1080":               "socks5://xxxxx@host:1080",
	} {
		if got := RedactURL(raw); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

func TestTextIsShownWithoutPasswords(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"nothing to hide @ all":    "nothing to hide @ all",
		"https://medium.com/@user": "https://medium.com/@user",
		`--timeout "https://u:p@h.example/": want a duration`: `--timeout "https://xxxxx@h.example/": want a duration`,
		"no store at postgres://u:p@h:5432/db, //t@h/x":       "no store at postgres://xxxxx@h:5432/db, //xxxxx@h/x",
		"postgres://h/db?user=u&password=p&sslmode=no":        "postgres://h/db?user=u&password=xxxxx&sslmode=no",
		"host=h password = 'two words' user=u":                "host=h password = xxxxx user=u",
		`no store at http:\\u:p@h\x, \\u:p@h, http:/\u:p@h`:   `no store at http:\\xxxxx@h\x, \\xxxxx@h, http:/\xxxxx@h`,
		"open http:u:p@h: no such file, Feed://u:p/w?@h":      "open http:xxxxx@h: no such file, Feed://xxxxx@h",
		"as https://example.org/a or mailto:me@example.org":   "as https://example.org/a or mailto:me@example.org",
		"open http://u:p%40h/x: no such file":                 "open http://xxxxx@h/x: no such file",
		"PGPASSWORD is not set":                               "PGPASSWORD is not set",
	} {
		if got := RedactText(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
