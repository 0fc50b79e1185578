package charset

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

// TestLabels: the spellings of real feeds name what they mean, and what nobody
// knows names nothing.
func TestLabels(t *testing.T) {
	for want, labels := range map[string]string{
		"windows-1252": "latin1 latin-1 ISO-8859-1 iso_8859-1 iso8859-1 8859_1 ISO-8859-1:1987 us-ascii cp1252 cp-1252 win1252 windows1252 ms1252",
		"windows-1251": "windows-1251 windows1251 win-1251 win1251 cp1251 cp-1251 CP_1251",
		"windows-1250": "windows1250 cp1250",
		"windows-874":  "tis-620 tis620 cp874 iso-8859-11",
		"iso-8859-2":   "latin2 latin-2 iso8859-2 iso88592 cp28592",
		"iso-8859-15":  "latin9 latin-9 iso8859-15",
		"shift_jis":    "cp932 MS932 windows-932 x-sjis sjis shift-jis",
		"euc-jp":       "euc_jp eucJP ujis x-euc-jp",
		"gbk":          "cp936 gb2312 gb_2312 x-gbk euc-cn",
		"gb18030":      "gb18030 cp54936 gb18030-2000",
		"euc-kr":       "cp949 euckr uhc ks_c_5601-1987",
		"big5":         "cp950 big5-hkscs big-5",
		"koi8-r":       "koi8r koi8_r koi",
		"koi8-u":       "koi8u",
		"macintosh":    "macintosh mac-roman x-mac-roman cp10000",
		"ibm866":       "cp866 ibm866 866 dos-866",
		"ibm850":       "ibm850",
		"ibm437":       "cp437",
		"utf-8":        "utf-8 utf8",
		"":             "none unicode ansi x-bogus utf-16 ucs-2 utf-32 johab utf-8; - 0 8859 932 10000",
	} {
		for label := range strings.FieldsSeq(labels) {
			enc, got := encodingOf(strings.ToLower(label))
			same := got == want || got != "" && want != "" && enc == mustEncoding(want)
			if !same || (enc == nil) != (want == "") {
				t.Errorf("%q: got %q (%v), want %q", label, got, enc, want)
			}
		}
	}
}

func mustEncoding(label string) any {
	enc, _ := lookUpEncoding(label)
	return enc
}

// TestUndeclaredEncodings: what a document without a declaration is in is told by
// its bytes, for whole feeds and for feeds with one short title.
func TestUndeclaredEncodings(t *testing.T) {
	for label, texts := range map[string][]string{
		"windows-1252": {
			"Concerto à Évreux", "Déjà vu", "é", "JOSÉ MARÍA", "Ícaro caiu à noite", "Il caffè è pronto, perché no", "„Straße“ und Übung", "Smörgåsbord på Öland", "2 × 3",
			"it\u2019s done", "\u201cquoted\u201d \u2013 so", "Þetta er íslenska", "Øre på gaden", "Œuvres", "Renée Müller, José Ibañez et Søren à Ålesund, naïve façade", "50 \u20ac", "¿Qué tal, niño?",
		},
		"windows-1251": {"Правда о кошках: Юля смотрит вниз", "Вечером ожидается гроза", "Кошка сидит на крыше", "Вечірній потяг запізнився на годину", "Влакът закъсня с един час"},
		"koi8-r":       {"Вечером ожидается гроза", "Кошка сидит на крыше и смотрит вниз"},
		"ibm866":       {"Вечером ожидается гроза, берите зонты"},
		"shift_jis":    {"猫が屋根の上で寝ています", "夕方から雨になります", "新製品のお知らせ", "プログラミング言語の入門"},
		"euc-jp":       {"猫が屋根の上で寝ています", "夕方から雨になります", "新製品のお知らせ", "プログラミング言語の入門"},
		"gbk":          {"小猫在屋顶上睡觉，看着下面的街道", "傍晚有雷阵雨，请带好雨伞"},
		"big5":         {"小貓在屋頂上睡覺，看著下面的街道", "傍晚有雷陣雨，請帶好雨傘", "最新消息", "我的部落格", "今天天氣很好。我們每天都會看貓。"},
		"euc-kr":       {"고양이가 지붕 위에서 자고 있습니다", "저녁에는 비가 오겠습니다"},
		"windows-874":  {"แมวนอนอยู่บนหลังคาบ้านทุกวัน"},
		"windows-1255": {"החתול ישן על הגג כל היום ומביט למטה"},
		"iso-8859-7":   {"Η γάτα κοιμάται στη στέγη όλη μέρα"},
	} {
		enc, err := htmlindex.Get(label)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range append(texts, strings.Join(texts, "</title></item><item><title>")) {
			want := "<rss><channel><title>Pond notes</title><item><title>" + text + "</title></item></channel></rss>"
			body, err := enc.NewEncoder().Bytes([]byte(want))
			if err != nil {
				t.Fatal(err)
			}
			for _, declared := range []string{"", "x-bogus", "utf-16"} {
				body := body
				if declared != "" {
					body = append([]byte("<?xml encoding='"+declared+"'?>"), body...)
				}
				got, _, failure := ToUTF8(body, "text/xml")
				if failure != nil || !strings.HasSuffix(string(got), want) {
					t.Errorf("%s, declared %q: got %q (%v), want %q", label, declared, got, failure, want)
				}
			}
		}
	}
}

// TestUndeclaredAlphabets: feeds of a few titles in the languages that their letters
// tell, and in western ones that share some of these.
func TestUndeclaredAlphabets(t *testing.T) {
	for _, c := range []struct{ labels, titles string }{
		{"windows-1250 iso-8859-2", "Kot śpi na dachu/Wieczorem wiatr od gór i śnieg/Żółw patrzy w dół"},
		{"windows-1250 iso-8859-2", "Kočka spí na střeše/Večer přijde bouřka/Dům u řeky"},
		{"windows-1250 iso-8859-2", "Mačka spí na streche/Ľudia hovoria o snehu/Večer bude pršať"},
		{"windows-1250 iso-8859-2", "A macska a tetőn alszik/Este szél várható/Gyűrűzik a víz"},
		{"windows-1250 iso-8859-2", "Mačka spava na krovu/Večeras će grmjeti/Šuma čeka kišu"},
		{"windows-1254", "Kedi çatıda uyuyor/Akşam yağmur bekleniyor/Şemsiyenizi alın"},
		{"windows-1257", "Katė miega ant stogo/Vakare žadamas lietus/Šuo žiūri į gatvę"},
		{"windows-1257", "Kaķis guļ uz jumta/Vakarā gaidāms lietus/Suns skatās uz ielu"},
		{"windows-1256", "القطة تنام على السطح/أمطار مساء اليوم"},
		{"windows-1256", "گربه روي بام خوابيده است/امشب باران"},
		{"windows-1252", "Le chat dort sur le toit/L’été à Évreux, où il fait bon/Ça va : « naïve »"},
		{"windows-1252", "Die Katze schläft überall/Größere Stürme am Abend/Straßen für Füße"},
		{"windows-1252", "Kötturinn sefur á þakinu/Rigning í kvöld, það er ljóst/Þau gæða sér á fiski"},
		{"windows-1252", "Katten sover på taget/Det blæser på øen i aften/Ål og rødspætter"},
		{"windows-1252", "O gato dorme no chão/Previsão: trovoada à noite/Ações e corações"},
	} {
		for label := range strings.FieldsSeq(c.labels) {
			enc, err := htmlindex.Get(label)
			if err != nil {
				t.Fatal(err)
			}
			want := "<rss><channel><title>Pond notes</title><item><title>" + strings.ReplaceAll(c.titles, "/", "</title></item><item><title>") + "</title></item></channel></rss>"
			body, err := encoding.ReplaceUnsupported(enc.NewEncoder()).Bytes([]byte(want))
			if err != nil || strings.Contains(string(body), "\x1a") {
				t.Fatalf("%s has no %q: %v", label, c.titles, err)
			}
			if got, _, failure := ToUTF8(body, "text/xml"); failure != nil || string(got) != want {
				t.Errorf("%s: got %q (%v), want %q", label, got, failure, want)
			}
		}
	}
}

// TestDamagedUTF8StaysUTF8: some bytes that are wrong make no other encoding of it.
func TestDamagedUTF8StaysUTF8(t *testing.T) {
	for in, want := range map[string]string{
		"<rss>café \xe9 – sò</rss>":                              "<rss>café \uFFFD – sò</rss>",
		"<rss>déjà vu, Fran\xc3":                                 "<rss>déjà vu, Fran\uFFFD",
		"\n\x00<rss>é</rss>":                                     "\n<rss>é</rss>", // no UTF-16
		"<\x00rss>é</rss>":                                       "<rss>é</rss>",
		"\x00<rss>é</rss>":                                       "<rss>é</rss>",
		"\x00<\x00\x00rss>é</rss>":                               "<rss>é</rss>",
		"<rss>\xc3":                                              "<rss>\uFFFD",
		"<?xml encoding='utf-8'?><rss>a\xffb</rss>":              "<?xml encoding='utf-8'?><rss>a\uFFFDb</rss>",
		"<?xml encoding='utf-8'?><rss>caf\xe9 pr\xe9t</rss>":     "<?xml encoding='utf-8'?><rss>café prét</rss>", // declared, but none of it is
		"<?xml encoding='koi8-r'?><rss>déjà vu</rss>":            "<?xml encoding='koi8-r'?><rss>déjà vu</rss>",
		"<?xml encoding='iso-8859-1'?><rss>\x93so\x94</rss>":     "<?xml encoding='iso-8859-1'?><rss>“so”</rss>",
		"{\"version\":\"https://jsonfeed.org/\",\"t\":\"\xe9\"}": "{\"version\":\"https://jsonfeed.org/\",\"t\":\"é\"}",
	} {
		got, sanitized, err := ToUTF8([]byte(in), "")
		if err != nil || string(got) != want || sanitized != (strings.Contains(want, "\uFFFD") || strings.Contains(in, "\x00")) {
			t.Errorf("%q: got %q, sanitized %v, %v; want %q", in, got, sanitized, err, want)
		}
	}
}

// TestWhatXMLForbidsIsSeenWhereverItStands: characters are looked at eight at a time.
func TestWhatXMLForbidsIsSeenWhereverItStands(t *testing.T) {
	for size := range 20 {
		for at := range size {
			for c := range 0x20 {
				for _, around := range []string{"a", "\n", "\u00e9"} {
					text := []byte(strings.Repeat(around, size))
					text[at*len(around)] = byte(c)
					if len(around) > 1 {
						text[at*len(around)+1] = 'b'
					}
					if got, want := isAllowed(text), c == '\n' || c == '\t' || c == '\r'; got != want {
						t.Fatalf("%q: got %v, want %v", text, got, want)
					}
				}
			}
		}
	}
}
