package date

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readDate returns what text is read as, in the form of RFC 3339; "" for no date.
func readDate(text string) string {
	var d Reader
	seconds, ok := d.Read(text)
	if !ok {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}

// dateTable reads lines of a date and what it is in UTC, - for none.
func dateTable(t *testing.T, table string) {
	t.Helper()
	for line := range strings.Lines(strings.TrimSpace(table)) {
		if line == "\n" {
			continue
		}
		text, want, found := strings.Cut(strings.TrimSpace(line), " => ")
		if !found {
			t.Fatalf("no => in %q", line)
		}
		if want == "-" {
			want = ""
		}
		if got := readDate(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestDatesOfTheFormats: RSS prescribes RFC 822, whose day name, century and
// seconds may be missing, Atom RFC 3339, dc:date W3CDTF.
func TestDatesOfTheFormats(t *testing.T) {
	zones := map[string]string{"GMT": "14:05:00", "UT": "14:05:00", "Z": "14:05:00", "+0000": "14:05:00", "-0230": "16:35:00", "EST": "19:05:00", "PDT": "21:05:00", "A": "15:05:00", "M": "02:05:00", "N": "13:05:00"}
	for _, name := range []string{"", "Sat, "} {
		for _, day := range []string{"7", "07"} {
			for _, year := range []string{"02", "2002"} {
				for _, seconds := range []string{"", ":00"} {
					for zone, clock := range zones {
						text := fmt.Sprintf("%s%s Sep %s 14:05%s %s", name, day, year, seconds, zone)
						date := "2002-09-07T"
						if clock == "02:05:00" {
							date = "2002-09-08T" // M is 12 hours behind
						}
						if got, want := readDate(text), date+clock+"Z"; got != want {
							t.Errorf("%q: got %q, want %q", text, got, want)
						}
					}
				}
			}
		}
	}
	dateTable(t, `
2002-09-07T14:05:09Z => 2002-09-07T14:05:09Z
2002-09-07t14:05:09z => 2002-09-07T14:05:09Z
2002-09-07T14:05:09.25+01:30 => 2002-09-07T12:35:09Z
2002-09-07T14:05:09.123456789012-00:30 => 2002-09-07T14:35:09Z
2002-09-07T14:05-08:00 => 2002-09-07T22:05:00Z
2016-12-31T23:59:60Z => 2017-01-01T00:00:00Z
2002-09-07T24:00:00Z => 2002-09-08T00:00:00Z
2002-09-07 => 2002-09-07T00:00:00Z
2002-09 => 2002-09-01T00:00:00Z
2002 => 2002-01-01T00:00:00Z
31 Dec 99 23:59 -0100 => 2000-01-01T00:59:00Z
1 Jan 69 00:00 GMT => 2069-01-01T00:00:00Z
1 Jan 70 00:00 GMT => 1970-01-01T00:00:00Z
Sat, 7 Sep 2002 14:05 (local time) GMT => 2002-09-07T14:05:00Z`)
}

// TestDatesInTheWild: the spellings of real feeds, by kind.
func TestDatesInTheWild(t *testing.T) {
	dateTable(t, `
So, 21 Apr 2024 08:00:00 +0200 => 2024-04-21T06:00:00Z
690102 => 2069-01-02T00:00:00Z
700102 => 1970-01-02T00:00:00Z
-6902 => 2069-02-01T00:00:00Z
-70-02 => 1970-02-01T00:00:00Z
69002 => 2069-01-02T00:00:00Z
2 Jan 69 => 2069-01-02T00:00:00Z
2 Jan 70 => 1970-01-02T00:00:00Z
Mi., 13. März 2024 08:00 => 2024-03-13T08:00:00Z
lun., 05 févr. 2024 10:00:00 +0100 => 2024-02-05T09:00:00Z
mar. 12 mars 2024 10:00 => 2024-03-12T10:00:00Z
mar, 12 mar 2024 10:00:00 +0000 => 2024-03-12T10:00:00Z
1er août 2024 => 2024-08-01T00:00:00Z
Mar 5, 2024 => 2024-03-05T00:00:00Z
sáb, 07 dic 2024 10:00:00 -0300 => 2024-12-07T13:00:00Z
Ter, 03 Set 2024 10:00:00 -0300 => 2024-09-03T13:00:00Z
5 de marzo de 2024 => 2024-03-05T00:00:00Z
gio, 11 lug 2024 10:00:00 +0200 => 2024-07-11T08:00:00Z
za, 02 mrt 2024 10:00:00 +0100 => 2024-03-02T09:00:00Z
pt., 05 kwi 2024 10:00:00 +0200 => 2024-04-05T08:00:00Z
Čt, 04 dub 2024 10:00:00 +0200 => 2024-04-04T08:00:00Z
Вс, 14 апреля 2024 г. 10:00 => 2024-04-14T10:00:00Z
неділя, 14 квітня 2024 => 2024-04-14T00:00:00Z
Δευ, 15 Ιαν 2024 12:00:00 EET => 2024-01-15T10:00:00Z
Paz, 14 Nis 2024 10:00:00 +0300 => 2024-04-14T07:00:00Z
lør, 06 apr 2024 10:00:00 +0200 => 2024-04-06T08:00:00Z
2024-július-13T9:15+02:00 => 2024-07-13T07:15:00Z
14 أبريل 2024 => 2024-04-14T00:00:00Z
2024年4月5日 => 2024-04-05T00:00:00Z
2024年4月5日(金) 18時30分 => 2024-04-05T18:30:00Z
木, 7 3 2024 10:00 JST => 2024-03-07T01:00:00Z
水, 7 3 2024 10:00 JST => 2024-07-03T01:00:00Z
2024年4月5日星期五 下午3:05 => 2024-04-05T15:05:00Z
2024년 04월 05일 01:31:15 => 2024-04-04T16:31:15Z
2024-04-05 오후 1:23:17 => 2024-04-05T04:23:17Z
pon, 01 lis 2021 10:00:00 +0100 => 2021-11-01T09:00:00Z
12 lis 2020 => -

Sun, 21 Apr 2024 8:05 PM EST => 2024-04-22T01:05:00Z
Sat, Apr 20 2024 12:05:06 AM => 2024-04-20T00:05:06Z
Apr. 20, 2024, 12:05 p.m. => 2024-04-20T12:05:00Z
Apr. 20, 2024, 6:05 a. m. => 2024-04-20T06:05:00Z
4/21/2024 5:06:07 PM => 2024-04-21T17:06:07Z
09/08/2014 4:20 pm PST => 2014-09-09T00:20:00Z
Thu, April 18, 2024 at 01:11 PM EDT => 2024-04-18T17:11:00Z

Mon, 04/29/2024 - 19:19 => 2024-04-29T19:19:00Z
Tue, 02/04/2024 - 19:19 => 2024-04-02T19:19:00Z
Sun, 02/04/2024 - 19:19 => 2024-02-04T19:19:00Z
Friday, April 26, 2024 - 3:09pm => 2024-04-26T15:09:00Z
<time datetime="2024-04-26T12:00:00Z">Fri, 04/26/2024 - 12:00</time> => 2024-04-26T12:00:00Z
<span class="date">Fri, 26 Apr 2024 12:00:00 +0000</span> => 2024-04-26T12:00:00Z
Wed May 10 2017 00:00:00 GMT+0200 (Central European Summer Time) => 2017-05-09T22:00:00Z
1520932969 => 2018-03-13T09:22:49Z
1520932969123 => 2018-03-13T09:22:49Z
1520932969.5 => 2018-03-13T09:22:49Z
20240405 => 2024-04-05T00:00:00Z
20240405T101112Z => 2024-04-05T10:11:12Z
20240405101112 => 2024-04-05T10:11:12Z
240405 => 2024-04-05T00:00:00Z
2024-060 => 2024-02-29T00:00:00Z
2024060 => 2024-02-29T00:00:00Z
-2404 => 2024-04-01T00:00:00Z

Fri, 5 Apr 2024, 15:04 => 2024-04-05T15:04:00Z
FRI,5 APR 2024 15:04:05 => 2024-04-05T15:04:05Z
Fri, 5th Apr 2024 15:04:05 GMT => 2024-04-05T15:04:05Z
Fri, 5 Apr 2024 15.04.05 gmt => 2024-04-05T15:04:05Z
Fri, 5 Apr 2024 15 -0700 => 2024-04-05T22:00:00Z
Fri, 8 Mar 2024 07 +0100 => 2024-03-08T06:00:00Z
mar, 26 03 24 => 2024-03-26T00:00:00Z
2024-003-12T10:00:00Z => 2024-03-12T10:00:00Z
004-02-28 => -
Fri, 5 Apr 2024 15:04:05 00 => 2024-04-05T15:04:05Z
Fri, 5, Apr 2024 15:4 => 2024-04-05T15:04:00Z
Fri, 5 Apr 2024 14h30 => 2024-04-05T14:30:00Z
Thurs, 4 Apr 2024 15:04:05 +0000 => 2024-04-04T15:04:05Z
Friday, 05-Apr-24 15:04:05 GMT => 2024-04-05T15:04:05Z
Fri Apr  5 15:04:05 2024 => 2024-04-05T15:04:05Z
Fri Apr 5 15:04:05 MST 2024 => 2024-04-05T22:04:05Z
05 Friday, Apr 2024 15:04 => 2024-04-05T15:04:00Z
15:04 05.04.2024 +0200 => 2024-04-05T13:04:00Z
05.04.2024 +0200 => 2024-04-04T22:00:00Z
31.05.2017 => 2017-05-31T00:00:00Z
30.10.23 => 2023-10-30T00:00:00Z
10/30/23 21:55:58 => 2023-10-30T21:55:58Z
13/01/2024 => 2024-01-13T00:00:00Z
05/04/2024 10:00 => 2024-04-05T10:00:00Z
24-04-05 => 2024-04-05T00:00:00Z
2024/4/5 10:00:00 => 2024-04-05T10:00:00Z
2024-4-5 => 2024-04-05T00:00:00Z
2024-04-05 at 10:00:00 => 2024-04-05T10:00:00Z
2024-04-05 10:00:00.0 => 2024-04-05T10:00:00Z
2024-04-05 10:00:00,5 +00:00 => 2024-04-05T10:00:00Z
2024-04-05T10:00:00-05:00Z => 2024-04-05T15:00:00Z
2024-04-05T10:00:00Z+00:00 => 2024-04-05T10:00:00Z
2024-04-05T10:00:00+02:00[Europe/Berlin] => 2024-04-05T08:00:00Z
2024-04-05T10:00:00-07:00:00 => 2024-04-05T17:00:00Z
2024-04-05T10:00:00-011:00 => 2024-04-05T21:00:00Z
2024-04-05T10:00:00+005:30 => 2024-04-05T04:30:00Z
2024-04-05T10:00:00+0:30 => 2024-04-05T09:30:00Z
2024-04-05T10:00:00+110:00 => -
2024-04-05T10:00:00:-0700 => 2024-04-05T17:00:00Z
2024-04-05T10:00:00:00 => 2024-04-05T10:00:00Z
2024-04-05 00:00:00.0 10:00:00.0 -0700 => 2024-04-05T17:00:00Z
2024-04-05-05:00 => 2024-04-05T05:00:00Z
Nov. 2020 => 2020-11-01T00:00:00Z
26 Sep 2022 GMT => 2022-09-26T00:00:00Z
5 August, 2019 => 2019-08-05T00:00:00Z
Fri, 5&nbsp;Apr 2024 15:04:05 GMT => 2024-04-05T15:04:05Z`)
}

// TestZones: a zone by name is its offset, or the date is none.
func TestZones(t *testing.T) {
	const date = "Sun, 09 Jun 2024 12:00:00 "
	for zone, want := range map[string]string{
		"GMT": "12:00", "utc": "12:00", "JST": "03:00", "AEST": "02:00", "AEDT": "01:00", "MSK": "09:00", "IST": "06:30", "NPT": "06:15", "NST": "15:30",
		"BST": "11:00", "CEST": "10:00", "MEZ": "11:00", "HST": "22:00", "AKDT": "20:00", "BRT": "15:00",
		"GMT+1": "11:00", "UTC+05:30": "06:30", "GMT -0700": "19:00", "EST-5": "17:00", "+5:30": "06:30", "+530": "06:30", "-7": "19:00", "--0700": "19:00", "−0500": "17:00",
		"+0200 (CEST)": "10:00", "+0200 XYZ": "10:00", "(EST)": "17:00", "-0700 MST": "19:00", "MST -07:00": "19:00", "+0000 +0000": "12:00",
		"Europe/Berlin": "10:00", "America/Los_Angeles": "19:00", "Asia/Kolkata": "06:30", "Etc/GMT+5": "17:00", "PST8PDT": "19:00", "ET": "16:00",
		"XYZ": "", "(XYZ)": "", "Mars/Olympus": "", "EST CET": "", "+2500": "", "+0060": "", "+0100 +0200": "", "AMT": "",
	} {
		if want != "" {
			want = "2024-06-09T" + want + ":00Z"
		}
		if got := readDate(date + zone); got != want {
			t.Errorf("%q: got %q, want %q", date+zone, got, want)
		}
	}
	dateTable(t, `
Thu, 09 Jan 2025 12:00:00 Europe/Berlin => 2025-01-09T11:00:00Z
Thu, 09 Jan 2025 12:00:00 ET => 2025-01-09T17:00:00Z`)
}

// TestNoDates: what says no certain moment is none, rather than another one.
func TestNoDates(t *testing.T) {
	for _, text := range []string{
		"", " ", "now", "yesterday", "invalid", "0", "7", "013", "123456789012345678", "Mon", "May", "12:00", "GMT", "+0200", "2024-", "- -", "Mon, ", "T", ":",
		"0000-00-00 00:00:00", "-0001-11-30T00:00:00+00:00", "2024-02-30", "2023-02-29T00:00:00Z", "31 Apr 2024", "2024-13-01", "32/01/2024", "2024-366x", "12 lis 2020x", "2023366",
		"Mon, 1 Jan 2024 25:00:00 GMT", "Mon, 1 Jan 2024 10:61:00 GMT", "Mon, 1 Jan 2024 10:00:61 GMT", "Mon, 1 Jan 2024 1:2:3:4 GMT", "Mon, 1 Jan 2024 24:00:01 GMT",
		"Mon, 1 Jan 15:04:05 MST", "Mon, 16 zzz 2012 11:47:32 GMT", "16 Dec zz 11:47", "Xyz, 02 Jan 2024 03:04:05 GMT", "1 Jan Feb 2024", "1 2 3 4", "1 Jan 2024 2025",
		"2024-01-28T09:00:00+00:xx", "2024-01-27-01", "2024-xx-27", "Posted 3 days ago", "1 Jan 2024 <", "1 Jan 2024 (", "2024-01-01 10:00 11:00", strings.Repeat("1", 300),
		"--501", "-+5-01", "-+501", "-5-+01", "691301", "-69-13",
	} {
		if got := readDate(text); got != "" {
			t.Errorf("%q: got %s, want no date", text, got)
		}
	}
}

// TestFewPlacesADocument: the time zones of places are looked up so many times and
// no more, whoever makes up names.
func TestFewPlacesADocument(t *testing.T) {
	var d Reader
	for i := range 10 * maxPlaces {
		d.Read(fmt.Sprintf("1 Jan 2024 10:00 Europe/Town%d", i))
		d.Read("1 Jan 2024 10:00 Europe/Paris")
	}
	if len(d.places) > maxPlaces {
		t.Errorf("got %d places looked up, want at most %d", len(d.places), maxPlaces)
	}
}

// TestDateForms: the legal spellings that lie beside the corpus.
func TestDateForms(t *testing.T) {
	f, err := os.Open(filepath.Join(os.Getenv("FEEDMILL_CORPUS"), "../cases/reader/rfc822/forms.txt"))
	if err != nil {
		t.Skip("no cases beside FEEDMILL_CORPUS")
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text := strings.TrimSpace(lines.Text())
		want := "2024-01-01T09:05:00Z"
		if strings.Contains(text, "15 Jan") {
			want = "2024-01-15T09:05:00Z"
		}
		switch text[strings.LastIndexByte(text, ' ')+1:] {
		case "EST":
			want = "2024-01-01T14:05:00Z"
		case "A":
			want = "2024-01-01T10:05:00Z"
		}
		if got := readDate(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// FuzzDates promises that no text makes the reading of dates fail, that what the two
// common forms are read as is what they are to the general way, and that a date
// in any form of package time is read as what it was.
func FuzzDates(f *testing.F) {
	for i, text := range []string{"2020-01-02T03:04:05Z", "Thu, 2 Jan 2020 03:04:05 EST", "2020年1月2日 03:04 下午", "<time datetime='", "1 Jan 24 10:00 Europe/Paris", "a1 -+(]"} {
		f.Add(text, int64(i)*123456789)
	}
	layouts := []string{time.ANSIC, time.UnixDate, time.RubyDate, time.RFC822, time.RFC822Z, time.RFC850, time.RFC1123, time.RFC1123Z, time.RFC3339, time.RFC3339Nano, time.DateTime, "Jan 2, 2006, 3:04:05 PM"}
	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		var d Reader
		d.Read(text)
		if want, ok := Common(text); ok {
			l := looseDate{text: text, places: &d}
			if got, ok := l.read(); !ok || got != want {
				t.Errorf("%q: the general way got %d, %v, want %d", text, got, ok, want)
			}
		}
		at := time.Unix(946684800+((seconds%1e9)+1e9)%1e9, 0).UTC() // 2000 to 2031
		for _, layout := range layouts {
			want := at
			if !strings.Contains(layout, "05") {
				want = at.Truncate(time.Minute)
			}
			if got, ok := d.Read(at.Format(layout)); !ok || got != want.Unix() {
				t.Errorf("%q: got %d, %v, want %d", at.Format(layout), got, ok, want.Unix())
			}
		}
	})
}

func BenchmarkDates(b *testing.B) {
	for _, text := range []string{"Sat, 07 Sep 2002 14:05:09 GMT", "2002-09-07T14:05:09+02:00", "Sat, 7 Sep 02 14:05 GMT", "sáb, 07 sep 2002 14:05:09 +0200", "7 Sep 2002 14:05 Europe/Paris", "no date at all"} {
		b.Run(strings.ReplaceAll(text, "/", "."), func(b *testing.B) {
			b.ReportAllocs()
			var d Reader
			for b.Loop() {
				d.Read(text)
			}
		})
	}
}

func TestAbsurdDatesAreNoDates(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		year int
		want bool
	}{{0, false}, {1, false}, {999, false}, {1000, true}, {1969, true}, {2026, true}, {2036, true}, {2037, false}, {9999, false}} {
		date := time.Date(c.year, 2, 3, 4, 5, 6, 0, time.UTC)
		if got := Sensible(date.Unix(), now); (got != 0) != c.want || c.want && got != date.Unix() {
			t.Errorf("year %d: got %d, want a date: %v", c.year, got, c.want)
		}
	}
}
